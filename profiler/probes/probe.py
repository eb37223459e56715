"""A probe asks a model things and scores each answer into columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from profiler.datasets.items import Item
from profiler.endpoints.requests import Answer, Request
from profiler.metrics.metric import Metric
from profiler.records import Sampling


@dataclass(frozen=True)
class Options:
    """What a user may set about a probe; None leaves it to the probe."""

    suite: str = "auto"
    """auto, mini, paper or full."""
    prompts: str | None = None
    """A file or `hub:` data set of prompts instead of the suite's."""
    column: str | None = None
    lang: str = "en"
    limit: int | None = None
    """Ask only this many items, picked by a seeded draw."""
    samples: int | None = None
    """Answers a prompt."""
    frame: str | None = None
    system: str = ""
    sampling: Mapping[str, float | int | tuple[str, ...]] = field(default_factory=dict)
    """Fields of Sampling that replace the probe's own."""
    order: int = 0
    """Seed of the order in which options are listed by letter, where the data has none of its own."""
    subset: str | None = None
    """Only the items of a set that are so: challenging, toxic, nontoxic, or a range of toxicity such as 0.5:0.8."""
    scorers: tuple[str, ...] = ()
    """Who scores, where a probe can be scored by several."""

    def drawn(self, default: Sampling) -> Sampling:
        return Sampling.model_validate({**default.model_dump(), **self.sampling})


class Probe(Protocol):
    """Something a model can be asked, one file in profiler/probes/."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> int:
        """Goes up whenever the same answers would give other numbers."""
        ...

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """What is estimated from the columns."""
        ...

    @property
    def text_metrics(self) -> tuple[Metric, ...]:
        """Measured on every generated text, in batches, before `score` sees the answer."""
        ...

    @property
    def suite(self) -> str:
        """Where the items came from: mini, paper, full, or a file of the user's."""
        ...

    @property
    def lang(self) -> str:
        """Language of the texts that a model writes for it."""
        ...

    @property
    def count(self) -> int:
        """How many items there are."""
        ...

    @property
    def data(self) -> Mapping[str, str]:
        """Name of each data file → SHA-256."""
        ...

    @property
    def settings(self) -> Mapping[str, str | int | float | bool | None]:
        """Options that change what is asked; two profiles must share them to be compared."""
        ...

    @property
    def sampling(self) -> Sampling | None:
        """How text is drawn; None for a probe that only weighs."""
        ...

    def items(self) -> Iterable[Item]: ...

    def ask(self, item: Item) -> Request: ...

    def score(self, item: Item, answer: Answer) -> Mapping[str, float | None]:
        """The item's columns; pure: the same answer gives the same scores in every shell."""
        ...
