"""How every chart looks, the marks that several share, and the way into a file."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Self, TypeAlias

from profiler.reporting.charts import altair as alt
from profiler.reporting.numbers import plain

Chart: TypeAlias = "alt.VConcatChart"
Datum = dict[str, str | float | None]
"""What a mark shows; `told` is what it says of itself to a pointer and to a screen reader."""

ROOM = 40
"""Room on the right for a reader whose letters are wider than those that the drawing was measured with."""
FONT = "system-ui, -apple-system, 'Segoe UI', 'Liberation Sans', sans-serif"

NONE = "none"
"""A change without a verdict."""


@dataclass(frozen=True)
class Palette:
    """Colours, or the names of a page's."""

    text: str
    quiet: str
    grid: str
    paper: str
    better: str
    worse: str
    moved: str
    same: str
    narrow: bool = False
    """For a page as wide as a telephone."""

    def verdicts(self) -> dict[str, str]:
        changed = {"better": self.better, "worse": self.worse, "higher": self.moved, "lower": self.moved}
        return changed | dict.fromkeys(("equivalent", "not significant", NONE), self.same)


# Okabe and Ito's hues, which people who see colours differently can tell apart.
LIGHT = Palette("#1c2024", "#5f6b76", "#e3e7ea", "#ffffff", "#00795a", "#c2500a", "#0065a3", "#8b949d")
DARK = Palette("#e8eaed", "#9aa4ae", "#30363d", "#14171a", "#2fc39a", "#ff8f4d", "#5cb3f0", "#7d8690")
PAGE = Palette(
    text="var(--text)",
    quiet="var(--quiet)",
    grid="var(--grid)",
    paper="transparent",
    better="var(--better)",
    worse="var(--worse)",
    moved="var(--moved)",
    same="var(--same)",
)
"""A page's own colours, so that one drawing serves light, dark and print."""
NARROW = replace(PAGE, narrow=True)


def compose(draw: Callable[[Palette], Chart], palette: Palette) -> Chart:
    """The chart that DRAW makes, without Altair's check of each part, which takes longer than the part."""
    from altair.utils.schemapi import debug_mode

    with debug_mode(False):
        return draw(palette)


def svg(chart: Chart) -> str:
    """Draw a chart, without a browser or a network."""
    import vl_convert

    drawn: str = vl_convert.vegalite_to_svg(_record(chart), allowed_base_urls=[])
    # A group of no marks is a picture without a name to a screen reader.
    drawn = re.sub(r'<g [^>]*role="graphics-symbol"[^>]*(?:/>|></g>)', "", drawn)
    # What a mark says of itself to a screen reader shows as a tooltip too.
    drawn = re.sub(r'<path aria-label="([^"]*)"([^>]*)/>', r'<path aria-label="\1"\2><title>\1</title></path>', drawn)
    label = plain(str(chart.description)).replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    return drawn.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)


def picture(chart: Chart, suffix: str) -> bytes:
    """A chart as a .png or .svg file."""
    import vl_convert

    if suffix == ".svg":
        return svg(chart).encode()
    image: bytes = vl_convert.vegalite_to_png(_record(chart), scale=2, allowed_base_urls=[])
    return image


def _record(chart: Chart) -> dict[str, object]:
    """Without control characters, which abort the whole process inside the drawing engine."""
    return {name: _printable(value) for name, value in chart.to_dict(validate=False).items()}


def _printable(part: object) -> object:
    match part:
        case str():
            return plain(part)
        case dict():
            return {name: _printable(value) for name, value in part.items()}
        case list():
            return [_printable(value) for value in part]
    return part


def whole(panels: Sequence[alt.LayerChart | alt.HConcatChart], description: str, palette: Palette) -> Chart:
    """Panels, one below the other."""
    quiet = {"labelColor": palette.quiet, "labelFontSize": 11, "titleColor": palette.quiet, "titleFontSize": 11}
    axis = {"gridColor": palette.grid, "domain": False, "ticks": False, "titleFontWeight": 400, "labelPadding": 6}
    look = alt.Config(
        font=FONT,
        view={"stroke": None},
        title={"anchor": "start", "color": palette.text, "fontSize": 12, "fontWeight": 600, "frame": "group"},
        axis=quiet | axis,
        axisY={"labelColor": palette.text, "labelFontSize": 12},
        text={"color": palette.text, "fontSize": 11},
    )
    return alt.vconcat(
        *panels,
        description=description,
        background=palette.paper,
        padding={"left": 8, "top": 8, "bottom": 8, "right": ROOM // 2 if palette.narrow else ROOM},
        spacing=14,
        config=look,
    )


def rows(data: Sequence[Datum]) -> alt.Chart:
    """A chart of DATA, each mark of which says what it stands for."""
    return base(data).encode(alt.Description("told:N"), alt.Tooltip("told:N"))


def base(data: Sequence[Datum]) -> alt.Chart:
    """A chart of DATA, from which others are made.

    Altair copies each chart, and all in it, several times for each that it becomes a part of: most of what a page
    takes. Nothing in these is changed once it is there, so that a copy may share it. Channels are named by their
    classes for the same reason: Altair searches its whole schema for what a string or `alt.value` stands for.
    """
    return _sharing()(alt.InlineData(values=data))


@cache
def _sharing() -> type[alt.Chart]:
    from altair import Chart

    class Sharing(Chart):
        def __deepcopy__(self, memo: object = None) -> Self:
            return self.copy(deep=False)

    return Sharing


def known(chart: alt.Chart, field: str) -> alt.Chart:
    """CHART without the rows that have no number as FIELD."""
    return chart.transform_filter(f"isValid(datum.{field})")


def intervals(
    data: Sequence[Datum],
    value: alt.X,
    width: int,
    palette: Palette,
    *,
    bar: int = 0,
    opacity: float = 0.4,
    line: float = 2,
    size: int = 62,
    gap: int = 10,
    hollow: str = "",
    below: Sequence[alt.Chart] = (),
    clip: bool = False,
    shape: alt.Shape | None = None,
) -> alt.LayerChart:
    """A dot for each VALUE with its interval and, beside the panel, in words; a BAR so thick from zero."""
    each = rows(data)
    values = known(each, "value")
    filled = values.mark_point(filled=True, size=size, opacity=1, clip=clip)
    dots = [filled.encode(shape) if shape else filled]
    if hollow:
        rings = values.transform_filter(hollow).mark_point(size=size, filled=False, strokeWidth=2)
        dots = [rings, filled.transform_filter(f"!({hollow})")]
    text = each.mark_text(align="left", aria=False)
    beside = alt.XValue(width + gap)  # type: ignore[no-untyped-call]
    return alt.layer(
        *([values.mark_bar(height=bar, opacity=opacity, clip=clip).encode(alt.X2Datum(0))] if bar else []),
        known(each, "low").mark_rule(strokeWidth=line, clip=clip, aria=False).encode(alt.X("low:Q"), alt.X2("high")),
        *below,
        *dots,
        text.encode(beside, alt.Text("written:N"), alt.ColorValue(palette.text)),
        width=width,
    ).encode(value)


def down(field: str, room: int, names: Sequence[str] | None = None) -> alt.Y:
    """A row for each value of FIELD, named in so much ROOM; in the order of NAMES or of the data."""
    axis = alt.Axis(labels=room > 0, labelLimit=room, minExtent=room, maxExtent=room, offset=4)
    return alt.Y(f"{field}:N", sort=names, title=None, axis=axis)


def colour(field: str, colours: Mapping[str, str]) -> alt.Color:
    """Each value of FIELD in its colour."""
    return alt.Color(f"{field}:N", legend=None).scale(domain=list(colours), range=list(colours.values()))


def extent(names: Sequence[str]) -> int:
    """Room for NAMES beside a panel, for a reader whose letters are wide."""
    return min(240, 8 + round(7.6 * max(map(len, names), default=0)))
