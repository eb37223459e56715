"""A probe asks a model things and scores each answer; its instances, one a file."""

from profiler.probes.probe import Options, Probe
from profiler.probes.registry import every, get, register

__all__ = ["Options", "Probe", "every", "get", "register"]
