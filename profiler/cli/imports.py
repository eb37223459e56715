"""Take over what another harness left: `report`, and where lm-eval finds our tasks: `tasks-path`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from profiler.cli.console import note, publish
from profiler.cli.options import Json, Out
from profiler.errors import WrongUse

if TYPE_CHECKING:
    from profiler.harnesses import ImportedRun


def report(
    lm_eval: Annotated[
        Path | None,
        typer.Option("--lm-eval", help="What `lm_eval --output_path --log_samples` left: a folder or file."),
    ] = None,
    helm: Annotated[
        Path | None,
        typer.Option(help="What `helm-run` left: a run's folder, or a suite's below benchmark_output/runs."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="What to call the profile; the model's name if left out.")] = None,
    out: Out = Path("runs"),
    json: Json = False,
) -> None:
    """Turn what another harness asked by our probes into a profile.

    Of several runs of lm-eval in a folder the newest is taken; of HELM's, all that asked one model become one profile.
    It can be shown and compared like any other.
    """
    from profiler.harnesses import imported
    from profiler.reporting.profile import profile_report, run_report
    from profiler.reporting.report import save
    from profiler.runs import Run

    for harvest in harvests(lm_eval, helm):
        done = imported.keep(harvest, out, name)
        save(run_report(Run(out / done.id)), out / done.id / "report.html")
        publish(profile_report(done), "json" if json else "table")
        note(f"{out / done.id}: profile.json, report.html, samples/")


def harvests(lm_eval: Path | None, helm: Path | None) -> list[ImportedRun]:
    """What the named harness left: of HELM, a run for each model."""
    match lm_eval, helm:
        case Path(), None:
            from profiler.harnesses.lm_eval import results

            return [results.harvest(lm_eval)]
        case None, Path():
            from profiler.harnesses.helm import folder

            return folder.harvests(helm)
        case _:
            raise WrongUse("expected one folder of results: inherit report --lm-eval DIR, or inherit report --helm DIR")


def tasks_path() -> None:
    """Print the folder of lm-eval's tasks.

    For `lm_eval --include_path "$(inherit tasks-path)"`, where lm-eval does not find them by itself.
    """
    import inheritance_profile_finder as finder

    sys.stdout.write(f"{finder.FOLDER}\n")
