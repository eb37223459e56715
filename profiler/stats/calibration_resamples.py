"""How well confidence tells right from wrong in many resamples of the same answers at once.

Each function gives, to rounding, what the one of the same name in profiler.stats.calibration gives resample by
resample. TIMES (resamples, answers) is how often each answer is in each resample.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from profiler.stats.calibration import PENALTY, Selective, fitted, logit
from profiler.stats.statistic import FloatArray, IntArray

STEPS = 15
"""Newton's steps without a look at the loss; what has not come to rest by then is fitted with care."""
REST = 1e-12
"""Of the loss an answer: a step that promises less is the last."""


class _Answers(NamedTuple):
    """Answers by rising confidence, those of the same one together."""

    confidence: FloatArray
    """(k,)"""
    size: IntArray
    """(resamples, k)"""
    right: FloatArray
    """(resamples, k)"""


class _Selective(NamedTuple):
    """As of one resample, an array each."""

    area: FloatArray
    top: FloatArray


def selective(confidence: ArrayLike, correct: ArrayLike, times: IntArray) -> _Selective:
    """How accurate a model is that answers only where it is most confident."""
    answers = _answers(np.asarray(confidence, np.float64), np.asarray(correct, np.float64), times)
    if not len(answers.confidence):
        return _Selective(*(np.full(len(times), np.nan) for _ in Selective._fields))
    size, right = answers.size[:, ::-1], answers.right[:, ::-1]
    ends = np.cumsum(size, axis=1)
    starts, before = ends - size, np.cumsum(right, axis=1) - right
    rate, total = right / np.maximum(size, 1), ends[:, -1]
    harmonic = np.concatenate([[0.0], np.cumsum(1 / np.arange(1, total.max() + 1))])
    area = (right + (before - starts * rate) * (harmonic[ends] - harmonic[starts])).sum(axis=1)
    taken = (0.1 * total).astype(np.int64) + 1
    tie = np.minimum((ends < taken[:, np.newaxis]).sum(axis=1), ends.shape[1] - 1)
    here = np.arange(len(tie)), tie
    top = before[here] + (taken - starts[here]) * rate[here]
    with np.errstate(invalid="ignore"):
        return _Selective(area / total, np.where(total > 0, top / taken, np.nan))


def ece_platt(confidence: ArrayLike, correct: ArrayLike, times: IntArray, bins: int) -> FloatArray:
    """The error over equal-mass bins after Platt scaling on the same answers."""
    x, size, right = _answers(logit(confidence), np.asarray(correct, np.float64), times)
    found = np.full(len(times), np.nan)
    hits, total = right.sum(axis=1), size.sum(axis=1)
    some = (hits > 0) & (hits < total)  # all right or all wrong: there is nothing to fit
    if some.any():
        chance = _fitted(x, size[some], right[some])
        found[some] = _ece(chance, size[some], right[some], bins)
    return found


def _answers(confidence: FloatArray, correct: FloatArray, times: IntArray) -> _Answers:
    known = ~(np.isnan(confidence) | np.isnan(correct))
    rising, place = np.unique(confidence[known], return_inverse=True)
    if not len(rising):
        return _Answers(rising, times[:, :0], times[:, :0].astype(np.float64))
    order = np.argsort(place, kind="stable")
    starts = np.searchsorted(place[order], np.arange(len(rising)))
    often = times[:, np.flatnonzero(known)[order]]
    hits = often * correct[known][order]
    return _Answers(rising, np.add.reduceat(often, starts, axis=1), np.add.reduceat(hits, starts, axis=1))


def _ece(chance: FloatArray, size: IntArray, right: FloatArray, bins: int) -> FloatArray:
    """The error of chances that rise, or fall, with the column."""
    falls = chance[:, 0] > chance[:, -1]
    chance, size, right = (np.where(falls[:, np.newaxis], each[:, ::-1], each) for each in (chance, size, right))
    ends = np.cumsum(size, axis=1)
    total = ends[:, -1:]
    parts, cut = np.minimum(bins, total), np.arange(1, bins)
    # numpy.array_split: the first `total % parts` parts hold one more
    cuts = np.where(cut < parts, cut * (total // parts) + np.minimum(cut, total % parts), total)
    edges = (_at(chance, ends, cuts - 1) + _at(chance, ends, np.minimum(cuts, total - 1))) / 2
    below = [(chance <= edge[:, np.newaxis]).sum(axis=1) for edge in edges.T]
    stops = np.column_stack([*below, np.full(len(chance), chance.shape[1])])
    excess = np.pad(np.cumsum(size * chance - right, axis=1), ((0, 0), (1, 0)))
    sums = np.take_along_axis(excess, stops, axis=1)
    return np.asarray(np.abs(np.diff(sums, axis=1, prepend=0.0)).sum(axis=1) / total[:, 0])


def _at(values: FloatArray, ends: IntArray, places: IntArray) -> FloatArray:
    """The value of the answer at each of some PLACES (resamples, p), answers counted from the first column on."""
    rows = np.arange(len(ends))[:, np.newaxis]
    behind = rows * (ends[:, -1].max() + 1)  # the rows behind each other rise, too, and are searched at once
    found = np.searchsorted((ends + behind).ravel(), places + behind, side="right") - rows * ends.shape[1]
    return np.asarray(np.take_along_axis(values, found, axis=1))


def _fitted(x: FloatArray, size: IntArray, right: FloatArray) -> FloatArray:
    """Probabilities (resamples, k) of each resample's logistic regression on X, by Newton's method for all at once."""
    spread = x.std()
    if spread == 0:
        return np.broadcast_to(right.sum(axis=1, keepdims=True) / size.sum(axis=1, keepdims=True), size.shape)
    scaled = (x - x.mean()) / spread
    penalty = PENALTY / spread**2
    odds = right.sum() / (size.sum() - right.sum())
    whole = _Newton(scaled, size.sum(axis=0)[np.newaxis], right.sum(axis=0)[np.newaxis], penalty)
    start, _ = whole.places(np.array([[0.0, np.log(odds)]]))
    place, rests = _Newton(scaled, size, right, penalty).places(np.repeat(start, len(size), axis=0))
    rests &= (size > 0).sum(axis=1) > 1
    chance = _chance(scaled, np.where(rests[:, np.newaxis], place, 0.0))
    # Of few answers most resamples are alike, and few of them come to rest.
    _, firsts, which = np.unique(np.hstack([size, right])[~rests], axis=0, return_index=True, return_inverse=True)
    rows = np.flatnonzero(~rests)
    for same, row in enumerate(rows[firsts]):
        here = np.flatnonzero(size[row])
        often = size[row, here]
        found = fitted(np.repeat(x[here], often), np.repeat(right[row, here] / often, often))
        ends = np.cumsum(often) - 1
        chance[rows[which.ravel() == same]] = np.interp(x, x[here], found[ends])
    return chance


class _Newton(NamedTuple):
    """Newton's method for the slopes and offsets of many regressions on the same X."""

    x: FloatArray
    size: IntArray
    right: FloatArray
    penalty: float

    def places(self, start: FloatArray) -> tuple[FloatArray, NDArray[np.bool_]]:
        """The places (resamples, 2) where the steps come to rest, and whether they do."""
        place, rests = start.copy(), np.zeros(len(start), bool)
        powers = np.column_stack([np.ones_like(self.x), self.x, self.x**2])
        hits, total = self.right @ powers[:, :2], self.size.sum(axis=1)
        with np.errstate(all="ignore"):
            for _ in range(STEPS):
                left = np.flatnonzero(~rests)
                chance, slope = _chance(self.x, place[left]), place[left, 0]
                expected = self.size[left] * chance
                down = expected @ powers[:, :2] - hits[left] + np.outer(self.penalty * slope, [0.0, 1.0])
                flat, leaning, steep = ((expected * (1 - chance)) @ powers).T
                steep += self.penalty
                sure = flat * steep - leaning**2
                by_slope = (flat * down[:, 1] - leaning * down[:, 0]) / sure
                by_offset = (steep * down[:, 0] - leaning * down[:, 1]) / sure
                place[left] -= np.column_stack([by_slope, by_offset])
                rests[left] = np.abs(down[:, 1] * by_slope + down[:, 0] * by_offset) <= REST * total[left]
                if rests.all():
                    break
        return place, rests


def _chance(x: FloatArray, place: FloatArray) -> FloatArray:
    return np.asarray(1 / (1 + np.exp(-(place[:, :1] * x + place[:, 1:]))))
