"""Studies: the stages and how far they are, and what was found."""

from __future__ import annotations

from pathlib import Path

from fastapi import Request
from fastapi.responses import Response

from profiler.records import stored
from profiler.reporting.numbers import number
from profiler.reporting.report import Part, Report
from profiler.reporting.table import Row, Table
from profiler.service.pages import Pages
from profiler.service.parts import Theme
from profiler.service.reports import (
    After,
    ReportList,
    ReportPage,
    Shelf,
    Words,
    download,
    drawn,
    entry,
    listed,
    offered,
    shown,
)
from profiler.service.runs import index_of
from profiler.study import Findings, StageRecord
from profiler.study import report as study_reports

router = Pages(tags=["studies"])


def _study_report(path: Path) -> Report:
    if (path / "report.json").is_file():
        found = stored(Findings, (path / "report.json").read_bytes(), f"{path}/report.json")
        return study_reports.study_report(found)
    done = [stored(StageRecord, file.read_bytes(), str(file)) for file in sorted((path / "stages").glob("*.json"))]
    rows = tuple(Row.of(stage.title, stage.kind, "done", f"{number(stage.seconds)} s") for stage in done)
    return Report(
        kind="study",
        title=path.name,
        lead=["It has no report yet: the study goes on, or was stopped; the same command resumes it."],
        parts=[Part("Stages that are done", table=Table("Stages", ("stage", "kind", "state", "took"), rows))],
        record=done,
    )


SHELF = Shelf("studies", "Studies", "inherit study", {"study": _study_report})


@router.page("/studies", "reports.html", api="/api/studies")
def studies(request: Request, q: Words = "", after: After = None) -> ReportList:
    """Studies, finished or not."""
    return listed(request, SHELF, q, after)


@router.page("/studies/{id}", "report.html", api="/api/studies/{id}")
def study(request: Request, id: str) -> ReportPage:
    """What a study found; its stages as far as they are done."""
    return shown(request, SHELF, id, offered(index_of(request).place(entry(request, SHELF, id))))


@router.get("/studies/{id}/chart.svg")
def study_chart(request: Request, id: str, name: Words = "", theme: Theme = "light") -> Response:
    """A picture of the report."""
    return drawn(request, SHELF, id, name, theme)


@router.get("/studies/{id}/files/{name}")
def study_file(request: Request, id: str, name: str) -> Response:
    """The report as a file."""
    path = index_of(request).place(entry(request, SHELF, id))
    return download(path, name, offered(path))
