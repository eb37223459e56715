"""A panel of judges: each is asked the same pairs, then all are held against each other and against people."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

from profiler import verdicts
from profiler.client import Client, connect
from profiler.errors import WrongUse
from profiler.judge import ballot
from profiler.judge.ask import TOKENS, judgements
from profiler.judge.descent import Descent
from profiler.judge.jury import jury
from profiler.judge.prompt import Template, template
from profiler.run import Progress
from profiler.stats import RESAMPLES
from profiler.types import Endpoint, Judgement, Jury, Pair


async def judged(
    client: Client, name: str, pairs: Sequence[Pair], shown: Template, ties: bool = False, tokens: int = TOKENS
) -> AsyncIterator[Progress | list[Judgement]]:
    """Ask one judge every pair; yields progress, and at the end its judgements in the order of the pairs."""
    places = {pair.id: place for place, pair in enumerate(pairs)}
    made: list[Judgement] = []
    progress, clock = Progress(f"judge {name}", len(pairs)), time.monotonic()
    async for judgement, answer in judgements(client, name, pairs, shown, ties, tokens):
        made.append(judgement)
        progress.add(answer, next((r.error for r in judgement.rulings if r.error), None))
        progress.seconds = time.monotonic() - clock
        yield progress
    yield sorted(made, key=lambda one: places[one.pair.id])


async def preferences(
    judges: Mapping[str, Endpoint],
    students: Sequence[Descent],
    pairs: Sequence[Pair],
    out: Path,
    prompt: str = "labels",
    resamples: int = RESAMPLES,
) -> AsyncIterator[Progress | Jury]:
    """What STUDENTS' tastes took from their teachers: yields progress, and at the end the jury that tells.

    JUDGES are all that students, what they were and teachers are called; each leaves a verdict file under OUT, and
    answers that were received are in the cache there, so that a stopped call pays for nothing twice. The paper's figure
    3 is `descent.descent_chart` of the jury, its table `descent.descent_table`.
    """
    if missing := {name for line in students for name in line} - {*judges}:
        raise WrongUse(f"no judge is called {', '.join(map(repr, sorted(missing)))}; there are {', '.join(judges)}")
    shown = template(prompt)
    paths = [path_of(out, name) for name in judges]
    if len({*paths}) < len(paths):
        raise WrongUse(f"two judges would share a file: {', '.join(judges)}; give them names that differ in letters")
    for path, (name, endpoint) in zip(paths, judges.items(), strict=True):
        async with connect(endpoint, out / "cache.sqlite") as client:
            async for step in judged(client, name, pairs, shown):
                if isinstance(step, Progress):
                    yield step
                else:
                    verdicts.save(step, path)
    yield jury(ballot.read(paths), resamples=resamples, students=students)


def path_of(out: Path, name: str) -> Path:
    """The verdict file of a judge."""
    return out / f"{plain(name)}.jsonl"


def plain(name: str) -> str:
    """A name as part of a file's."""
    return "".join(char if char.isalnum() or char in "-_." else "_" for char in name).strip("_.")
