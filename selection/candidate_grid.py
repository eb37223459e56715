"""Candidates as arrays, without their texts: a block of a pool row by row, and a grid of them side by side."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from profiler.errors import BadData
from profiler.stats import FloatArray, IntArray
from selection.filters import CHECKS
from selection.near_duplicates import BANDS
from selection.pool import KEY, SCORE, Pool, Segment
from selection.random_bits import BoolArray, HashArray, mixed, name_bits


@dataclass(frozen=True)
class CandidateBlock:
    """Every candidate of some prompts, a row each."""

    segments: Sequence[Segment]
    sources: tuple[str, ...]
    prompts: list[str]
    prompt: IntArray
    source: IntArray
    index: IntArray
    stopped: IntArray
    """The filters that stop a candidate, as bits."""
    bands: HashArray
    scores: dict[str, FloatArray]

    def grid(self, passed: BoolArray, seed: int, names: Iterable[str] | None = None) -> CandidateGrid:
        """The candidates side by side, with all scores or those called NAMES."""
        scores = {name: self.scores[name] for name in (self.scores if names is None else names)}
        return candidate_grid(self.prompts, self.prompt, self.sources, self.source, self.index, scores, passed, seed)

    def passed(self, filters: Collection[str]) -> BoolArray:
        """Candidates that none of these FILTERS stops; near-duplicates are no business of one block."""
        bits = sum(1 << bit for bit, name in enumerate(CHECKS) if name in filters)
        return np.asarray(self.stopped & bits == 0)


def load_block(pool: Pool, segments: Sequence[Segment], names: Sequence[str]) -> CandidateBlock:
    """A block with the scores called NAMES."""
    import pyarrow as pa
    import pyarrow.compute as pc

    keep = [*KEY, "filters", *(f"band.{band}" for band in range(BANDS))]
    keep += [f"{SCORE}{name}" for name in names]
    tables = []
    for segment in segments:
        known = pool.measured(segment, keep)
        lacks = [name for name in names if not known or f"{SCORE}{name}" not in known.table.column_names]
        if known is None or lacks:
            wanted = ", ".join(lacks) or "scores"
            raise BadData(f"{pool.storage.name!r} has candidates without {wanted}: score the pool first")
        tables.append(known.table.select(keep))
    table = pa.concat_tables(tables)
    prompt = table["prompt_id"].combine_chunks().dictionary_encode()
    source = pc.index_in(table["source"].cast(pa.string()), value_set=pa.array(pool.about.sources))
    if source.null_count:
        unknown = next(name for name in table["source"].to_pylist() if name not in pool.about.sources)
        named = ", ".join(pool.about.sources) or "none"
        raise BadData(f"{pool.storage.name!r} has candidates of {unknown!r}; the sources in its pool.json are {named}")
    return CandidateBlock(
        segments,
        pool.about.sources,
        prompt.dictionary.to_pylist(),
        prompt.indices.to_numpy().astype(np.int64),
        source.to_numpy().astype(np.int64),
        table["index"].to_numpy().astype(np.int64),
        table["filters"].to_numpy().astype(np.int64),
        np.stack([table[f"band.{band}"].to_numpy().astype(np.uint64) for band in range(BANDS)], axis=1),
        {name: table[f"{SCORE}{name}"].to_numpy().astype(np.float64) for name in names},  # NaN where there is none
    )


@dataclass(frozen=True)
class CandidateGrid:
    """Candidates side by side: arrays of (prompts, places). A place without one has row -1 and NaN for every score."""

    prompts: tuple[str, ...]
    sources: tuple[str, ...]
    row: IntArray
    """Where each candidate stands in the table that it was read from."""
    source: IntArray
    """Which of the sources wrote it."""
    draw: HashArray
    """Random bits of the candidate's own: decided by its key and the seed, not by who else is there."""
    passed: BoolArray
    """Whether it passed the filters."""
    scores: Mapping[str, FloatArray]

    @property
    def there(self) -> BoolArray:
        return self.row >= 0

    def first(self, k: int) -> CandidateGrid:
        """Only the first K candidates of each prompt."""
        return self._of(lambda values: values[:, :k])

    def only(self, names: Sequence[str]) -> CandidateGrid:
        """Only the candidates of these sources, moved up."""
        wanted = np.isin(self.source, [place for place, name in enumerate(self.sources) if name in names]) & self.there
        order = np.argsort(~wanted, axis=1, kind="stable")[:, : int(wanted.sum(1).max(initial=0))]
        keep = np.take_along_axis(wanted, order, 1)
        found = self._of(lambda values: np.take_along_axis(values, order, 1))
        scores = {name: np.where(keep, column, np.nan) for name, column in found.scores.items()}
        return replace(found, row=np.where(keep, found.row, -1), passed=found.passed & keep, scores=scores)

    def _of(self, part: Callable[[NDArray[Any]], NDArray[Any]]) -> CandidateGrid:
        """The same PART of every array."""
        scores = {name: part(column) for name, column in self.scores.items()}
        row, source, draw, passed = map(part, (self.row, self.source, self.draw, self.passed))
        return replace(self, row=row, source=source, draw=draw, passed=passed, scores=scores)


def candidate_grid(
    prompts: Sequence[str],
    prompt: IntArray,
    sources: Sequence[str],
    source: IntArray,
    index: IntArray,
    scores: Mapping[str, FloatArray],
    passed: BoolArray | None = None,
    seed: int = 0,
) -> CandidateGrid:
    """Lay out rows that name their prompt and source by number.

    The places of a prompt go round its sources: the first answer of each, then the second of each, …; which source
    begins is drawn for each prompt. So the first k places hold k candidates shared fairly among the sources, and with
    one source its first k.
    """
    own, teachers = name_bits(prompts), name_bits(sources)
    many = max(len(sources), 1)
    turn = (source - (mixed(own, seed) % np.uint64(many)).astype(np.int64)[prompt]) % many
    order = np.lexsort((turn, index, prompt))
    ordered = prompt[order]
    same = (np.diff(ordered) == 0) & (np.diff(index[order]) == 0) & (np.diff(source[order]) == 0)
    if same.any():
        twice = order[1:][same][0]
        raise BadData(
            f"prompt {prompts[prompt[twice]]!r} has two candidates of source {sources[source[twice]]!r} with index "
            f"{index[twice]}: expected one"
        )
    sizes = np.bincount(prompt, minlength=len(prompts))
    place = np.arange(len(order)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    shape = len(prompts), int(sizes.max(initial=0))
    draws = mixed(mixed(own[prompt] ^ mixed(teachers, 1)[source], index), seed)

    def spread(values: NDArray[np.generic], empty: float | bool) -> NDArray[np.generic]:
        out = np.full(shape, empty, values.dtype)
        out[ordered, place] = values[order]
        return out

    return CandidateGrid(
        tuple(prompts),
        tuple(sources),
        row=spread(np.arange(len(order), dtype=np.int64), -1),  # type: ignore[arg-type]
        source=spread(source, -1),  # type: ignore[arg-type]
        draw=spread(draws, 0),  # type: ignore[arg-type]
        passed=spread(np.ones(len(order), np.bool_) if passed is None else passed, False),  # type: ignore[arg-type]
        scores={name: spread(column, np.nan) for name, column in scores.items()},  # type: ignore[misc]
    )
