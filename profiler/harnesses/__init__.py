"""Other people's front doors: our probes in lm-eval and HELM, and what they left as runs of ours."""

from profiler.harnesses import imported
from profiler.harnesses.imported import ImportedRun

__all__ = ["ImportedRun", "imported"]
