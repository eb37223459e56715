"""Intervals: arrays in, numbers out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Columns = Mapping[str, FloatArray]
"""One value an item under each name; NaN where an item has none."""


@dataclass(frozen=True)
class Mean:
    """The mean of a column over the items that have a value."""

    column: str


@dataclass(frozen=True)
class OfSums:
    """A function of column sums, such as a ratio: resampled by weighting sums, never by copying rows."""

    parts: Callable[[Columns], FloatArray]
    """Columns → (items, k): what is summed."""
    combine: Callable[[FloatArray], FloatArray]
    """(…, k) sums → (…) values; NaN where undefined."""
    uses: Sequence[str] = ()
    """The columns it reads."""


@dataclass(frozen=True)
class OfRows:
    """Any function of the rows, such as a calibration error; resampled row by row."""

    value: Callable[[Columns], float]
    uses: Sequence[str] = ()


Statistic = Mean | OfSums | OfRows
