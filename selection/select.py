"""From a scored pool to data sets: the chosen answers, and the controls that show what choosing alone does."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import orjson

from profiler.errors import BadData, UnknownName, WrongUse
from profiler.files import write_whole
from profiler.runs.run import versions as installed
from profiler.stats import FloatArray, IntArray
from selection import choose, duplicate, gate
from selection.block import Block, load
from selection.dataset import Form, Writer, llama_factory, texts
from selection.objective import metrics
from selection.pool import Pool, Segment
from selection.record import Candidate, Example, Objective, Selection
from selection.slate import BoolArray, HashArray, Slate
from selection.tally import CHOSEN, ENOUGH, RANDOM, Tally

if TYPE_CHECKING:
    import pyarrow as pa

FIRST, EQUAL = "first", "equal"
ARMS = {
    CHOSEN: "the best by the objective",
    FIRST: "control: the first answer",
    RANDOM: "control: one of the same candidates at random",
    EQUAL: "the best of only as many candidates as one source gave, shared among all sources",
}
REASONS = {
    "gates": "no candidate passed the gates",
    "undefined": "no candidate has the scores that the objective asks for",
    "requirements": "no candidate meets the requirements",
    "arms": "an arm has no answer",
}
"""Why a prompt is left out of every arm."""
EXAMPLES = 5
LONG = 1200
"""Characters of an example's text that are shown."""


@dataclass(frozen=True)
class Plan:
    """What to choose, and how to write it."""

    objective: Objective
    seed: int = 0
    top: int = 1
    """Answers kept a prompt."""
    k: int | None = None
    """Look only at the first k candidates of each prompt."""
    sources: tuple[str, ...] = ()
    """Only these sources; all if empty."""
    gates: tuple[str, ...] = tuple(gate.GATES)
    form: Form = "chat"
    parquet: bool = False


def select(pool: Pool, plan: Plan, names: Sequence[str], out: Path) -> Selection:
    """Choose from a POOL whose candidates have the scores NAMES; leave a data set for each arm in OUT.

    Every arm has the same prompts and the same number of answers to each.
    """
    check(pool, plan)
    names = list(dict.fromkeys([*metrics(plan.objective), *names]))
    survey = _survey(pool, plan, names)
    several = len(plan.sources or pool.about.sources) > 1
    arms = [arm for arm in ARMS if arm != EQUAL or (several and survey.most > 1)]
    files = {arm: f"{arm}.{'parquet' if plan.parquet else 'jsonl'}" for arm in arms}
    tally = Tally(plan.objective, names, min(1.0, ENOUGH / max(survey.prompts, 1)), plan.seed)
    left = dict.fromkeys(REASONS, 0)
    examples: list[Example] = []
    with ExitStack() as stack:
        writers = {arm: stack.enter_context(Writer(out / file, plan.form, names)) for arm, file in files.items()}
        for segments, block, passed in _blocks(pool, plan, names, survey.repeats):
            slate = narrowed(block.slate(passed, plan.seed), plan)
            places = chosen(slate, plan, survey.deviations, arms)
            kept = np.logical_and.reduce([found[:, 0] >= 0 for found in places.values()])
            for why, count in _left_out(slate, plan.objective, kept).items():
                left[why] += count
            tally.add(slate, places, kept, survey.deviations)
            table = texts(pool, segments)
            for arm, writer in writers.items():
                _write(writer, table, slate, places[arm][kept], kept, names)
            if len(examples) < EXAMPLES:
                examples += _examples(table, slate, plan.objective, survey.deviations, kept)
    found = Selection(
        pool=pool.place.name,
        objective=plan.objective,
        seed=plan.seed,
        top=plan.top,
        k=plan.k,
        sources=plan.sources or pool.about.sources,
        prompts=survey.prompts,
        candidates=survey.candidates,
        kept=survey.prompts - sum(left.values()),
        left_out={REASONS[why]: count for why, count in left.items() if count},
        gates=survey.stopped,
        undefined=survey.undefined,
        shares=tally.shares(),
        headroom=tally.headroom(),
        curve=tally.curve(),
        shifts=tally.shifts(survey.versions, metrics(plan.objective)),
        sampled=tally.prompts,
        files=files,
        form=plan.form,
        examples=tuple(examples[:EXAMPLES]),
        versions=installed(),
    )
    if not found.kept:
        raise BadData(f"nothing is left to choose from: {_reasons(found)}; `--open-gate` opens a gate")
    write_whole(out / "dataset_info.json", llama_factory(files, plan.form))
    write_whole(out / "selection.json", found.model_dump_json(indent=1).encode() + b"\n")
    return found


def read(out: Path) -> Selection:
    """What was chosen into a folder."""
    try:
        return Selection.model_validate(orjson.loads((out / "selection.json").read_bytes()))
    except FileNotFoundError:
        raise BadData(f"expected a selection at {str(out)!r}, found none; `inherit select` makes one") from None


def narrowed(slate: Slate, plan: Plan) -> Slate:
    """The candidates that a plan looks at."""
    slate = slate.only(plan.sources) if plan.sources else slate
    return slate.first(plan.k) if plan.k else slate


def chosen(slate: Slate, plan: Plan, deviations: Mapping[str, float], arms: Collection[str]) -> dict[str, IntArray]:
    """The places that each arm takes: no control has more answers to a prompt than were chosen."""
    best = choose.choose(slate, plan.objective, deviations, plan.top)
    found = {CHOSEN: best, FIRST: choose.first(slate, plan.top), RANDOM: choose.random(slate, plan.top)}
    if EQUAL in arms:
        fair = slate.first(
            max(int((slate.source == place).sum(1).max(initial=0)) for place in range(len(slate.sources)))
        )
        few = choose.choose(fair, plan.objective, deviations, plan.top)
        found[EQUAL] = np.pad(few, ((0, 0), (0, best.shape[1] - few.shape[1])), constant_values=-1)
    some = np.min([(places >= 0).sum(1) for places in found.values()], axis=0)
    return {arm: np.where(np.arange(places.shape[1]) < some[:, None], places, -1) for arm, places in found.items()}


def check(pool: Pool, plan: Plan) -> None:
    """Refuse a plan that the pool can't serve, before anything is scored."""
    for name in plan.sources:
        if name not in pool.about.sources:
            raise UnknownName("source in this pool", name, pool.about.sources, f"{pool.place.name}/pool.json")
    if plan.top < 1 or (plan.k is not None and plan.k < plan.top):
        raise WrongUse(f"can't keep {plan.top} of {plan.k} candidates: expected at least 1, and no more than there are")


@dataclass
class Survey:
    """What is to be known of the whole pool before anything is chosen."""

    prompts: int
    candidates: int
    most: int
    """Candidates that one source has for a prompt at the most."""
    deviations: Mapping[str, float]
    stopped: dict[str, int]
    undefined: dict[str, int]
    repeats: Mapping[Segment, BoolArray]
    """The candidates of each block, under its first segment, that an earlier prompt has nearly the same."""
    versions: Mapping[str, str]


def _survey(pool: Pool, plan: Plan, names: Sequence[str]) -> Survey:
    spread, prompts, candidates, most = choose.Spread(), 0, 0, 0
    stopped, undefined = dict.fromkeys(plan.gates, 0), dict.fromkeys(names, 0)
    repeats = _repeats(pool) if "duplicate" in plan.gates else {}
    versions: dict[str, str] = {}
    goals = dict.fromkeys(goal.metric for goal in plan.objective.goals)
    for segments, block, passed in _blocks(pool, plan, names, repeats):
        prompts, candidates = prompts + len(block.prompts), candidates + len(block.prompt)
        most = max(most, int(block.index.max(initial=-1)) + 1)
        spread.add(narrowed(block.slate(passed, plan.seed, goals), plan), goals)
        counts = gate.stopped(block.stopped)
        counts["duplicate"] = int(repeats[segments[0]].sum()) if repeats else 0
        for name in stopped:
            stopped[name] += counts[name]
        for name in names:
            undefined[name] += int(np.isnan(block.scores[name]).sum())
        versions = versions or pool.versions(segments[0])
    if not candidates:
        raise BadData(f"{pool.place.name!r} holds no candidates")
    undefined = {name: count for name, count in undefined.items() if count}
    return Survey(prompts, candidates, most, spread.deviations(), stopped, undefined, repeats, versions)


def _blocks(
    pool: Pool, plan: Plan, names: Sequence[str], repeats: Mapping[Segment, BoolArray]
) -> Iterator[tuple[list[Segment], Block, BoolArray]]:
    """Each block, and which of its candidates passed the gates."""
    for segments in pool.blocks():
        block = load(pool, segments, names)
        passed = block.passed(plan.gates)
        if segments[0] in repeats:
            passed &= ~repeats[segments[0]]
        yield segments, block, passed


def _repeats(pool: Pool) -> dict[Segment, BoolArray]:
    """The near-duplicates of all blocks; in several passes where the pool is too large for one."""
    sizes = {segments[0]: sum(pool.size(segment) for segment in segments) for segments in pool.blocks()}
    whole = np.zeros(sum(sizes.values()), np.bool_)
    turns = duplicate.passes(len(whole))
    for turn in range(turns):
        whole[duplicate.repeated(_bands(pool), turns, turn)] = True
    ends = np.cumsum(list(sizes.values()))
    return dict(zip(sizes, np.split(whole, ends[:-1]), strict=True))


def _bands(pool: Pool) -> Iterator[tuple[IntArray, HashArray]]:
    """Each block's bands, with prompts counted over all blocks."""
    prompts = 0
    for segments in pool.blocks():
        block = load(pool, segments, ())
        yield block.prompt + prompts, block.bands
        prompts += len(block.prompts)


def _left_out(slate: Slate, objective: Objective, kept: BoolArray) -> dict[str, int]:
    """Why prompts are not kept; each counts once, for the first reason that holds."""
    steps = {
        "gates": slate.passed.any(1),
        "undefined": choose.defined(slate, objective).any(1),
        "requirements": choose.admissible(slate, objective).any(1),
        "arms": kept,
    }
    before, found = np.ones(len(kept), np.bool_), {}
    for why, able in steps.items():
        found[why] = int((before & ~able).sum())
        before &= able
    return found


def _write(
    writer: Writer, table: pa.Table, slate: Slate, places: IntArray, kept: BoolArray, names: Sequence[str]
) -> None:
    """The rows of one arm, prompt by prompt, the best first."""
    prompt, rank = np.nonzero(places >= 0)
    place = places[prompt, rank]
    rows = slate.row[kept][prompt, place]
    scores: dict[str, FloatArray] = {name: slate.scores[name][kept][prompt, place] for name in names}
    writer.add(table.take(rows), rank, scores)


def _examples(
    table: pa.Table, slate: Slate, objective: Objective, deviations: Mapping[str, float], kept: BoolArray
) -> list[Example]:
    """The best and the worst of a few prompts' candidates that differ."""
    order = choose.ranked(slate, objective, deviations)
    last = (order >= 0).sum(1) - 1
    return [
        Example(
            prompt=_cut(table["prompt"][int(slate.row[prompt, order[prompt, 0]])].as_py()),
            chosen=_shown(table, slate, prompt, order[prompt, 0]),
            rejected=_shown(table, slate, prompt, order[prompt, last[prompt]]),
        )
        for prompt in np.flatnonzero(kept & (last > 0))[:EXAMPLES].tolist()
    ]


def _shown(table: pa.Table, slate: Slate, prompt: int, place: int) -> Candidate:
    row = table.slice(int(slate.row[prompt, place]), 1).to_pylist()[0]
    scores = {name: None if np.isnan(each := column[prompt, place]) else each for name, column in slate.scores.items()}
    keep = {name: row[name] for name in ("prompt_id", "source", "index", "finish", "seed", "fingerprint")}
    return Candidate.model_validate({**keep, "prompt": "", "text": _cut(row["text"]), "scores": scores})


def _cut(text: str) -> str:
    return text if len(text) <= LONG else f"{text[:LONG]}…"


def _reasons(found: Selection) -> str:
    """Why nothing was left, and which gates had to do with it."""
    whys = "; ".join(f"{why} ({count:,} prompts)" for why, count in found.left_out.items())
    busy = [f"{name} {count:,}" for name, count in found.gates.items() if count]
    return f"{whys}; of {found.candidates:,} candidates the gates stopped {', '.join(busy)}" if busy else whys
