"""The interval of a share: Wilson's, of items or of clusters of them."""

from typing import NamedTuple

import numpy as np

from profiler.stats.statistic import FloatArray

Z = 1.959963984540054
STUDENT = (12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622)
"""97.5 % points of Student's t with 1 to 9 degrees of freedom."""
DIFFER = 5
"""Units that must differ from what most have: the spread of a number that rests on fewer is anyone's guess."""


class Spread(NamedTuple):
    """An interval and the standard error behind it; without an interval, why not."""

    low: float = np.nan
    high: float = np.nan
    error: float = np.nan
    reason: str = ""
    """May name the {units} that are counted."""
    mark: str = ""
    """What to know of the interval that there is."""


def is_share(items: FloatArray, whole: float = 1.0) -> bool:
    """Whether each of the items, of which not all may count, is so or not."""
    value, counts = items.T
    so_or_not = ((value == 0) | (value == whole)) & (counts == 1)
    return bool((counts != 0).any() and (so_or_not | (counts == 0)).all())


def share_spread(items: FloatArray, rows: FloatArray, whole: float = 1.0) -> Spread:
    """Wilson's interval; of clusters, for as many independent items as tell as much (Kish 1965), with Student's t.

    Where items may be so in part, such as a tie that is half a win, they may tell as much as more that are so or not.
    """
    items, rows = items[items[:, 1] > 0], rows[rows[:, 1] > 0]
    n, units, certain = len(items), len(rows), is_share(items)
    if units < 2:
        return Spread(reason="no interval from one {unit}")
    hits, among = rows.sum(axis=0)
    share = float(hits / among)
    plain = share * (1 - share) / n
    if certain and units == n:
        low, high = share_interval(share, n)
        return Spread(whole * low, whole * high, whole * float(np.sqrt(plain)))
    spread = units / (units - 1) * float(((rows[:, 0] - share * rows[:, 1]) ** 2).sum()) / among**2
    if spread <= 1e-18:
        worth = float(n if certain and plain else units)
    else:
        alike = np.unique(np.round(rows[:, 0] / rows[:, 1], 9), return_counts=True)[1].max()
        most = n if certain else units if units - alike < DIFFER else np.inf
        worth = min(most, n * plain / spread) if plain else units
    low, high = share_interval(share, worth, student(units - 1))
    return Spread(whole * low, whole * high, whole * float(np.sqrt(spread)))


def share_interval(share: float, n: float, z: float = Z) -> tuple[float, float]:
    """The 95 % interval of a share of N independent items: Wilson 1927, which holds near 0 and 1 and for few items."""
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    reach = z / (1 + z**2 / n) * float(np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)))
    return middle - reach if share > 0 else 0.0, middle + reach if share < 1 else 1.0


def student(freedom: int) -> float:
    """The 97.5 % point of Student's t (from ten degrees of freedom on by Fisher & Cornish's expansion)."""
    if freedom <= len(STUDENT):
        return STUDENT[freedom - 1]
    terms = (
        (Z**3 + Z) / 4,
        (5 * Z**5 + 16 * Z**3 + 3 * Z) / 96,
        (3 * Z**7 + 19 * Z**5 + 17 * Z**3 - 15 * Z) / 384,
    )
    return float(Z + sum(term / freedom**power for power, term in enumerate(terms, 1)))
