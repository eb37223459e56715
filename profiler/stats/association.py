"""How two sets of vectors are associated with two others: WEAT's effect size, and its permutation test."""

from itertools import chain, combinations
from math import comb

import numpy as np

from profiler.stats.statistic import FloatArray

EXACT = 100_000
"""Every partition is tried where there are no more than this; else this many are, less one for the one at hand."""
BLOCK = 2000


def associations(texts: FloatArray, first: FloatArray, second: FloatArray) -> FloatArray:
    """s(w, A, B) of each text (n, d): its mean cosine to the FIRST attributes, less that to the SECOND."""
    texts, first, second = (each / np.linalg.norm(each, axis=1, keepdims=True) for each in (texts, first, second))
    return np.asarray((texts @ first.T).mean(axis=1) - (texts @ second.T).mean(axis=1))


def effect_size(first: FloatArray, second: FloatArray) -> float | None:
    """Caliskan et al. 2017: the means' difference in standard deviations of all; None where all are alike."""
    spread = float(np.concatenate([first, second]).std(ddof=1))
    return float(first.mean() - second.mean()) / spread if spread > 0 else None


def permutation_p(first: FloatArray, second: FloatArray, seed: int = 0) -> float:
    """The share of partitions of all into sets of these sizes that part them as far, one-sided, as May et al. 2019.

    The partition at hand is one of them, and equals count, so it is never 0.
    """
    every, size = np.concatenate([first, second]), len(first)
    # Equal sums differ in their last digits where they are added up in another order.
    least = first.sum() - 1e-9 * np.abs(every).sum()
    partitions = comb(len(every), size)
    if partitions <= EXACT:
        places = chain.from_iterable(combinations(range(len(every)), size))
        chosen = np.fromiter(places, np.int64, partitions * size).reshape(partitions, size)
        return float((every[chosen].sum(axis=1) >= least).mean())
    rng = np.random.default_rng(seed)
    far, drawn = 1, 1
    while drawn < EXACT:
        many = min(BLOCK, EXACT - drawn)
        chosen = rng.random((many, len(every))).argpartition(size, axis=1)[:, :size]
        far += int((every[chosen].sum(axis=1) >= least).sum())
        drawn += many
    return far / drawn
