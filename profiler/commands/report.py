"""Take over what another harness left: `report`, and where lm-eval finds our tasks: `tasks-path`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from profiler.commands.option import Json, Out
from profiler.commands.say import note, result
from profiler.errors import WrongUse


def report(
    lm_eval: Annotated[
        Path | None,
        typer.Option("--lm-eval", help="What `lm_eval --output_path --log_samples` left: a folder or file."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="What to call the profile; the model's name if left out.")] = None,
    out: Out = Path("runs"),
    json: Json = False,
) -> None:
    """Turn what another harness asked by our probes into a profile.

    Of several runs in a folder the newest is taken. The profile can be shown and compared like any other.
    """
    from profiler import harness
    from profiler.adapters import lm_eval_results

    if lm_eval is None:
        raise WrongUse("expected a folder of results, as `inherit report --lm-eval RESULTS_DIR`; none came")
    done = harness.keep(lm_eval_results.harvest(lm_eval), out, name)
    result(done, "json" if json else "table")
    note(f"{out / done.id}: profile.json, report.html, samples/")


def tasks_path() -> None:
    """Print the folder of lm-eval's tasks.

    For `lm_eval --include_path "$(inherit tasks-path)"`, where lm-eval does not find them by itself.
    """
    from lm_eval_tasks import finder

    sys.stdout.write(f"{finder.FOLDER}\n")
