"""See what students inherit, arm by arm: `study`."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from profiler.cli.console import Data, Json, Service, note, publish, resumable
from profiler.errors import BadData, CheckFailed, StagesFailed, WrongUse

if TYPE_CHECKING:
    from profiler.study import Schedule, Study

LOOK = 1.0
"""Seconds between two looks at how far stages are."""


def study(
    path: Annotated[Path | None, typer.Argument(metavar="STUDY", help="A study in YAML or TOML.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what is done, what is to do and what it costs.")
    ] = False,
    so_far: Annotated[
        bool, typer.Option("--report", help="Write the report of what is done so far, and do nothing else.")
    ] = False,
    show: Annotated[bool, typer.Option("--show", help="Print the study with every key, and do nothing.")] = False,
    on: Annotated[
        str | None, typer.Option(metavar="PLACE", help="Where stages run: here, ray[://HOST:PORT], slurm[:PARTITION].")
    ] = None,
    at_once: Annotated[
        int | None, typer.Option(min=1, help="Stages that may run here at once, beside those that only ask servers.")
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Show how far each stage is, until nothing runs; do nothing else.")
    ] = False,
    assume: Annotated[
        Path | None,
        typer.Option(help="For --dry-run: a file of your own assumptions (tokens a second, prices, model sizes)."),
    ] = None,
    data: Data = None,
    json: Json = False,
    service: Service = None,
) -> None:
    """Teach students and see what they inherit: candidates, choices, controls, trainings, profiles, a report.

    Every stage is known by the hash of its inputs: none is done twice, and a study that was stopped resumes when the
    same command is given again. Exit 3 where a guarded number fell further than the study allows.
    """
    from profiler.cli.follow import follow
    from profiler.datasets import found_in, settings
    from profiler.study import Schedule, read_study, study_text

    if path is None:
        if not show:
            raise WrongUse("expected a study's file; `inherit study --show` prints one with every key")
        sys.stdout.write(study_text())
        return
    path = Path(str(path).removeprefix("@"))
    changes = {name: value for name, value in (("on", on), ("at_once", at_once)) if value is not None}
    if service is not None:
        own = {
            "dry_run": dry_run,
            "assume": assume,
            "report": so_far,
            "show": show,
            "watch": watch,
            "data": data,
            "json": json,
        }
        return follow(service, "study", settings.load(path) | changes, own)
    with found_in(data):
        read = read_study(path, **changes)
        if show:
            sys.stdout.write(study_text(read))
            return
        if dry_run:
            return foresee(read, assume, json)
        schedule = Schedule.of(read)
        if watch:
            return show_stages(schedule)
        if not so_far:
            try:
                with resumable(f"`inherit study {path}` resumes"):
                    carry_out(schedule)
            except StagesFailed:
                with suppress(BadData, CheckFailed):  # where no student is done there is nothing to report
                    tell(schedule, json)
                raise
        tell(schedule, json)


def show_stages(schedule: Schedule) -> None:
    """Show the stages anew whenever one of them is further, as long as somebody works on the study."""
    from profiler.study import report

    shown = ""
    while True:
        driven, steps = schedule.workspace.driven(), schedule.plan()
        if (told := report.stages_text(steps)) != shown:
            sys.stdout.write(("\x1b[H\x1b[2J" if sys.stdout.isatty() else "\n" * bool(shown)) + told)
            sys.stdout.flush()
            shown = told
        if not driven and not any(step.state == "running" for step in steps):
            return
        time.sleep(LOOK)


def foresee(study: Study, assume: Path | None, json: bool) -> None:
    """Print what is done, what is to do and what it takes; an error where it could not be carried out here."""
    from profiler.study import Schedule, away, forecast, read_assumptions, report

    told = read_assumptions(assume)
    if gone := away(study):
        found = forecast(study, told)
        sys.stdout.write(report.plan_json(None, found) if json else report.forecast_text(found))
        note(f"before it is carried out here, {', '.join(gone)} would be downloaded")
        return
    schedule = Schedule.of(study)
    steps, found = schedule.plan(), forecast(study, told, schedule)
    sys.stdout.write(
        report.plan_json(steps, found) if json else f"{report.plan_text(steps)}\n{report.forecast_text(found)}"
    )
    schedule.refuse_unready()


def carry_out(schedule: Schedule) -> None:
    """Do everything that is to do; an error says which stages failed, once nothing else can be done."""
    from profiler.reporting.progress import Bar, Waiting
    from profiler.study import Stage
    from profiler.study import carry_out as carried_out

    schedule.refuse_unready()
    waiting = Waiting()
    if said := schedule.study.rows().unread:
        note(said)

    def began(stage: Stage, place: int, of: int) -> None:
        waiting.say("")
        note(f"{place} of {of}: {stage.kind} {stage.title}")

    def say(what: str, done: int, total: int, words: str) -> None:
        if total:
            bar.step(what, done, total, words)
        else:
            waiting.say(f"{what} · {words}")

    with waiting, Bar() as bar:
        failed = carried_out(schedule, say, began)
    if failed:
        told = "; ".join(f"{stage.name}: {failure.words}" for stage, failure in failed.items())
        raise StagesFailed(
            f"{len(failed)} of {len(schedule.stages)} stages failed, the same command tries them again. {told}",
            [failure.exit_code for failure in failed.values()],
        )


def tell(schedule: Schedule, json: bool) -> None:
    """Write and print the report of what is done; an error where a guarded number fell too far."""
    from profiler.reporting.progress import Waiting
    from profiler.study import StudyResults, report

    out = Path(schedule.study.out)
    with Waiting() as waiting:
        waiting.say(f"writing the report to {out}")
        found = StudyResults(schedule).findings()
        report.save(found, out)
    publish(report.study_report(found), "json" if json else "table")
    for warning in found.warnings:
        note(warning)
    note(f"{out}: report.md, report.html, report.json, figures/")
    if unsure := [guard for guard in found.guards if guard.state == "can't tell"]:
        note(f"whether {len(unsure)} of {len(found.guards)} guarded numbers are kept can't be told: too few items")
    if broken := [guard for guard in found.guards if guard.state == "lost"]:
        told = "; ".join(report.guarded(guard) for guard in broken)
        raise CheckFailed(f"{len(broken)} guarded numbers lost more than the study allows: {told}")
