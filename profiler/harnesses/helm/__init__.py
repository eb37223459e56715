"""HELM asks our probes: run specs, scenarios, metrics and a client, over the functions that `inherit profile` uses."""

from profiler.harnesses.helm import folder

__all__ = ["folder"]
