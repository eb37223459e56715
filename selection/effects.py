"""What choosing does to every metric, gathered block by block for the report."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from profiler.stats import FloatArray, IntArray, Mean, intervals
from profiler.text import ratio
from selection.candidate_grid import CandidateGrid
from selection.choose import admissible, choose, expected_best, utility, values_at
from selection.random_bits import BoolArray, mixed, name_bits, uniform
from selection.records import Centre, Distribution, Goal, MetricShift, Objective

POOL, CHOSEN, RANDOM = "pool", "chosen", "random"
ENOUGH = 65_536
"""Prompts whose numbers are kept: means of more of them would hardly differ, and memory would grow."""

BINS = 30
TAILS = (0.5, 99.5)
"""Percentiles of the pool between which the bins lie: one extreme would leave all others in one bin."""


@dataclass
class Effects:
    """Numbers of the prompts that every arm has an answer to."""

    objective: Objective
    deviations: Mapping[Goal, float]
    names: Sequence[str]
    sources: Sequence[str]
    share: float
    """How many of the prompts are looked at: all, or so many that about ENOUGH are."""
    seed: int
    values: defaultdict[tuple[str, str], list[FloatArray]] = field(default_factory=lambda: defaultdict(list))
    """Arm and metric → one number per prompt."""
    curves: defaultdict[str, list[FloatArray]] = field(default_factory=lambda: defaultdict(list))
    spreads: defaultdict[str, list[FloatArray]] = field(default_factory=lambda: defaultdict(list))
    candidates: defaultdict[tuple[str, str], list[FloatArray]] = field(default_factory=lambda: defaultdict(list))
    """Arm and metric of the objective → one number per candidate."""
    rows: dict[str, IntArray] = field(default_factory=dict)
    """Arm → how many rows each source has."""
    prompts: int = 0

    def add(self, grid: CandidateGrid, arms: Mapping[str, IntArray], kept: BoolArray) -> None:
        """One grid, the places that each arm took of it, and which of its prompts stay."""
        every = np.where(grid.there, np.arange(grid.row.shape[1]), -1)
        seen = kept if self.share >= 1 else kept & (uniform(mixed(name_bits(grid.prompts), self.seed)) <= self.share)
        self.prompts += int(seen.sum())
        aims = {goal.metric for goal in self.objective.goals}  # all of them among the names
        for arm, places in {POOL: every, **arms}.items():
            source = values_at(grid.source.astype(np.float64), places)[kept]
            counts = np.bincount(source[~np.isnan(source)].astype(np.int64), minlength=len(self.sources))
            self.rows[arm] = self.rows.get(arm, 0) + counts
            for name in self.names:
                found = values_at(grid.scores[name], places)[seen]
                self.values[arm, name].append(_mean(found))
                if name in aims and arm in (POOL, CHOSEN, RANDOM):
                    self.candidates[arm, name].append(found[~np.isnan(found)])
        able = admissible(grid, self.objective)
        order = choose(grid, self.objective, self.deviations, grid.row.shape[1], able)
        for goal in self.objective.goals:
            self.curves[goal.metric].append(_filled(expected_best(grid, order, goal.metric)[seen]))
            self.spreads[goal.metric].append(_headroom(grid, goal, able)[seen])

    def shares(self) -> dict[str, dict[str, float]]:
        """Arm → source → its proportion of the arm's rows."""
        return {
            arm: dict(zip(self.sources, (counts / max(counts.sum(), 1)).tolist(), strict=True))
            for arm, counts in self.rows.items()
        }

    def headroom(self) -> dict[str, float | None]:
        return {name: _mid(np.mean, np.concatenate(parts)) for name, parts in self.spreads.items()}

    def curve(self) -> dict[str, tuple[float | None, ...]]:
        """Metric → its mean when the best of 1, 2, … is kept; a prompt with fewer candidates stays at its best."""
        found = {}
        for name, parts in self.curves.items():
            width = max(part.shape[1] for part in parts)
            whole = np.concatenate([np.pad(part, ((0, 0), (0, width - part.shape[1])), "edge") for part in parts])
            found[name] = tuple(_mid(np.mean, column) for column in whole.T)
        return found

    def distributions(self) -> dict[str, Distribution]:
        """How the objective's metrics are distributed, in bins of one width over most of the pool."""
        whole = {key: np.concatenate(parts) for key, parts in self.candidates.items()}
        found = {}
        for name in dict.fromkeys(goal.metric for goal in self.objective.goals):
            if not len(pool := whole[POOL, name]):
                continue
            low, high = np.percentile(pool, TAILS)
            edges = np.linspace(low, high if high > low else low + 1, BINS + 1)
            counts = {
                arm: tuple(np.histogram(np.clip(whole[arm, name], edges[0], edges[-1]), edges)[0].tolist())
                for arm in (POOL, CHOSEN, RANDOM)
            }
            found[name] = Distribution(edges=tuple(edges.tolist()), arms=counts)
        return found

    def shifts(self, versions: Mapping[str, str], aims: Sequence[str]) -> tuple[MetricShift, ...]:
        """Each metric in the pool and in each arm, and the gain of the chosen over the random."""
        whole = {key: np.concatenate(parts) for key, parts in self.values.items()}
        gains = {name: whole[CHOSEN, name] - whole[RANDOM, name] for name in self.names}
        found = intervals([Mean(name) for name in self.names], gains, seed=self.seed)
        made = []
        for name, gain in zip(self.names, found, strict=True):
            middles = {
                arm: Centre(mean=_mid(np.mean, column), median=_mid(np.median, column))
                for (arm, metric), column in whole.items()
                if metric == name
            }
            base = middles[RANDOM].mean
            percent = None if gain.value is None or not base else 100 * gain.value / abs(base)
            said = {"metric": name, "version": versions.get(name, ""), "arms": middles, "aim": name in aims}
            numbers = {"gain": gain.value, "low": gain.low, "high": gain.high, "n": gain.n, "percent": percent}
            made.append(MetricShift.model_validate(said | numbers))
        return tuple(made)


def _mean(values: FloatArray) -> FloatArray:
    """Mean of each row over what is defined in it; NaN where nothing is."""
    return ratio(np.nansum(values, 1), (~np.isnan(values)).sum(1))


def _filled(values: FloatArray) -> FloatArray:
    """Rows that end early stay at their last value."""
    last = np.maximum((~np.isnan(values)).sum(1) - 1, 0)
    places = np.minimum(np.arange(values.shape[1]), last[:, None])
    return np.take_along_axis(values, places, 1)


def _headroom(grid: CandidateGrid, goal: Goal, able: BoolArray) -> FloatArray:
    """How much better the best of a prompt's candidates is than their mean, of those that are ABLE."""
    found = np.where(able, utility(grid.scores[goal.metric], goal), np.nan)
    best = np.where(np.isnan(found), -np.inf, found).max(1, initial=-np.inf)
    return np.where(np.isfinite(best), best, np.nan) - _mean(found)


def _mid(middle: Callable[[FloatArray], np.floating[Any]], values: FloatArray) -> float | None:
    """The middle of what is defined; None where nothing is."""
    known = values[~np.isnan(values)]
    return float(middle(known)) if len(known) else None
