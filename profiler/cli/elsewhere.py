"""A command that a cluster does: its words go there, and what it says comes back (`--on PLACE`)."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from inspect import Parameter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from profiler.cli.console import note
from profiler.errors import WrongUse

if TYPE_CHECKING:
    from profiler.records import Record

VERBS = ("profile", "score", "judge", "sample")
"""Commands with a record of options that a cluster can do as they are; `train` has one of its own."""

On = Annotated[
    str, typer.Option(metavar="PLACE", help="Where it runs: here, ray, ray://HOST:PORT, slurm or slurm:PARTITION.")
]
Gpus = Annotated[float, typer.Option(min=0, help="GPUs that it gets there.")]
Processors = Annotated[int, typer.Option(min=1, help="Processors that it gets there.")]

PARAMETERS = [
    Parameter(name, Parameter.KEYWORD_ONLY, default=usual, annotation=kind)
    for name, usual, kind in (("on", "here", On), ("gpus", 0.0, Gpus), ("processors", 1, Processors))
]


class Said(NamedTuple):
    """How a command ended, and what it wrote."""

    code: int
    out: str
    err: str


def done(verb: str, told: Record, given: dict[str, object], usual: Mapping[str, object]) -> bool:
    """Have a VERB done as its record and its own options say, if that is elsewhere."""
    on, gpus, processors = (given.pop(parameter.name) for parameter in PARAMETERS)
    words = [verb, *options(given, usual)]
    return handed(str(on), float(str(gpus)), int(str(processors)), words, told)


def handed(on: str, gpus: float, processors: int, words: Sequence[str], told: Record | None = None) -> bool:
    """Have the command of these WORDS, and of a record of options, done at a place; says whether that is not here."""
    from profiler.places import Task, place_at, run

    place = place_at(on)
    if place is None:
        if gpus or processors > 1:
            raise WrongUse("--gpus and --processors are for a cluster: name it with --on, or leave them out")
        return False
    given = (tuple(words), told and told.model_dump(mode="json", exclude_defaults=True), str(Path.cwd()))
    note(f"handed to {on}")
    for _, said in run(place, [Task(f"inherit {words[0]}", command, given, gpus, processors, outlives=True)]):
        sys.stdout.write(said.out)
        sys.stderr.write(said.err)
        if said.code:
            raise typer.Exit(said.code)
    return True


def options(given: Mapping[str, object], usual: Mapping[str, object]) -> Iterator[str]:
    """The words of options that are not as usual."""
    for name, value in given.items():
        if value not in (usual.get(name), False):
            for each in value if isinstance(value, list | tuple) else [value]:
                yield f"--{name.replace('_', '-')}"
                if each is not True:
                    yield str(each)


def command(words: Sequence[str], record: Mapping[str, Any] | None, where: str) -> Said:
    """Do a command there, in a process of its own."""
    from profiler.places import COMMAND

    with tempfile.TemporaryDirectory() as folder:
        line = [*COMMAND, *words]
        if record is not None:
            file = Path(folder) / "options.json"
            file.write_text(json.dumps(record), "utf-8")
            line.insert(len(COMMAND) + 1, f"@{file}")
        pipes: dict[str, Any] = {"stdin": subprocess.DEVNULL, "capture_output": True, "encoding": "utf-8"}
        done = subprocess.run(line, cwd=where, errors="replace", check=False, **pipes)  # noqa: S603 - our own command
    return Said(done.returncode, done.stdout, done.stderr)
