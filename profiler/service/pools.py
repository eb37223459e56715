"""Pools and selections: what is there, what was chosen, and what another objective would choose of the same scores."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Annotated

from fastapi import Query, Request
from fastapi.responses import Response

from profiler.datasets import settings
from profiler.errors import InheritError, WrongUse
from profiler.records import Record
from profiler.reporting.report import Part, Report
from profiler.reporting.table import Row, Table
from profiler.service import parts
from profiler.service.index import Entry
from profiler.service.pages import Pages
from profiler.service.parts import ReportPart, Theme, picture
from profiler.service.problems import Missing
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
from selection import (
    FirstBlocks,
    Pool,
    Selection,
    SelectOptions,
    card,
    preview,
    read_objective,
    read_selection,
    stored_scores,
)

router = Pages(tags=["pools"])

LOOKED = 16
"""Blocks of a pool, of 1,024 prompts each, that a change of the objective is tried on."""
FIELDS = {
    "objective": "-O",
    "require": "--require",
    "hold": "--hold",
    "combine": "--combine",
    "top": "--top",
    "k": "-k",
}
"""What can be tried, and the options of `inherit select` that say it."""
Line = Annotated[str, Query(max_length=500)]


class Choice(Record):
    """An objective to be tried, as a form has it: words separated by spaces."""

    objective: Line = ""
    require: Line = ""
    hold: Line = ""
    combine: Line = "sum"
    top: Line = "1"
    k: Line = ""

    def words(self, name: str) -> tuple[str, ...]:
        """The words of a field; blanks around a sign belong to it."""
        return tuple(re.sub(r"\s*(<=|>=|<|>|=|\*|:)\s*", r"\1", getattr(self, name)).split())

    def command(self, pool: str) -> str:
        """What makes its data sets."""
        changed = self.model_dump(exclude_defaults=True)
        told = [
            word
            for field in FIELDS
            if field in changed
            for value in self.words(field)
            for word in (FIELDS[field], value)
        ]
        return shlex.join(["inherit", "select", pool, *told, "-o", "chosen"])


class Picture(Choice):
    """A picture of a report, or of what a choice would do."""

    name: Line = ""
    theme: Theme = "light"


class ChoiceEffects(Record):
    """What a choice would do, by the scores that the pool has; nothing is measured or written."""

    selection: Selection
    lead: tuple[str, ...]
    parts: tuple[ReportPart, ...]


class PoolPage(ReportPage):
    """A pool, or what was chosen of one, and what another choice would do."""

    scores: tuple[str, ...]
    """What its candidates are measured by, so that an objective can be tried; empty where its pool is not here."""
    choice: Choice
    """What is tried."""
    effects: ChoiceEffects | None = None
    errors: Mapping[str, str] = {}
    """Field of the choice → what is wrong with it."""
    command: str = ""
    """What makes the data sets of the choice."""


def _selection_report(path: Path) -> Report:
    found = card.card(read_selection(path))
    return Report(found.kind, path.name, found.lead, found.parts, found.record)


def _pool_report(path: Path) -> Report:
    """What a pool holds, as far as its record tells."""
    about = Pool(path).about
    prompts = ", ".join(about.prompts) or "prompts that are not named"
    told = f"Candidates of {len(about.sources)} source{'s' if len(about.sources) != 1 else ''} for {prompts}."
    asked = [teacher.name for teacher in about.teachers]
    rows = tuple(Row.of(source, "asked here" if source in asked else "imported") for source in about.sources)
    sources = Part("Sources", table=Table("Sources", ("source", "how"), rows))
    return Report(kind="pool", title=path.name, lead=[told], parts=[sources], record=about)


SHELF = Shelf(
    "pools",
    "Candidates and what was chosen of them",
    "inherit sample",
    {"pool": _pool_report, "selection": _selection_report},
)


@router.page("/pools", "reports.html", api="/api/pools")
def pools(request: Request, q: Words = "", after: After = None) -> ReportList:
    """Pools of candidates, and data sets that were chosen of them."""
    return listed(request, SHELF, q, after)


@router.page("/pools/{id}", "pool.html", api="/api/pools/{id}")
def pool(request: Request, id: str, choice: Annotated[Choice, Query()]) -> PoolPage:
    """A pool, or what was chosen of one; with an objective, what that would choose of the scores that are there."""
    one = entry(request, SHELF, id)
    path = index_of(request).place(one)
    page = shown(request, SHELF, id, _files(path, one))
    told = PoolPage(**dict(page), scores=(), choice=choice)
    try:
        where = _pool_of(request, path, one)
        stamp = _scored(where)
        told = told.model_copy(update={"scores": _scores(where, stamp)})
        if not choice.objective:
            return told
        if errors := _errors(choice):
            return told.model_copy(update={"errors": errors})
        more = {"effects": _effects(where, choice, stamp), "command": choice.command(where.name)}
        return told.model_copy(update=more)
    except Missing:
        return told
    except InheritError as error:
        return told.model_copy(update={"errors": {"objective": str(error)}})


@router.get("/pools/{id}/chart.svg")
def pool_chart(request: Request, id: str, told: Annotated[Picture, Query()]) -> Response:
    """A picture of the report, or of what a choice would do."""
    if not told.objective:
        return drawn(request, SHELF, id, told.name, told.theme)
    one = entry(request, SHELF, id)
    where = _pool_of(request, index_of(request).place(one), one)
    found = _effects(where, Choice(**told.model_dump(exclude={"name", "theme"})), _scored(where)).selection
    return picture(parts.drawn(parts.figure(card.parts(found), told.name), told.theme))


@router.get("/pools/{id}/files/{name}")
def pool_file(request: Request, id: str, name: str) -> Response:
    """A data set or its card."""
    one = entry(request, SHELF, id)
    path = index_of(request).place(one)
    return download(path, name, _files(path, one))


def _files(path: Path, of: Entry) -> tuple[str, ...]:
    return offered(path, tuple(read_selection(path).files.values()) if of.kind == "selection" else ())


def _pool_of(request: Request, path: Path, of: Entry) -> Path:
    """The pool of a page, which lies in the service's folder: itself, or that which was chosen from."""
    if of.kind == "pool":
        return path
    out, named = index_of(request).out, Path(read_selection(path).pool)
    for place in (path / "pool", named, out / named, out / named.name):
        if place.resolve().is_relative_to(out.resolve()) and (place / "pool.json").is_file():
            return place
    raise Missing("the pool that it was chosen from does not lie in the folder")


def _scored(where: Path) -> tuple[int, int]:
    """What changes when a pool's candidates or scores do."""
    times = [file.stat().st_mtime_ns for file in where.rglob("*.parquet")]
    return len(times), max(times, default=0)


@lru_cache(32)
def _scores(where: Path, stamp: tuple[int, int]) -> tuple[str, ...]:
    return tuple(stored_scores(Pool(where)))


def _errors(choice: Choice) -> dict[str, str]:
    """What is wrong with each field."""
    found = {}
    for name in ("objective", "require", "hold"):
        words = {name: choice.words(name)}
        try:
            read_objective(
                words.get("objective", ("max:words",)), require=words.get("require", ()), hold=words.get("hold", ())
            )
        except WrongUse as error:
            found[name] = str(error)
    for name in ("combine", "top", "k"):
        try:
            if value := getattr(choice, name):
                settings.checked(SelectOptions, {"pool": "", "objective": (), "out": "", name: value}, "the choice")
        except WrongUse as error:
            found[name] = str(error)
    return found


_choosing = Lock()


def _effects(where: Path, choice: Choice, stamp: tuple[int, int]) -> ChoiceEffects:
    """What a choice would do, found out once; who asks meanwhile waits, so that one look at a time takes memory."""
    with _choosing:
        return _looked(where, choice, stamp)


@lru_cache(32)
def _looked(where: Path, choice: Choice, stamp: tuple[int, int]) -> ChoiceEffects:
    told = {name: getattr(choice, name) for name in ("combine", "top", "k") if getattr(choice, name)}
    words = {name: choice.words(name) for name in ("objective", "require", "hold")}
    spec = settings.checked(SelectOptions, {"pool": str(where), "out": "chosen", **words, **told}, "the choice")
    found = preview(spec, FirstBlocks(where, LOOKED))
    made = [part for part in card.parts(found) if part.title != "Data files"]
    return ChoiceEffects(selection=found, lead=tuple(card.lead(found)), parts=parts.told(made))
