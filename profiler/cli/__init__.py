"""The command `inherit`: which commands there are; each is a function in profiler/cli/."""

from __future__ import annotations

import sys

import typer

from profiler.cli import data, files, imports, judge, ours, profile, runs, sample, select, serve, study, train
from profiler.cli.console import note
from profiler.cli.verb import Act, add
from profiler.errors import InheritError

__all__ = ["app", "main", "serve"]

app = typer.Typer(
    name="inherit",
    help="See, and choose, what a language model inherits from the model that taught it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

VERBS: dict[Act, str] = {
    profile.profile: "profiler.runs.options:ProfileOptions",
    runs.compare: "profiler.runs.options:CompareOptions",
    files.score: "profiler.runs.options:ScoreOptions",
    files.rescore: "profiler.runs.options:RescoreOptions",
    judge.judge: "profiler.runs.options:JudgeOptions",
    judge.agree: "profiler.runs.options:AgreeOptions",
    sample.sample: "selection:SampleOptions",
    select.select: "selection:SelectOptions",
}
"""What does a verb → the record of all that it can be told."""

for command in (
    profile.profile,
    runs.compare,
    runs.show,
    files.score,
    files.rescore,
    data.data,
    profile.doctor,
    judge.judge,
    judge.agree,
    serve.serve,
    sample.sample,
    select.select,
    train.train,
    study.study,
    runs.ls,
    runs.export,
    imports.report,
    imports.tasks_path,
):
    if command in VERBS:
        add(app, command, VERBS[command])
    else:
        app.command()(command)


def main() -> None:
    """Entry point: what we raise on purpose is one sentence on stderr and an exit code."""
    ours.insist()
    try:
        app()
    except InheritError as error:
        note(f"inherit: {error}")
        sys.exit(error.exit_code)
