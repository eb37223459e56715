"""How every command speaks: results on stdout, everything beside them on stderr, one way to stop."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import typer

if TYPE_CHECKING:
    from profiler.cli.options import Format
    from profiler.probes.probe import Probe
    from profiler.reporting.report import Report

T = TypeVar("T")


def publish(report: Report, format: Format, path: Path | None = None) -> None:
    """Print a report in FORMAT, or write it to PATH in the format that its ending names."""
    from profiler.reporting.report import render, save

    if path:
        save(report, path)
    else:
        sys.stdout.write(render(report, format))


def note(text: str) -> None:
    """What is said beside the result goes to stderr."""
    sys.stderr.write(text + "\n")


def announce(probes: Sequence[Probe]) -> None:
    """What a user must know of the data before reading a number."""
    for probe in probes:
        if missing := ", ".join(probe.missing):
            note(f"{probe.name}: left out, because their official files can't be had: {missing}")
        if probe.count < probe.enough:
            few = f"{probe.count} items, fewer than the {probe.enough}"
            note(f"{probe.name}: {few} that its errors over bins need to be read")
    if mini := [probe.name for probe in probes if probe.suite == "mini"]:
        note(f"asking the MINI sets of {', '.join(mini)}: for trying things out; do not publish their numbers")


def finish(work: Coroutine[None, None, T]) -> T:
    """Run to the end, or say how to go on after Ctrl-C."""
    try:
        return asyncio.run(work)
    except KeyboardInterrupt:
        note("\nstopped; what was answered is kept: run the same command again to go on")
        raise typer.Exit(130) from None
