"""Charts as Vega-Lite specs: one spec serves the page, the picture and the notebook."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from profiler.records import Change, Comparison, Estimate, Profile
from profiler.reporting import layout
from profiler.reporting.layout import Block, Key, moved, spread
from profiler.reporting.numbers import DASH, interval, number, places, plain

Spec = dict[str, Any]
"""A Vega-Lite specification, or a part of one: JSON of many shapes."""
Datum = dict[str, str | float | None]

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
STEP = 22
WRITTEN = 150
"""Room for a number in words beside a panel."""
ROOM = 40
"""Room on the right for a reader whose letters are wider than those that the drawing was measured with."""
WIDTHS = {1: 480, 2: 240}
LABELS = 130
"""Room for the names of metrics, the same in every panel, so that panels stand in line."""
CUT = 300.0
"""Percent beyond which a bar is cut, so that one extreme does not flatten all others; its number is written beside."""
NONE = "none"
"""A change without a verdict."""
SHAPES: Mapping[str, str] = {
    "better": "triangle-up",
    "worse": "triangle-down",
    "moved": "diamond",
    "same": "circle",
    NONE: "cross",
}


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

    def verdicts(self) -> dict[str, str]:
        return {"better": self.better, "worse": self.worse, "moved": self.moved, "same": self.same, NONE: self.same}


# Okabe and Ito's hues, which people who see colours differently can tell apart.
LIGHT = Palette("#1c2024", "#5f6b76", "#e3e7ea", "#ffffff", "#00795a", "#c2500a", "#0065a3", "#8b949d")
DARK = Palette("#e8eaed", "#9aa4ae", "#30363d", "#14171a", "#2fc39a", "#ff8f4d", "#5cb3f0", "#7d8690")
PAGE = Palette(**{field: f"var(--{field})" for field in LIGHT.__dataclass_fields__} | {"paper": "transparent"})
"""A page's own colours, so that one drawing serves light, dark and print."""


@dataclass(frozen=True)
class Panel:
    """Metrics that share a scale."""

    title: str
    unit: str | None
    """None for percent of the base."""
    keys: tuple[Key, ...]
    last: bool = True
    """No later panel has the same scale."""

    def change(self, key: Key, changes: Mapping[Key, Change]) -> Change | None:
        """A change as this panel shows it."""
        change = changes.get(key)
        return change.model_copy(update={"percent": None}) if change and self.unit is not None else change


def comparison_chart(comparisons: Sequence[Comparison], palette: Palette = LIGHT) -> Spec:
    """Percent change against the base with its interval, a row a metric; as it is where a percentage means nothing."""
    sides = [{Key(c.probe, c.metric, c.group): c for c in one.changes if c.group is None} for one in comparisons]
    names = [layout.other_name(one) for one in comparisons]
    panels = _panels([key for side in sides for key in side], sides)
    percent = _domain([panel for panel in panels if panel.unit is None], sides)
    rows = []
    for panel in panels:
        domain = percent if panel.unit is None else _domain([panel], sides)
        heads = names if panel is panels[0] and len(names) > 1 else [""] * len(names)
        columns = [
            _change_panel(panel, [panel.change(key, side) for key in panel.keys], domain, head, i, len(sides), palette)
            for i, (side, head) in enumerate(zip(sides, heads, strict=True))
        ]
        rows.append({"bounds": "flush", "spacing": WRITTEN, "hconcat": columns})
    title = f"Change of {layout.listed(names)} against {layout.base_name(comparisons[0])}, with 95 % intervals"
    return whole(rows, title, palette)


def profile_chart(profile: Profile, palette: Palette = LIGHT) -> Spec:
    """Values with their intervals, a row a metric; rows of one unit share a scale that starts at zero."""
    found = {Key(e.probe, e.metric, e.group): e for e in profile.estimates if e.group is None}
    panels = []
    for block in layout.blocks(found):
        name = block.title(alone=len(profile.sections) == 1)
        data = [_estimate_datum(key, found[key], _largest(block, key, found)) for key in block.keys]
        panels.append(_estimate_panel(data, name, palette))
    return whole(panels, f"{profile.name}: every metric with its 95 % interval", palette)


def svg(spec: Spec) -> str:
    """Draw a chart, without a browser or a network."""
    import vl_convert

    drawn: str = vl_convert.vegalite_to_svg(_printable(spec), allowed_base_urls=[])
    # What a mark says of itself to a screen reader shows as a tooltip too.
    drawn = re.sub(r'<path aria-label="([^"]*)"([^>]*)/>', r'<path aria-label="\1"\2><title>\1</title></path>', drawn)
    label = plain(spec["description"]).replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    return drawn.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)


def picture(what: Profile | Sequence[Comparison], suffix: str) -> bytes:
    """A .png or .svg file of a profile or comparison."""
    return drawn(profile_chart(what) if isinstance(what, Profile) else comparison_chart(what), suffix)


def drawn(spec: Spec, suffix: str) -> bytes:
    """A chart as a .png or .svg file."""
    import vl_convert

    if suffix == ".svg":
        return svg(spec).encode()
    image: bytes = vl_convert.vegalite_to_png(_printable(spec), scale=2, allowed_base_urls=[])
    return image


def _printable(spec: Any) -> Any:
    """The spec without control characters, which abort the whole process inside the drawing engine."""
    match spec:
        case str():
            return plain(spec)
        case dict():
            return {name: _printable(value) for name, value in spec.items()}
        case list():
            return [_printable(value) for value in spec]
        case _:
            return spec


def extent(names: Sequence[str]) -> int:
    """Room for NAMES beside a panel, for a reader whose letters are wide."""
    return min(240, 8 + round(7.6 * max(map(len, names), default=0)))


def whole(panels: list[Spec], description: str, palette: Palette) -> Spec:
    return {
        "$schema": SCHEMA,
        "description": description,
        "background": palette.paper,
        "padding": {"left": 8, "top": 8, "bottom": 8, "right": ROOM},
        "spacing": 14,
        "vconcat": panels,
        "config": {
            "font": "system-ui, -apple-system, 'Segoe UI', 'Liberation Sans', sans-serif",
            "view": {"stroke": None},
            "title": {"anchor": "start", "color": palette.text, "fontSize": 12, "fontWeight": 600, "frame": "group"},
            "axis": {
                "labelColor": palette.quiet,
                "titleColor": palette.quiet,
                "gridColor": palette.grid,
                "domain": False,
                "ticks": False,
                "labelFontSize": 11,
                "titleFontSize": 11,
                "titleFontWeight": 400,
                "labelPadding": 6,
            },
            "axisY": {"labelColor": palette.text, "labelFontSize": 12, "labelLimit": LABELS},
            "text": {"color": palette.text, "fontSize": 11},
        },
    }


def _change_panel(
    panel: Panel,
    changes: Sequence[Change | None],
    domain: list[float],
    over: str,
    column: int,
    of: int,
    palette: Palette,
) -> Spec:
    """Bars from zero with whiskers, their verdict as colour, shape and word."""
    colours = palette.verdicts()
    width = WIDTHS.get(of, 170)
    title: Spec = {"text": panel.title if column == 0 else " "}
    if over:
        title |= {"subtitle": over, "subtitleColor": palette.text}
    below = _across(f"change, {'%' if panel.unit is None else panel.unit}" if panel.last else None, palette)
    x = {"scale": {"domain": domain, "nice": False}, "axis": below}
    known = [{"filter": "isValid(datum.value)"}]
    return {
        "title": title,
        "width": width,
        "height": {"step": STEP},
        "data": {"values": [_change_datum(key, change) for key, change in zip(panel.keys, changes, strict=True)]},
        "encoding": {
            "y": {"field": "metric", "type": "nominal", "sort": None, "axis": _down(column == 0), "title": None},
            "color": {
                "field": "verdict",
                "type": "nominal",
                "scale": {"domain": list(colours), "range": list(colours.values())},
                "legend": None,
            },
            "description": {"field": "told"},
            "tooltip": {"field": "told"},
        },
        "layer": [
            {
                "transform": known,
                "mark": {"type": "bar", "height": 11, "opacity": 0.4, "clip": True},
                "encoding": {"x": {"field": "value", "type": "quantitative", **x}, "x2": {"datum": 0}},
            },
            {
                "transform": [{"filter": "isValid(datum.low)"}],
                "mark": {"type": "rule", "strokeWidth": 1.8, "clip": True, "aria": False},
                "encoding": {"x": {"field": "low", "type": "quantitative", **x}, "x2": {"field": "high"}},
            },
            {
                "transform": known,
                "mark": {"type": "point", "filled": True, "size": 62, "opacity": 1, "clip": True},
                "encoding": {
                    "x": {"field": "value", "type": "quantitative", **x},
                    "shape": {
                        "field": "verdict",
                        "type": "nominal",
                        "scale": {"domain": list(SHAPES), "range": list(SHAPES.values())},
                        "legend": None,
                    },
                },
            },
            _written(width, palette),
        ],
    }


def _estimate_panel(data: list[Datum], title: str, palette: Palette) -> Spec:
    low = min([0.0, *(float(d["x_low"] or d["x"] or 0) for d in data)])
    x = {
        "scale": {"domain": [1.05 * low, 1.05], "nice": False},
        "axis": {"values": [0], "grid": True, "labels": False, "title": None},
    }
    known = [{"filter": "isValid(datum.x)"}]
    return {
        "title": title,
        "width": WIDTHS[1],
        "height": {"step": STEP},
        "data": {"values": data},
        "encoding": {
            "y": {"field": "metric", "type": "nominal", "sort": None, "axis": _down(True), "title": None},
            "description": {"field": "told"},
            "tooltip": {"field": "told"},
        },
        "layer": [
            {
                "transform": known,
                "mark": {"type": "bar", "height": 3, "color": palette.moved, "opacity": 0.3},
                "encoding": {"x": {"field": "x", "type": "quantitative", **x}, "x2": {"datum": 0}},
            },
            {
                "transform": [{"filter": "isValid(datum.x_low)"}],
                "mark": {"type": "rule", "strokeWidth": 2, "color": palette.moved, "aria": False},
                "encoding": {"x": {"field": "x_low", "type": "quantitative", **x}, "x2": {"field": "x_high"}},
            },
            {
                "transform": [{"filter": "isValid(datum.x_ideal)"}],
                "mark": {"type": "tick", "color": palette.better, "thickness": 2, "aria": False},
                "encoding": {"x": {"field": "x_ideal", "type": "quantitative", **x}},
            },
            {
                "transform": known,
                "mark": {"type": "point", "filled": True, "size": 50, "opacity": 1, "color": palette.moved},
                "encoding": {"x": {"field": "x", "type": "quantitative", **x}},
            },
            _written(WIDTHS[1], palette),
        ],
    }


def _written(width: int, palette: Palette) -> Spec:
    """The numbers in words, in a column right of the panel."""
    return {
        "mark": {"type": "text", "align": "left", "color": palette.text, "aria": False},
        "encoding": {"x": {"value": width + 10}, "text": {"field": "written"}, "color": {"value": palette.text}},
    }


def _down(shown: bool) -> Spec:
    return {"labels": shown, "minExtent": LABELS if shown else 0, "maxExtent": LABELS if shown else 0, "offset": 4}


def _across(title: str | None, palette: Palette) -> Spec:
    """The scale below a panel; only its lines where the next panel shows the same."""
    zero = {"condition": {"test": "datum.value === 0", "value": palette.quiet}, "value": palette.grid}
    shown = title is not None
    return {"title": title, "labels": shown, "tickCount": 5, "grid": True, "titleAnchor": "start", "gridColor": zero}


def _change_datum(key: Key, change: Change | None) -> Datum:
    if change is None or change.absolute is None:
        why = change.reason if change else "not in this run"
        return {"metric": key.metric, "verdict": NONE, "written": f"{DASH} {why}", "told": f"{key.metric}: {why}"}
    in_percent = change.percent is not None
    word = change.verdict or change.reason or ""
    return {
        "metric": key.metric,
        "verdict": change.verdict or NONE,
        "value": change.percent if in_percent else change.absolute,
        "low": change.percent_low if in_percent else change.low,
        "high": change.percent_high if in_percent else change.high,
        "written": f"{moved(change)} {word}",
        "told": f"{key.metric}: {moved(change)} {spread(change)}, {word}",
    }


def _estimate_datum(key: Key, estimate: Estimate, largest: float) -> Datum:
    decimals = places(estimate.value, estimate.low, estimate.high)
    shown = number(estimate.value, decimals)
    within = interval(estimate.low, estimate.high, decimals)
    unit = layout.unit(key)
    ideal = layout.ideal(key)

    def scaled(value: float | None) -> float | None:
        return None if value is None else value / largest

    return {
        "metric": key.metric,
        "x": scaled(estimate.value),
        "x_low": scaled(estimate.low),
        "x_high": scaled(estimate.high),
        "x_ideal": scaled(ideal) if isinstance(ideal, float | int) and abs(ideal) <= largest else None,
        "written": f"{shown} {within} {unit}" if estimate.low is not None else f"{shown} {unit} ({estimate.reason})",
        "told": f"{key.metric}: {shown} {unit} {within}, n = {estimate.n}",
    }


def _largest(block: Block, key: Key, found: Mapping[Key, Estimate]) -> float:
    """The end of the scale that a metric shares with those of its unit and family."""
    alike = [found[other] for other in block.keys if layout.unit(other) == layout.unit(key)]
    return max((abs(end) for e in alike for end in (e.value, e.low, e.high) if end), default=1.0)


def _panels(keys: Sequence[Key], sides: Sequence[Mapping[Key, Change]]) -> list[Panel]:
    """The metrics that are shown in percent, by family; then the others, by unit."""
    several = len({key.probe for key in keys}) > 1
    found = []
    for block in layout.blocks(keys):
        name = block.title(alone=not several)
        absolute = [key for key in block.keys if _absolute(key, sides)]
        if percent := tuple(key for key in block.keys if key not in absolute):
            found.append(Panel(name, None, percent))
        for unit in dict.fromkeys(layout.unit(key) for key in absolute):
            inside = tuple(key for key in absolute if layout.unit(key) == unit)
            found.append(Panel(f"{name}, absolute", unit or "as it is", inside))
    found.sort(key=lambda panel: panel.unit is not None)
    percents = [panel for panel in found if panel.unit is None]
    return [replace(panel, last=panel.unit is not None or panel is percents[-1]) for panel in found]


def _absolute(key: Key, sides: Sequence[Mapping[Key, Change]]) -> bool:
    """Whether a percentage means nothing on a side that has a change."""
    known = [side[key] for side in sides if key in side and side[key].absolute is not None]
    return any(change.percent is None for change in known)


def _domain(panels: Sequence[Panel], sides: Sequence[Mapping[Key, Change]]) -> list[float]:
    """A scale that holds every change of the panels, zero, and a little room."""
    shown = [panel.change(key, side) for panel in panels for key in panel.keys for side in sides]
    ends = [end for change in shown if change for end in _ends(change)]
    low, high = min([0.0, *ends]), max([0.0, *ends])
    room = 0.04 * (high - low) or 1.0
    return [low - room, high + room]


def _ends(change: Change) -> list[float]:
    if change.percent is None:
        return [end for end in (change.absolute, change.low, change.high) if end is not None]
    ends = (change.percent, change.percent_low, change.percent_high)
    return [max(-CUT, min(CUT, end)) for end in ends if end is not None]
