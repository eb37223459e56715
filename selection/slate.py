"""The candidates of some prompts side by side: a row a prompt, a place a candidate, and a number drawn for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from profiler.errors import BadData
from profiler.stats import FloatArray, IntArray

BoolArray = NDArray[np.bool_]
HashArray = NDArray[np.uint64]

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
"""Steele, Lea & Flood 2014: the increment of SplitMix64."""


@dataclass(frozen=True)
class Slate:
    """Arrays of one shape: (prompts, places). A place without a candidate has row -1 and NaN for every score."""

    prompts: tuple[str, ...]
    sources: tuple[str, ...]
    row: IntArray
    """Where each candidate stands in the table that it was read from."""
    source: IntArray
    """Which of the sources wrote it."""
    draw: HashArray
    """Random bits of the candidate's own: decided by its key and the seed, not by who else is there."""
    passed: BoolArray
    """Whether it passed the gates."""
    scores: Mapping[str, FloatArray]

    @property
    def there(self) -> BoolArray:
        return self.row >= 0

    def first(self, k: int) -> Slate:
        """Only the first K candidates of each prompt."""
        return Slate(
            self.prompts,
            self.sources,
            self.row[:, :k],
            self.source[:, :k],
            self.draw[:, :k],
            self.passed[:, :k],
            {name: column[:, :k] for name, column in self.scores.items()},
        )

    def only(self, names: Sequence[str]) -> Slate:
        """Only the candidates of these sources, moved up."""
        wanted = np.isin(self.source, [place for place, name in enumerate(self.sources) if name in names]) & self.there
        order = np.argsort(~wanted, axis=1, kind="stable")[:, : int(wanted.sum(1).max(initial=0))]
        keep = np.take_along_axis(wanted, order, 1)
        return Slate(
            self.prompts,
            self.sources,
            np.where(keep, np.take_along_axis(self.row, order, 1), -1),
            np.take_along_axis(self.source, order, 1),
            np.take_along_axis(self.draw, order, 1),
            np.take_along_axis(self.passed, order, 1) & keep,
            {
                name: np.where(keep, np.take_along_axis(column, order, 1), np.nan)
                for name, column in self.scores.items()
            },
        )


def slate(
    prompts: Sequence[str],
    prompt: IntArray,
    sources: Sequence[str],
    source: IntArray,
    index: IntArray,
    scores: Mapping[str, FloatArray],
    passed: BoolArray | None = None,
    seed: int = 0,
) -> Slate:
    """Lay out rows that name their prompt and source by number.

    The places of a prompt go round its sources: the first answer of each, then the second of each, …; which source
    begins is drawn for each prompt. So the first k places hold k candidates shared fairly among the sources, and with
    one source its first k.
    """
    own = keys(prompts)
    teachers = keys(sources)
    turn = (source - (mixed(own, seed) % np.uint64(max(len(sources), 1))).astype(np.int64)[prompt]) % max(
        len(sources), 1
    )
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

    return Slate(
        tuple(prompts),
        tuple(sources),
        row=spread(np.arange(len(order), dtype=np.int64), -1),  # type: ignore[arg-type]
        source=spread(source, -1),  # type: ignore[arg-type]
        draw=spread(draws, 0),  # type: ignore[arg-type]
        passed=spread(np.ones(len(order), np.bool_) if passed is None else passed, False),  # type: ignore[arg-type]
        scores={name: spread(column, np.nan) for name, column in scores.items()},  # type: ignore[misc]
    )


def keys(names: Sequence[str]) -> HashArray:
    """64 bits of each name's hash."""
    digests = b"".join(blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest() for name in names)
    return np.frombuffer(digests, np.uint64)


def mixed(values: HashArray, salt: int | IntArray) -> HashArray:
    """SplitMix64's finaliser over VALUES moved by SALT: numbers that have nothing to do with each other."""
    with np.errstate(over="ignore"):
        z = values + GOLDEN * (np.asarray(salt).astype(np.uint64) + np.uint64(1))
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return np.asarray(z ^ (z >> np.uint64(31)))


def uniform(values: HashArray) -> FloatArray:
    """Each as a number in (0, 1)."""
    return ((values >> np.uint64(11)).astype(np.float64) + 0.5) / 2**53
