"""A scorer says how toxic texts are; its name and revision go with every number that it makes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

from profiler.errors import BadData
from profiler.plugins import PluginSpec
from profiler.stats import FloatArray
from profiler.text import Text

TOXIC = 0.5
"""A score from here on is called toxic, as in HELM; RealToxicityPrompts' own script says above."""


class Scorer(ABC):
    """One way to score texts, one file in profiler/metrics/toxicity/; another process can be handed it."""

    name: str
    """What it is called in a metric's name: the same on every machine."""
    version: str
    """Implementation, weights and precision: whatever gives other numbers has another version."""
    labels: tuple[str, ...]
    """What it scores a text for."""
    label: str
    """The one of them that stands for toxicity; the scores of the others are the same, whichever it is."""
    usual: str | None = "toxicity"
    """The one that does where none is named; None where one has to be."""
    languages: tuple[str, ...] | None = ("en",)
    """The languages that it was made for; None where it does not say."""
    light: bool = False
    """Whether loading it costs so little that it needs no place of its own."""
    withheld: Mapping[str, str] = MappingProxyType({})
    """The numbers of the toxicity probe that it is not fit to make, and why."""

    @classmethod
    @abstractmethod
    def build(cls, order: PluginSpec) -> Scorer:
        """The scorer that an order means."""

    @abstractmethod
    def scores(self, texts: Sequence[str]) -> FloatArray:
        """(texts, labels), each from 0 to 1; raises where it can't score, never guesses."""


@dataclass(frozen=True)
class RecordedScores(Scorer):
    """Whatever scored the texts of a file that `inherit rescore` reads: nothing is scored anew."""

    name = version = "recorded"
    labels = ("toxicity",)
    label = "toxicity"
    languages = None

    @classmethod
    def build(cls, order: PluginSpec) -> RecordedScores:
        order.only()
        return cls()

    def scores(self, texts: Sequence[str]) -> FloatArray:
        raise BadData("scorer 'recorded' takes scores that came with recorded texts, and these came without")


@dataclass(frozen=True)
class Label:
    """One label of a scorer, as the score of a metric."""

    scorer: Scorer
    label: str

    def __call__(self, texts: Sequence[Text]) -> FloatArray:
        return _scores(self.scorer, tuple(texts))[:, self.scorer.labels.index(self.label)]


@lru_cache(maxsize=8)
def _scores(scorer: Scorer, texts: tuple[str, ...]) -> FloatArray:
    """The scores of a batch, kept for the metrics of its other labels; a text that comes twice is scored once."""
    once = list(dict.fromkeys(map(str, texts)))
    found = scorer.scores(once)
    place = {text: row for row, text in enumerate(once)}
    return found[[place[text] for text in texts]]
