"""Who agrees with whom: judges and humans against each other, as a heatmap."""

from __future__ import annotations

from collections.abc import Sequence

from profiler.charts import LIGHT, Datum, Palette, Spec, extent, whole
from profiler.records import Agreement, Jury, Rater
from profiler.reporting.numbers import DASH, count, interval, number

SIDE = 62
"""Of a cell, while there are few."""
SMALL = 40
MANY = 12
FULL = 0.55
"""Opacity of a kappa of 1: what is written over it stays readable, on light and on dark paper."""
LEGEND = "Cohen's kappa of every two raters (ties are a label), and below it the share of pairs with the same label"
CAPTION = (
    "The bluer, the further they agree beyond chance; orange: less than by chance. "
    "Empty: oneself, or a human and the majority that the human is part of."
)


def matrix(jury: Jury) -> list[list[Datum]]:
    """A row a rater, a cell for each other: judges first, then what they are held against, then the humans."""
    raters = order(jury)
    found = {**_pairwise(jury, "agreement"), **_pairwise(jury, "kappa")}
    return [
        [_cell(one, other, found.get((one.name, other.name, "kappa")), found.get((one.name, other.name, "agreement")))
         for other in raters]
        for one in raters
    ]  # fmt: skip


def order(jury: Jury) -> list[Rater]:
    """The raters as the matrix shows them; humans only where they are few enough to be held against judges."""
    compared = {n.rater for n in jury.numbers} | {n.against for n in jury.numbers}
    known = [rater for rater in jury.raters if rater.name in compared]
    return sorted(known, key=lambda rater: ("judge", "reference", "human").index(rater.kind))


def matrix_chart(jury: Jury, palette: Palette = LIGHT) -> Spec:
    """Colour and number: agreement beyond chance; small: the share of pairs with the same label."""
    return whole([panel(jury, palette)], title(jury), palette)


def title(jury: Jury) -> str:
    return f"How far {count(len(order(jury)))} raters agree on {count(jury.pairs)} pairs"


def panel(jury: Jury, palette: Palette) -> Spec:
    """The heatmap as a part of a chart."""
    cells = [cell for row in matrix(jury) for cell in row]
    names = [rater.name for rater in order(jury)]
    few = len(names) <= MANY
    axis = {"title": None, "domain": False, "labelColor": palette.text, "labelFontSize": 12}
    long = max(map(len, names), default=0) * 7 > (SIDE if few else SMALL)
    across = {
        "orient": "top",
        "labelAngle": -35 if long else 0,
        "labelLimit": 130,
        "labelAlign": "left" if long else "center",
    }
    down = {**axis, "labelLimit": 240, "minExtent": extent(names)}
    step = {"step": SIDE if few else SMALL}
    written = [_text("kappa_written", -7 if few else 0, 13 if few else 11, 600)]
    return {
        "title": {"text": "Who agrees with whom", "subtitle": LEGEND, "subtitleColor": palette.quiet, "offset": 12},
        "width": step,
        "height": step,
        "data": {"values": cells},
        "encoding": {
            "x": {"field": "other", "type": "nominal", "sort": names, "axis": {**axis, **across}},
            "y": {"field": "rater", "type": "nominal", "sort": names, "axis": down},
        },
        "layer": [
            {
                "mark": {"type": "rect", "color": palette.grid, "opacity": 0.25, "aria": False},
            },
            {
                "transform": [{"filter": "isValid(datum.kappa)"}],
                "mark": {"type": "rect", "stroke": palette.grid},
                "encoding": {
                    "color": {
                        "field": "side",
                        "type": "nominal",
                        "scale": {"domain": ["beyond", "below"], "range": [palette.moved, palette.worse]},
                        "legend": None,
                    },
                    "fillOpacity": {
                        "field": "size",
                        "type": "quantitative",
                        "scale": {"domain": [0, 1], "range": [0.04, FULL]},
                        "legend": None,
                    },
                    "description": {"field": "told"},
                    "tooltip": {"field": "told"},
                },
            },
            *written,
            *([_text("agreement_written", 10, 10, 400)] if few else []),
        ],
    }  # fmt: skip


def _text(field: str, down: int, size: int, weight: int) -> Spec:
    mark = {"type": "text", "dy": down, "fontSize": size, "fontWeight": weight, "aria": False}
    return {"mark": mark, "encoding": {"text": {"field": field}}}


def _cell(one: Rater, other: Rater, kappa: Agreement | None, agreement: Agreement | None) -> Datum:
    if kappa is None or agreement is None:
        return {"rater": one.name, "other": other.name, "kappa": None, "kappa_written": "", "agreement_written": ""}
    value = kappa.value
    return {
        "rater": one.name,
        "other": other.name,
        "kappa": 0.0 if value is None else value,
        "size": min(1.0, abs(value or 0.0)),
        "side": "below" if value is not None and value < 0 else "beyond",
        "kappa_written": number(value, 2),
        "agreement_written": DASH if agreement.value is None else f"{number(100 * agreement.value, 0)} %",
        "told": f"{one.name} and {other.name}: kappa {_said(kappa)}, agreement {_said(agreement)}, "
        f"{count(agreement.n)} pairs",
    }


def _said(found: Agreement) -> str:
    within = "" if found.low is None else f" {interval(found.low, found.high, 2)}"
    return f"{number(found.value, 2)}{within}"


def _pairwise(jury: Jury, metric: str) -> dict[tuple[str, str, str], Agreement]:
    """The number of every two raters, whichever of them stands first; judges by the reading that is compared."""
    chosen = {rater.name: rater.reading for rater in jury.raters if rater.kind == "judge"}
    fitting: Sequence[tuple[str, Agreement]] = [
        (n.against, n)
        for n in jury.numbers
        if n.metric == metric and n.against and not n.group and n.reading in (None, chosen.get(n.rater))
    ]
    return {
        names: n
        for against, n in fitting
        for names in ((n.rater, against, metric), (against, n.rater, metric))
    }  # fmt: skip
