"""A metric reduces columns to one number; a text metric also makes its own column from texts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from profiler.stats import FloatArray, Mean, Statistic
from profiler.text import Text
from profiler.types import Ideal

TextScore = Callable[[Sequence[Text]], FloatArray]
"""Scores a batch of texts; NaN where a text has no such score."""


@dataclass(frozen=True)
class Metric:
    """One named number about a set of samples."""

    name: str
    about: str
    """One sentence that a reader of a table understands."""
    unit: str = ""
    ideal: Ideal = None
    """Where it would like to be: 0 for a bias, 50 for a preference, "high", "low", or None for a description."""
    statistic: Statistic | None = None
    """How columns become the number; None takes the mean of the column that bears the metric's name."""
    score: TextScore | None = None
    """For a metric of a text: the score of each text, in one batch."""
    version: str = ""
    """Which implementation makes the number: splitter, tokeniser, model and revision."""
    languages: tuple[str, ...] | None = None
    """The languages a text metric is defined for; None for any."""

    def reduction(self) -> Statistic:
        return self.statistic or Mean(self.name)

    def foreign(self, lang: str) -> str | None:
        """Why a text in LANG has no such score; None when it has."""
        if self.languages is None or lang in self.languages:
            return None
        return f"{self.name} is defined for {', '.join(self.languages)}; these texts are {lang!r}"


def measure(texts: Sequence[Text], metrics: Sequence[Metric]) -> dict[str, FloatArray]:
    """Score TEXTS with text METRICS; NaN where a score is undefined, also for languages a metric does not know."""
    columns = {}
    for metric in metrics:
        if metric.score is None:
            raise TypeError(f"metric {metric.name!r} is not a metric of a text")
        known = [metric.foreign(text.lang) is None for text in texts]
        if all(known):
            columns[metric.name] = metric.score(texts)
        else:
            columns[metric.name] = column = np.full(len(texts), np.nan)
            column[known] = metric.score([text for text, ok in zip(texts, known, strict=True) if ok])
    return columns
