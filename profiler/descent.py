"""What students' tastes took from their teachers: the paper's figure 3."""

from __future__ import annotations

from collections.abc import Sequence

from profiler.charts import LIGHT, Datum, Palette, Spec, extent, whole
from profiler.records import Jury, Shift
from profiler.reporting.numbers import DASH, count, number

WIDTH = 240
STEP = 20
"""Height of a line; a student has two, before and after."""
TITLE = "What students' tastes took from their teachers"
CAPTION = (
    "Hollow: the student before training. Filled: after. Line: the 95 % interval. Above, those that agree with humans "
    "the most, as in figure 3 of arXiv 2407.01490. Dashed: how far one human agrees with the majority of the others."
)


def descent_chart(jury: Jury, palette: Palette = LIGHT) -> Spec:
    """Agreement with the teacher and with humans, before and after training, a row a student."""
    return whole([descent_panel(jury, palette)], TITLE, palette)


def descent_panel(jury: Jury, palette: Palette) -> Spec:
    """The figure as a part of a chart."""
    shifts = [shift for shift in jury.shifts if shift.metric == "agreement"]
    taught = [shift for shift in shifts if shift.against == shift.teacher]
    humans = [shift for shift in shifts if shift.against == jury.reference]
    panels = [_panel("agreement with its teacher", taught, None, True, palette)]
    if humans:
        panels.append(_panel(f"agreement with humans ({jury.reference})", humans, ceiling(jury), False, palette))
    return {"bounds": "flush", "spacing": 80, "hconcat": panels}


def _panel(title: str, shifts: Sequence[Shift], ceiling: float | None, first: bool, palette: Palette) -> Spec:
    names = list(dict.fromkeys(_name(shift) for shift in shifts))
    room = extent(names) if first else 0
    axis = {"labels": first, "title": None, "labelLimit": 240, "grid": False, "minExtent": room, "maxExtent": room}
    x = {"scale": {"domain": [0, 100]}, "axis": {"title": "% of pairs", "tickCount": 5, "titleAnchor": "start"}}
    lines: Spec = {
        "data": {"values": [datum for shift in shifts for datum in _data(shift)]},
        "encoding": {
            "y": {"field": "student", "type": "nominal", "sort": names, "axis": axis},
            "yOffset": {"field": "when", "type": "nominal", "sort": ["before", "after"]},
            "color": {
                "condition": {"test": "datum.when === 'after'", "value": palette.moved},
                "value": palette.same,
            },
            "description": {"field": "told"},
            "tooltip": {"field": "told"},
        },
        "layer": [
            {
                "transform": [{"filter": "isValid(datum.low)"}],
                "mark": {"type": "rule", "strokeWidth": 2, "aria": False},
                "encoding": {"x": {"field": "low", "type": "quantitative", **x}, "x2": {"field": "high"}},
            },
            *(_point(when, x) for when in ("before", "after")),
            {
                "mark": {"type": "text", "align": "left", "aria": False},
                "encoding": {
                    "x": {"value": WIDTH + 8},
                    "text": {"field": "written"},
                    "color": {"value": palette.text},
                },
            },
        ],
    }
    ends = [] if ceiling is None else [_rule(ceiling, x, palette)]
    return {"title": title, "width": WIDTH, "height": {"step": STEP}, "layer": [*ends, lines]}


def _point(when: str, x: Spec) -> Spec:
    """Hollow before, filled after."""
    filled = when == "after"
    paint = {"filled": True, "opacity": 1} if filled else {"filled": False, "strokeWidth": 2}
    return {
        "transform": [{"filter": f"datum.when === '{when}' && isValid(datum.value)"}],
        "mark": {"type": "point", "size": 70, **paint},
        "encoding": {"x": {"field": "value", "type": "quantitative", **x}},
    }


def _rule(ceiling: float, x: Spec, palette: Palette) -> Spec:
    """How far humans agree among themselves."""
    told = f"one human agrees with the majority of the others on {share(ceiling)}"
    return {
        "data": {"values": [{"ceiling": 100 * ceiling, "told": told}]},
        "mark": {"type": "rule", "strokeDash": [4, 4], "color": palette.quiet},
        "encoding": {
            "x": {"field": "ceiling", "type": "quantitative", **x},
            "description": {"field": "told"},
            "tooltip": {"field": "told"},
        },
    }


def _data(shift: Shift) -> list[Datum]:
    ends = {
        "before": (shift.base, shift.base_low, shift.base_high),
        "after": (shift.other, shift.other_low, shift.other_high),
    }
    return [
        {
            "student": _name(shift),
            "when": when,
            "value": _percent(value),
            "low": _percent(low),
            "high": _percent(high),
            "written": share(value),
            "told": f"{_name(shift)}, {when} training, with {shift.against}: {share(value)} of {count(shift.n)} pairs",
        }
        for when, (value, low, high) in ends.items()
    ]


def _name(shift: Shift) -> str:
    return f"{shift.student} ← {shift.teacher}"


def ceiling(jury: Jury) -> float | None:
    """How far one human agrees with the majority of the others."""
    found = (n for n in jury.numbers if n.against == "the other humans" and n.metric == "agreement")
    return next((n.value for n in found), None)


def share(value: float | None) -> str:
    """In percent, written out."""
    return DASH if value is None else f"{number(100 * value, 0)} %"


def _percent(value: float | None) -> float | None:
    return None if value is None else 100 * value
