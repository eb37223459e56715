"""A metric of a text, and its instances: one family a file."""

from profiler.metrics.metric import FACTORIES, Metric, default, distinct, every, get, measure, measured, register
from profiler.metrics.toxicity import DEFAULT, KINDS, named
from profiler.metrics.toxicity.scorer import TOXIC, Scorer
from profiler.metrics.toxicity.tox_block import ToxBlock
from profiler.stats import FloatArray, Mean
from profiler.text import Text

__all__ = [
    "DEFAULT",
    "FACTORIES",
    "KINDS",
    "TOXIC",
    "FloatArray",
    "Mean",
    "Metric",
    "Scorer",
    "Text",
    "ToxBlock",
    "default",
    "distinct",
    "every",
    "get",
    "measure",
    "measured",
    "named",
    "register",
]
