"""What pages of reports share: a list of what there is of a kind, and each as the report that its command writes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Annotated, NamedTuple

from fastapi import Query, Request
from fastapi.responses import FileResponse, Response

from profiler.errors import InheritError
from profiler.records import Record
from profiler.reporting.report import Figure, Report
from profiler.service import parts
from profiler.service.index import Entry, Kind
from profiler.service.parts import ReportPart, Theme, picture
from profiler.service.problems import Missing
from profiler.service.runs import index_of

PAGE = 50
Words = Annotated[str, Query(max_length=200)]
After = Annotated[str | None, Query(max_length=1000)]
DOWNLOADS = ("README.md", "card.html", "selection.json", "dataset_info.json", "report.md", "report.html", "report.csv")
"""Files of a folder that can be downloaded, besides the data sets of a selection."""


class Shelf(NamedTuple):
    """Where a kind of thing is shown."""

    path: str
    title: str
    command: str
    readers: Mapping[Kind, Callable[[Path], Report]]
    """How each kind that lies there is told."""


class ReportList(Record):
    """What there is of a kind."""

    place: str
    title: str
    command: str
    rows: tuple[Entry, ...]
    after: str | None
    q: str = ""


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


class Found(NamedTuple):
    """What lies on a shelf under an id."""

    path: Path
    entry: Entry
    report: Report
    stamp: float


def listed(request: Request, shelf: Shelf, q: str, after: str | None) -> ReportList:
    index = index_of(request)
    found = [index.entries(kind, q, after=after, many=PAGE) for kind in shelf.readers]
    rows = sorted((row for each in found for row in each.rows), key=lambda row: row.started, reverse=True)
    further = next((each.after for each in found if each.after), None)
    return ReportList(place=shelf.path, title=shelf.title, command=shelf.command, rows=tuple(rows), after=further, q=q)


def entry(request: Request, shelf: Shelf, id: str) -> Entry:
    for kind in shelf.readers:
        try:
            return index_of(request).find(id, kind)
        except Missing as error:
            missing = error
    raise missing


def found(request: Request, shelf: Shelf, id: str) -> Found:
    index = index_of(request)
    one = entry(request, shelf, id)
    path, stamp = index.place(one), index.stamp(id)
    try:
        return Found(path, one, _report(shelf.readers[one.kind], path, stamp), stamp)
    except InheritError as error:
        raise Missing(str(error)) from None


@lru_cache(32)
def _report(read: Callable[[Path], Report], path: Path, stamp: float) -> Report:
    return read(path)


def shown(request: Request, shelf: Shelf, id: str, files: tuple[str, ...] = ()) -> ReportPage:
    """The page of a report, which offers FILES of its folder."""
    report = found(request, shelf, id).report
    return ReportPage(
        place=shelf.path,
        id=id,
        kind=report.kind,
        title=report.title,
        lead=tuple(report.lead),
        notes=tuple(report.notes),
        parts=parts.told(report.parts),
        files=files,
        facts=dict(report.origin.facts) if report.origin else {},
    )


def drawn(request: Request, shelf: Shelf, id: str, name: str, palette: Theme) -> Response:
    """A picture of a report."""
    one = found(request, shelf, id)
    return picture(_drawn(parts.figure(one.report.parts, name), one.path, one.stamp, palette))


@lru_cache(64)
def _drawn(figure: Figure, path: Path, stamp: float, palette: Theme) -> str:
    return parts.drawn(figure, palette)


def offered(path: Path, more: tuple[str, ...] = ()) -> tuple[str, ...]:
    """What can be downloaded of a folder: reports, cards, and MORE."""
    return tuple(name for name in (*more, *DOWNLOADS) if "/" not in name and (path / name).is_file())


def download(path: Path, name: str, files: tuple[str, ...]) -> Response:
    """A file of a folder; only one of those that its page offers."""
    if name not in files:
        raise Missing(f"{path.name!r} has no file {name!r} to download")
    return FileResponse(path / name, filename=name, media_type="application/octet-stream")
