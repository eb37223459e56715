"""Studies: the stages and how far they are, and what was found."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path

from fastapi import Request
from fastapi.responses import Response

from profiler.records import Record, stored
from profiler.reporting.numbers import number
from profiler.reporting.report import Figure, Part, Report
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
from profiler.study import Findings, StageGraph, StageNode, StageRecord, charts
from profiler.study import report as study_reports
from training import Training

router = Pages(tags=["studies"])


LOSSES = "Mean loss a token, step by step, as each training recorded it."


class StageBox(Record):
    """A stage, and where it stands in the graph."""

    stage: StageNode
    name: str
    column: int
    row: int


class StudyPage(ReportPage):
    """What a study found, and how far its stages are."""

    graph: tuple[StageBox, ...]


def _study_report(path: Path) -> Report:
    trainings = _trainings(path)
    made = [Part("Students' losses", LOSSES, Figure("losses", partial(charts.losses, trainings)))] if trainings else []
    if (path / "report.json").is_file():
        found = stored(Findings, (path / "report.json").read_bytes(), f"{path}/report.json")
        told = study_reports.study_report(found)
        return replace(told, parts=[*told.parts, *made])
    done = [stored(StageRecord, file.read_bytes(), str(file)) for file in sorted((path / "stages").glob("*.json"))]
    rows = tuple(Row.of(stage.title, stage.kind, "done", f"{number(stage.seconds)} s") for stage in done)
    table = Table("Stages", ("stage", "kind", "state", "took"), rows)
    return Report(
        kind="study",
        title=path.name,
        lead=["It has no report yet: the study goes on, or was stopped; the same command resumes it."],
        parts=[Part("Stages that are done", table=table), *made],
        record=done,
    )


def _trainings(path: Path) -> dict[str, tuple[float, ...]]:
    """Student → its losses, of the trainings that are done."""
    found = {}
    for file in sorted((path / "stages").glob("train-*.json")):
        stage = stored(StageRecord, file.read_bytes(), str(file))
        trained = path / "students" / stage.key / "training.json"
        if trained.is_file() and (losses := stored(Training, trained.read_bytes(), str(trained)).losses):
            found[stage.title] = losses
    return found


def _graph(path: Path) -> tuple[StageBox, ...]:
    """The stages as boxes: a column further right than what they need; none where the study left no plan."""
    file = path / "plan.json"
    if not file.is_file():
        return ()
    nodes = stored(StageGraph, file.read_bytes(), str(file)).now(path).stages
    column: dict[str, int] = {}
    rows: Counter[int] = Counter()
    boxes = []
    for node in nodes:  # each stands after what it needs
        name = f"{node.kind} {node.title}"
        column[name] = 1 + max((column[need] for need in node.needs if need in column), default=-1)
        boxes.append(StageBox(stage=node, name=name, column=column[name], row=rows[column[name]]))
        rows[column[name]] += 1
    return tuple(boxes)


SHELF = Shelf("studies", "Studies", "inherit study", {"study": _study_report})


@router.page("/studies", "reports.html", api="/api/studies")
def studies(request: Request, q: Words = "", after: After = None) -> ReportList:
    """Studies, finished or not."""
    return listed(request, SHELF, q, after)


@router.page("/studies/{id}", "study.html", api="/api/studies/{id}")
def study(request: Request, id: str) -> StudyPage:
    """What a study found, its stages with what they need and how far they are, and how its students learned."""
    path = index_of(request).place(entry(request, SHELF, id))
    return StudyPage(**dict(shown(request, SHELF, id, offered(path))), graph=_graph(path))


@router.get("/studies/{id}/chart.svg")
def study_chart(request: Request, id: str, name: Words = "", theme: Theme = "light") -> Response:
    """A picture of the report."""
    return drawn(request, SHELF, id, name, theme)


@router.get("/studies/{id}/files/{name}")
def study_file(request: Request, id: str, name: str) -> Response:
    """The report as a file."""
    path = index_of(request).place(entry(request, SHELF, id))
    return download(path, name, offered(path))
