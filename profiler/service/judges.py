"""Judges: files of verdicts, how far they agree with people and each other, and the pairs that they differ on."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Literal

from fastapi import Request
from fastapi.responses import Response

from profiler.errors import InheritError
from profiler.judging import JudgedPair, compare_raters, judged_pairs, read_labels
from profiler.records import Record
from profiler.reporting.judging import jury_report
from profiler.reporting.report import Report
from profiler.service.pages import Pages
from profiler.service.parts import Theme
from profiler.service.problems import Missing
from profiler.service.reports import After, ReportList, ReportPage, Shelf, Words, drawn, entry, listed, shown
from profiler.service.runs import index_of

router = Pages(tags=["judges"])

EACH = 20
"""Pairs of a page."""
Only = Literal["differ", "flips", "all"]


class JudgePage(ReportPage):
    """How far raters agree."""

    counts: dict[Only, int]
    """Pairs that raters differ on, or of which a judge says another thing once the answers are swapped."""


class PairsPage(Record):
    """Some of the pairs of a file of verdicts, with what everybody said of them."""

    id: str
    only: Only
    rater: str
    """Only pairs that it had a part in."""
    raters: tuple[str, ...]
    counts: dict[Only, int]
    pairs: tuple[JudgedPair, ...]
    after: str | None
    """The pair to ask for the next ones by; null where these are the last."""


def _verdicts_report(path: Path) -> Report:
    return jury_report(compare_raters(read_labels([path])), ["inherit", "agree", path.name])


SHELF = Shelf("judges", "Verdict files", "inherit judge", {"verdicts": _verdicts_report})


@router.page("/judges", "reports.html", api="/api/judges")
def judges(request: Request, q: Words = "", after: After = None) -> ReportList:
    """Files of verdicts."""
    return listed(request, SHELF, q, after)


@router.page("/judges/{id}/pairs", "pairs.html", api="/api/judges/{id}/pairs")
def pairs(request: Request, id: str, only: Only = "differ", rater: Words = "", after: After = None) -> PairsPage:
    """The pairs that raters differ on, those that a judge answers by their order, or all: ask for more by `after`."""
    every = _pairs(request, id)
    raters = dict.fromkeys(said.rater for one in every for said in one.verdicts)
    fitting = [one for one in every if _fits(one, only) and (not rater or _part(one, only, rater))]
    start = next((place for place, one in enumerate(fitting, 1) if one.pair.id == after), 0)
    some = fitting[start : start + EACH]
    return PairsPage(
        id=id,
        only=only,
        rater=rater,
        raters=tuple(raters),
        counts=_counts(every),
        pairs=tuple(some),
        after=some[-1].pair.id if len(fitting) > start + EACH else None,
    )


@router.page("/judges/{id}", "judge.html", api="/api/judges/{id}")
def judge(request: Request, id: str) -> JudgePage:
    """How far judges agree with people and each other, and what they favour."""
    return JudgePage(**dict(shown(request, SHELF, id)), counts=_counts(_pairs(request, id)))


@router.get("/judges/{id}/chart.svg")
def judge_chart(request: Request, id: str, name: Words = "", theme: Theme = "light") -> Response:
    """A picture of the report."""
    return drawn(request, SHELF, id, name, theme)


def _pairs(request: Request, id: str) -> tuple[JudgedPair, ...]:
    index = index_of(request)
    try:
        return _read(index.place(entry(request, SHELF, id)), index.stamp(id))
    except InheritError as error:
        raise Missing(str(error)) from None


@lru_cache(8)
def _read(path: Path, stamp: float) -> tuple[JudgedPair, ...]:
    return tuple(judged_pairs(read_labels([path])))


def _counts(every: tuple[JudgedPair, ...]) -> dict[Only, int]:
    kinds: tuple[Only, ...] = ("differ", "flips", "all")
    return {only: sum(_fits(one, only) for one in every) for only in kinds}


def _fits(one: JudgedPair, only: Only) -> bool:
    return one.differ if only == "differ" else bool(one.flips) if only == "flips" else True


def _part(one: JudgedPair, only: Only, rater: str) -> bool:
    """Whether a rater flips on a pair, or has said something of it that another did not say."""
    if only == "flips":
        return rater in one.flips
    return any(said.rater == rater for said in one.verdicts)
