"""Runs compared with a base: the paper's figure, the table, what could not be compared; the address is the state."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Mapping
from functools import cache, lru_cache
from pathlib import Path
from threading import Lock
from typing import Annotated, Literal, NamedTuple

import orjson
from fastapi import Query, Request
from fastapi.responses import Response

from profiler import probes
from profiler.errors import NotComparable, WrongUse
from profiler.records import Change, Comparison, Record
from profiler.reporting import comparison, layout
from profiler.reporting.charts import changes, theme
from profiler.reporting.layout import Key
from profiler.reporting.themes import Card, Point, comparison_cards
from profiler.runs import Run
from profiler.runs import compare as compared
from profiler.service.index import Index
from profiler.service.pages import Pages
from profiler.service.parts import PALETTES, Theme, picture
from profiler.service.runs import index_of, readable

router = Pages(tags=["compare"])

MOST = 6
"""Runs that are compared with a base at a time."""
OFFERED = 100
"""Runs that are offered to be compared."""

Only = Literal["", "significant", "better", "worse", "higher", "lower", "equivalent", "not significant"]
Others = Annotated[list[str] | None, Query(alias="with", max_length=MOST)]
Chosen = Annotated[list[str] | None, Query(max_length=MOST + 1)]
Id = Annotated[str, Query(max_length=300)]


class ComparedRun(Record):
    """A run of a comparison."""

    id: str
    name: str


class ChangeRow(Record):
    """One number of the base, and how it changed in each of the others."""

    probe: str
    metric: str
    group: str | None
    about: str
    base: float | None
    changes: tuple[Change | None, ...]
    groups: tuple[ChangeRow, ...] = ()


class ChangeBlock(Record):
    """Numbers of one family of one probe."""

    probe: str
    family: str
    rows: tuple[ChangeRow, ...]


class ComparePage(Record):
    """What changed from a base to others."""

    base: ComparedRun | None
    others: tuple[ComparedRun, ...]
    offered: tuple[ComparedRun, ...]
    """Runs that can be compared as well."""
    only: Only
    counts: dict[str, int]
    """Verdict → numbers over all items that have it."""
    blocks: tuple[ChangeBlock, ...]
    comparisons: tuple[Comparison, ...]
    points: tuple[Point, ...] = ()
    """What a reader needs first."""
    cards: tuple[Card, ...] = ()
    """Each theme in a sentence, with its main numbers."""
    mini: bool = False
    """Sets of our own were asked."""
    impossible: Mapping[str, str] = {}
    """Run → why it can't be compared at all."""


class _Stamped(NamedTuple):
    """A run's folder as it was when it was read."""

    folder: Path
    stamp: float


@router.page("/compare", "compare.html")
def compare(request: Request, base: Id = "", others: Others = None, only: Only = "", run: Chosen = None) -> ComparePage:
    """What changed from BASE to each of the runs WITH, in percent of BASE, with intervals and verdicts."""
    index = index_of(request)
    finished = index.entries("run", many=OFFERED).rows
    offered = {entry.id: entry.name for entry in finished if entry.state in ("done", "incomplete")}
    base, told = _sides(base, others or [], run or [])
    made: list[Comparison] = []
    sides: list[ComparedRun] = []
    impossible: dict[str, str] = {}
    for other in told if base else ():
        start = _stamped(request, base)
        try:
            made.append(_compared(index, start, _stamped(request, other)))
            sides.append(ComparedRun(id=other, name=layout.other_name(made[-1])))
        except NotComparable as error:
            impossible[other] = str(error)
    known = {base, *told}
    return ComparePage(
        base=ComparedRun(id=base, name=readable(index.run(base)).name) if base else None,
        others=tuple(sides),
        offered=tuple(ComparedRun(id=id, name=name or id) for id, name in offered.items() if id not in known),
        only=only,
        counts=_counts(made),
        blocks=tuple(_blocks(made, only)),
        comparisons=tuple(made),
        points=tuple(comparison.points(made, "simultaneous")) if made else (),
        cards=tuple(comparison_cards(made)),
        mini=any("mini" in one.suites.values() for one in made),
        impossible=impossible,
    )


@router.get("/api/compare", name="api.compare_runs")
def api_compare(request: Request, base: Id, others: Others = None) -> tuple[Comparison, ...]:
    """What changed from BASE to each of the runs WITH; what can't be compared is an error."""
    start, ends = _asked(request, base, others)
    return tuple(_compared(index_of(request), start, end) for end in ends)


@router.get("/compare/chart.svg", name="compare_chart")
def chart(request: Request, base: Id, others: Others = None, theme: Theme = "light") -> Response:
    """The paper's figure."""
    return picture(_drawn(index_of(request), *_asked(request, base, others), theme))


def _asked(request: Request, base: str, others: list[str] | None) -> tuple[_Stamped, tuple[_Stamped, ...]]:
    """The base and at least one other."""
    if not others:
        raise WrongUse("name a run to compare with the base: with=RUN, which may be repeated")
    return _stamped(request, base), tuple(_stamped(request, other) for other in others)


def _sides(base: str, others: list[str], chosen: list[str]) -> tuple[str, list[str]]:
    """The base and the others, each once; of runs CHOSEN in a list the last, which is the oldest there, is the base."""
    if chosen and not base:
        *others, base = chosen
    return base, [other for other in dict.fromkeys(others) if other not in ("", base)]


def _stamped(request: Request, id: str) -> _Stamped:
    index = index_of(request)
    found = index.run(id)
    readable(found)
    return _Stamped(found.folder, index.stamp(id))


_comparing = Lock()


def _compared(index: Index, base: _Stamped, other: _Stamped) -> Comparison:
    """A comparison, made once: who asks for it meanwhile waits for it."""
    with _comparing:
        return _made(index, base, other)


@lru_cache(64)
def _made(index: Index, base: _Stamped, other: _Stamped) -> Comparison:
    """A comparison that is kept beside the index for the next start of the service, or a new one."""
    key = orjson.dumps([(side.folder.name, side.stamp) for side in (base, other)]).decode() + _code()
    if kept := index.kept(key):
        return Comparison.model_validate_json(kept)
    made = compared.compare(Run(base.folder), Run(other.folder))
    index.keep(key, made.model_dump_json().encode())
    return made


def load() -> None:
    """Load what the first comparison needs, before anybody waits for it."""
    import pyarrow.parquet  # noqa: F401

    _code()


@cache
def _code() -> str:
    """By which code comparisons are made: our own, and that of the probes that others brought."""
    brought = {Path(inspect.getfile(kind)) for kind in probes.every().values()}
    digest = hashlib.sha256()
    for file in sorted(brought | {*Path(compared.__file__).parents[1].rglob("*.py")}):
        digest.update(file.read_bytes())
    return digest.hexdigest()


@lru_cache(64)
def _drawn(index: Index, base: _Stamped, others: tuple[_Stamped, ...], palette: Theme) -> str:
    made = []
    for other in others:
        try:
            made.append(comparison.shown(_compared(index, base, other), "simultaneous"))
        except NotComparable:
            continue
    if not made:
        raise WrongUse("none of these runs can be compared with the base")
    return theme.svg(changes.comparison_chart(made, PALETTES[palette]))


def _counts(made: list[Comparison]) -> dict[str, int]:
    every = [change.verdict for one in made for change in one.changes if change.group is None and change.verdict]
    found = {str(verdict): every.count(verdict) for verdict in dict.fromkeys(every)}
    significant = sum(found.get(verdict, 0) for verdict in ("better", "worse", "higher", "lower"))
    return ({"significant": significant} if significant else {}) | found


def _fits(change: Change | None, only: Only) -> bool:
    if change is None:
        return False
    return change.significant if only == "significant" else not only or change.verdict == only


def _blocks(made: list[Comparison], only: Only) -> list[ChangeBlock]:
    """The rows that fit ONLY; a number stands above its groups where these fit."""
    found = [{Key.of(change): change for change in comparison.shown(one, "simultaneous").changes} for one in made]
    blocks = []
    for block in layout.blocks(key for side in found for key in side):
        rows = []
        for key, inside in block.metrics:
            groups = [_row(other, [side.get(other) for side in found]) for other in inside]
            fitting = tuple(row for row in groups if any(_fits(change, only) for change in row.changes))
            row = _row(key, [side.get(key) for side in found])
            if fitting or any(_fits(change, only) for change in row.changes):
                rows.append(row.model_copy(update={"groups": fitting}))
        if rows:
            blocks.append(ChangeBlock(probe=block.probe, family=block.family, rows=tuple(rows)))
    return blocks


def _row(key: Key, sides: list[Change | None]) -> ChangeRow:
    base = next((change.base for change in sides if change), None)
    about = layout.metric(key).about
    return ChangeRow(probe=key.probe, metric=key.metric, group=key.group, about=about, base=base, changes=tuple(sides))
