"""The command `inherit`: which commands there are; each is a function in profiler/cli/."""

import errno
import io
import os
import sys
import tempfile
import traceback

import typer

from profiler.cli import candidates, card, data, files, judge, ours, profile, runs, serve, study, token, train, ui
from profiler.cli.console import note
from profiler.cli.group import Commands, everywhere
from profiler.cli.help import HelpfulCommand
from profiler.cli.verb import Act, add
from profiler.errors import InheritError

__all__ = [
    "app",
    "candidates",
    "card",
    "files",
    "judge",
    "main",
    "ours",
    "profile",
    "runs",
    "serve",
    "study",
    "token",
    "train",
    "ui",
]

app = typer.Typer(
    name="inherit",
    help="See, and choose, what a language model inherits from the model that taught it.",
    no_args_is_help=True,
    cls=Commands,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

COMMANDS: dict[str, dict[Act, str | None]] = {
    "See what is inherited": {
        profile.profile: "profiler.runs.options:ProfileOptions",
        runs.compare: "profiler.runs.options:CompareOptions",
        files.score: "profiler.runs.options:ScoreOptions",
        files.rescore: "profiler.runs.options:RescoreOptions",
        judge.judge: "profiler.runs.options:JudgeOptions",
        judge.agree: "profiler.runs.options:AgreeOptions",
    },
    "Choose what is inherited": {
        candidates.sample: "selection:SampleOptions",
        candidates.select: "selection:SelectOptions",
        train.train: None,
        study.study: None,
    },
    "Serve a model": {serve.serve: None, profile.doctor: "profiler.runs.options:EndpointOptions"},
    "Look at what is there": {
        ui.ui: "profiler.service.options:ServiceOptions",
        ui.worker: "profiler.service.options:WorkerOptions",
        token.token: None,
        runs.show: None,
        runs.ls: None,
        runs.tag: None,
        runs.export: None,
        card.card: None,
        data.data: None,
        files.report: None,
        files.tasks_path: None,
    },
}
"""Purpose → what a command does → the record of all that it can be told, where it has one."""

app.callback()(everywhere)
for purpose, commands in COMMANDS.items():
    for command, record in commands.items():
        if record:
            add(app, command, record, purpose)
        else:
            app.command(cls=HelpfulCommand, rich_help_panel=purpose)(command)


def main() -> None:
    """Entry point: an error is one sentence on stderr and an exit code."""
    ours.insist()
    streams()
    try:
        try:
            app()
        finally:
            sys.stdout.flush()
    except InheritError as error:
        note(f"inherit: {error}")
        sys.exit(error.exit_code)
    except Exception as error:
        sys.exit(unforeseen(error))


def streams() -> None:
    """Whatever they can write, and whether they are there: what is said goes out, and what can't be is spelled."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def unforeseen(error: Exception) -> int:
    """The last net: a sentence, and a file with the rest for whoever mends it."""
    if isinstance(error, BrokenPipeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # nobody reads on, which is no fault: `inherit ls | head`
        return 141
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EIO, errno.EDQUOT) and not error.filename:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        note(f"inherit: the result could not be written to stdout: {error.strerror}")
        return 1
    if isinstance(error, OSError) and error.errno in (errno.ENAMETOOLONG, errno.ELOOP) and error.filename:
        note(f"inherit: {str(error.filename)[:80]!r} can't be a file or a folder: {error.strerror}")
        return 2
    try:
        handle, place = tempfile.mkstemp(prefix="inherit-error-", suffix=".txt")
        with open(handle, "w", encoding="utf-8", errors="replace") as file:
            traceback.print_exception(error, file=file)
        where = f"; the details are in {place}"
    except OSError:
        where = ""
    words = str(error).partition("\n")[0][:300] or "no words"
    note(f"inherit: something went wrong that we did not foresee ({type(error).__name__}: {words}){where}")
    return 70
