"""How every command speaks: options that several share, results on stdout, all else on stderr, one way to stop."""

from __future__ import annotations

import re
import signal
import sys
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import typer

from profiler.errors import visible

if TYPE_CHECKING:
    from profiler.records import Record
    from profiler.reporting.report import Report

T = TypeVar("T")

Format = Annotated[
    Literal["table", "md", "csv", "latex", "json"], typer.Option("--format", "-f", help="How it is printed.")
]
Out = Annotated[Path, typer.Option("--out", "-o", help="Folder that holds the runs.")]
Json = Annotated[bool, typer.Option("--json", help="Print the stored record instead of a table.")]
Service = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="Have a profiler service (`inherit ui`) do it, and follow the job. Paths and variables of keys are then "
        "the service's own; its token is read from the variable INHERIT_TOKEN.",
    ),
]
Run = Annotated[str, typer.Argument(help="A run: its folder, the end of the folder's name, its --name, or `latest`.")]
Data = Annotated[
    Path | None, typer.Option("--data", help="Folder of official data files, packed or not; else INHERIT_DATA.")
]
Push = Annotated[
    str | None,
    typer.Option(help="OWNER/NAME: put what was made on the Hugging Face hub, private where it is new."),
]
Save = Annotated[
    Path | None, typer.Option(help="Write to a file instead; its ending says how: .md .csv .tex .json .html .png .svg")
]


def publish(report: Report, format: Format, path: Path | None = None) -> None:
    """Print a report in FORMAT, or write it to PATH in the format that its ending names."""
    from profiler.reporting.report import render, save

    if path:
        save(report, path)
    else:
        written = render(report, format)
        sys.stdout.write(coloured(written) if format == "table" else written if format == "json" else visible(written))


def coloured(text: str) -> str:
    """A table as it goes out: its cells hold no control characters, so those that stand there are its colours."""
    if not sys.stdout.isatty():
        return visible(text)
    parts = re.split(r"(\x1b\[[\d;]*m)", text)
    return "".join(part if part.startswith("\x1b[") else visible(part) for part in parts)


def note(text: str) -> None:
    """What is said beside the result goes to stderr."""
    sys.stderr.write(visible(text) + "\n")


def keep_options(options: Record, path: Path | None) -> None:
    """Write what a verb was told beside the file that it left."""
    from profiler.files import write_whole

    if path:
        write_whole(path.with_name(f"{path.name}.options.json"), options.model_dump_json(indent=1).encode() + b"\n")


def finish(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end, or say how to resume after Ctrl-C."""
    from profiler.http import wait

    with resumable():
        return wait(work)


@contextmanager
def resumable(how: str = "run the same command again to resume") -> Iterator[None]:
    """What is stopped inside says HOW it goes on."""
    try:
        yield
    except KeyboardInterrupt:
        note(f"\nstopped; what was done is kept: {how}")
        raise typer.Exit(130) from None


def _stop(*_: object) -> None:
    # A script that starts us in the background makes us deaf to Ctrl-C, not to a polite kill.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        raise KeyboardInterrupt
    signal.raise_signal(signal.SIGINT)


@contextmanager
def stoppable() -> Iterator[None]:
    """Inside, a polite kill and a closed terminal stop us as Ctrl-C does, so that what we started is stopped too."""
    # Only the main thread may listen to signals; a page or a test that serves from another stops it itself.
    listens = threading.current_thread() is threading.main_thread()
    polite = [number for number in signal.Signals if listens and number.name in ("SIGTERM", "SIGHUP")]
    # Who has said otherwise is left alone: under nohup, a closed terminal is nothing.
    ours = [number for number in polite if signal.getsignal(number) is signal.SIG_DFL]
    for number in ours:
        signal.signal(number, _stop)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)
