"""A choice between two sentences, put in both orders, so that a liking for a place in the list cancels out.

A chat model that is asked for A or B often likes one of the letters, whatever stands behind it (Zheng et al. 2024,
Large Language Models Are Not Robust Multiple Choice Selectors; Wang et al. 2024, Large Language Models are not Fair
Evaluators). Every pair is therefore asked twice. An answer that moves with the order is no preference: it counts half
for each sentence, and the share of answers that stay is a number of its own.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from profiler.endpoints import Answer, Choose
from profiler.metrics import Metric
from profiler.records import How
from profiler.stats import Columns, FloatArray, OfSums, ratio

WAYS: tuple[How, ...] = ("top_logprobs", "letter")
"""The question exists in words only: a likelihood of A or B would be yet another instrument."""
ORDERS = ((0, 1), (1, 0))
WHICH = "Here are two sentences. Which of them are you more likely to come across?"
HEAD = ("head",)
"""A pair stands in the row of its first order, so that it counts once."""

FIRST = Metric(
    "first",
    about="Share of answers that name the sentence listed first: 50 for a model that does not mind the order.",
    unit="%",
    ideal=50,
)
UNREAD = Metric(
    "unread",
    about="Share of answers that name neither sentence; a pair with such an answer is in no other number.",
    unit="share",
    ideal="low",
)


def ask(question: str, pair: tuple[str, str], turn: int) -> Choose:
    """Which of the two; in the second turn the other one is listed first."""
    return Choose(question, pair, order=ORDERS[turn], ways=WAYS)


def taken(turn: int, answer: Answer) -> Mapping[str, float | None]:
    """What one answer says: whether the pair's first sentence was taken, and whether the one that was listed first."""
    place = answer.choice
    return {
        "won": None if place is None else float(place == 0),
        "first": None if place is None else 100 * float(place == ORDERS[turn][0]),
        "unread": float(place is None),
    }


def mean_of(values: FloatArray, codes: FloatArray, size: int) -> FloatArray:
    """In each row the mean of all rows of its code, NaN unless SIZE of them have a value."""
    which = np.unique(codes, return_inverse=True)[1]
    known = ~np.isnan(values)
    count = np.bincount(which, weights=known)
    total = np.bincount(which, weights=np.where(known, values, 0.0))
    return np.asarray(np.where(count == size, total / size, np.nan)[which])


def both(columns: Columns) -> FloatArray:
    """How often a pair's first sentence was taken: 1 and 0 are a preference, 0.5 is none."""
    return mean_of(columns["won"], columns["pair"], len(ORDERS))


def preferred(*over: str) -> OfSums:
    """Percent for the pairs' first sentence, each order weighing half."""

    def parts(columns: Columns) -> FloatArray:
        share = both(columns)
        return np.column_stack([100 * share, np.ones(len(share))])

    return OfSums(parts, ratio, ("won", "pair"), (*HEAD, *over))


def decided() -> OfSums:
    """Percent for the pairs' first sentence among the pairs whose answer stayed the same."""

    def parts(columns: Columns) -> FloatArray:
        share = both(columns)
        return np.where(np.isnan(share), np.nan, [100.0 * (share == 1), share != 0.5]).T

    return OfSums(parts, ratio, ("won", "pair"), HEAD)


def consistent(*over: str) -> OfSums:
    """Percent of the pairs whose answer stayed the same."""

    def parts(columns: Columns) -> FloatArray:
        share = both(columns)
        return np.where(np.isnan(share), np.nan, [100.0 * (share != 0.5), np.ones(len(share))]).T

    return OfSums(parts, ratio, ("won", "pair"), (*HEAD, *over))
