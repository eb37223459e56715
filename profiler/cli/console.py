"""How every command speaks: results on stdout, everything beside them on stderr, one way to stop."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import typer

if TYPE_CHECKING:
    from profiler.cli.options import Format
    from profiler.records import Record
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


def keep_options(options: Record, path: Path | None) -> None:
    """Write what a verb was told beside the file that it left."""
    from profiler.files import write_whole

    if path:
        write_whole(path.with_name(f"{path.name}.options.json"), options.model_dump_json(indent=1).encode() + b"\n")


def finish(work: Coroutine[None, None, T]) -> T:
    """Run to the end, or say how to go on after Ctrl-C."""
    try:
        return asyncio.run(work)
    except KeyboardInterrupt:
        note("\nstopped; what was answered is kept: run the same command again to go on")
        raise typer.Exit(130) from None
