"""One verdict over several trainings: how surely a gain holds for the next training, and p values of a family."""

from collections.abc import Sequence
from math import atan, cos, erfc, pi, sin, sqrt
from typing import NamedTuple

import numpy as np

from profiler.stats.share import Z

ENOUGH = 3
"""Trainings that a verdict over trainings needs: one shows no spread, and two estimate it from one difference."""


class Gain(NamedTuple):
    """A mean gain with its 95 % interval and its two-sided p."""

    mean: float
    low: float
    high: float
    p: float


def over_trainings(gains: Sequence[float], errors: Sequence[float]) -> Gain:
    """The mean of GAINS, one a training, each with the standard ERROR that its prompts give it.

    Trainings are a sample of trainings, and prompts one of prompts. All trainings are asked the same prompts, so the
    prompts' error is not divided by the trainings: var(gains)/n + mean(errors²) is never below the mean's variance in
    expectation, whatever share of the errors is common. Student's t with (n-1)(error²/spread) degrees: n-1 where the
    prompts add nothing. Satterthwaite squares that ratio, and with three trainings his intervals hold 92.6 % at worst,
    as a spread that is small by chance raises his degrees. One training: its prompts alone.
    """
    n, mean = len(gains), float(np.mean(gains))
    spread = float(np.var(gains, ddof=1)) / n if n > 1 else 0.0
    error = sqrt(spread + float(np.mean(np.square(errors))))
    degrees = int(min((n - 1) * error**2 / spread + 1e-9, 200)) if spread else 200
    reach = (_quantile(degrees) if n > 1 else Z) * error
    if not error:
        return Gain(mean, mean, mean, float(mean == 0))
    size = abs(mean) / error
    return Gain(mean, mean - reach, mean + reach, two_sided(size, degrees) if n > 1 else erfc(size / sqrt(2)))


def over_intervals(told: Sequence[tuple[float, float, float]]) -> Gain:
    """The same of values with the ends of their 95 % intervals, which reach 1.96 standard errors to each side."""
    return over_trainings([value for value, *_ in told], [(high - low) / (2 * Z) for _, low, high in told])


def two_sided(t: float, degrees: int) -> float:
    """The chance of a larger |t|: Abramowitz and Stegun 26.7.3 and 26.7.4."""
    angle = atan(t / sqrt(degrees))
    odd = degrees % 2
    term, inside = (cos(angle), 0.0) if odd else (1.0, 0.0)
    for step in range(degrees // 2):
        inside += term
        term *= cos(angle) ** 2 * ((2 * step + 2) / (2 * step + 3) if odd else (2 * step + 1) / (2 * step + 2))
    within = 2 / pi * (angle + sin(angle) * inside) if odd else sin(angle) * inside
    return max(0.0, 1 - within)


def _quantile(degrees: int) -> float:
    """The t that 5 % exceed on both sides together."""
    low, high = 0.0, 1e3
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if two_sided(middle, degrees) > 0.05 else (low, middle)
    return high


def holm(ps: Sequence[float]) -> list[float]:
    """Each p, corrected for the others (Holm 1979): the chance of any false one in the family is kept."""
    order = np.argsort(ps, kind="stable")
    stepped = np.maximum.accumulate(np.asarray(ps)[order] * np.arange(len(ps), 0, -1))
    made = np.empty(len(ps))
    made[order] = np.minimum(stepped, 1.0)
    return [float(p) for p in made]
