"""See what students inherit, arm by arm: `study`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from profiler.cli.console import Data, Json, note, publish, resumable
from profiler.cli.follow import Service, follow
from profiler.errors import CheckFailed, WrongUse

if TYPE_CHECKING:
    from profiler.study import Schedule


def study(
    path: Annotated[Path | None, typer.Argument(metavar="STUDY", help="A study in YAML or TOML.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what is done, what is to do and what it costs.")
    ] = False,
    so_far: Annotated[
        bool, typer.Option("--report", help="Write the report of what is done so far, and do nothing else.")
    ] = False,
    show: Annotated[bool, typer.Option("--show", help="Print the study with every key, and do nothing.")] = False,
    data: Data = None,
    json: Json = False,
    service: Service = None,
) -> None:
    """Teach students and see what they inherit: candidates, choices, controls, trainings, profiles, a report.

    Every stage is known by the hash of its inputs: none is done twice, and a study that was stopped resumes when the
    same command is given again. Exit 3 where a guarded number fell further than the study allows.
    """
    from profiler.datasets import found_in, settings
    from profiler.study import Schedule, read_study, study_text

    if path is None:
        if not show:
            raise WrongUse("expected a study's file; `inherit study --show` prints one with every key")
        sys.stdout.write(study_text())
        return
    if service is not None:
        own = {"dry_run": dry_run, "report": so_far, "show": show, "data": data, "json": json}
        return follow(service, "study", settings.load(Path(str(path).removeprefix("@"))), own)
    with found_in(data):
        read = read_study(Path(str(path).removeprefix("@")))
        if show:
            sys.stdout.write(study_text(read))
            return
        schedule = Schedule.of(read)
        if dry_run:
            from profiler.study import report

            sys.stdout.write(report.plan_json(schedule.plan()) if json else report.plan_text(schedule.plan()))
            schedule.refuse_unready()
            return
        if not so_far:
            with resumable(f"`inherit study {path}` resumes"):
                carry_out(schedule)
        tell(schedule, json)


def carry_out(schedule: Schedule) -> None:
    """Do everything that is to do."""
    from profiler.reporting.progress import Bar, Waiting
    from profiler.study import Stage

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
        schedule.run(say, began)


def tell(schedule: Schedule, json: bool) -> None:
    """Write and print the report of what is done; an error where a guarded number fell too far."""
    from profiler.study import StudyResults, report

    out, found = Path(schedule.study.out), StudyResults(schedule).findings()
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
