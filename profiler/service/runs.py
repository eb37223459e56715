"""Runs: the list of them, and the profile of one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal

from fastapi import Query, Request
from fastapi.responses import Response

from profiler.errors import InheritError, WrongUse
from profiler.records import Estimate, Profile, Record
from profiler.reporting import layout, profile
from profiler.reporting.charts import changes, reliability, theme
from profiler.reporting.charts.theme import LIGHT, Palette
from profiler.reporting.layout import Key
from profiler.reporting.page import pieces
from profiler.runs import Run
from profiler.service.index import Entry, Index
from profiler.service.pages import Pages
from profiler.service.problems import Missing

router = Pages(tags=["runs"])

PALETTES = {
    "light": LIGHT,
    "dark": Palette("#e8eaed", "#9aa4ae", "#30363d", "#14171a", "#2fc39a", "#ff8f4d", "#5cb3f0", "#7d8690"),
}
Theme = Literal["light", "dark"]
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
    sort: Sort = "started"
    down: bool = True


class ProfileNumber(Record):
    """One number over all items, with those of its groups."""

    estimate: Estimate
    unit: str
    ideal: str
    """Where it would like to be; empty for a description."""
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
    sentences: tuple[str, ...]
    """What a reader needs first."""
    warnings: tuple[str, ...]
    blocks: tuple[NumberBlock, ...]
    diagrams: tuple[str, ...]
    """Probes that have a reliability diagram."""
    command: tuple[str, ...]
    facts: dict[str, str]
    sections: tuple[tuple[str, dict[str, str]], ...]
    profile: Profile


def index_of(request: Request) -> Index:
    found: Index = request.app.state.index
    return found


@router.page("/", "runs.html", api="/api/runs", kept=True)
def runs(
    request: Request,
    q: Annotated[str, Query(max_length=200)] = "",
    state: State = "",
    sort: Sort = "started",
    down: bool = True,
    after: Annotated[str | None, Query(max_length=1000)] = None,
) -> RunsPage:
    """The runs of the folder, newest first or as asked for, a page at a time: ask for the next with its `after`."""
    index = index_of(request)
    found = index.entries("run", q, state, sort, down, after, PAGE)
    shown = [name for run in found.rows for name in run.numbers]
    often = sorted(dict.fromkeys(shown), key=lambda name: -shown.count(name))[:2]
    return RunsPage(
        runs=tuple(found.rows),
        after=found.after,
        counts=index.counts("run"),
        numbers=tuple(often),
        q=q,
        state=state,
        sort=sort,
        down=down,
    )


@router.get("/api/runs/{id}")
def api_run(request: Request, id: str) -> Profile:
    """A run's profile, as profile.json holds it."""
    return index_of(request).run(id).profile


@router.get("/runs/{id}/chart.svg")
def chart(request: Request, id: str, theme: Theme = "light", probe: str = "") -> Response:
    """The picture of a profile, or the reliability diagram of one of its probes."""
    index = index_of(request)
    return picture(_drawn(index.run(id).folder, index.stamp(id), theme, probe))


@router.page("/runs/{id}", "profile.html")
def run(request: Request, id: str) -> ProfilePage:
    """A run's profile: what it says first, then every number with its interval."""
    index = index_of(request)
    return _profile(index.run(id).folder, index.stamp(id))


@router.get("/static/report.css", include_in_schema=False)
def report_css() -> Response:
    """How reports look, of which these pages are made."""
    return Response((files("profiler.reporting") / "templates" / "report.css").read_bytes(), media_type="text/css")


def picture(svg: str) -> Response:
    return Response(svg, media_type="image/svg+xml")


def readable(found: Run) -> Profile:
    """A run's profile; where it can't be read, the sentence why."""
    try:
        return found.profile
    except InheritError as error:
        raise Missing(str(error)) from None


@lru_cache(64)
def _profile(folder: Path, stamp: float) -> ProfilePage:
    found = Run(folder)
    record = readable(found)
    report = profile.profile_report(record)
    origin = report.origin
    notes = profile.profile_table(record).notes
    return ProfilePage(
        id=folder.name,
        sentences=tuple(report.lead),
        warnings=tuple(note.text for note in notes),
        blocks=tuple(_blocks(record.estimates)),
        diagrams=tuple(_diagrams(found)),
        command=tuple(pieces(origin.command)) if origin else (),
        facts=dict(origin.facts) if origin else {},
        sections=tuple((name, dict(lines)) for name, lines in origin.sections) if origin else (),
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
                    ideal=ideal(metric.ideal),
                    about=metric.about,
                    groups=tuple(found[group] for group in inside),
                )
            )
        yield NumberBlock(probe=block.probe, family=block.family, numbers=tuple(numbers))


def ideal(wanted: float | str | None) -> str:
    """Where a number would like to be, in words."""
    words: Mapping[str | None, str] = {None: "", "high": "↑ higher is better", "low": "↓ lower is better"}
    return f"best at {wanted:g}" if isinstance(wanted, float | int) else words[wanted]


def _diagrams(found: Run) -> Iterable[str]:
    for section in found.profile.sections:
        try:
            if reliability.diagram(found.columns(section.probe)):
                yield section.probe
        except InheritError:  # its samples are gone or damaged; its numbers are not
            continue


@lru_cache(64)
def _drawn(folder: Path, stamp: float, palette: Theme, probe: str) -> str:
    found = Run(folder)
    if not probe:
        return theme.svg(changes.profile_chart(readable(found), PALETTES[palette]))
    bins = reliability.diagram(found.columns(probe))
    if bins is None:
        raise WrongUse(f"{probe!r} knows no confidence, so it has no reliability diagram")
    return theme.svg(reliability.reliability_chart(bins, probe, PALETTES[palette]))
