"""A probe asks a model things and scores each answer; its instances, one a file."""

from profiler.probes.options import ProbeOptions, Suite
from profiler.probes.probe import Probe
from profiler.probes.registry import every, get, register

__all__ = ["Probe", "ProbeOptions", "Suite", "every", "get", "register"]
