"""What columns or counts are reduced to: a mean, a share, a function of sums or of rows."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Columns = Mapping[str, FloatArray]
"""One value an item under each name; NaN where an item has none."""
Formula = Callable[[FloatArray], FloatArray]
"""Sums (…, k) → numbers (…); NaN where undefined."""


@dataclass(frozen=True)
class Mean:
    """The mean of a column over the items that have a value."""

    column: str
    over: tuple[str, ...] = ()
    """Columns that are 1 for the items it is about; the others neither count nor are called undefined."""
    whole: float = 0.0
    """What is all, if it is a share: 1, or 100 of a percentage; items in between are a mean's."""
    counted: bool = False
    """Whether no item has less than 0 though it is no share."""
    folded: ClassVar = False
    fold: ClassVar = None

    @property
    def least(self) -> float:
        """What no item has less of."""
        return 0.0 if self.whole or self.counted else -inf

    @property
    def uses(self) -> Sequence[str]:
        return (self.column,)

    def parts(self, columns: Columns) -> FloatArray:
        return np.column_stack([columns[self.column], np.ones(size_of(columns))])

    def combine(self, sums: FloatArray) -> FloatArray:
        return ratio(sums)


@dataclass(frozen=True)
class ShareOf:
    """A formula that is a share of what is counted."""

    counted: Formula
    """Sums (…, k) → (…, 2): of how many it is so, and how many there are."""
    whole: float = 1.0
    """What is all: 100 of a percentage."""

    def __call__(self, sums: FloatArray) -> FloatArray:
        return np.asarray(self.whole * ratio(self.counted(sums)))


class Fold(NamedTuple):
    """Where a number turns round, as icat does where neither stereotype nor anti-stereotype is preferred."""

    distance: Formula
    """How far the sums are from there."""
    value: Formula
    """The number if they were there."""


@dataclass(frozen=True)
class OfSums:
    """A function of column sums, such as a ratio: resampled by weighting sums, never by copying rows."""

    parts: Callable[[Columns], FloatArray]
    """Columns → (items, k): what is summed. An item with a NaN among its parts is left out whole."""
    combine: Formula
    uses: Sequence[str] = ()
    """The columns it reads."""
    over: tuple[str, ...] = ()
    """As for a mean."""
    folded: bool = False
    """It adds up distances of shares, as an error over bins does, in all sums but the last: chance alone makes it
    larger, and a resample has more of chance than the items."""
    fold: Fold | None = None
    plain: "OfSums | None" = None
    """The number that tells the same with more bias, whose interval it has."""
    lacks: str = "nothing to divide by"
    """Why it is undefined, where it is."""
    least: ClassVar[float] = -inf


@dataclass(frozen=True)
class OfRows:
    """Any function of the rows, such as a calibration error."""

    value: Callable[[Columns], float]
    uses: Sequence[str] = ()
    folded: bool = False
    """Chance alone makes it larger, as for sums."""
    resampled: Callable[[Columns, IntArray], FloatArray] | None = None
    """The same of many resamples at once, where there is a quicker way than row by row: columns and how often each row
    is in each resample (resamples, rows) → (resamples,)."""
    over: ClassVar[tuple[str, ...]] = ()
    least: ClassVar[float] = -inf

    def parts(self, columns: Columns) -> FloatArray:
        """What must not be NaN."""
        return np.column_stack([np.zeros(size_of(columns)), *(columns[name] for name in self.uses)])


Statistic = Mean | OfSums | OfRows


@dataclass(frozen=True)
class Count:
    """Something counted on each item, and the numbers that are made of its sums."""

    parts: FloatArray
    """(items, k); zeros where an item has no part in it."""
    formulas: Mapping[str, Formula]


def observed(statistic: Statistic, columns: Columns) -> float:
    """The statistic of the items as they are; NaN when undefined."""
    if isinstance(statistic, OfRows):
        return float(statistic.value(columns)) if size_of(columns) else np.nan
    return float(quiet(statistic.combine, summed(statistic, columns).sum(axis=0)))


def uses(statistic: Statistic) -> Sequence[str]:
    """The columns that a statistic reads."""
    return [*statistic.uses, *statistic.over]


def about(statistic: Statistic, columns: Columns) -> NDArray[np.bool_]:
    """Which items the statistic is about, with a value or without: all where it names no column."""
    every = np.ones(size_of(columns), np.bool_)
    for name in statistic.over:
        every &= columns[name] == 1
    return every


def defined(statistic: Statistic, columns: Columns) -> NDArray[np.bool_]:
    """Which items the statistic rests on."""
    return ~any_of_row(np.isnan(statistic.parts(columns))) & about(statistic, columns)


def summed(statistic: Mean | OfSums, columns: Columns) -> FloatArray:
    """What is summed over items: (items, k)."""
    parts = statistic.parts(columns)
    whole = ~any_of_row(np.isnan(parts)) & about(statistic, columns)
    return parts if whole.all() else np.where(whole[:, np.newaxis], parts, 0.0)


def any_of_row(table: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether any is true, row by row: over a few columns ten times as quick as numpy's own."""
    found = np.zeros(len(table), np.bool_)
    for column in table.T:
        found |= column
    return found


def by_cluster(parts: FloatArray, clusters: IntArray) -> FloatArray:
    """The sums of each cluster's items."""
    units = int(clusters.max(initial=-1)) + 1
    return np.column_stack([np.bincount(clusters, weights=column, minlength=units) for column in parts.T])


def ratio(sums: FloatArray) -> FloatArray:
    """The first of two sums over the second."""
    return np.asarray(sums[..., 0] / sums[..., 1])


def quiet(combine: Formula, sums: FloatArray) -> FloatArray:
    """0 / 0 is how a formula says undefined."""
    with np.errstate(divide="ignore", invalid="ignore"):
        value = combine(sums)
    return np.asarray(np.where(np.isinf(value), np.nan, value))


def size_of(columns: Columns) -> int:
    return len(next(iter(columns.values()), ()))
