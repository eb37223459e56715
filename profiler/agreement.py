"""How far raters agree: labels in, numbers with intervals out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from profiler.stats import CELLS, RESAMPLES, FloatArray, IntArray, Interval, percentiles

Labels = NDArray[np.int8]
"""What a rater says of each pair: A, B or TIE; UNREADABLE for anything else, ABSENT where it was not asked."""

A, B, TIE, UNREADABLE, ABSENT = 0, 1, 2, -1, -2
CLASSES = 3
FEW = 0.125
"""Pairs may be drawn by kind where there are fewer kinds than this share of the pairs."""

Formula = Callable[[FloatArray], FloatArray]
"""Sums (…, k) → numbers (…); NaN where undefined."""


@dataclass(frozen=True)
class Count:
    """Something counted on each pair, and the numbers that are made of its sums."""

    parts: FloatArray
    """(pairs, k); zeros where a pair has no part in it."""
    formulas: Mapping[str, Formula]


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


def agreement(sums: FloatArray) -> FloatArray:
    """Share of pairs with the same label."""
    table = _table(sums)
    return np.asarray(np.trace(table, axis1=-2, axis2=-1) / table.sum((-2, -1)))


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


def share(sums: FloatArray) -> FloatArray:
    """The first of two sums over the second."""
    return np.asarray(sums[..., 0] / sums[..., 1])


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
    """(pairs, 9): the majority of the other voters (row) against each voter (column), of equal weight a pair."""
    parts = np.zeros((len(votes), CLASSES, CLASSES))
    for label in range(CLASSES):
        others = votes - np.eye(CLASSES)[label]
        top = np.where(votes[:, label] > 0, majority(np.maximum(others, 0)), ABSENT)
        known = top >= 0
        parts[known, top[known], label] += votes[known, label]
    total = parts.sum((1, 2), keepdims=True)
    return np.asarray((parts / np.where(total > 0, total, 1)).reshape(len(votes), -1))


def two_of_them(votes: FloatArray) -> FloatArray:
    """(pairs, 2): the chance that two voters, taken at random, agree; and 1 where there are two."""
    count = votes.sum(1)
    several = count > 1
    alike = (votes * (votes - 1)).sum(1) / np.where(several, count * (count - 1), 1)
    return np.column_stack([np.where(several, alike, 0), several])


def intervals(
    counts: Mapping[str, Count],
    kinds: IntArray,
    clusters: IntArray | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[tuple[str, str], Interval]:
    """Every number of every count with its percentile interval, pairs of one prompt resampled together.

    A count's rows are kinds of pairs; KINDS says which kind each pair is of. All numbers come from the same
    resamples. Without clusters a resample is a draw of how many pairs of each kind there are, which is the same as
    drawing the pairs and costs as much as there are kinds.
    """
    columns = [count.parts for count in counts.values()]
    parts = np.hstack(columns) if columns else np.zeros((0, 0))
    often = np.bincount(kinds, minlength=len(parts)).astype(np.float64)
    drawn = np.concatenate([*_drawn(parts, kinds, often, clusters, resamples, seed)]) if len(kinds) else parts
    found, start = {}, 0
    for name, count in counts.items():
        inside = slice(start, start := start + count.parts.shape[1])
        has: NDArray[np.bool_] = np.asarray((count.parts != 0).any(axis=1))
        n = int(often[has].sum())
        units = n if clusters is None else len(np.unique(clusters[has[kinds]]))
        for metric, formula in count.formulas.items():
            value = _quiet(formula, often @ parts[:, inside])
            spread = percentiles(_quiet(formula, drawn[:, inside])) if len(kinds) else None
            found[name, metric] = _interval(float(value), spread, n, units, clusters is not None)
    return found


def kinds_of(columns: Sequence[IntArray]) -> tuple[IntArray, IntArray]:
    """The kind of each pair, and one pair of each kind: pairs of a kind have the same value in all COLUMNS."""
    whole = np.zeros(len(columns[0]), np.int64)
    for column in columns:
        _, code = np.unique(column, return_inverse=True)
        _, whole = np.unique(whole * (int(code.max(initial=0)) + 1) + code, return_inverse=True)
    _, first, kinds = np.unique(whole, return_index=True, return_inverse=True)
    return kinds.astype(np.int64), first.astype(np.int64)


def _drawn(
    parts: FloatArray, kinds: IntArray, often: FloatArray, clusters: IntArray | None, resamples: int, seed: int
) -> Iterator[FloatArray]:
    """Sums of resamples, a bounded number at a time."""
    rng = np.random.default_rng(seed)
    if clusters is None and len(parts) <= max(64, FEW * len(kinds)):
        yield rng.multinomial(len(kinds), often / often.sum(), size=resamples) @ parts
        return
    table = parts[kinds] if clusters is None else _by_cluster(parts, kinds, clusters)
    units = len(table)
    chunk = max(1, CELLS // units)
    for start in range(0, resamples, chunk):
        size = min(chunk, resamples - start)
        weights = np.stack([np.bincount(rng.integers(units, size=units), minlength=units) for _ in range(size)])
        yield weights.astype(np.float64) @ table


def _by_cluster(parts: FloatArray, kinds: IntArray, clusters: IntArray) -> FloatArray:
    units = int(clusters.max()) + 1
    return np.column_stack([np.bincount(clusters, column[kinds], units) for column in parts.T])


def _interval(value: float, spread: tuple[float, float] | None, n: int, units: int, clustered: bool) -> Interval:
    if np.isnan(value):
        return Interval(None, None, None, n, 0, "no pair has both labels" if n == 0 else "nothing to divide by")
    if units < 2:
        reason = "no interval from one prompt" if clustered else "no interval from one pair"
    elif spread is None:
        reason = "no interval: undefined in too many resamples"
    elif np.isclose(*spread, rtol=1e-12, atol=0):
        reason = "no interval: all pairs alike"
    else:
        return Interval(value, *spread, n, 0, None)
    return Interval(value, None, None, n, 0, reason)


def _table(sums: FloatArray) -> FloatArray:
    return sums.reshape(*sums.shape[:-1], CLASSES, CLASSES)


def _quiet(formula: Formula, sums: FloatArray) -> FloatArray:
    """0 / 0 is how a formula says undefined."""
    with np.errstate(divide="ignore", invalid="ignore"):
        value = formula(sums)
    return np.asarray(np.where(np.isinf(value), np.nan, value))
