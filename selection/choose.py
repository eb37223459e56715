"""Which candidates of each prompt are kept: pure functions on a grid of them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from profiler.stats import FloatArray, IntArray
from selection.candidate_grid import CandidateGrid
from selection.random_bits import BoolArray, mixed, uniform
from selection.records import Goal, Hold, Objective

RANDOM, TIE, SOFT = 1, 2, 3
"""What a candidate's own random bits are used for; each use has its own."""
SIGNS = {"<=": np.less_equal, ">=": np.greater_equal, "<": np.less, ">": np.greater}


@dataclass
class MetricSpread:
    """How far what a goal looks at lies apart inside a prompt's candidates, gathered grid by grid."""

    squares: dict[Goal, float] = field(default_factory=dict)
    freedom: dict[Goal, int] = field(default_factory=dict)

    def add(self, grid: CandidateGrid, goals: Iterable[Goal]) -> None:
        for goal in dict.fromkeys(goals):
            column = np.where(grid.passed, utility(grid.scores[goal.metric], goal), np.nan)
            n = (~np.isnan(column)).sum(1)
            middle = np.divide(np.nansum(column, 1), n, out=np.zeros(len(n)), where=n > 0)
            self.squares[goal] = self.squares.get(goal, 0.0) + float(np.nansum((column - middle[:, None]) ** 2))
            self.freedom[goal] = self.freedom.get(goal, 0) + int(np.maximum(n - 1, 0).sum())

    def deviations(self) -> dict[Goal, float]:
        """Standard deviation inside a prompt, pooled over all prompts; 1 where nothing varies."""
        return {
            goal: (squares / self.freedom[goal]) ** 0.5 if squares > 0 else 1.0
            for goal, squares in self.squares.items()
        }


def utility(scores: FloatArray, goal: Goal) -> FloatArray:
    """How well scores serve a goal: more is better."""
    if goal.want == "near":
        return -np.abs(scores - (goal.value or 0.0))
    return scores if goal.want == "max" else -scores


def utilities(grid: CandidateGrid, goals: Iterable[Goal], deviations: Mapping[Goal, float]) -> FloatArray:
    """(goals, prompts, places): each goal's utility in standard deviations, times its weight."""
    return np.stack(
        [goal.weight * utility(grid.scores[goal.metric], goal) / deviations.get(goal, 1.0) for goal in goals]
    )


def defined(grid: CandidateGrid, objective: Objective) -> BoolArray:
    """Candidates that passed the filters and have every score that a goal asks for."""
    known = [~np.isnan(grid.scores[goal.metric]) for goal in objective.goals]
    return np.asarray(np.logical_and.reduce([grid.passed, *known]))


def admissible(grid: CandidateGrid, objective: Objective) -> BoolArray:
    """Candidates that may be chosen: those that also meet every requirement and stay where a metric is held."""
    able = defined(grid, objective)
    for hold in objective.hold:
        able &= near_middle(grid, hold)
    for bound in objective.require:
        able &= SIGNS[bound.sign](grid.scores[bound.metric], bound.value)  # an undefined one does not meet it
    return able


def near_middle(grid: CandidateGrid, hold: Hold) -> BoolArray:
    """Candidates whose score is not too far from the middle of their prompt's; the nearest to it always are."""
    scores = np.where(grid.passed, grid.scores[hold.metric], np.nan)
    ordered = np.sort(scores, axis=1)  # NaN goes last
    n = (~np.isnan(scores)).sum(1)
    if not scores.size:
        return np.zeros(scores.shape, np.bool_)
    both = [np.take_along_axis(ordered, place[:, None], 1) for place in (np.maximum(n - 1, 0) // 2, n // 2)]
    middle = (both[0] + both[1]) / 2
    nearest = np.abs(np.array(both) - middle).max(0)  # two of an even number
    far = np.maximum(hold.share * np.abs(middle), nearest) + 1e-12
    return np.asarray(np.abs(scores - middle) <= far)


def choose(
    grid: CandidateGrid,
    objective: Objective,
    deviations: Mapping[Goal, float],
    top: int = 1,
    able: BoolArray | None = None,
) -> IntArray:
    """(prompts, TOP) places of the candidates to keep, the best first; -1 where no other may be chosen.

    ABLE says which may be, where the grid is a part of one in which that is already settled.
    """
    able = admissible(grid, objective) if able is None else able
    found = utilities(grid, objective.goals, deviations)
    match objective.combine:
        case "lexicographic":
            keys = [-each for each in found]
        case "pareto":
            keys = _pareto(found, able)
        case "sum":
            keys = [-found.sum(0)]
            if objective.temperature:
                # The largest of u/T + Gumbel noise is a draw with weight exp(u/T); Maddison et al. 2014.
                keys[0] += objective.temperature * np.log(-np.log(uniform(mixed(grid.draw, SOFT))))
    return _leading(able, keys, grid, top)


def ranked_places(grid: CandidateGrid, objective: Objective, deviations: Mapping[Goal, float]) -> IntArray:
    """All places that may be chosen, the best first; then -1."""
    return choose(grid, objective, deviations, grid.row.shape[1])


def first_answers(grid: CandidateGrid, able: BoolArray, top: int = 1) -> IntArray:
    """The first of the answers that are ABLE."""
    places = np.broadcast_to(np.arange(grid.row.shape[1]), grid.row.shape)
    return _leading(able, [places.astype(np.float64)], grid, top)


def random_answers(grid: CandidateGrid, able: BoolArray, top: int = 1) -> IntArray:
    """Answers drawn at random from those that are ABLE."""
    return _leading(able, [uniform(mixed(grid.draw, RANDOM))], grid, top)


def _pareto(utilities: FloatArray, able: BoolArray) -> list[FloatArray]:
    """How many others beat a candidate in everything; then its worst goal, each from the prompt's worst to best."""
    mine, others = utilities[:, :, :, None], utilities[:, :, None, :]
    beaten = ((others >= mine).all(0) & (others > mine).any(0) & able[:, None, :]).sum(2).astype(np.float64)
    inside = np.where(able, utilities, np.nan)
    low = np.where(able, utilities, np.inf).min(2, keepdims=True)
    reach = np.where(able, utilities, -np.inf).max(2, keepdims=True) - low
    scaled = np.divide(inside - low, reach, out=np.ones_like(inside), where=reach > 0)
    return [beaten, -scaled.min(0)]


def _leading(able: BoolArray, keys: list[FloatArray], grid: CandidateGrid, top: int) -> IntArray:
    """The TOP able places, the least of the first key first; ties go by a candidate's own draw, not by its place."""
    order = np.lexsort((uniform(mixed(grid.draw, TIE)), *reversed(keys), ~able), axis=-1)[:, :top]
    return np.where(np.take_along_axis(able, order, 1), order, -1)


def values_at(values: FloatArray, places: IntArray) -> FloatArray:
    """The values at PLACES; NaN where there is none."""
    if not values.size:
        return np.full(places.shape, np.nan)
    return np.where(places >= 0, np.take_along_axis(values, np.maximum(places, 0), 1), np.nan)


def expected_best(grid: CandidateGrid, order: IntArray, metric: str) -> FloatArray:
    """(prompts, k) mean of METRIC when the best of 1, 2, … k candidates drawn from the prompt's is kept.

    The i-th best of n is the best of k drawn ones in C(n-i, k-1) of C(n, k) cases.
    """
    values = values_at(grid.scores[metric], order)
    n = (order >= 0).sum(1)
    width = order.shape[1]
    out = np.full((len(n), width), np.nan)
    for size in np.unique(n[n > 0]):
        rows = np.flatnonzero(n == size)
        out[rows, :size] = values[rows, :size] @ best_weights(int(size)).T
    return out


def best_weights(n: int) -> FloatArray:
    """(k, i) chance that the i-th best of N is the best of k drawn without replacement."""
    out = np.zeros((n, n))
    out[0] = 1 / n
    for k in range(1, n):
        # C(n-1-i, k) / C(n, k+1), i from 0, by its ratio to the k before, which keeps large binomials out.
        i = np.arange(n)
        out[k] = out[k - 1] * np.maximum(n - i - k, 0) / k * (k + 1) / (n - k)
    return out
