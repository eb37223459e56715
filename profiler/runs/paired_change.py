"""The change of one number between two runs: its intervals, alone and in its family, and the verdict."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from profiler.errors import WrongUse
from profiler.records import Change, Estimate, Ideal, Verdict
from profiler.runs.sample_store import or_none
from profiler.stats import FloatArray, percentiles, spread

ALPHA = 0.05
FEW = 6
"""Of fewer items, all moving the same way happens by chance more often than 1 time in 20, like coins."""
FAR = 5
"""Standard errors that a base must be from zero for a percentage of it to mean something."""

Ends = tuple[float, float]
"""Of an interval."""


class Sureness(NamedTuple):
    """How surely a number changed, among its family: see `simultaneous`."""

    p: float
    error: float
    reach: float
    closer: float
    seen: float


class Margin(NamedTuple):
    """A change that is too small to matter."""

    text: str
    size: float
    percent: bool

    @classmethod
    def of(cls, text: str) -> Margin:
        """As it is written: a number, or a percentage of the base."""
        if not re.fullmatch(r"\d*\.?\d+ ?%?", text) or float(text.rstrip(" %")) <= 0:
            raise WrongUse(f"--margin: expected a number above 0 or a percentage such as 5%, not {text!r}")
        return cls(text, float(text.rstrip(" %")), text.endswith("%"))


@dataclass(frozen=True)
class PairedChange:
    """One number on both sides, with its paired bootstrap draws."""

    estimate: Estimate
    """The base's own, which names it."""
    ideal: Ideal
    base: float
    other: float
    drawn: tuple[FloatArray, FloatArray]
    n: int
    units: int
    """Items, or clusters of them."""
    reason: str | None = None
    """Why there is no verdict."""
    ends: Ends | None = None
    """The interval of a share's change; other numbers have that of their draws."""
    counted: bool = False
    """Whether neither side can be below 0."""
    margin: str = ""
    """Within which the metric calls a change equivalent, where nobody says another."""

    @property
    def label(self) -> str:
        return f"{self.estimate.probe}.{self.estimate.metric}"

    @property
    def change(self) -> float:
        return float(_without_rounding(np.array(self.other - self.base), np.array(self.base)))

    @cached_property
    def deltas(self) -> FloatArray:
        base, other = self.drawn
        return _without_rounding(other - base, base)

    @property
    def percent(self) -> float | None:
        """Percent change; None where the base is too near zero, or where another number is the aim."""
        known = self.drawn[0][np.isfinite(self.drawn[0])]
        if isinstance(self.ideal, float | int) or np.isnan(self.change) or self.base == 0 or len(known) == 0:
            return None
        if abs(self.base) <= FAR * known.std():
            return None
        return 100 * self.change / abs(self.base)

    @property
    def percents(self) -> Ends | None:
        """The interval of the percent change by itself."""
        if self.percent is None:
            return None
        with np.errstate(divide="ignore", invalid="ignore"):  # a resample's base may be 0: it has no percentage
            shares = 100 * self.deltas / np.abs(self.drawn[0])
        ends = spread(shares, self.units, self.percent)
        return ends and self._lost(*ends)

    @cached_property
    def interval(self) -> Ends | None:
        """Of the change, by itself; None where too few resamples have a value."""
        return self.ends or spread(self.deltas, self.units, self.change)

    def reaching(self, far: float) -> Ends:
        """An interval of the change that reaches so FAR, and of a share as far as its own."""
        low, high = self.change - far, self.change + far
        return (min(low, self.ends[0]), max(high, self.ends[1])) if self.ends else (low, high)

    def ratio(self, reach: float, ends: Ends) -> Ends:
        """The interval of the percent change that REACHes so many errors; it holds 0 where the change's ENDS do.

        Fieller 1954: all ratios that the change and the base, which vary together, don't rule out.
        """
        base, (drawn, _) = abs(self.base), self.drawn
        known = np.isfinite(drawn + self.deltas)
        spread_of = reach**2 * np.cov(self.deltas[known], np.sign(self.base) * drawn[known])
        low, high = ends[0] / base, ends[1] / base
        if (sure := base**2 - spread_of[1, 1]) > 0:
            both, change = self.change * base - spread_of[0, 1], self.change**2 - spread_of[0, 0]
            root = float(np.sqrt(max(both**2 - sure * change, 0.0)))
            outer = (both - root) / sure, (both + root) / sure
            wider = self.ends and ends[0] <= 0 <= ends[1]
            low, high = (min(low, outer[0]), max(high, outer[1])) if wider else outer
        return self._lost(100 * float(low), 100 * float(high))

    def _lost(self, low: float, high: float) -> Ends:
        """An interval of the percent change: what can't be below 0 loses no more than all of it."""
        return (max(low, -100.0), high) if self.counted or self.ends else (low, high)

    def nearer(self, value: float) -> Ends | None:
        """The interval of how much nearer to VALUE the number is than it was."""
        base, other = self.drawn
        return percentiles(np.abs(base - value) - np.abs(other - value))


def judged(shift: PairedChange, sure: Sureness, margin: Margin | None, exploratory: bool) -> Change:
    """A change with its intervals and, where there are items enough, its verdict."""
    reason = shift.reason
    if reason is None and np.isnan(shift.change):
        reason = "no item has a value on both sides" if shift.n == 0 else "undefined on one side"
    ends, percent = shift.interval, shift.percent
    if reason is None and shift.units < FEW:
        reason = f"too few items for a verdict ({shift.units})"
    if reason is None and ends is None:
        reason = "undefined in too many resamples"
    fields: dict[str, float | None] = {}
    significant, equivalent = sure.p < ALPHA, False
    if ends:
        fields |= zip(("low", "high"), ends, strict=True)
        together = shift.reaching(sure.reach * sure.error)
        fields |= zip(("joint_low", "joint_high"), together, strict=True)
        # Of a share, which may be alike on all of a few items, its own interval must leave out 0, too.
        significant = significant and not together[0] <= 0 <= together[1]
        closer = shift.reaching(sure.closer * sure.error)
        if alone := shift.percents:
            fields |= zip(("percent_low", "percent_high"), alone, strict=True)
            fields |= zip(("joint_percent_low", "joint_percent_high"), shift.ratio(sure.reach, together), strict=True)
        known = shift.ends is not None or sure.error > 0  # items that are all alike know nothing of their spread
        if known:
            most = max(shift.change - together[0], together[1] - shift.change)
            fields["detectable"] = most + (sure.seen - sure.reach) * sure.error
        if margin and known and (percent is not None or not margin.percent):
            low, high = shift.ratio(sure.closer, closer) if margin.percent else closer
            equivalent = -margin.size < low and high < margin.size
    return Change(
        probe=shift.estimate.probe,
        metric=shift.estimate.metric,
        group=shift.estimate.group,
        base=or_none(shift.base),
        other=or_none(shift.other),
        absolute=or_none(shift.change),
        percent=percent,
        **{name: fields.get(name) for name in Change.ENDS},
        p=None if reason else or_none(sure.p),
        margin=margin.text if margin else None,
        n=shift.n,
        verdict=None if reason else verdict(shift, significant, equivalent),
        exploratory=exploratory,
        reason=reason,
    )


def verdict(shift: PairedChange, significant: bool, equivalent: bool) -> Verdict:
    """The one place where better and worse are told apart."""
    ideal = shift.ideal
    if not significant:
        return "equivalent" if equivalent else "not significant"
    way: Verdict = "higher" if shift.change > 0 else "lower"
    if ideal is None:
        return way
    if isinstance(ideal, float | int):
        # From +10 to -10 is a change, but neither nearer to 0 nor further from it.
        ends = shift.nearer(ideal)
        if ends is None or ends[0] <= 0 <= ends[1]:
            return way
        return "better" if ends[0] > 0 else "worse"
    return "better" if (shift.change > 0) == (ideal == "high") else "worse"


def _without_rounding(delta: FloatArray, base: FloatArray) -> FloatArray:
    """The last bit of a floating sum is not a change."""
    return np.where(np.abs(delta) <= 1e-12 * np.abs(base), 0.0, delta)
