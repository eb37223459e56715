"""Logistic regression of labels that may be soft, by maximum likelihood."""

from typing import NamedTuple

import numpy as np

from profiler.stats.statistic import FloatArray, IntArray, by_cluster

STEPS = 25
"""Newton's steps; where columns tell all labels apart, each adds about 1 to the coefficients, without an end."""
CLOSE = 1e-9
"""The last step's size in a coefficient."""


class LogisticFit(NamedTuple):
    """Coefficients, and how uncertain they are."""

    coefficients: FloatArray
    covariance: FloatArray
    """The sandwich's (Liang & Zeger 1986), for labels of any spread that go together within clusters."""


def logistic_fit(columns: FloatArray, labels: FloatArray, clusters: IntArray | None = None) -> LogisticFit | None:
    """What makes LABELS (n,), each from 0 to 1, likeliest given COLUMNS (n, k); None where nothing finite does."""

    def loss(coefficients: FloatArray) -> float:
        return float((np.logaddexp(0, columns @ coefficients) - labels * (columns @ coefficients)).sum())

    found = np.zeros(columns.shape[1])
    for _ in range(STEPS):
        p = logistic(columns @ found)
        scores = columns * (labels - p)[:, np.newaxis]
        information = (columns.T * (p * (1 - p))) @ columns
        try:
            inverse = np.linalg.inv(information)
        except np.linalg.LinAlgError:
            return None
        step = inverse @ scores.sum(axis=0)
        if np.abs(step).max() < CLOSE:
            units = scores if clusters is None else by_cluster(scores, clusters)
            many = int((units != 0).any(axis=1).sum())
            return LogisticFit(found, many / max(many - 1, 1) * inverse @ units.T @ units @ inverse)
        while loss(found + step) > loss(found) and np.abs(step).max() >= CLOSE:
            step = step / 2
        found = found + step
    return None


def logistic(x: FloatArray) -> FloatArray:
    """1 / (1 + e⁻ˣ), for any x."""
    return np.asarray((1 + np.tanh(x / 2)) / 2)
