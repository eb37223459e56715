"""BBQ: the probe with HELM's variant of its scores, its items, and what each option stands for."""

from profiler.probes.bbq.probe import Bbq

__all__ = ["Bbq"]
