"""How far raters agree: formulas of what is counted where their labels or their ratings meet."""

import math

import numpy as np
from numpy.typing import NDArray

from profiler.stats.statistic import Columns, FloatArray, Formula, OfSums, ShareOf

Labels = NDArray[np.int8]
"""What a rater says of each pair: A, B or TIE; UNPARSEABLE for anything else, ABSENT where it was not asked."""

A, B, TIE, UNPARSEABLE, ABSENT = 0, 1, 2, -1, -2
CLASSES = 3
OTHER_SIDE = np.array([B, A, TIE, ABSENT, UNPARSEABLE], np.int8)
"""What a label says where the answers have changed sides, by its code."""


def crossed(gold: Labels, judged: Labels, ties: bool = True) -> FloatArray:
    """(pairs, 9): one where gold (row) and verdict (column) meet; zeros where either has no label.

    Without TIES, also zeros where either says that the answers are as good.
    """
    known = (gold >= 0) & (judged >= 0)
    if not ties:
        known &= (gold != TIE) & (judged != TIE)
    parts = np.zeros((len(gold), CLASSES * CLASSES))
    parts[known, gold[known] * CLASSES + judged[known]] = 1
    return parts


def _alike(sums: FloatArray) -> FloatArray:
    table = _table(sums)
    return np.stack([np.trace(table, axis1=-2, axis2=-1), table.sum((-2, -1))], axis=-1)


agreement = ShareOf(_alike)
"""Share of pairs with the same label."""


def kappa(sums: FloatArray) -> FloatArray:
    """Cohen 1960: agreement beyond what the raters' own label shares give by chance; labels have no order."""
    table = _table(sums)
    total = table.sum((-2, -1))
    by_chance = (table.sum(-1) * table.sum(-2)).sum(-1) / total**2
    observed = np.trace(table, axis1=-2, axis2=-1) / total
    return np.asarray((observed - by_chance) / (1 - by_chance))


def alpha(sums: FloatArray) -> FloatArray:
    """Krippendorff's alpha of coincidences (c, k), for labels without order."""
    table = _table(sums)
    margin = table.sum(-1)
    total = margin.sum(-1)
    unlike = total - np.trace(table, axis1=-2, axis2=-1)
    return np.asarray(1 - (total - 1) * unlike / (total**2 - (margin**2).sum(-1)))


def alpha_of_two(sums: FloatArray) -> FloatArray:
    """Alpha of two raters, from their crossed counts."""
    table = _table(sums)
    return alpha((table + np.swapaxes(table, -1, -2)).reshape(sums.shape))


def macro(part: str) -> Formula:
    """Precision, recall or F1 of each label against gold, averaged over the labels that occur, as in scikit-learn.

    A label that occurs, but never as a verdict (or never as gold), has a precision (a recall) of 0.
    """

    def averaged(sums: FloatArray) -> FloatArray:
        table = _table(sums)
        right = np.diagonal(table, axis1=-2, axis2=-1)
        gold, judged = table.sum(-1), table.sum(-2)
        over = {"precision": judged, "recall": gold, "f1": (gold + judged) / 2}[part]
        scores = np.where(over > 0, right / np.where(over > 0, over, 1), 0.0)
        occurs = (gold + judged) > 0
        return np.asarray((scores * occurs).sum(-1) / occurs.sum(-1))

    return averaged


def coincidences(votes: FloatArray) -> FloatArray:
    """(pairs, 9): Krippendorff's coincidences of each pair's VOTES (pairs, 3); zeros for fewer than two votes."""
    count = votes.sum(1)
    pairs = votes[:, :, np.newaxis] * votes[:, np.newaxis, :]
    pairs -= votes[:, :, np.newaxis] * np.eye(CLASSES)
    pairs /= np.maximum(count - 1, 1)[:, np.newaxis, np.newaxis]
    pairs[count < 2] = 0
    return pairs.reshape(len(votes), -1)


def majority(votes: FloatArray) -> Labels:
    """The label with most VOTES (pairs, 3); ABSENT where none has more than every other."""
    ranked = np.sort(votes, axis=1)
    clear = (ranked[:, -1] > ranked[:, -2]) & (ranked[:, -1] > 0)
    return np.where(clear, votes.argmax(1), ABSENT).astype(np.int8)


def one_against_others(votes: FloatArray) -> FloatArray:
    """(pairs, 9): the others' label (row) against each voter's (column), of equal weight a pair.

    Labels that the others name as often share the voter, as where one of them is drawn (AlpacaEval's leave-one-out).
    """
    parts = np.zeros((len(votes), CLASSES, CLASSES))
    several = votes.sum(1) > 1
    for label in range(CLASSES):
        others = np.maximum(votes - np.eye(CLASSES)[label], 0)
        top = (others == others.max(1, keepdims=True)) * several[:, np.newaxis]
        parts[:, :, label] = top / np.maximum(top.sum(1, keepdims=True), 1) * votes[:, [label]]
    return np.asarray((parts / np.maximum(votes.sum(1), 1)[:, np.newaxis, np.newaxis]).reshape(len(votes), -1))


def two_of_them(votes: FloatArray) -> FloatArray:
    """(pairs, 2): the chance that two voters, taken at random, agree; and 1 where there are two."""
    count = votes.sum(1)
    several = count > 1
    alike = (votes * (votes - 1)).sum(1) / np.where(several, count * (count - 1), 1)
    return np.column_stack([np.where(several, alike, 0), several])


def same_side(one: str, other: str, half: float, formula: Formula) -> OfSums:
    """A number of the table (no, yes) in which ratings from HALF on meet."""

    def parts(columns: Columns) -> FloatArray:
        x, y = columns[one] >= half, columns[other] >= half
        return np.column_stack([~x & ~y, ~x & y, x & ~y, x & y]).astype(np.float64)

    return OfSums(parts, formula, (one, other))


def correlation(one: str, other: str) -> OfSums:
    """Pearson's r from sums, so that it can be resampled by weighting them."""

    def parts(columns: Columns) -> FloatArray:
        # Sums of squares lose fewer digits about the mean; a correlation is the same.
        x, y = (columns[name] - columns[name].sum() / max(len(columns[name]), 1) for name in (one, other))
        return np.column_stack([np.ones(len(x)), x, y, x * x, y * y, x * y])

    def combine(sums: FloatArray) -> FloatArray:
        n, x, y, xx, yy, xy = np.moveaxis(sums, -1, 0)
        spread = np.maximum(xx - x * x / n, 0) * np.maximum(yy - y * y / n, 0)
        # Ratings that are all alike but for rounding have no correlation.
        return np.asarray(np.where(spread > 1e-20 * n * n, (xy - x * y / n) / np.sqrt(spread), np.nan))

    return OfSums(parts, combine, (one, other))


def ranks(column: FloatArray) -> FloatArray:
    """Places in order of size; equal values share the middle of theirs."""
    _, which, many = np.unique(column, return_inverse=True, return_counts=True)
    last = np.cumsum(many)
    return np.asarray((last - (many - 1) / 2)[which], np.float64)


def _table(sums: FloatArray) -> FloatArray:
    size = math.isqrt(sums.shape[-1])
    return sums.reshape(*sums.shape[:-1], size, size)
