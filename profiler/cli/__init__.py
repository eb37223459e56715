"""The command `inherit`: which commands there are; each is a function in profiler/cli/."""

import sys

import typer

from profiler.cli import candidates, data, files, judge, ours, profile, runs, serve, study, train
from profiler.cli.console import note
from profiler.cli.verb import Act, add
from profiler.errors import InheritError

__all__ = ["app", "candidates", "files", "judge", "main", "ours", "profile", "runs", "serve", "study", "train"]

app = typer.Typer(
    name="inherit",
    help="See, and choose, what a language model inherits from the model that taught it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

COMMANDS: dict[Act, str | None] = {
    profile.profile: "profiler.runs.options:ProfileOptions",
    runs.compare: "profiler.runs.options:CompareOptions",
    runs.show: None,
    files.score: "profiler.runs.options:ScoreOptions",
    files.rescore: "profiler.runs.options:RescoreOptions",
    data.data: None,
    profile.doctor: "profiler.runs.options:EndpointOptions",
    judge.judge: "profiler.runs.options:JudgeOptions",
    judge.agree: "profiler.runs.options:AgreeOptions",
    serve.serve: None,
    candidates.sample: "selection:SampleOptions",
    candidates.select: "selection:SelectOptions",
    train.train: None,
    study.study: None,
    runs.ls: None,
    runs.export: None,
    files.report: None,
    files.tasks_path: None,
}
"""What a command does → the record of all that it can be told, where it has one."""

for command, record in COMMANDS.items():
    if record:
        add(app, command, record)
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
