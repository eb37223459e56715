"""A probe asks a model things and scores each answer into columns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Generic, Self

from profiler.datasets import F, Item, Row, mini
from profiler.endpoints import Answer, Request
from profiler.metrics import Metric
from profiler.probes.options import ProbeOptions
from profiler.records import Sampling, Writing

Setting = str | int | float | bool | None


@dataclass(frozen=True)
class Probe(ABC, Generic[F]):
    """Something a model can be asked, one file in profiler/probes/; what its items hold is the NamedTuple F."""

    suite: str = "mini"
    """Where the items came from: mini, paper, full, or a file of the user's."""
    limit: int | None = None
    """Ask only so many items, picked by a seeded draw."""
    missing: tuple[str, ...] = ()
    """Parts of the suite whose official files are not to be had."""

    name: ClassVar[str]
    shipped: ClassVar[str] = ""
    """The set of our own that it asks as its mini suite: profiler/datasets/mini/NAME.jsonl."""
    version = 1
    """Goes up whenever the same answers would give other numbers."""
    default: ClassVar[bool] = False
    """Whether it is asked where nobody names a probe."""
    topic: ClassVar[str] = ""
    """What it is about, where several probes are about the same: lm-eval asks them as one group; else its name."""
    in_words: ClassVar[tuple[str, ...]] = ()
    """Probes that ask about the same in words, other instruments; the first stands in where this one can't be asked."""
    asks: ClassVar[int] = 1
    """How often each item of the data is asked."""
    template: ClassVar[str] = ""
    """Id of the prompt template, where it is one of a judge's."""

    @classmethod
    def build(cls, options: ProbeOptions) -> Self:
        """The probe that OPTIONS call for; of a probe with one set of items, as many as are wanted."""
        return cls(limit=options.limit)

    @property
    @abstractmethod
    def metrics(self) -> tuple[Metric, ...]:
        """What is estimated from the columns."""

    @property
    def enough(self) -> int:
        """Fewer items than this say little about some of its numbers."""
        return max((metric.enough for metric in self.metrics), default=0)

    @property
    def text_metrics(self) -> tuple[Metric, ...]:
        """Measured on every generated text, in batches, before `score` sees the answer."""
        return ()

    @property
    def lang(self) -> str:
        """Language of the texts that a model writes for it."""
        return "en"

    @property
    def sampling(self) -> Sampling | None:
        """How text is drawn; None for a probe that only weighs."""
        return None

    @property
    def writing(self) -> Writing | None:
        """How texts are asked for, as far as a user may set it; None where nothing may be set."""
        return None

    @property
    def order(self) -> int:
        """Seed of the order in which options are listed by letter."""
        return 0

    @property
    def settings(self) -> Mapping[str, Setting]:
        """What was asked, and how, for a reader; two profiles must share it to be compared."""
        return self.writing.model_dump(exclude_none=True) if self.writing else {}

    @property
    def data(self) -> Mapping[str, str]:
        """Name of each data file → SHA-256; of the shipped set where a probe does not say otherwise."""
        return {f"mini {self.shipped}": mini.sha256(self.shipped)}

    def rows(self) -> Iterator[Row]:
        """The rows of the shipped set."""
        return mini.rows(self.shipped)

    @property
    @abstractmethod
    def items(self) -> Iterable[Item[F]]:
        """What is asked, the same and in the same order each time."""

    @property
    def count(self) -> int:
        """How many items there are."""
        return sum(1 for _ in self.items)

    @abstractmethod
    def ask(self, item: Item[F]) -> Request: ...

    @abstractmethod
    def score(self, item: Item[F], answer: Answer) -> Mapping[str, float | None]:
        """The item's columns; pure: the same answer gives the same scores in every shell."""
