"""A choice between two sentences, put in both orders, so that a liking for a place in the list cancels out.

A chat model that is asked for A or B often likes one of the letters, whatever stands behind it (Zheng et al. 2024,
Large Language Models Are Not Robust Multiple Choice Selectors; Wang et al. 2024, Large Language Models are not Fair
Evaluators). Every pair is therefore asked twice. An answer that moves with the order is no preference: it counts half
for each sentence, and the proportion of answers that stay is a number of its own.
"""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import ArrayLike

from profiler.endpoints import Answer, Choose
from profiler.probes.probe import metrics_of
from profiler.stats import Columns, FloatArray, OfSums, ShareOf

ORDERS = ((0, 1), (1, 0))
WHICH = "Here are two sentences. Which of them are you more likely to come across?"
HEAD = ("head",)
"""A pair stands in the row of its first order, so that it counts once."""

METRICS = metrics_of("two_orders")
"""What every probe of such choices has beside its own."""


def ask(question: str, pair: tuple[str, str], turn: int) -> Choose:
    """Which of the two; in the second turn the other one is listed first."""
    # The question exists in words only: a likelihood of A or B would be yet another instrument.
    return Choose(question, pair, order=ORDERS[turn], ways=("top_logprobs", "letter"))


def taken(turn: int, answer: Answer) -> Mapping[str, float | None]:
    """What one answer says: whether the pair's first sentence was taken, and whether the one that was listed first."""
    place = answer.choice
    return {
        "won": None if place is None else float(place == 0),
        "first": None if place is None else 100 * float(place == ORDERS[turn][0]),
        "unparseable": float(place is None),
    }


def mean_of(values: FloatArray, codes: FloatArray, size: int) -> FloatArray:
    """In each row the mean of all rows of its code, NaN unless SIZE of them have a value."""
    which = np.unique(codes, return_inverse=True)[1]
    known = ~np.isnan(values)
    count = np.bincount(which, weights=known)
    total = np.bincount(which, weights=np.where(known, values, 0.0))
    return np.asarray(np.where(count == size, total / size, np.nan)[which])


def preferred(*over: str) -> OfSums:
    """Percent for the pairs' first sentence, each order weighing half."""
    return _percent(lambda share: [share, np.ones_like(share)], *over)


def decided() -> OfSums:
    """Percent for the pairs' first sentence among the pairs whose answer stayed the same."""
    return _percent(lambda share: [share == 1, share != 0.5])


def consistent() -> OfSums:
    """Percent of the pairs whose answer stayed the same."""
    return _percent(lambda share: [share != 0.5, np.ones_like(share)])


def _percent(of: Callable[[FloatArray], ArrayLike], *over: str) -> OfSums:
    """A share OF how often each pair's first sentence was taken: 1 and 0 are a preference, 0.5 is none."""

    def parts(columns: Columns) -> FloatArray:
        share = mean_of(columns["won"], columns["pair"], len(ORDERS))
        return np.where(np.isnan(share), np.nan, of(share)).T

    return OfSums(parts, ShareOf(np.asarray, 100), ("won", "pair"), (*HEAD, *over))
