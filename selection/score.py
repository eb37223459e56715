"""Candidates are scored beside where they lie: only what is missing, as a stream, whatever the pool's size."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby, islice
from typing import NamedTuple, Self

import numpy as np

from profiler import metrics
from profiler.errors import FAILED, Incomplete, UnknownName
from profiler.metrics import Metric, measure, measured
from profiler.places import Place, Task, run
from profiler.text import Text
from selection import filters, near_duplicates
from selection.judge_score import JudgeProgress, is_judge, judge_blocks, read_judge, unjudged
from selection.pool import SCORE, Measures, Pool, Segment
from selection.records import GIVEN
from selection.reward_model import reward_metric

BATCH = 2560
FILTERS = "filters"
"""What the filters' columns go by among the versions."""


class PromptedText(Text):
    """An answer that knows what it answers: a user's function or a reward model may look at its `prompt`."""

    prompt: str
    finish: str | None
    __slots__ = ("finish", "prompt")

    @classmethod
    def to(cls, prompt: str, text: str, finish: str | None, lang: str) -> Self:
        answer = cls(text, lang)
        answer.prompt, answer.finish = prompt, finish
        return answer

    @property
    def text(self) -> Self:
        """It carries itself, as `measured` wants it."""
        return self


class ScoreProgress(NamedTuple):
    """How far scoring is, in candidates."""

    done: int
    total: int
    judge: JudgeProgress | None = None
    """What came of the last block, where a judge is at work."""


def score_metric(name: str) -> Metric:
    """The scorer called NAME: a text metric, `package.module:function`, `reward:MODEL` or `judge:MODEL`."""
    if is_judge(name):
        about = "How far the judge prefers an answer to others of its prompt."
        return Metric(name, about, "proportion", "high", version=read_judge(name).version)
    return reward_metric(name.removeprefix("reward:")) if name.startswith("reward:") else metrics.get(name)


def cheap_metrics() -> list[str]:
    """The text metrics that cost next to nothing: what a report looks at where nobody says what."""
    return [*metrics.default()]


def refuse_unknown_scores(pool: Pool, names: Iterable[str]) -> None:
    """Refuse a name that is neither a metric nor a score that came with the candidates."""
    given = stored_scores(pool)
    usual = [one.name for one in metrics.every()]
    for name in names:
        if name in given:
            continue
        if ":" not in name and name not in usual:
            raise UnknownName("metric", name, [*usual, *given], "inherit ls metrics")
        score_metric(name)  # what is made to order says for itself what is wrong with the order


def filters_version(lang: str) -> str:
    """Which filters these are."""
    return f"{filters.VERSION}/{near_duplicates.VERSION}/{lang}"


def stored_scores(pool: Pool) -> list[str]:
    """Scores that lie beside every candidate of the pool, whoever made them."""
    first, *others = [*map(pool.versions, pool.segments())] or [{}]
    return [name for name in first if name != FILTERS and all(name in have for have in others)]


def score(pool: Pool, names: Sequence[str], workers: int = 1, place: Place | None = None) -> Iterator[ScoreProgress]:
    """Measure NAMES and the filters of every candidate that has not got them; yields progress.

    A score that came with the candidates is taken as it is. Elsewhere, at a PLACE, each segment is a task of
    its own, and so is each scorer of it that is costly to load.
    """
    alone = [name for name in names if not is_judge(name)]
    work = [(segment, missing_scores(pool, segment, alone)) for segment in pool.segments()]
    total, done = sum(pool.size(segment) for segment, lacks in work if lacks), 0
    pool.keep_index()
    for rows in _scored_at(place, pool, work) if place else _scored_here(pool, work, workers):
        done += rows
        yield ScoreProgress(done, total)
    if total:
        pool.look_again()
    for judge in map(read_judge, filter(is_judge, names)):
        blocks = [segments for segments in pool.blocks() if unjudged(pool, segments, judge)]
        total, done = sum(pool.size(segment) for segments in blocks for segment in segments), 0
        failed, compared, last = 0, 0, None
        for progress in judge_blocks(pool, blocks, judge) if blocks else ():
            done += progress.done
            failed, compared = failed + progress.failed, compared + progress.compared
            yield ScoreProgress(done, total, progress)
            last = progress.error or last
        if failed > FAILED * compared:
            raise Incomplete.of(f"{judge.name} {failed:,} of {compared:,} comparisons", last)


Work = Sequence[tuple[Segment, tuple[str, ...]]]
"""Segments, and what each lacks."""


def _scored_here(pool: Pool, work: Work, workers: int) -> Iterator[int]:
    for lacks, some in groupby(work, key=lambda pair: pair[1]):
        if lacks:
            yield from _score(pool, [segment for segment, _ in some], lacks, workers)


def _scored_at(place: Place, pool: Pool, work: Work) -> Iterator[int]:
    """Yields the rows of a segment once all of it is measured."""
    where = pool.storage.everywhere
    parts = {segment: by_scorer(lacks) for segment, lacks in work if lacks}
    tasks = (
        Task(f"score {segment.path} by {scorer or 'text metrics'}", score_segment, (where, segment, tuple(names)))
        for segment, groups in parts.items()
        for scorer, names in groups.items()
    )
    left = {segment: len(groups) for segment, groups in parts.items()}
    for task, rows in run(place, tasks):
        segment = task.given[1]
        left[segment] -= 1
        if not left[segment]:
            yield rows


def by_scorer(names: Iterable[str]) -> dict[str, list[str]]:
    """Scorers with a file of their own, which are those that are costly to load; the empty name is all others."""
    found: dict[str, list[str]] = {}
    cheap = {*metrics.default(), FILTERS}
    for name in names:
        found.setdefault("" if name in cheap or score_metric(name).light else name, []).append(name)
    return found


def score_segment(where: str, segment: Segment, names: Sequence[str]) -> int:
    """Measure NAMES of one segment of the pool at an address, and keep them there; how many rows it has.

    They have one file. What it has by now was measured for a command that was killed, whose tasks went on.
    """
    pool, (scorer,) = Pool(where), by_scorer(names)
    lacks = _lacking(pool, pool.file_versions(segment, scorer), names)
    return sum(_score(pool, [segment], lacks, 1)) if lacks else pool.size(segment)


def missing_scores(pool: Pool, segment: Segment, names: Iterable[str]) -> tuple[str, ...]:
    """What is not there of a segment, or was made by another implementation."""
    return _lacking(pool, pool.versions(segment), (*names, FILTERS))


def _lacking(pool: Pool, versions: Mapping[str, str], names: Iterable[str]) -> tuple[str, ...]:
    def there(name: str) -> bool:
        known = versions.get(name)
        wanted = filters_version(pool.about.lang) if name == FILTERS else None
        return known == GIVEN or known == (wanted or score_metric(name).version)

    return tuple(name for name in names if not there(name))


def _score(pool: Pool, segments: Sequence[Segment], names: Sequence[str], workers: int) -> Iterator[int]:
    """Measure whole segments, batch by batch, and store each when it is through; yields the rows of each batch."""
    wanted = [score_metric(name) for name in names if name != FILTERS]
    # A worker gets plain strings: what may look at the prompt, a user's function or a reward, is measured here.
    plain, own = ([one for one in wanted if (":" in one.name) is asks] for asks in (False, True))
    versions = {one.name: one.version for one in wanted}
    versions |= {FILTERS: filters_version(pool.about.lang)} if FILTERS in names else {}
    pieces: list[Measures] = []
    ends: deque[Segment | None] = deque()
    for batch, columns in measured(_batches(pool, segments, ends), plain, workers):
        scores = columns | measure(batch, own)
        stopped = _filters(batch, pool.about.lang) if FILTERS in names else {}
        pieces.append({**{f"{SCORE}{name}": values for name, values in scores.items()}, **stopped})
        yield len(batch)
        if segment := ends.popleft():
            whole = {name: np.concatenate([one[name] for one in pieces]) for name in pieces[0]}
            for scorer, some in by_scorer(names).items():
                mine = {f"{SCORE}{name}" for name in some}
                filtered = FILTERS in some
                kept = {
                    name: values
                    for name, values in whole.items()
                    if name in mine or (filtered and not name.startswith(SCORE))
                }
                pool.add(segment, kept, {name: versions[name] for name in some}, scorer)
            pieces = []


def _batches(pool: Pool, segments: Sequence[Segment], ends: deque[Segment | None]) -> Iterator[list[PromptedText]]:
    """The candidates of segments, batch by batch; ENDS gets the segment that ends with a batch, or None."""
    for segment in segments:
        found = pool.candidates(segment, ["prompt", "text", "finish"])
        columns = (found[name].cast("string") for name in ("prompt", "text", "finish"))
        rows = zip(*(column.to_numpy(zero_copy_only=False).tolist() for column in columns), strict=True)
        for end in range(BATCH, len(found) + BATCH, BATCH):
            ends.append(segment if end >= len(found) else None)
            some = islice(rows, BATCH)
            yield [PromptedText.to(prompt, text, finish, pool.about.lang) for prompt, text, finish in some]


def _filters(batch: Sequence[PromptedText], lang: str) -> Measures:
    texts = [str(text) for text in batch]
    bands = near_duplicates.similarity_bands(texts)
    return {
        "filters": filters.filter_bits([text.prompt for text in batch], texts, [text.finish for text in batch], lang),
        **{f"band.{place}": bands[:, place] for place in range(near_duplicates.BANDS)},
    }
