"""Charts of numbers: a profile's, and what changed against a base."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from math import inf
from typing import NamedTuple

from profiler.records import Change, Comparison, Estimate, Profile
from profiler.reporting import layout
from profiler.reporting.charts import altair as alt
from profiler.reporting.charts import theme
from profiler.reporting.charts.theme import LIGHT, NONE, Chart, Datum, Palette
from profiler.reporting.layout import Block, Key, ends, moved, spread
from profiler.reporting.numbers import DASH, interval, number, places

STEP = 22
WRITTEN = 150
"""Room for a number in words beside a panel."""
WIDTHS = {1: 480, 2: 240}
LEAST = 170
"""How wide a panel is, by how many there are in a row."""
NARROW = 80
"""How wide it is on a telephone."""
LABELS = 130
"""Room for the names of metrics, the same in every panel, so that panels stand in line."""
CUT = 300.0
"""Percent beyond which a bar is cut, so that one extreme does not flatten all others; its number is written beside."""
SHAPES = {
    "better": "triangle-up",
    "worse": "triangle-down",
    "higher": "diamond",
    "lower": "diamond",
    "equivalent": "square",
    "not significant": "circle",
    NONE: "cross",
}


class Panel(NamedTuple):
    """Metrics that share a scale."""

    title: str
    unit: str | None
    """None for percent of the base."""
    keys: Sequence[Key]


def comparison_chart(comparisons: Sequence[Comparison], palette: Palette = LIGHT) -> Chart:
    """Percent change against the base with its interval, a row a metric; as it is where a percentage means nothing."""
    sides = [layout.overall(one.changes) for one in comparisons]
    absolute = {key for side in sides for key, c in side.items() if c.absolute is not None and c.percent is None}
    for side in sides:
        side |= {key: side[key].model_copy(update={"percent": None}) for key in absolute & side.keys()}
    names = [layout.other_name(one) for one in comparisons]
    every = _panels([key for side in sides for key in side], absolute)
    # A panel in which nothing has a value would be an empty axis; the table has its rows, with the reasons.
    drawn = [panel for panel in every if any(_has(side.get(key)) for side in sides for key in panel.keys)]
    panels = drawn or every
    percents = [panel for panel in panels if panel.unit is None]
    lines: list[alt.LayerChart | alt.HConcatChart] = []
    for panel in panels:
        alike = [panel] if panel.unit else percents
        domain = _domain(side[key] for side in sides for each in alike for key in each.keys if key in side)
        axis = _axis(f"change, {panel.unit or '%'}" if panel is alike[-1] else None, palette)
        value = alt.X("value:Q", axis=axis).scale(domain=domain, nice=False)
        columns = []
        for place, (side, name) in enumerate(zip(sides, names, strict=True)):
            first = place == 0 or palette.narrow
            head = alt.TitleParams(panel.title if first else " ", subtitleColor=palette.text)
            if len(names) > 1 and (panel is panels[0] or palette.narrow):
                head.subtitle = name
            data = [change_bar(key.metric, side.get(key)) for key in panel.keys]
            width = NARROW if palette.narrow else WIDTHS.get(len(sides), LEAST)
            y = theme.down("row", LABELS if first else 0, [key.metric for key in panel.keys])
            bars = change_bars(data, value, palette.verdicts(), SHAPES, width, palette, clip=True)
            columns.append(bars.encode(y).properties(title=head, height=alt.Step(STEP)))
        lines += columns if palette.narrow else [alt.hconcat(*columns, bounds="flush", spacing=WRITTEN)]
    title = f"Change of {layout.listed(names)} against {layout.base_name(comparisons[0])}, with 95 % intervals"
    return theme.whole(lines, title, palette)


def profile_chart(profile: Profile, palette: Palette = LIGHT) -> Chart:
    """Values with their intervals, a row a metric; rows of one unit share a scale that starts at zero."""
    found = layout.overall(profile.estimates)
    panels = []
    every = list(layout.blocks(found))
    for block in [block for block in every if any(_has(found[key]) for key in block.keys)] or every:
        data = [_dot(key, found[key], _largest(block, key, found)) for key in block.keys]
        low = min([0.0, *(float(d["low"] or d["value"] or 0) for d in data)])
        value = alt.X("value:Q", axis=alt.Axis(values=[0], labels=False, title=None))
        value = value.scale(domain=[1.05 * low, 1.05], nice=False)
        ideal = theme.known(theme.rows(data), "ideal").mark_tick(thickness=2, aria=False)
        ideals = [ideal.encode(alt.X("ideal:Q"), alt.ColorValue(palette.better))]
        width = NARROW if palette.narrow else WIDTHS[1]
        dots = theme.intervals(data, value, width, palette, bar=3, opacity=0.3, size=50, below=ideals)
        dots = dots.encode(theme.down("metric", LABELS), alt.ColorValue(palette.moved))
        title = block.title(alone=len(profile.sections) == 1)
        panels.append(dots.properties(title=title, height=alt.Step(STEP)))
    return theme.whole(panels, f"{profile.name}: every metric with its 95 % interval", palette)


def change_bars(
    data: Sequence[Datum],
    value: alt.X,
    colours: Mapping[str, str],
    shapes: Mapping[str, str],
    width: int,
    palette: Palette,
    clip: bool = False,
) -> alt.LayerChart:
    """Bars from zero to each VALUE with whiskers, its `kind` as colour and shape, and the numbers in words beside."""
    shape = alt.Shape("kind:N", legend=None).scale(domain=list(shapes), range=list(shapes.values()))
    bars = theme.intervals(data, value, width, palette, bar=11, line=1.8, clip=clip, shape=shape)
    return bars.encode(theme.colour("kind", colours))


def change_bar(row: str, change: Change | None, kind: str = "", word: str = "") -> Datum:
    """What a bar shows; its KIND and the WORD for it are the change's verdict, where they are not another."""
    if change is None or change.absolute is None:
        why = change.reason if change else "not in this run"
        return {"row": row, "kind": kind or NONE, "written": f"{DASH} {why}", "told": f"{row}: {why}"}
    value, low, high = ends(change)
    word = word or change.verdict or change.reason or ""
    return {
        "row": row,
        "kind": kind or change.verdict or NONE,
        "value": value,
        "low": low,
        "high": high,
        "written": f"{moved(change)} {word}",
        "told": f"{row}: {moved(change)} {spread(change)}, {word}",
    }


def _has(number: Change | Estimate | None) -> bool:
    value = number.value if isinstance(number, Estimate) else number and number.absolute
    return value is not None


def _domain(changes: Iterable[Change]) -> list[float]:
    """A scale that holds every change, zero, and a little room."""
    held = [0.0]
    for change in changes:
        cut = inf if change.percent is None else CUT
        held += [max(-cut, min(cut, end)) for end in ends(change) if end is not None]
    room = 0.04 * (max(held) - min(held)) or 1.0
    return [min(held) - room, max(held) + room]


def _axis(title: str | None, palette: Palette) -> alt.Axis:
    """The scale below a panel; only its lines where the next panel shows the same."""
    zero = alt.when("datum.value === 0").then(alt.value(palette.quiet)).otherwise(alt.value(palette.grid))
    ticks = 3 if palette.narrow else 5
    return alt.Axis(title=title, titleAnchor="start", labels=title is not None, tickCount=ticks, gridColor=zero)


def _panels(keys: Sequence[Key], absolute: Set[Key]) -> list[Panel]:
    """The metrics that are shown in percent, by family; then the others, by unit."""
    percents, others = [], []
    for block in layout.blocks(keys):
        name = block.title(alone=len({key.probe for key in keys}) == 1)
        if percent := [key for key in block.keys if key not in absolute]:
            percents.append(Panel(name, None, percent))
        units: dict[str, list[Key]] = {}
        for key in block.keys:
            if key in absolute:
                units.setdefault(layout.metric(key).unit or "as it is", []).append(key)
        others += [Panel(f"{name}, absolute", unit, inside) for unit, inside in units.items()]
    return percents + others


def _dot(key: Key, estimate: Estimate, largest: float) -> Datum:
    decimals = places(estimate.value, estimate.low, estimate.high)
    shown = number(estimate.value, decimals)
    within = interval(estimate.low, estimate.high, decimals)
    unit, ideal = layout.metric(key).unit, layout.metric(key).ideal
    near = ideal if isinstance(ideal, float | int) and abs(ideal) <= largest else None
    numbers = {"value": estimate.value, "low": estimate.low, "high": estimate.high, "ideal": near}
    return {
        "metric": key.metric,
        "written": f"{shown} {within} {unit}" if estimate.low is not None else f"{shown} {unit} ({estimate.reason})",
        "told": f"{key.metric}: {shown} {unit} {within}, n = {estimate.n}",
        **{name: None if value is None else value / largest for name, value in numbers.items()},
    }


def _largest(block: Block, key: Key, found: Mapping[Key, Estimate]) -> float:
    """The end of the scale that a metric shares with those of its unit and family."""
    alike = [found[other] for other in block.keys if layout.metric(other).unit == layout.metric(key).unit]
    return max((abs(end) for e in alike for end in (e.value, e.low, e.high) if end), default=1.0)
