"""What files hold, without a model: `score`, `rescore`, another harness's `report`, and where its tasks lie."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from profiler.cli.console import Json, Out, keep_options, note, publish, resumable
from profiler.errors import FAILED, Incomplete, WrongUse

if TYPE_CHECKING:
    from profiler.datasets import Row
    from profiler.harnesses import ImportedRun
    from profiler.probes import Probe
    from profiler.records import Estimate
    from profiler.runs.options import RescoreOptions, ScoreOptions
    from profiler.runs.rescore import RescoreResult


def score(options: ScoreOptions, json: Json = False) -> None:
    """Measure the texts of a file.

    Prints a table of means with intervals; --save keeps a row of scores for each text, and the same command goes
    on where it was stopped.
    """
    from profiler.reporting.progress import Bar
    from profiler.runs import score_texts

    with resumable(), Bar() as bar:
        found = score_texts.scores(options, partial(bar.step, "score", total=0))
    show(found.estimates, json)
    keep_options(options, options.save)


def rescore(options: RescoreOptions, json: Json = False) -> None:
    """Score answers that were recorded elsewhere, without a model.

    A row is {"item": ID, "choice": 2}, {"item": ID, "likelihoods": [[-7.5, 3], …]} or {"item": ID, "texts": ["…"]}, or
    as lm-eval, HELM and the authors' scripts write it: docs/probes.md has the forms.
    """
    from profiler.runs import foreign_answers

    asked, found = scored(options, foreign_answers.read(options.file))
    show(found.estimates, json)
    note(f"{asked.name} [{asked.suite}]: {found.answered:,} of {asked.count:,} items answered")
    if found.errors:
        note(f"{len(found.errors):,} of them could not be scored, and are in no number:")
    for error in found.errors[:5]:
        note(f"  {error}")
    if len(found.errors) > FAILED * found.answered:
        of = f"{len(found.errors):,} of {found.answered:,} answers"
        raise Incomplete(f"incomplete: more than {FAILED:.0%} could not be scored: {of}; the first: {found.errors[0]}")


def scored(options: RescoreOptions, rows: Iterable[Row]) -> tuple[Probe, RescoreResult]:
    """The probe, and what recorded answers to it amount to."""
    from profiler import probes
    from profiler.datasets import found_in
    from profiler.reporting.progress import Downloads
    from profiler.runs import profile, rescore

    with found_in(options.data):
        with Downloads():
            probes.refuse_idle([options.probe], options)
            asked = probes.get(options.probe).build(options.told)
        for said in profile.warnings([asked]):
            note(said)
        return asked, rescore.rescored(asked, rows, options.answer)


def show(found: Sequence[Estimate], json: bool) -> None:
    from profiler.reporting.profile import estimates_text

    lines = "".join(estimate.model_dump_json() + "\n" for estimate in found)
    sys.stdout.write(lines if json else estimates_text(found))


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
