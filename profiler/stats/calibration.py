"""How well confidence tells right from wrong: confidences and outcomes in, numbers out.

An item without a confidence or an outcome (NaN) is left out. Undefined is NaN.
"""

from math import erf
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from profiler.stats.statistic import FloatArray

CLIP = 1e-12
"""Confidences are kept this far from 0 and 1 before their logit is taken, as HELM's library does."""
PENALTY = 1e-10
"""On the squared slope of Platt's curve: the inverse of scikit-learn's C, which HELM sets to 1e10."""
STEPS = 100
_erf = np.vectorize(erf, [np.float64])
NEAR = 1e-8
"""Of the loss: a Newton step that promises less is the last, since each squares the error."""


class Bin(NamedTuple):
    """The answers of about the same confidence: one column of a reliability diagram."""

    low: float
    high: float
    """Its answers have low < confidence <= high."""
    items: int
    confidence: float | None
    """Mean confidence; None in an empty bin."""
    accuracy: float | None


class Selective(NamedTuple):
    """How accurate a model is that answers only where it is most confident."""

    area: float
    """Under the coverage-accuracy curve: the mean accuracy of the k most confident answers, over all k."""
    top: float
    """Accuracy of the tenth that is most confident."""


class _Outcomes(NamedTuple):
    """Answers by rising confidence."""

    confidence: FloatArray
    correct: FloatArray


def softmax(scores: ArrayLike) -> FloatArray:
    """The scores of one item's options as probabilities."""
    scores = np.asarray(scores, np.float64)
    weights = np.exp(scores - scores.max())
    return np.asarray(weights / weights.sum())


def equal_mass(confidence: ArrayLike, bins: int) -> FloatArray:
    """Upper edges of BINS bins that hold about as many answers each.

    `get_equal_bins` of uncertainty-calibration 0.1.4 (Kumar et al. 2019), which HELM calls: the sorted confidences are
    split into parts as even as can be, an edge lies halfway between two parts, the last is 1, equal edges are one.
    """
    rising = np.sort(np.asarray(confidence, np.float64))
    size = len(rising)
    if size == 0:
        return np.ones(1)
    bins = min(bins, size)
    # numpy.array_split: the first `size % bins` parts hold one more
    cuts = np.cumsum(np.full(bins, size // bins) + (np.arange(bins) < size % bins))[:-1]
    return np.unique(np.append((rising[cuts - 1] + rising[cuts]) / 2, 1.0))


def equal_width(bins: int) -> FloatArray:
    """Upper edges of BINS bins of the same width: Guo et al. 2017."""
    return np.arange(1, bins + 1) / bins


def reliability(confidence: ArrayLike, correct: ArrayLike, edges: ArrayLike) -> list[Bin]:
    """The bins of a reliability diagram, empty ones included."""
    rising, uppers = _outcomes(confidence, correct), np.asarray(edges, np.float64)
    stops = _stops(rising.confidence, uppers)
    bounds = zip([0.0, *uppers[:-1]], uppers, [0, *stops[:-1]], stops, strict=True)
    found = []
    for low, high, start, stop in bounds:
        means = (float(column[start:stop].mean()) if stop > start else None for column in rising)
        found.append(Bin(float(low), float(high), int(stop - start), *means))
    return found


def ece(confidence: ArrayLike, correct: ArrayLike, edges: ArrayLike) -> float:
    """Expected calibration error, Guo et al. 2017, eq. 3: Σ n_b / n · |mean confidence − accuracy| over the bins."""
    return _ece(_outcomes(confidence, correct), np.asarray(edges, np.float64))


def ece_equal_mass(confidence: ArrayLike, correct: ArrayLike, bins: int) -> float:
    """Expected calibration error over equal-mass bins: HELM's ece_10_bin with 10, and its ece_1_bin with 1."""
    rising = _outcomes(confidence, correct)
    return _ece(rising, equal_mass(rising.confidence, bins))


def without_chance(sums: FloatArray) -> FloatArray:
    """The error over bins less what chance adds to it: `normal_debiased_ce` of uncertainty-calibration 0.1.4.

    Sums (…, 3 k) of k bins: of confidence less outcome, of outcomes, of answers. The original draws each bin's outcomes
    anew, 1,000 times, from a normal distribution about those seen, and takes off by how much the mean error of these is
    larger; ours is the mean over all draws, that of a folded normal distribution. Never below 0; undefined where a bin
    has one answer. What is left of the bias is about half.
    """
    excess, right, size = np.split(sums, 3, axis=-1)
    total = size.sum(axis=-1, keepdims=True)
    far, spread = np.abs(excess) / total, np.sqrt(right * (1 - right / np.where(size > 0, size, 1))) / total
    ratio = far / np.where(spread > 0, spread, np.inf)
    drawn = spread * np.sqrt(2 / np.pi) * np.exp(-(ratio**2) / 2) + far * _erf(ratio / np.sqrt(2))
    found = np.maximum((2 * far - np.where(spread > 0, drawn, far)).sum(axis=-1), 0.0)
    return np.asarray(np.where((size == 1).any(axis=-1), np.nan, found))


def ece_platt(confidence: ArrayLike, correct: ArrayLike, bins: int) -> float:
    """The same error after Platt scaling on the same answers: HELM's platt_ece_10_bin and platt_ece_1_bin."""
    scaled = platt(confidence, correct)
    return float("nan") if scaled is None else ece_equal_mass(scaled, correct, bins)


def selective(confidence: ArrayLike, correct: ArrayLike) -> Selective:
    """`get_selective_stats` of uncertainty-calibration 0.1.4, the mean over every order of answers that tie.

    The original takes tied answers in whatever order they come, and gives .18 or .82 for the same answers.
    """
    rising = _outcomes(confidence, correct)
    falling, right = rising.confidence[::-1], rising.correct[::-1]
    size = len(falling)
    if size == 0:
        return Selective(float("nan"), float("nan"))
    starts = np.flatnonzero(np.concatenate([[True], falling[1:] != falling[:-1]]))
    ends = np.append(starts[1:], size)
    sums = np.add.reduceat(right, starts)
    before, rate = np.cumsum(sums) - sums, sums / (ends - starts)
    # The k-th answer, within a tie that starts after `starts` answers, finds before + (k - starts) · rate right ones,
    # so its accuracy is rate + (before - starts · rate) / k.
    harmonic = np.concatenate([[0.0], np.cumsum(1 / np.arange(1, size + 1))])
    area = (sums + (before - starts * rate) * (harmonic[ends] - harmonic[starts])).sum() / size
    taken = int(0.1 * size) + 1
    tie = int(np.searchsorted(ends, taken))
    return Selective(float(area), float((before[tie] + (taken - starts[tie]) * rate[tie]) / taken))


def platt(confidence: ArrayLike, correct: ArrayLike) -> FloatArray | None:
    """Confidences after Platt scaling: logistic regression of the outcome on logit(confidence), on the same answers.

    None where all answers are right or all wrong: there is nothing to fit. Items left out stay NaN.
    """
    sure, outcome = np.asarray(confidence, np.float64), np.asarray(correct, np.float64)
    known = ~(np.isnan(sure) | np.isnan(outcome))
    right = outcome[known]
    if len(right) == 0 or right.min() == right.max():
        return None
    scaled = np.full(len(sure), np.nan)
    scaled[known] = fitted(logit(sure[known]), right)
    return scaled


def logit(confidence: ArrayLike) -> FloatArray:
    """Log-odds, finite also of what is certain."""
    clipped = np.clip(np.asarray(confidence, np.float64), CLIP, 1 - CLIP)
    return np.asarray(np.log(clipped / (1 - clipped)))


def _outcomes(confidence: ArrayLike, correct: ArrayLike) -> _Outcomes:
    sure, right = np.asarray(confidence, np.float64), np.asarray(correct, np.float64)
    known = ~(np.isnan(sure) | np.isnan(right))
    if not known.all():
        sure, right = sure[known], right[known]
    order = np.argsort(sure)
    return _Outcomes(sure[order], right[order])


def _stops(rising: FloatArray, edges: FloatArray) -> NDArray[np.intp]:
    """How many answers lie in each bin or below it; a confidence on an edge belongs below."""
    stops = np.searchsorted(rising, edges, side="right")
    stops[-1] = len(rising)  # rounding may put a confidence just above 1
    return stops


def _ece(rising: _Outcomes, edges: FloatArray) -> float:
    size = len(rising.confidence)
    if size == 0:
        return float("nan")
    excess = np.concatenate([[0.0], np.cumsum(rising.confidence - rising.correct)])
    return float(np.abs(np.diff(excess[_stops(rising.confidence, edges)], prepend=0.0)).sum() / size)


def fitted(x: FloatArray, y: FloatArray) -> FloatArray:
    """Probabilities of the logistic regression of Y on X, by Newton's method with halved steps."""
    spread = x.std()
    if spread == 0:
        return np.full(len(y), y.mean())
    x = (x - x.mean()) / spread
    penalty = PENALTY / spread**2
    place = np.array([0.0, np.log(y.mean() / (1 - y.mean()))])  # slope and offset
    loss, chance = _loss(x, y, place, penalty)
    for _ in range(STEPS):
        # Sums, not BLAS: its threads cost more than they give on 10,000 items.
        weight, excess = chance * (1 - chance), chance - y
        leaning = x * weight
        down = np.array([(x * excess).sum() + penalty * place[0], excess.sum()])
        curve = np.array([[(x * leaning).sum() + penalty, leaning.sum()], [leaning.sum(), weight.sum()]])
        step = np.linalg.lstsq(curve, down, rcond=None)[0]
        if down @ step <= NEAR * loss:  # it promises so little that one more step is exact to rounding
            return _loss(x, y, place - step, penalty)[1]
        size = 1.0
        while (tried := _loss(x, y, place - size * step, penalty))[0] > loss and size > 1e-6:
            size /= 2
        place, (loss, chance) = place - size * step, tried
    return chance


def _loss(x: FloatArray, y: FloatArray, place: FloatArray, penalty: float) -> tuple[float, FloatArray]:
    """Penalised negative log-likelihood, and the probabilities."""
    logit = place[0] * x + place[1]
    small = np.exp(-np.abs(logit))
    likely = np.where(logit >= 0, 1.0, small) / (1 + small)
    loss = (np.log1p(small) + np.maximum(logit, 0) - y * logit).sum() + penalty * place[0] ** 2 / 2
    return float(loss), likely
