"""How a number is distributed over several sets of texts, such as all candidates, the chosen and random ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from profiler.reporting.charts import altair as alt
from profiler.reporting.charts import theme
from profiler.reporting.charts.theme import LIGHT, Chart, Datum, Palette
from profiler.reporting.numbers import number

WIDTH = 460
NARROW = 230
HEIGHT = 150
DASHES = ([1, 0], [1, 0], [5, 3], [2, 2])
"""Of the lines, so that colour is not all that tells them apart."""


def distribution_chart(
    metric: str, unit: str, edges: Sequence[float], sets: Mapping[str, Sequence[int]], palette: Palette = LIGHT
) -> Chart:
    """The proportion of each of the SETS in each bin, as steps; the first set as an area behind the others."""
    names = list(sets)
    data: list[Datum] = [
        {
            "set": name,
            "from": low,
            "share": 100 * count / max(sum(counts), 1),
            "told": f"{name}: {metric} {number(low)} to {number(high)}, {100 * count / max(sum(counts), 1):.1f} %",
        }
        for name, counts in sets.items()
        # A step ends where its bin does: the last edge repeats the last bin.
        for low, high, count in zip(edges, [*edges[1:], edges[-1]], [*counts, counts[-1]], strict=True)
    ]
    hues = [palette.same, palette.moved, palette.worse, palette.better][: len(names)]
    legend = alt.Legend(title=None, labelColor=palette.text, orient="top", symbolType="stroke", symbolOpacity=1)
    title = f"{metric}, {unit}" if unit not in ("", metric) else metric
    steps = theme.rows(data).encode(
        alt.X("from:Q", title=title).scale(domain=[edges[0], edges[-1]], nice=False),
        alt.Y("share:Q", title="%"),
        alt.Color("set:N", legend=legend).scale(domain=names, range=hues),
    )
    dash = alt.StrokeDash("set:N", legend=legend).scale(domain=names, range=list(DASHES[: len(names)]))
    layers = [
        steps.transform_filter(alt.FieldEqualPredicate(field="set", equal=names[0])).mark_area(
            interpolate="step-after", opacity=0.3, aria=False
        ),
        steps.mark_line(interpolate="step-after", strokeWidth=2).encode(dash),
    ]
    width = NARROW if palette.narrow else WIDTH
    chart = alt.LayerChart(layer=layers, width=width, height=HEIGHT)
    return theme.whole([chart], f"{metric} of {', '.join(names)}", palette)
