"""Runs: the list of them, and the profile of one."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

from fastapi import Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import RedirectResponse, Response

from profiler.errors import InheritError
from profiler.records import Estimate, Profile, Record
from profiler.reporting import jinja, layout, profile
from profiler.reporting.charts import reliability
from profiler.reporting.layout import Key
from profiler.reporting.report import Report
from profiler.reporting.themes import Card, Point
from profiler.runs import Run
from profiler.runs.tags import read_tags, save_tags
from profiler.service import parts
from profiler.service.index import Entry, Index
from profiler.service.pages import Pages, address, form_fields
from profiler.service.parts import ReportPart, Theme, picture
from profiler.service.problems import Missing

router = Pages(tags=["runs"])

PAGE = 50
"""Runs of a page."""

State = Literal["", "done", "incomplete", "unfinished", "damaged"]
Sort = Literal["started", "name", "model", "items", "failed"]


class RunsPage(Record):
    """Some of the folder's runs."""

    runs: tuple[Entry, ...]
    after: str | None
    """What to ask for the next ones by; None where these are the last."""
    counts: dict[str, int]
    """State → how many runs of the folder are in it."""
    numbers: tuple[str, ...] = ()
    """PROBE.METRIC of the numbers that are shown beside each."""
    q: str = ""
    state: State = ""
    tag: str = ""
    tags: tuple[str, ...] = ()
    """Those that runs of the folder have."""
    sort: Sort = "started"
    down: bool = True


class RunTags(Record):
    """The tags that a run is to have."""

    tags: tuple[str, ...]


class ProfileNumber(Record):
    """One number over all items, with those of its groups."""

    estimate: Estimate
    unit: str
    best: str
    """Where it would like to be, in words."""
    about: str
    groups: tuple[Estimate, ...]


class NumberBlock(Record):
    """Numbers of one family of one probe."""

    probe: str
    family: str
    numbers: tuple[ProfileNumber, ...]


class ProfilePage(Record):
    """A run's profile."""

    id: str
    points: tuple[Point, ...]
    """What a reader needs first."""
    cards: tuple[Card, ...]
    """Each theme in a sentence, with its main numbers."""
    mini: tuple[str, ...]
    """Probes that were asked their mini set."""
    blocks: tuple[NumberBlock, ...]
    pictures: tuple[ReportPart, ...]
    """All numbers, reliability diagrams, numbers group by group."""
    command: tuple[str, ...]
    facts: dict[str, str]
    sections: tuple[tuple[str, dict[str, str]], ...]
    tags: tuple[str, ...]
    profile: Profile


def index_of(request: Request) -> Index:
    found: Index = request.app.state.index
    return found


@router.page("/", "runs.html", api="/api/runs", kept=True)
def runs(
    request: Request,
    q: Annotated[str, Query(max_length=200)] = "",
    state: State = "",
    tag: Annotated[str, Query(max_length=40)] = "",
    sort: Sort = "started",
    down: bool = True,
    after: Annotated[str | None, Query(max_length=1000)] = None,
) -> RunsPage:
    """The runs of the folder, newest first or as asked for, a page at a time: ask for the next with its `after`."""
    index = index_of(request)
    found = index.entries("run", q, state, sort, down, after, PAGE, tag)
    shown = [name for run in found.rows for name in run.numbers]
    often = sorted(dict.fromkeys(shown), key=lambda name: -shown.count(name))[:2]
    return RunsPage(
        runs=tuple(found.rows),
        after=found.after,
        counts=index.counts("run"),
        numbers=tuple(often),
        q=q,
        state=state,
        tag=tag,
        tags=tuple(index.tags()),
        sort=sort,
        down=down,
    )


@router.get("/api/runs/{id}", name="api.run")
def api_run(request: Request, id: str) -> Profile:
    """A run's profile, as profile.json holds it."""
    return index_of(request).run(id).profile


@router.post("/api/runs/{id}/tags", name="tag_run")
def tag(request: Request, id: str, told: RunTags) -> RunTags:
    """Let a run have these tags and no others."""
    index = index_of(request)
    made = save_tags(index.run(id).folder, told.tags)
    index.refresh()
    return RunTags(tags=made)


@router.post("/runs/{id}/tags", include_in_schema=False)
async def tag_by_hand(request: Request, id: str) -> Response:
    told = (await form_fields(request)).get("tags", [""])[0]
    await run_in_threadpool(tag, request, id, RunTags(tags=tuple(told.replace(",", " ").split())))
    return RedirectResponse(address("runs", id), 303)


@router.get("/runs/{id}/chart.svg", name="run_chart")
def chart(request: Request, id: str, theme: Theme = "light", name: str = "") -> Response:
    """The picture of a profile, or another of its pictures by NAME: a probe's reliability diagram, PROBE-groups."""
    index = index_of(request)
    return picture(_drawn(index.run(id).folder, index.stamp(id), theme, name))


@router.page("/runs/{id}", "profile.html")
def run(request: Request, id: str) -> ProfilePage:
    """A run's profile: what it says first, then every number with its interval."""
    index = index_of(request)
    return _profile(index.run(id).folder, index.stamp(id))


@router.get("/static/report.css", include_in_schema=False)
def report_css() -> Response:
    """How reports look, of which these pages are made."""
    return Response(jinja.style(), media_type="text/css")


def readable(found: Run) -> Profile:
    """A run's profile; where it can't be read, the sentence why."""
    try:
        return found.profile
    except InheritError as error:
        raise Missing(str(error)) from None


@lru_cache(64)
def _report(folder: Path, stamp: float) -> Report:
    found = Run(folder)
    return profile.profile_report(readable(found), diagrams=dict(_diagrams(found)))


@lru_cache(64)
def _profile(folder: Path, stamp: float) -> ProfilePage:
    record, report = readable(Run(folder)), _report(folder, stamp)
    origin = report.origin
    return ProfilePage(
        id=folder.name,
        points=tuple(report.points),
        cards=tuple(report.cards),
        mini=tuple(report.mini),
        blocks=tuple(_blocks(record.estimates)),
        pictures=parts.told(part for part in report.parts if part.figure),
        command=tuple(jinja.pieces(origin.command)) if origin else (),
        facts=dict(origin.facts) if origin else {},
        sections=tuple((name, dict(lines)) for name, lines in origin.sections) if origin else (),
        tags=read_tags(folder),
        profile=record,
    )


def _blocks(estimates: Iterable[Estimate]) -> Iterable[NumberBlock]:
    found = {Key.of(e): e for e in estimates}
    for block in layout.blocks(found):
        numbers = []
        for key, inside in block.metrics:
            metric = layout.metric(key)
            numbers.append(
                ProfileNumber(
                    estimate=found[key],
                    unit=metric.unit,
                    best=layout.best(metric),
                    about=metric.about,
                    groups=tuple(found[group] for group in inside),
                )
            )
        yield NumberBlock(probe=block.probe, family=block.family, numbers=tuple(numbers))


def _diagrams(found: Run) -> Iterable[tuple[str, reliability.Diagram]]:
    for section in found.profile.sections:
        try:
            if bins := reliability.diagram(found.columns(section.probe)):
                yield section.probe, bins
        except InheritError:  # its samples are gone or damaged; its numbers are not
            continue


@lru_cache(64)
def _drawn(folder: Path, stamp: float, palette: Theme, name: str) -> str:
    return parts.drawn(parts.figure(_report(folder, stamp).parts, name), palette)
