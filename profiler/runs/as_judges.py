"""A panel of judges: each is asked the same pairs, then all are compared with each other and with people."""

import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import cast

from profiler import judging
from profiler.endpoints import Client, connect
from profiler.errors import WrongUse
from profiler.judging import Judgement, Jury, Pair, PairLabels, Ruling, StudentJudge
from profiler.probes import Preferences
from profiler.records import Endpoint, Sample
from profiler.runs.run import Progress
from profiler.runs.sample_store import Run
from profiler.stats import RESAMPLES

WON: Mapping[float, judging.Winner] = {1.0: "a", 0.0: "b", 0.5: "tie"}


async def judged(
    client: Client,
    name: str,
    pairs: Sequence[Pair],
    shown: judging.Template,
    ties: bool = False,
    tokens: int = judging.TOKENS,
) -> AsyncIterator[Progress | list[Judgement]]:
    """Ask one judge every pair; yields progress, and at the end its judgements in the order of the pairs."""
    places = {pair.id: place for place, pair in enumerate(pairs)}
    made: list[Judgement] = []
    progress, clock = Progress(f"judge {name}", len(pairs)), time.monotonic()
    async for judgement, answer in judging.ask_judge(client, name, pairs, shown, ties, tokens):
        made.append(judgement)
        progress.add(answer, next((r.error for r in judgement.rulings if r.error), None))
        progress.seconds = time.monotonic() - clock
        yield progress
    yield sorted(made, key=lambda one: places[one.pair.id])


async def preferences(
    judges: Mapping[str, Endpoint],
    students: Sequence[StudentJudge],
    pairs: Sequence[Pair],
    out: Path,
    prompt: str = "labels",
    resamples: int = RESAMPLES,
) -> AsyncIterator[Progress | Jury]:
    """What STUDENTS prefer as judges since they were taught: yields progress, and at the end the jury that tells.

    JUDGES are all that students, what they were and teachers are called; each leaves a verdict file under OUT, and
    answers that were received are in the cache there, so that a stopped call pays for nothing twice. The paper's figure
    3 is `charts.before_after_chart` of the jury, its table `judging.preference_table`.
    """
    if missing := {name for line in students for name in line} - {*judges}:
        raise WrongUse(f"no judge is called {', '.join(map(repr, sorted(missing)))}; there are {', '.join(judges)}")
    shown = judging.load_template(prompt)
    paths = [out / f"{plain(name)}.jsonl" for name in judges]
    if len({*paths}) < len(paths):
        raise WrongUse(f"two judges would share a file: {', '.join(judges)}; give them names that differ in letters")
    for path, (name, endpoint) in zip(paths, judges.items(), strict=True):
        async with connect(endpoint, out / "cache.sqlite") as client:
            async for step in judged(client, name, pairs, shown):
                if isinstance(step, Progress):
                    yield step
                else:
                    judging.save_judgements(step, path)
    yield judging.compare_raters(judging.read_labels(paths), resamples=resamples, students=students)


def labels(paths: Sequence[Path], form: judging.FileForm, second: judging.Second = "auto") -> PairLabels:
    """The labels of verdict files, and of runs that asked the probe `preferences`.

    A run knows what most humans said; where the files say it of each of them, theirs counts.
    """
    runs = [Run(path) for path in paths if (path / "profile.json").is_file()]
    files = [path for path in paths if path not in {run.folder for run in runs}]
    found = judging.read_labels(files, form, second) if files else PairLabels()
    names = [*found.raters, *(run.profile.name for run in runs)]
    if twice := [name for name in names if names.count(name) > 1]:
        raise WrongUse(f"two judges are called {twice[0]!r}; profile one of them with another --name")
    return of_runs({run.profile.name: run for run in runs}, found)


def of_runs(runs: Mapping[str, Run], beside: PairLabels | None = None) -> PairLabels:
    """What the models of RUNS prefer, under the names they are given, BESIDE what files say."""
    found = beside or PairLabels()
    known = any(rater.human for rater in found.raters.values())
    for name, run in runs.items():
        for said in rulings(name, run):
            found.take(said.model_copy(update={"pair": said.pair.model_copy(update={"humans": {}})}) if known else said)
    return found


def rulings(name: str, run: Run) -> Iterator[Judgement]:
    """What a profiled model said of each pair; the texts of the pairs are not in the run."""
    by_pair: dict[str, dict[judging.Order, Sample]] = {}
    for sample in run.samples(Preferences.name):
        pair, _, order = sample.item.rpartition("/")
        by_pair.setdefault(pair, {})[cast(judging.Order, order)] = sample
    prompt = next((s.template for s in run.profile.sections if s.probe == Preferences.name), "")
    for id, samples in by_pair.items():
        one = next(iter(samples.values()))
        gold = next((s.scores["gold"] for s in samples.values() if s.scores.get("gold") is not None), None)
        humans: dict[str, judging.Winner] = {} if gold is None else {"majority": judging.NAMES[int(gold)]}
        yield Judgement(
            pair=Pair(id=id, humans=humans, group=one.group, cluster=one.cluster),
            judge=name,
            how=one.how,
            template=prompt,
            rulings=tuple(_ruling(order, sample) for order, sample in samples.items()),
        )


def _ruling(order: judging.Order, sample: Sample) -> Ruling:
    if sample.error:
        return Ruling(order=order, error=sample.error)
    won, share = sample.scores["wins_a"], sample.scores["share_a"]
    return Ruling(
        order=order, winner=None if won is None else WON[won], shares=() if share is None else (share, 1 - share)
    )


def plain(name: str) -> str:
    """A name as part of a file's."""
    return "".join(char if char.isalnum() or char in "-_." else "_" for char in name).strip("_.")
