"""How a model writes when it is asked neutral things: length, readability, diversity, repetition."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Self

import numpy as np

from profiler import metrics
from profiler.datasets import Prompts, Row, Summary, official, prompts
from profiler.datasets.items import Item
from profiler.endpoints.requests import Answer, Generate
from profiler.errors import WrongUse
from profiler.metrics.metric import Metric
from profiler.probes.probe import Options
from profiler.probes.registry import register
from profiler.records import Sampling
from profiler.stats import Mean

FRAME = "### Question: {prompt}\n### Answer:"
"""How a completions endpoint is asked."""
PAPER_FRAME = "### Question: {prompt}\n ### Answer: "
"""How the paper's kit asks. Its last blank is a token that text rarely has there; some models answer nothing."""

GREEDY = Sampling()

SOURCE = official("dolly")
(DOLLY,) = SOURCE.files

TRUNCATED = Metric(
    "truncated",
    about="Share of answers cut off by the token limit; where it is high, length is the limit's, not the model's.",
    unit="share",
    statistic=Mean("truncated"),
)
EMPTY = Metric("empty", about="Share of answers without a word.", unit="share", ideal="low", statistic=Mean("empty"))


@register
@dataclass(frozen=True)
class Attributes:
    """Open-ended answers to neutral prompts, measured by every text metric."""

    prompts: Prompts = field(default_factory=prompts)
    sampling: Sampling = GREEDY
    samples: int = 1
    """Answers a prompt; the item's score is their mean."""
    frame: str = FRAME
    system: str = ""
    limit: int | None = None
    """Ask only this many prompts, picked by a seeded draw."""

    name = "attributes"
    version = 1
    text_metrics = tuple(metrics.default().values())
    metrics = (*text_metrics, TRUNCATED, EMPTY)

    @classmethod
    def build(cls, options: Options) -> Self:
        if options.prompts:
            found = prompts(options.prompts, options.column, options.lang)
        elif options.suite == "full":
            raise WrongUse("attributes has no full suite; take `--suite paper`, or `--prompts` with a file of your own")
        else:
            found = dolly() if SOURCE.suite(options.suite, "paper") == "paper" else prompts()
        default = PAPER_FRAME if found.suite == "paper" else FRAME
        return cls(
            found,
            options.drawn(GREEDY),
            options.samples or 1,
            default if options.frame is None else options.frame,
            options.system,
            options.limit,
        )

    @cached_property
    def _summary(self) -> Summary:
        return self.prompts.summary()

    @property
    def suite(self) -> str:
        return self.prompts.suite

    @property
    def lang(self) -> str:
        return self.prompts.lang

    @property
    def data(self) -> Mapping[str, str]:
        return {self.prompts.name: self._summary.sha256}

    @property
    def settings(self) -> Mapping[str, str | int | float | bool | None]:
        return {
            "frame": self.frame,
            "system": self.system,
            "samples": self.samples,
            "lang": self.prompts.lang,
        }

    @property
    def count(self) -> int:
        return min(self._summary.count, self.limit or self._summary.count)

    def items(self) -> Iterator[Item]:
        for key, prompt in self.prompts.take(self.limit):
            yield Item(key, {"prompt": prompt})

    def ask(self, item: Item) -> Generate:
        return Generate(str(item.fields["prompt"]), self.sampling, self.frame, self.system, self.samples)

    def score(self, item: Item, answer: Answer) -> Mapping[str, float | None]:
        written = answer.generations
        scores = {
            metric.name: _mean([text.scores.get(metric.name) for text in written]) for metric in self.text_metrics
        }
        # Where nobody says why an answer ended, nobody knows whether it was cut off.
        scores["truncated"] = _mean([float(text.finish == "length") if text.finish else None for text in written])
        scores["empty"] = _mean([float(not text.text.strip()) for text in written])
        return scores


def dolly() -> Prompts:
    """The paper's prompts: the test half, rows 100 to 199."""
    return Prompts("Dolly-200 (test half)", "paper", _rows, "inputs", skip=100)


def _rows() -> Iterator[Row]:
    """The authors' file is one object of columns, each an object of cells; a copy may have a row a line."""
    for row in SOURCE.rows(DOLLY, ("inputs",)):
        if isinstance(row["inputs"], dict):
            yield from ({"inputs": prompt} for prompt in row["inputs"].values())
        else:
            yield row


def _mean(values: Sequence[float | None]) -> float | None:
    """Over the answers that have a score; None where none has."""
    defined = [value for value in values if value is not None]
    return float(np.mean(defined)) if defined else None
