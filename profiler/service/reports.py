"""Pools and selections, judges, studies: lists of them, and each told by the report that its command writes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Annotated, NamedTuple

from fastapi import Query, Request
from fastapi.responses import FileResponse, Response

from profiler.errors import InheritError
from profiler.judging import compare_raters, read_labels
from profiler.records import Record, stored
from profiler.reporting.charts import theme
from profiler.reporting.judging import jury_report
from profiler.reporting.numbers import number
from profiler.reporting.report import Figure, Part, Quote, Report
from profiler.reporting.table import Row, Table
from profiler.service.index import Entry, Index, Kind
from profiler.service.pages import Pages
from profiler.service.problems import Missing
from profiler.service.runs import PALETTES, Theme, index_of, picture
from profiler.study import Findings, StageRecord
from profiler.study import report as study_reports
from selection import Pool, card, read_selection

router = Pages(tags=["reports"])

PAGE = 50
Words = Annotated[str, Query(max_length=200)]
After = Annotated[str | None, Query(max_length=1000)]
DOWNLOADS = ("README.md", "card.html", "selection.json", "dataset_info.json", "report.md", "report.html", "report.csv")
"""Files of a folder that can be downloaded, besides the data sets of a selection."""


class Shelf(NamedTuple):
    """Where a kind of thing is shown."""

    path: str
    name: str
    title: str
    command: str
    kinds: tuple[Kind, ...]


POOLS = Shelf("pools", "Pools", "Candidates and what was chosen of them", "inherit sample", ("pool", "selection"))
JUDGES = Shelf("judges", "Judges", "Verdict files", "inherit judge", ("verdicts",))
STUDIES = Shelf("studies", "Studies", "Studies", "inherit study", ("study",))


class ReportList(Record):
    """What there is of a kind."""

    place: str
    title: str
    command: str
    rows: tuple[Entry, ...]
    after: str | None
    q: str = ""


class ReportPart(Record):
    """A heading, and what stands under it."""

    title: str
    id: str
    words: str
    warning: str
    figure: str | None
    """The name of its picture; None where it has none."""
    caption: str
    table: Table | None
    quotes: tuple[Quote, ...]
    glossary: tuple[tuple[str, str, str], ...]


class ReportPage(Record):
    """A report, as its command writes it."""

    place: str
    id: str
    kind: str
    title: str
    lead: tuple[str, ...]
    notes: tuple[str, ...]
    parts: tuple[ReportPart, ...]
    files: tuple[str, ...] = ()
    """What can be downloaded."""
    facts: dict[str, str]


def _listed(request: Request, place: Shelf, q: str, after: str | None) -> ReportList:
    index = index_of(request)
    found = [index.entries(kind, q, after=after, many=PAGE) for kind in place.kinds]
    rows = sorted((row for each in found for row in each.rows), key=lambda row: row.started, reverse=True)
    further = next((each.after for each in found if each.after), None)
    return ReportList(place=place.path, title=place.title, command=place.command, rows=tuple(rows), after=further, q=q)


@router.page("/pools", "reports.html")
def pools(request: Request, q: Words = "", after: After = None) -> ReportList:
    """Pools of candidates, and data sets that were chosen of them."""
    return _listed(request, POOLS, q, after)


@router.page("/judges", "reports.html")
def judges(request: Request, q: Words = "", after: After = None) -> ReportList:
    """Files of verdicts."""
    return _listed(request, JUDGES, q, after)


@router.page("/studies", "reports.html")
def studies(request: Request, q: Words = "", after: After = None) -> ReportList:
    """Studies, finished or not."""
    return _listed(request, STUDIES, q, after)


@router.page("/pools/{id}", "report.html")
def pool(request: Request, id: str) -> ReportPage:
    """A pool, or what was chosen of one: what it is like against random answers, side effects, examples."""
    return _shown(request, POOLS, id)


@router.page("/judges/{id}", "report.html")
def judge(request: Request, id: str) -> ReportPage:
    """How far judges agree with people and each other, and what they favour."""
    return _shown(request, JUDGES, id)


@router.page("/studies/{id}", "report.html")
def study(request: Request, id: str) -> ReportPage:
    """What a study found; its stages as far as they are done."""
    return _shown(request, STUDIES, id)


@router.get("/pools/{id}/chart.svg")
def pool_chart(request: Request, id: str, name: Words = "", theme: Theme = "light") -> Response:
    """A picture of the report."""
    return _picture(request, POOLS, id, name, theme)


@router.get("/judges/{id}/chart.svg")
def judge_chart(request: Request, id: str, name: Words = "", theme: Theme = "light") -> Response:
    """A picture of the report."""
    return _picture(request, JUDGES, id, name, theme)


@router.get("/studies/{id}/chart.svg")
def study_chart(request: Request, id: str, name: Words = "", theme: Theme = "light") -> Response:
    """A picture of the report."""
    return _picture(request, STUDIES, id, name, theme)


@router.get("/pools/{id}/files/{name}")
def pool_file(request: Request, id: str, name: str) -> Response:
    """A data set or its card."""
    return _file(request, POOLS, id, name)


@router.get("/studies/{id}/files/{name}")
def study_file(request: Request, id: str, name: str) -> Response:
    """The report as a file."""
    return _file(request, STUDIES, id, name)


def _entry(index: Index, place: Shelf, id: str) -> Entry:
    for kind in place.kinds:
        try:
            return index.find(id, kind)
        except Missing as error:
            missing = error
    raise missing


def _made(request: Request, place: Shelf, id: str) -> tuple[Path, Entry, Report]:
    index = index_of(request)
    entry = _entry(index, place, id)
    path = index.place(entry)
    try:
        return path, entry, _report(path, entry.kind, index.stamp(id))
    except InheritError as error:
        raise Missing(str(error)) from None


@lru_cache(32)
def _report(path: Path, kind: Kind, stamp: float) -> Report:
    return READERS[kind](path)


def _shown(request: Request, place: Shelf, id: str) -> ReportPage:
    path, entry, report = _made(request, place, id)
    return ReportPage(
        place=place.path,
        id=id,
        kind=report.kind,
        title=entry.name if entry.kind in ("selection", "pool") else report.title,
        lead=tuple(report.lead),
        notes=tuple(report.notes),
        parts=tuple(_part(number, part) for number, part in enumerate(report.parts)),
        files=tuple(_files(path, entry.kind)),
        facts=dict(report.origin.facts) if report.origin else {},
    )


def _part(number: int, part: Part) -> ReportPart:
    return ReportPart(
        title=part.title,
        id=part.id or f"part-{number}",
        words=part.words,
        warning=part.warning,
        figure=part.figure.name if part.figure else None,
        caption=part.figure.caption if part.figure else "",
        table=part.table,
        quotes=part.quotes,
        glossary=tuple(part.glossary),
    )


def _picture(request: Request, place: Shelf, id: str, name: str, palette: Theme) -> Response:
    path, entry, report = _made(request, place, id)
    figures = {part.figure.name: part.figure for part in report.parts if part.figure}
    if name not in figures:
        raise Missing(f"{id!r} has no picture {name!r}")
    return picture(_drawn(figures[name], path, index_of(request).stamp(entry.id), palette))


@lru_cache(64)
def _drawn(figure: Figure, path: Path, stamp: float, palette: Theme) -> str:
    return theme.svg(figure.draw(PALETTES[palette]))


def _file(request: Request, place: Shelf, id: str, name: str) -> Response:
    """A file of a folder; only one of those that the page offers."""
    index = index_of(request)
    entry = _entry(index, place, id)
    path = index.place(entry)
    if name not in _files(path, entry.kind):
        raise Missing(f"{id!r} has no file {name!r} to download")
    return FileResponse(path / name, filename=name, media_type="application/octet-stream")


def _files(path: Path, kind: Kind) -> list[str]:
    sets = read_selection(path).files.values() if kind == "selection" else ()
    return [name for name in (*sets, *DOWNLOADS) if "/" not in name and (path / name).is_file()]


def _selection_report(path: Path) -> Report:
    return card.card(read_selection(path))


def _pool_report(path: Path) -> Report:
    """What a pool holds, as far as its record tells."""
    about = Pool(path).about
    prompts = ", ".join(about.prompts) or "prompts that are not named"
    told = f"Candidates of {len(about.sources)} source{'s' if len(about.sources) != 1 else ''} for {prompts}."
    return Report(
        kind="pool",
        title=path.name,
        lead=[told, "Choose from it: inherit select " + path.name + " -O max:mtld -o chosen"],
        parts=[_teachers(about.sources, [teacher.name for teacher in about.teachers])],
        record=about,
    )


def _teachers(sources: Sequence[str], asked: Sequence[str]) -> Part:
    rows = tuple(Row.of(source, "asked here" if source in asked else "imported") for source in sources)
    return Part("Sources", table=Table("Sources", ("source", "how"), rows))


def _verdicts_report(path: Path) -> Report:
    return jury_report(compare_raters(read_labels([path])), ["inherit", "agree", path.name])


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


READERS: dict[Kind, Callable[[Path], Report]] = {
    "pool": _pool_report,
    "selection": _selection_report,
    "verdicts": _verdicts_report,
    "study": _study_report,
}
