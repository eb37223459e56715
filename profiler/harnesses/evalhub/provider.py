"""What EvalHub is told of us: each probe as a benchmark, with its numbers and which way they are better."""

from __future__ import annotations

import shlex
import sys

from profiler import probes
from profiler.metrics import Metric
from profiler.plugins import about
from profiler.probes import Probe

NAME = "inherit"
HEADLINE = dict.fromkeys(("stereoset", "stereoset_both", "stereoset_chat"), "icat")
HEADLINE |= dict.fromkeys(("stereoset_inter", "stereoset_inter_chat"), "icat")
"""Probe → the number that its authors rank by, where that is not the first."""


def asked() -> dict[str, type[Probe]]:
    """The probes that can be asked of a server."""
    return {name: probe for name, probe in probes.every().items() if not probe.in_process}


def headline(name: str, probe: type[Probe]) -> Metric | None:
    """The number that a benchmark is judged by: EvalHub's go up or down, so one that is best at 0 or 50 is none."""
    metrics = {metric.name: metric for metric in probe().metrics}
    first = metrics.get(HEADLINE.get(name, "")) or next(iter(metrics.values()))
    return first if first.ideal in ("high", "low") else None


def direction(metric: Metric) -> str:
    """Where a number would like to be, for a reader."""
    match metric.ideal:
        case "high" | "low":
            return f"{metric.ideal}er is better"
        case None:
            return "describes, and is neither better nor worse"
        case best:
            return f"best at {best:g}: farther from it, to either side, is worse"


def benchmark(name: str, probe: type[Probe]) -> dict[str, object]:
    """A probe as a benchmark."""
    told = [f"{metric.name}: {metric.about.rstrip('.')}; {direction(metric)}" for metric in probe().metrics]
    found: dict[str, object] = {
        "id": name,
        "name": name,
        "description": about(probe),
        "category": probe.topic or name,
        "metrics": [metric.name for metric in probe().metrics],
        "tags": ["inherit", probe.topic or name],
        "agent": {"result_interpretation": "; ".join(told)},
    }
    if main := headline(name, probe):
        found["primary_score"] = {"metric": main.name, "lower_is_better": main.ideal == "low"}
    return found


def provider(command: str | None = None) -> dict[str, object]:
    """The file for EvalHub's config/providers; JSON is YAML. COMMAND starts a job, where not this Python does."""
    return {
        "id": NAME,
        "name": NAME,
        "title": "Inheritance profiler",
        "description": "Bias, toxicity, calibration, preferences and style of a model, with intervals",
        "runtime": {"local": {"command": command or f"{shlex.quote(sys.executable)} -m {__package__}"}},
        "benchmarks": [benchmark(name, probe) for name, probe in asked().items()],
    }
