"""A checkpoint that runs in this process as an engine."""

from profiler.endpoints.local import demo

__all__ = ["checkpoint", "demo"]  # noqa: F822 - checkpoint loads torch: imported where it is used
