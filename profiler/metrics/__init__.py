"""A metric of a text, and its instances: one family a file."""

from profiler.metrics.metric import Metric, distinct, measure, measured
from profiler.metrics.registry import FACTORIES, default, every, factory, get, register
from profiler.stats.bootstrap import FloatArray, Mean
from profiler.text.counting import Text

__all__ = [
    "FACTORIES",
    "FloatArray",
    "Mean",
    "Metric",
    "Text",
    "default",
    "distinct",
    "every",
    "factory",
    "get",
    "measure",
    "measured",
    "register",
]
