"""Parts of a report on a page: sentences, pictures for its width and colours, tables, texts of others."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Literal

from fastapi.responses import Response

from profiler.records import Record
from profiler.reporting.charts import theme
from profiler.reporting.charts.theme import DARK, LIGHT
from profiler.reporting.report import Figure, Part, Quote
from profiler.reporting.table import Table
from profiler.service.problems import Missing

Theme = Literal["light", "dark", "narrow", "narrow-dark"]
PALETTES = {
    "light": LIGHT,
    "dark": DARK,
    "narrow": replace(LIGHT, narrow=True),
    "narrow-dark": replace(DARK, narrow=True),
}
"""For a wide page, and for one as wide as a telephone."""


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
    quotes: tuple[tuple[Quote, ...], ...]
    """Texts that belong together: a prompt, then those that stand beside each other."""
    glossary: tuple[tuple[str, str, str], ...]


def told(parts: Iterable[Part]) -> tuple[ReportPart, ...]:
    """Parts of a report as a page's record has them."""
    return tuple(
        ReportPart(
            title=part.title,
            id=part.id or f"part-{place}",
            words=part.words,
            warning=part.warning,
            figure=part.figure.name if part.figure else None,
            caption=part.figure.caption if part.figure else "",
            table=part.table,
            quotes=_together(part.quotes),
            glossary=tuple(part.glossary),
        )
        for place, part in enumerate(parts)
    )


def _together(quotes: Iterable[Quote]) -> tuple[tuple[Quote, ...], ...]:
    """Each text that nothing is said about begins with those after it."""
    groups: list[list[Quote]] = []
    for quote in quotes:
        if not quote.about or not groups:
            groups.append([])
        groups[-1].append(quote)
    return tuple(map(tuple, groups))


def figure(parts: Iterable[Part], name: str) -> Figure:
    """The picture of that name."""
    for part in parts:
        if part.figure and part.figure.name == name:
            return part.figure
    raise Missing(f"there is no picture {name!r} here")


def drawn(of: Figure, palette: Theme) -> str:
    return theme.svg(theme.compose(of.draw, PALETTES[palette]))


def picture(svg: str) -> Response:
    return Response(svg, media_type="image/svg+xml")
