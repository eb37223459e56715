"""The scores that came with recorded texts: nothing is scored anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from profiler.errors import BadData
from profiler.metrics.toxicity.scorer import Scorer
from profiler.plugins import PluginSpec
from profiler.stats import FloatArray


@dataclass(frozen=True)
class RecordedScores(Scorer):
    """Whatever scored the texts of a file that `inherit rescore` reads."""

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
