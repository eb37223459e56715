"""A report on anything, and the one way to write it: terminal, Markdown, CSV, LaTeX, JSON, HTML and pictures."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic_core import to_json

from profiler.errors import WrongUse
from profiler.files import write_whole
from profiler.records import Record
from profiler.reporting import jinja, table
from profiler.reporting.charts import theme
from profiler.reporting.charts.theme import Chart, Palette
from profiler.reporting.numbers import plain
from profiler.reporting.samples import SampleList
from profiler.reporting.table import FlatRow, Table
from profiler.reporting.themes import Card, Point

Format = Literal["table", "md", "csv", "latex", "json", "html"]
Draw = Callable[[Palette], Chart]
Facts = Mapping[str, str]

SUFFIXES: Mapping[str, Format] = {
    ".txt": "table",
    ".md": "md",
    ".csv": "csv",
    ".tex": "latex",
    ".json": "json",
    ".html": "html",
}
PICTURES = (".png", ".svg")


@dataclass(frozen=True)
class Figure:
    """A chart, and how to read it."""

    name: str
    """Of its file; empty for a page's own chart."""
    draw: Draw
    label: str = ""
    """What it is called aloud, if not as its heading says."""
    caption: str = ""


class Quote(NamedTuple):
    """A text of somebody else's."""

    label: str
    about: str
    text: str


@dataclass(frozen=True)
class Part:
    """A heading, and what stands under it."""

    title: str
    words: str = ""
    figure: Figure | None = None
    table: Table | None = None
    quotes: tuple[Quote, ...] = ()
    glossary: Sequence[tuple[str, str, str]] = ()
    """Each metric, what it is about, and which implementation made it."""
    warning: str = ""
    id: str = ""
    """Of its heading on a page, if not its number."""
    brief: bool = True
    """Its table is shown where there are only tables."""

    @classmethod
    def around(cls, table: Table, words: str, brief: bool = False) -> Part:
        """What is said of a table, under its title."""
        return cls(table.title, words, table=table, brief=brief)

    @classmethod
    def glance(cls, draw: Draw, caption: str, title: str = "At a glance") -> Part:
        """The chart that opens a page."""
        label = "Chart; the table below has the same numbers"
        return cls(title, figure=Figure("", draw, label, caption), id="picture")


@dataclass(frozen=True)
class Origin:
    """How the numbers were made; only a page has room for it."""

    command: Sequence[str]
    """What makes them again."""
    facts: Facts
    sections: Sequence[tuple[str, Facts]] = ()
    """Probe, and how it was asked."""
    differs: Mapping[str, Sequence[str]] | None = None
    """Other side of a comparison → what differs in how it was made."""
    refused: Mapping[str, Mapping[str, str]] | None = None
    """Other side → probe → why it was not compared."""
    samples: Callable[[], Sequence[SampleList]] = tuple
    """What was asked and answered; read when a page is made."""


@dataclass(frozen=True)
class Report:
    """What is told of a record, whatever it is written in."""

    kind: str
    title: str
    lead: Sequence[str]
    """What came out, in a few sentences."""
    parts: Sequence[Part]
    record: Record | Sequence[Record]
    """What JSON holds."""
    rows: Callable[[], Sequence[FlatRow]] = tuple
    """What CSV holds: a row a number, in full precision."""
    chart: Draw | None = None
    """What a picture shows."""
    points: Sequence[Point] = ()
    """What a page says first, in place of the lead."""
    cards: Sequence[Card] = ()
    """A page's overview, theme by theme."""
    notes: Sequence[str] = ()
    """To know before the numbers."""
    mini: Sequence[str] = ()
    """Probes that were asked sets of our own."""
    origin: Origin | None = None
    """None for a document, whose Markdown has headings and words besides its tables."""
    front: str = ""
    """What stands before its Markdown, for the hub to read."""
    indent: int = 1
    """Of JSON."""
    leads: bool = False
    """Its lead stands before its tables in print, too."""

    @property
    def tables(self) -> list[Table]:
        """What is shown where there are only tables."""
        return [part.table for part in self.parts if part.table and part.brief]


def render(report: Report, format: Format) -> str:
    """A report as text in FORMAT."""
    match format:
        case "table":
            return "\n".join([*_led(report, plain), *map(table.as_text, report.tables)])
        case "md":
            tables = map(table.as_markdown, report.tables)
            return "\n".join([*_led(report, _words), *tables]) if report.origin else markdown(report)
        case "latex":
            return "\n".join(map(table.as_latex, report.tables))
        case "csv":
            return table.as_csv(report.rows())
        case "json":
            return json(report)
        case "html":
            return jinja.html(report)


def save(report: Report, path: Path) -> None:
    """Write to PATH, in the format that its ending names."""
    if path.suffix in SUFFIXES:
        write_whole(path, render(report, SUFFIXES[path.suffix]).encode())
    elif path.suffix in PICTURES and report.chart:
        draw(report.chart, path)
    else:
        known = " ".join([*SUFFIXES, *(PICTURES if report.chart else ())])
        raise WrongUse(f"can't write a report to {path.name!r}: expected a file that ends in one of {known}")


def json(report: Report) -> str:
    """The stored record; a list of them where there are several."""
    record = report.record
    if not isinstance(record, Record) and len(record) == 1:
        record = record[0]
    return to_json(record, indent=report.indent).decode() + "\n"


def draw(figure: Draw, path: Path) -> None:
    """Write a picture to PATH, a .svg or .png file."""
    write_whole(path, theme.picture(theme.compose(figure, theme.LIGHT), path.suffix))


def markdown(report: Report) -> str:
    """A document with headings, as a repository or a hub shows it."""
    lines = [f"# {_words(report.title)}", "", *(f"{_words(sentence)}  " for sentence in report.lead), ""]
    if report.notes:
        lines += ["**To know before the numbers**", "", *(f"- {_words(note)}" for note in report.notes), ""]
    for part in report.parts:
        lines += [f"## {_words(part.title)}", ""]
        if part.words:
            lines += [_words(part.words), ""]
        if part.figure:
            lines += [f"![{part.title}](figures/{part.figure.name}.svg)", ""]
        if part.table:
            lines += [table.as_markdown(part.table, titled=False).strip(), ""]
        for quote in part.quotes:
            about = f" ({_words(quote.about)})" if quote.about else ""
            lines += [f"**{quote.label}**{about}", "", _quoted(quote.text), ""]
    return report.front + "\n".join(lines).rstrip() + "\n"


def _led(report: Report, written: Callable[[str], str]) -> list[str]:
    """The lead as a paragraph of its own."""
    return ["\n".join(map(written, report.lead)) + "\n"] if report.leads else []


def _words(text: str) -> str:
    """A sentence in Markdown, in which a name can't be markup."""
    return plain(text).replace("&", "&amp;").replace("<", "&lt;")


def _quoted(text: str) -> str:
    """A model's words in Markdown: inside a fence longer than any of their own they can't be markup."""
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence}text\n{text}\n{fence}"
