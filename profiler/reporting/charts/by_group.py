"""A probe's numbers group by group, such as BBQ's by category: a panel a metric, a row a group, with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from profiler.records import Estimate
from profiler.reporting import layout
from profiler.reporting.charts import altair as alt
from profiler.reporting.charts import theme
from profiler.reporting.charts.theme import LIGHT, Chart, Datum, Palette
from profiler.reporting.layout import Key
from profiler.reporting.numbers import interval, number, places

LEAST = 3
"""Groups that are worth a picture."""
MOST = 4
"""Metrics that a picture has room for; the first that have a best value."""
WIDTH = 110
WRITTEN = 56
"""Room for a number in words beside a panel."""
STEP = 20

ByGroup = Mapping[str, Sequence[Estimate]]
"""Metric → its number in each group."""


def by_group(estimates: Sequence[Estimate], probe: str) -> ByGroup | None:
    """The numbers of a probe's groups; None where there are too few groups for a picture."""
    found: dict[str, list[Estimate]] = {}
    for estimate in estimates:
        if estimate.probe == probe and estimate.group is not None and layout.metric(Key.of(estimate)).ideal is not None:
            found.setdefault(estimate.metric, []).append(estimate)
    seen = {metric: each for metric, each in found.items() if any(e.value is not None for e in each)}
    drawn = dict(list(seen.items())[:MOST])
    return drawn if len({e.group for each in drawn.values() for e in each}) >= LEAST else None


def by_group_chart(numbers: ByGroup, probe: str, palette: Palette = LIGHT) -> Chart:
    """A panel a metric, beside each other or on a telephone below each other."""
    groups = sorted({str(e.group) for each in numbers.values() for e in each})
    panels = []
    for place, (metric, each) in enumerate(numbers.items()):
        first = place == 0 or palette.narrow
        data = [_datum(estimate) for estimate in each]
        ends = [0.0, *(end for e in each for end in (e.value, e.low, e.high) if end is not None)]
        room = 0.05 * (max(ends) - min(ends)) or 1.0
        axis = alt.Axis(title=None, tickCount=3, gridColor=palette.grid)
        value = alt.X("value:Q", axis=axis).scale(domain=[min(ends) - room, max(ends) + room], nice=False)
        best = theme.known(theme.rows(data), "best").mark_tick(thickness=2, aria=False)
        below = [best.encode(alt.X("best:Q"), alt.ColorValue(palette.better))]
        dots = theme.intervals(data, value, WIDTH, palette, size=44, below=below)
        dots = dots.encode(
            theme.down("row", theme.extent(groups) if first else 0, groups), alt.ColorValue(palette.moved)
        )
        panels.append(dots.properties(title=metric, height=alt.Step(STEP)))
    lines = panels if palette.narrow else [alt.hconcat(*panels, bounds="flush", spacing=WRITTEN)]
    return theme.whole(lines, f"{probe}: numbers of each group, with 95 % intervals", palette)


def _datum(estimate: Estimate) -> Datum:
    decimals = places(estimate.value, estimate.low, estimate.high)
    shown, within = number(estimate.value, decimals), interval(estimate.low, estimate.high, decimals)
    best = layout.metric(Key.of(estimate)).ideal
    told = f"{estimate.group}: {estimate.metric} {shown} {within}, n = {estimate.n}"
    return {
        "row": str(estimate.group),
        "value": estimate.value,
        "low": estimate.low,
        "high": estimate.high,
        "best": 0.0 if best == 0 else None,
        "written": number(estimate.value, 2),
        "told": told,
    }
