"""BBQ: the probe, its items, what each option stands for, and HELM's variant of the scores."""

from profiler.probes.bbq.probe import Bbq

__all__ = ["Bbq"]
