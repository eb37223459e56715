"""From a scored pool to data sets: the chosen answers, and the controls that show what choosing alone does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from profiler.errors import BadData, UnknownName, WrongUse
from profiler.files import sole_writer, write_whole
from profiler.places import place_at
from profiler.records import stored
from profiler.runs import versions as installed
from profiler.stats import IntArray
from selection.candidate_grid import CandidateBlock, CandidateGrid, load_block
from selection.choose import MetricSpread, admissible, choose, defined, first_answers, random_answers, ranked_places
from selection.dataset import DatasetWriter, clear_half_written, llama_factory_info, load_texts
from selection.effects import CHOSEN, ENOUGH, RANDOM, Effects
from selection.filters import active_filters, stopped_by_filter
from selection.import_file import import_file
from selection.near_duplicates import BANDS, HELD, RowFlags, repeated_rows
from selection.objective import objective_metrics, spec_objective
from selection.pool import Pool, Segment
from selection.random_bits import BoolArray, HashArray
from selection.records import Candidate, Contrast, Goal, Objective, Selection, SelectOptions
from selection.score import ScoreProgress, cheap_metrics, refuse_unknown_scores, score, stored_scores

if TYPE_CHECKING:
    import pyarrow as pa

FIRST, EQUAL, UNMATCHED = "first", "equal", "unmatched"
ARMS = {
    CHOSEN: "the best by the objective",
    FIRST: "control: the first answer that could have been chosen",
    RANDOM: "control: one of the answers that could have been chosen, at random",
    EQUAL: "the best of only as many candidates as one source gave, shared among all sources",
    UNMATCHED: "one of all answers at random, whatever is held or required",
}
EXAMPLES = 5
LONG = 1200
"""Characters of an example's text that are shown."""


@dataclass
class PoolSurvey:
    """What is to be known of the whole pool before anything is chosen."""

    prompts: int
    candidates: int
    most: int
    """Candidates that one source has for a prompt at the most."""
    deviations: Mapping[Goal, float]
    stopped: dict[str, int]
    undefined: dict[str, int]
    repeats: RowFlags
    """The candidates, counted block by block, that an earlier prompt has nearly the same."""


def open_pool(spec: SelectOptions) -> Pool:
    """The pool that a selection names, or the one that its file makes."""
    check_words(spec)  # a slip of the pen is refused before a long file is read
    sampled = "://" in spec.pool or Path(spec.pool).is_dir()
    return Pool(spec.pool) if sampled else import_file(Path(spec.pool), spec.out / "pool", spec.lang)


def check_words(spec: SelectOptions) -> None:
    """Refuse an objective or a filter that can't be meant, whatever the pool."""
    spec_objective(spec), active_filters(spec.skip_filter)


def spec_metrics(spec: SelectOptions) -> list[str]:
    """The metrics that a selection is made by, then those that it reports."""
    reported = cheap_metrics() if spec.metric is None else spec.metric
    return list(dict.fromkeys([*objective_metrics(spec_objective(spec)), *reported]))


def score_missing(spec: SelectOptions, pool: Pool) -> Iterator[ScoreProgress]:
    """Measure what a selection needs and the pool lacks, once it is clear that the pool can serve it."""
    refuse_unknown_scores(pool, spec_metrics(spec))
    check_selection(spec, pool)
    yield from score(pool, spec_metrics(spec), spec.workers, place_at(spec.on))


def check_selection(spec: SelectOptions, pool: Pool) -> None:
    """Refuse what the pool can't serve, before anything is scored."""
    for name in spec.source:
        if name not in pool.about.sources:
            raise UnknownName("source in this pool", name, pool.about.sources, f"{pool.storage.name}/pool.json")
    if not pool.segments():
        raise BadData(f"{pool.storage.name!r} holds no candidates")
    if spec.k is not None and spec.k < spec.top:
        raise WrongUse(f"can't keep {spec.top} of {spec.k} candidates: expected at least 1, and no more than there are")


def select(spec: SelectOptions, pool: Pool | None = None) -> Selection:
    """Choose from a pool whose candidates are scored; leave a data set for each arm in the folder OUT.

    Every arm has the same prompts and the same number of answers to each.
    """
    pool = pool or open_pool(spec)
    with sole_writer(spec.out):
        clear_half_written(spec.out)
        found = _select(spec, pool, data=True)
        pool.keep_index()
        write_whole(spec.out / "dataset_info.json", llama_factory_info(found.files, spec.form))
        write_whole(spec.out / "selection.json", found.model_dump_json(indent=1).encode() + b"\n")
    return found


class FirstBlocks(Pool):
    """The first blocks of a pool, for a look at it that takes little time."""

    def __init__(self, where: Path | str, most: int) -> None:
        super().__init__(where)
        self.most = most

    def segments(self) -> list[Segment]:
        return [segment for segment in super().segments() if segment.block < self.most]


def preview(spec: SelectOptions, pool: Pool) -> Selection:
    """What a selection would choose and do, from the scores that the pool has; nothing is measured or left behind."""
    known = stored_scores(pool)
    if lacks := [name for name in objective_metrics(spec_objective(spec)) if name not in known]:
        raise BadData(
            f"{spec.pool!r} has no scores of {', '.join(lacks)} yet, which `inherit select` would measure; "
            f"it has {', '.join(known) or 'none'}"
        )
    with TemporaryDirectory(prefix="inherit-") as scratch:
        reported = tuple(name for name in spec_metrics(spec) if name in known)
        return _select(spec.model_copy(update={"metric": reported, "out": Path(scratch)}), pool, data=False)


def _select(spec: SelectOptions, pool: Pool, data: bool) -> Selection:
    """What is chosen; its DATA sets are written, or it is only looked at."""
    check_selection(spec, pool)
    objective, names = spec_objective(spec), spec_metrics(spec)
    survey = _survey(pool, spec, objective, names)
    several = len(spec.source or pool.about.sources) > 1
    wanted = {EQUAL: several and survey.most > 1, UNMATCHED: bool(objective.hold or objective.require)}
    arms = [arm for arm in ARMS if wanted.get(arm, True)]
    files = {arm: f"{arm}.{'parquet' if spec.parquet else 'jsonl'}" for arm in arms}
    share = min(1.0, ENOUGH / max(survey.prompts, 1))
    effects = Effects(objective, survey.deviations, names, pool.about.sources, share, spec.seed)
    left: Counter[str] = Counter()
    examples: list[Contrast] = []
    with ExitStack() as stack:
        writers = {
            arm: stack.enter_context(DatasetWriter(spec.out / file, spec.form, names))
            for arm, file in (files.items() if data else ())
        }
        for block, passed in _blocks(pool, spec, names, survey.repeats):
            grid = _narrowed(block.grid(passed, spec.seed), spec)
            places = _arm_places(grid, objective, survey.deviations, spec.top, arms)
            kept = np.logical_and.reduce([found[:, 0] >= 0 for found in places.values()])
            left.update(_left_out(grid, objective, kept))
            effects.add(grid, places, kept)
            if not data and len(examples) >= EXAMPLES:
                continue
            table = load_texts(pool, block.segments)
            for arm, writer in writers.items():
                writer.add(table, grid, np.where(kept[:, None], places[arm], -1))
            if len(examples) < EXAMPLES:
                examples += _contrasts(table, grid, objective, survey.deviations, kept)
    found = Selection(
        pool=pool.storage.name,
        objective=objective,
        seed=spec.seed,
        top=spec.top,
        k=spec.k,
        sources=spec.source or pool.about.sources,
        prompts=survey.prompts,
        candidates=survey.candidates,
        kept=survey.prompts - left.total(),
        left_out={why: count for why, count in left.items() if count},
        filters=survey.stopped,
        undefined=survey.undefined,
        shares=effects.shares(),
        headroom=effects.headroom(),
        curve=effects.curve(),
        shifts=effects.shifts(pool.versions(pool.segments()[0]), objective_metrics(objective)),
        distributions=effects.distributions(),
        sampled=effects.prompts,
        files=files,
        form=spec.form,
        examples=tuple(examples[:EXAMPLES]),
        versions=installed(),
    )
    if not found.kept:
        whys = "; ".join(f"{why} ({count:,} prompts)" for why, count in found.left_out.items())
        busy = ", ".join(f"{name} {count:,}" for name, count in found.filters.items() if count)
        whys += f"; of {found.candidates:,} candidates the filters stopped {busy}" if busy else ""
        raise BadData(f"nothing is left to choose from: {whys}; `--skip-filter NAME` switches a filter off")
    return found


def read_selection(out: Path) -> Selection:
    """What was chosen into a folder."""
    try:
        return stored(Selection, (out / "selection.json").read_bytes(), f"{out}/selection.json")
    except FileNotFoundError:
        raise BadData(f"expected a selection at {str(out)!r}, found none; `inherit select` makes one") from None


def _narrowed(grid: CandidateGrid, spec: SelectOptions) -> CandidateGrid:
    """The candidates that are looked at."""
    grid = grid.only(spec.source) if spec.source else grid
    return grid.first(spec.k) if spec.k else grid


def _arm_places(
    grid: CandidateGrid, objective: Objective, deviations: Mapping[Goal, float], top: int, arms: Collection[str]
) -> dict[str, IntArray]:
    """The places that each arm takes: no control has more answers to a prompt than were chosen, or others to take."""
    able = admissible(grid, objective)
    best = choose(grid, objective, deviations, top, able)
    found = {CHOSEN: best, FIRST: first_answers(grid, able, top), RANDOM: random_answers(grid, able, top)}
    if EQUAL in arms:
        fair = grid.first(max(int((grid.source == place).sum(1).max(initial=0)) for place in range(len(grid.sources))))
        few = choose(fair, objective, deviations, top, able[:, : fair.row.shape[1]])
        found[EQUAL] = np.pad(few, ((0, 0), (0, best.shape[1] - few.shape[1])), constant_values=-1)
    if UNMATCHED in arms:
        found[UNMATCHED] = random_answers(grid, grid.passed, top)
    some = np.min([(places >= 0).sum(1) for places in found.values()], axis=0)
    return {arm: np.where(np.arange(places.shape[1]) < some[:, None], places, -1) for arm, places in found.items()}


def _survey(pool: Pool, spec: SelectOptions, objective: Objective, names: Sequence[str]) -> PoolSurvey:
    closed = active_filters(spec.skip_filter)
    spread, prompts, candidates, most = MetricSpread(), 0, 0, 0
    stopped, undefined = dict.fromkeys(closed, 0), dict.fromkeys(names, 0)
    repeats = _repeats(pool, spec.out) if "duplicate" in closed else RowFlags(0)
    goals = dict.fromkeys(goal.metric for goal in objective.goals)
    for block, passed in _blocks(pool, spec, names, repeats):
        prompts, candidates = prompts + len(block.prompts), candidates + len(block.prompt)
        most = max(most, int(block.index.max(initial=-1)) + 1)
        spread.add(_narrowed(block.grid(passed, spec.seed, goals), spec), objective.goals)
        for name, count in stopped_by_filter(block.stopped).items():
            if name in stopped:
                stopped[name] += count
        for name in names:
            undefined[name] += int(np.isnan(block.scores[name]).sum())
    if not candidates:
        raise BadData(f"{pool.storage.name!r} holds no candidates")
    if "duplicate" in stopped:
        stopped["duplicate"] = len(repeats)
    undefined = {name: count for name, count in undefined.items() if count}
    return PoolSurvey(prompts, candidates, most, spread.deviations(), stopped, undefined, repeats)


def _blocks(
    pool: Pool, spec: SelectOptions, names: Sequence[str], repeats: RowFlags
) -> Iterator[tuple[CandidateBlock, BoolArray]]:
    """Each block, and which of its candidates passed the filters."""
    closed, rows = active_filters(spec.skip_filter), 0
    for segments in pool.blocks():
        block = load_block(pool, segments, names)
        passed = block.passed(closed)
        if repeats:
            passed &= ~repeats.between(rows, rows + len(passed))
        rows += len(passed)
        yield block, passed


def _repeats(pool: Pool, scratch: Path) -> RowFlags:
    """The near-duplicates of all blocks."""
    candidates = sum(map(pool.size, pool.segments()))
    found = RowFlags(candidates)
    for rows in repeated_rows(_bands(pool), max(1, -(-candidates * BANDS // HELD)), scratch):
        found.add(rows)
    return found


def _bands(pool: Pool) -> Iterator[tuple[IntArray, HashArray]]:
    """Each block's bands, with prompts counted over all blocks."""
    prompts = 0
    for segments in pool.blocks():
        block = load_block(pool, segments, ())
        yield block.prompt + prompts, block.bands
        prompts += len(block.prompts)


def _left_out(grid: CandidateGrid, objective: Objective, kept: BoolArray) -> dict[str, int]:
    """Why prompts are not kept; each counts once, for the first reason that holds."""
    steps = {
        "no candidate passed the filters": grid.passed.any(1),
        "no candidate has the scores that the objective asks for": defined(grid, objective).any(1),
        "no candidate meets the requirements": admissible(grid, objective).any(1),
        "an arm has no answer": kept,
    }
    before, found = np.ones(len(kept), np.bool_), {}
    for why, able in steps.items():
        found[why] = int((before & ~able).sum())
        before &= able
    return found


def _contrasts(
    table: pa.Table, grid: CandidateGrid, objective: Objective, deviations: Mapping[Goal, float], kept: BoolArray
) -> list[Contrast]:
    """The best and the worst of a few prompts' candidates that differ."""
    order = ranked_places(grid, objective, deviations)
    last = (order >= 0).sum(1) - 1
    return [
        Contrast(
            prompt=_cut(table["prompt"][int(grid.row[prompt, order[prompt, 0]])].as_py()),
            chosen=_shown(table, grid, prompt, order[prompt, 0]),
            rejected=_shown(table, grid, prompt, order[prompt, last[prompt]]),
        )
        for prompt in np.flatnonzero(kept & (last > 0))[:EXAMPLES].tolist()
    ]


def _shown(table: pa.Table, grid: CandidateGrid, prompt: int, place: int) -> Candidate:
    row = table.slice(int(grid.row[prompt, place]), 1).to_pylist()[0]
    scores = {name: None if np.isnan(each := column[prompt, place]) else each for name, column in grid.scores.items()}
    keep = {name: row[name] for name in ("prompt_id", "source", "index", "finish", "seed", "fingerprint")}
    return Candidate.model_validate({**keep, "prompt": "", "text": _cut(row["text"]), "scores": scores})


def _cut(text: str) -> str:
    return text if len(text) <= LONG else f"{text[:LONG]}…"
