"""The scores that came with recorded texts: nothing is scored anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from profiler.errors import BadData
from profiler.plugins import Spec
from profiler.stats import FloatArray


@dataclass(frozen=True)
class Recorded:
    """Whatever scored the texts of a file that `inherit rescore` reads."""

    name = "recorded"
    version = "recorded"
    labels = ("toxicity",)
    label = "toxicity"
    usual = "toxicity"
    languages = None

    @classmethod
    def build(cls, order: Spec) -> Recorded:
        order.only()
        return cls()

    def scores(self, texts: Sequence[str]) -> FloatArray:
        raise BadData("scorer 'recorded' takes scores that came with recorded texts, and these came without")
