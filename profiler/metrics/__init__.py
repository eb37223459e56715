"""A metric of a text, and its instances: one family a file."""

from profiler.metrics.metric import Metric, distinct, measure, measured
from profiler.metrics.registry import FACTORIES, default, every, factory, get, register

__all__ = ["FACTORIES", "Metric", "default", "distinct", "every", "factory", "get", "measure", "measured", "register"]
