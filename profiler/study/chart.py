"""A study's pictures: its aims arm by arm, the gain of more candidates, what is inherited unasked, what else moved."""

from __future__ import annotations

from profiler import charts
from profiler.charts import Palette, Spec
from profiler.descent import descent_chart
from profiler.records import Change, Comparison
from profiler.reporting import layout
from profiler.reporting.layout import Key
from profiler.reporting.numbers import DASH
from profiler.study.records import Curve, Findings, Steering

WIDTH = 420
ROW = 24
LABELS = 190
CELL = 104


def figures(found: Findings, palette: Palette) -> dict[str, Spec]:
    """Every picture by its name."""
    made = {"aims": aims(found, palette), "candidates": candidates(found, palette), "moved": moved(found, palette)}
    made |= {"unasked": charts.comparison_chart([found.control], palette)} if found.control else {}
    taste = found.preferences
    return made | ({"preferences": descent_chart(taste, palette)} if taste and taste.shifts else {})


def aims(found: Findings, palette: Palette) -> Spec:
    """Change of each objective's number against the base, a row an arm; the paper's figures 1 and 4."""
    panels = []
    for objective in dict.fromkeys(outcome.pupil.objective for outcome in found.outcomes):
        mine = [outcome for outcome in found.outcomes if outcome.pupil.objective == objective]
        named = {found.who(outcome.pupil): outcome for outcome in mine}
        panels.append(_aim(f"{objective}: {mine[0].probe}.{mine[0].metric}", named, palette))
    return charts.whole(panels, f"{found.name}: change of each objective's number against the base", palette)


def _aim(title: str, outcomes: dict[str, Steering], palette: Palette) -> Spec:
    percent = all(outcome.change and outcome.change.percent is not None for outcome in outcomes.values())
    data = [_aimed(outcome, who, percent) for who, outcome in outcomes.items()]
    x = {"axis": {"title": "change against the base, %" if percent else "change against the base", "tickCount": 5}}
    colours = {"steered": palette.better, "not steered": palette.same, "control": palette.moved}
    return {
        "title": title,
        "width": WIDTH,
        "height": {"step": ROW},
        "data": {"values": data},
        "encoding": {
            "y": {"field": "arm", "type": "nominal", "sort": None, "title": None, "axis": _down()},
            "color": {
                "field": "kind",
                "type": "nominal",
                "scale": {"domain": list(colours), "range": list(colours.values())},
                "legend": None,
            },
            "description": {"field": "told"},
            "tooltip": {"field": "told"},
        },
        "layer": [
            {
                "mark": {"type": "bar", "height": 11, "opacity": 0.4},
                "encoding": {"x": {"field": "value", "type": "quantitative", **x}, "x2": {"datum": 0}},
            },
            {
                "transform": [{"filter": "isValid(datum.low)"}],
                "mark": {"type": "rule", "strokeWidth": 1.8, "aria": False},
                "encoding": {"x": {"field": "low", "type": "quantitative"}, "x2": {"field": "high"}},
            },
            {
                "mark": {"type": "point", "filled": True, "size": 62, "opacity": 1},
                "encoding": {
                    "x": {"field": "value", "type": "quantitative"},
                    "shape": {
                        "field": "kind",
                        "type": "nominal",
                        "scale": {"domain": list(colours), "range": ["triangle-up", "circle", "diamond"]},
                        "legend": None,
                    },
                },
            },
            {
                "mark": {"type": "text", "align": "left", "aria": False},
                "encoding": {
                    "x": {"value": WIDTH + 10},
                    "text": {"field": "written"},
                    "color": {"value": palette.text},
                },
            },
        ],
    }


def _aimed(outcome: Steering, arm: str, percent: bool) -> charts.Datum:
    change = outcome.change
    kind = {True: "steered", False: "not steered", None: "control"}[outcome.steered]
    if change is None or change.absolute is None:
        return {"arm": arm, "kind": kind, "value": None, "written": DASH, "told": f"{arm}: undefined"}
    shown = change if percent else change.model_copy(update={"percent": None})
    return {
        "arm": arm,
        "kind": kind,
        "value": change.percent if percent else change.absolute,
        "low": change.percent_low if percent else change.low,
        "high": change.percent_high if percent else change.high,
        "written": f"{layout.moved(shown)} {kind}",
        "told": f"{arm}: {layout.moved(shown)} {layout.spread(shown)}, {kind}",
    }


def candidates(found: Findings, palette: Palette) -> Spec:
    """Expected mean of what is kept when the best of 1, 2, … candidates is taken; the paper's figure 5."""
    panels = []
    for objective, metric in dict.fromkeys((curve.objective, curve.metric) for curve in found.curves):
        mine = [curve for curve in found.curves if (curve.objective, curve.metric) == (objective, metric)]
        mine = [curve for curve in mine if curve.seed == mine[0].seed]
        panels.append(_curves(f"{objective}: {metric} of the candidates that are kept", mine, palette))
    return charts.whole(panels, f"{found.name}: gain against the number of candidates", palette)


def _curves(title: str, curves: list[Curve], palette: Palette) -> Spec:
    data: list[charts.Datum] = [
        {"teachers": " + ".join(curve.sources), "best": float(place), "mean": value}
        for curve in curves
        for place, value in enumerate(curve.best, 1)
    ]
    colours = [palette.moved, palette.better, palette.worse, palette.same]
    names = list(dict.fromkeys(str(datum["teachers"]) for datum in data))
    colour = {
        "field": "teachers",
        "type": "nominal",
        "scale": {"domain": names, "range": [colours[place % 4] for place in range(len(names))]},
        "legend": {"title": None, "labelColor": palette.text},
    }
    across = {
        "field": "best",
        "type": "quantitative",
        "title": "best of so many candidates",
        "axis": {"tickMinStep": 1},
    }
    up = {"field": "mean", "type": "quantitative", "title": None, "scale": {"zero": False}}
    return {
        "title": title,
        "width": WIDTH,
        "height": 150,
        "data": {"values": data},
        "encoding": {"x": across, "y": up, "color": colour},
        "layer": [
            {"mark": {"type": "line", "strokeWidth": 2}},
            {
                "mark": {"type": "point", "filled": True, "size": 40, "opacity": 1},
                "encoding": {"shape": {"field": "teachers", "type": "nominal", "legend": None}},
            },
            {
                "transform": [{"filter": "datum.best == 1"}],
                "mark": {"type": "rule", "strokeDash": [4, 4], "opacity": 0.6},
                "encoding": {"x": None},
            },
        ],
    }


def moved(found: Findings, palette: Palette) -> Spec:
    """Every number of every student against the base: a side-effect matrix, with the verdict as colour and shape."""
    data = [datum for comparison in found.comparisons for datum in _cells(comparison)]
    colours = palette.verdicts()
    names = [comparison.other_name for comparison in found.comparisons]
    grid = {
        "width": {"step": CELL},
        "height": {"step": 1.5 * ROW},
        "data": {"values": data},
        "encoding": {
            "x": {
                "field": "student",
                "type": "nominal",
                "sort": names,
                "title": None,
                "axis": {"orient": "top", "labelAngle": -25, "labelLimit": 220, "labelColor": palette.text},
            },
            "y": {"field": "metric", "type": "nominal", "sort": None, "title": None, "axis": _down()},
            "description": {"field": "told"},
            "tooltip": {"field": "told"},
        },
        "layer": [
            {
                "mark": {"type": "rect", "opacity": 0.28, "stroke": palette.grid},
                "encoding": {
                    "color": {
                        "field": "verdict",
                        "type": "nominal",
                        "scale": {"domain": list(colours), "range": list(colours.values())},
                        "legend": None,
                    }
                },
            },
            {
                "mark": {"type": "text", "aria": False, "dy": -6},
                "encoding": {"text": {"field": "written"}, "color": {"value": palette.text}},
            },
            {
                "mark": {"type": "text", "aria": False, "dy": 8, "fontSize": 9},
                "encoding": {"text": {"field": "within"}, "color": {"value": palette.quiet}},
            },
        ],
    }
    return charts.whole([grid], f"{found.name}: what moved against the base, student by student", palette)


def _cells(comparison: Comparison) -> list[charts.Datum]:
    changes = {Key(c.probe, c.metric, c.group): c for c in comparison.changes if c.group is None}
    several = len({key.probe for key in changes}) > 1
    return [
        _cell(f"{key.probe} · {key.metric}" if several else key.metric, comparison.other_name, changes[key])
        for block in layout.blocks(changes)
        for key in block.keys
    ]


SIGNS = {"better": "▲ ", "worse": "▼ ", "moved": "◆ ", "same": ""}


def _cell(metric: str, student: str, change: Change) -> charts.Datum:
    verdict = change.verdict or charts.NONE
    known = change.absolute is not None
    told = (
        f"{layout.moved(change)} {layout.spread(change)}, {change.verdict or change.reason}" if known else change.reason
    )
    return {
        "metric": metric,
        "student": student,
        "verdict": verdict,
        "written": f"{SIGNS.get(verdict, '')}{layout.moved(change)}" if known else DASH,
        "within": layout.spread(change) if known else "",
        "told": f"{student}, {metric}: {told}",
    }


def _down() -> Spec:
    return {"minExtent": LABELS, "maxExtent": LABELS, "labelLimit": LABELS, "offset": 4}
