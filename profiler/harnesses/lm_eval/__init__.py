"""Our probes as tasks of lm-eval."""

from profiler.harnesses.lm_eval import results

__all__ = ["results"]
