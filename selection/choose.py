"""Which candidates of each prompt are kept: pure functions on a slate."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import assert_never

import numpy as np

from profiler.stats import FloatArray, IntArray
from selection.record import Bound, Goal, Hold, Objective
from selection.slate import BoolArray, Slate, mixed, uniform

RANDOM, TIE, SOFT = 1, 2, 3
"""What a candidate's own random bits are used for; each use has its own."""


@dataclass
class Spread:
    """How far a metric's values lie apart inside a prompt's candidates, gathered slate by slate."""

    squares: dict[str, float] = field(default_factory=dict)
    freedom: dict[str, int] = field(default_factory=dict)

    def add(self, slate: Slate, metrics: Iterable[str]) -> None:
        for name in metrics:
            column = np.where(slate.passed, slate.scores[name], np.nan)
            n = (~np.isnan(column)).sum(1)
            middle = np.divide(np.nansum(column, 1), n, out=np.zeros(len(n)), where=n > 0)
            self.squares[name] = self.squares.get(name, 0.0) + float(np.nansum((column - middle[:, None]) ** 2))
            self.freedom[name] = self.freedom.get(name, 0) + int(np.maximum(n - 1, 0).sum())

    def deviations(self) -> dict[str, float]:
        """Standard deviation inside a prompt, pooled over all prompts; 1 where nothing varies."""
        return {
            name: (squares / self.freedom[name]) ** 0.5 if squares > 0 else 1.0
            for name, squares in self.squares.items()
        }


def utility(scores: FloatArray, goal: Goal) -> FloatArray:
    """How well scores serve a goal: more is better."""
    match goal.want:
        case "max":
            return scores
        case "min":
            return -scores
        case "near":
            return -np.abs(scores - (goal.value or 0.0))
        case _:
            assert_never(goal.want)


def utilities(slate: Slate, goals: Iterable[Goal], deviations: Mapping[str, float]) -> FloatArray:
    """(goals, prompts, places): each goal's utility in standard deviations, times its weight."""
    return np.stack(
        [goal.weight * utility(slate.scores[goal.metric], goal) / deviations.get(goal.metric, 1.0) for goal in goals]
    )


def defined(slate: Slate, objective: Objective) -> BoolArray:
    """Candidates that passed the gates and have every score that a goal asks for."""
    whole = slate.passed.copy()
    for goal in objective.goals:
        whole &= ~np.isnan(slate.scores[goal.metric])
    return whole


def admissible(slate: Slate, objective: Objective) -> BoolArray:
    """Candidates that may be chosen: those that also meet every requirement and stay where a metric is held."""
    able = defined(slate, objective)
    for hold in objective.hold:
        able &= near_middle(slate, hold)
    for bound in objective.require:
        able &= meets(slate.scores[bound.metric], bound)
    return able


def meets(scores: FloatArray, bound: Bound) -> BoolArray:
    """Whether scores keep within a bound; an undefined one does not."""
    match bound.sign:
        case "<=":
            return np.asarray(scores <= bound.value)
        case ">=":
            return np.asarray(scores >= bound.value)
        case "<":
            return np.asarray(scores < bound.value)
        case ">":
            return np.asarray(scores > bound.value)
        case _:
            assert_never(bound.sign)


def near_middle(slate: Slate, hold: Hold) -> BoolArray:
    """Candidates whose score is not too far from that of the prompt's middle candidate, which itself always is."""
    scores = np.where(slate.passed, slate.scores[hold.metric], np.nan)
    ordered = np.sort(scores, axis=1)  # NaN goes last
    n = (~np.isnan(scores)).sum(1)
    if not scores.size:
        return np.zeros(scores.shape, np.bool_)
    middle = np.take_along_axis(ordered, np.maximum(n - 1, 0)[:, None] // 2, 1)
    return np.asarray(np.abs(scores - middle) <= hold.share * np.abs(middle) + 1e-12)


def choose(slate: Slate, objective: Objective, deviations: Mapping[str, float], top: int = 1) -> IntArray:
    """(prompts, TOP) places of the candidates to keep, the best first; -1 where no other may be chosen."""
    able = admissible(slate, objective)
    return _leading(able, _keys(slate, objective, deviations, able), slate, top)


def ranked(slate: Slate, objective: Objective, deviations: Mapping[str, float]) -> IntArray:
    """All places that may be chosen, the best first; then -1."""
    return choose(slate, objective, deviations, slate.row.shape[1])


def first(slate: Slate, top: int = 1) -> IntArray:
    """The first answers that passed the gates."""
    places = np.broadcast_to(np.arange(slate.row.shape[1]), slate.row.shape)
    return _leading(slate.passed, [places.astype(np.float64)], slate, top)


def random(slate: Slate, top: int = 1) -> IntArray:
    """Answers drawn at random from those that passed the gates."""
    return _leading(slate.passed, [uniform(mixed(slate.draw, RANDOM))], slate, top)


def _keys(slate: Slate, objective: Objective, deviations: Mapping[str, float], able: BoolArray) -> list[FloatArray]:
    """What to sort by, the smallest first; the first key decides."""
    found = utilities(slate, objective.goals, deviations)
    match objective.combine:
        case "lexicographic":
            return [-each for each in found]
        case "pareto":
            return _pareto(found, able)
        case "sum":
            total = found.sum(0)
            if objective.temperature:
                # The largest of u/T + Gumbel noise is a draw with weight exp(u/T); Maddison et al. 2014.
                total = total - objective.temperature * np.log(-np.log(uniform(mixed(slate.draw, SOFT))))
            return [-total]
        case _:
            assert_never(objective.combine)


def _pareto(utilities: FloatArray, able: BoolArray) -> list[FloatArray]:
    """How many others beat a candidate in everything; then its worst goal, each from the prompt's worst to best."""
    mine, others = utilities[:, :, :, None], utilities[:, :, None, :]
    beaten = ((others >= mine).all(0) & (others > mine).any(0) & able[:, None, :]).sum(2).astype(np.float64)
    inside = np.where(able, utilities, np.nan)
    low = np.where(able, utilities, np.inf).min(2, keepdims=True)
    reach = np.where(able, utilities, -np.inf).max(2, keepdims=True) - low
    scaled = np.divide(inside - low, reach, out=np.ones_like(inside), where=reach > 0)
    return [beaten, -scaled.min(0)]


def _leading(able: BoolArray, keys: list[FloatArray], slate: Slate, top: int) -> IntArray:
    """The TOP able places in the order of KEYS; ties go by the candidate's own draw, never by where it stands."""
    order = np.lexsort((uniform(mixed(slate.draw, TIE)), *reversed(keys), ~able), axis=-1)[:, :top]
    return np.where(np.take_along_axis(able, order, 1), order, -1)


def taken(values: FloatArray, places: IntArray) -> FloatArray:
    """The values at PLACES; NaN where there is none."""
    if not values.size:
        return np.full(places.shape, np.nan)
    return np.where(places >= 0, np.take_along_axis(values, np.maximum(places, 0), 1), np.nan)


def expected(slate: Slate, order: IntArray, metric: str) -> FloatArray:
    """(prompts, k) mean of METRIC when the best of 1, 2, … k candidates drawn from the prompt's is kept.

    The i-th best of n is the best of k drawn ones in C(n-i, k-1) of C(n, k) cases.
    """
    values = taken(slate.scores[metric], order)
    n = (order >= 0).sum(1)
    width = order.shape[1]
    out = np.full((len(n), width), np.nan)
    for size in np.unique(n[n > 0]):
        rows = np.flatnonzero(n == size)
        out[rows, :size] = values[rows, :size] @ weights(int(size)).T
    return out


def weights(n: int) -> FloatArray:
    """(k, i) chance that the i-th best of N is the best of k drawn without replacement."""
    out = np.zeros((n, n))
    out[0] = 1 / n
    for k in range(1, n):
        # C(n-1-i, k) / C(n, k+1), i from 0, by its ratio to the k before, which keeps large binomials out.
        i = np.arange(n)
        out[k] = out[k - 1] * np.maximum(n - i - k, 0) / k * (k + 1) / (n - k)
    return out
