"""Students as judges before and after training, beside their teachers and humans: figure 3 of arXiv 2407.01490."""

from __future__ import annotations

from collections.abc import Sequence

from profiler.judging import Jury, PreferenceShift
from profiler.reporting.charts import altair as alt
from profiler.reporting.charts import theme
from profiler.reporting.charts.theme import LIGHT, Chart, Datum, Palette
from profiler.reporting.numbers import DASH, count, number

WIDTH = 240
STEP = 20
"""Height of a line; a student has two, before and after."""
TITLE = "Judge preferences that students took from their teachers"
CAPTION = (
    "Hollow: the student before training. Filled: after. Line: the 95 % interval. Above, those that agree with humans "
    "the most, as in figure 3 of arXiv 2407.01490. Dashed: how far one human agrees with the majority of the others."
)


def before_after_chart(jury: Jury, palette: Palette = LIGHT) -> Chart:
    """Agreement with the teacher and with humans, before and after training, a row a student."""
    return theme.whole([before_after(jury, palette)], TITLE, palette)


def before_after(jury: Jury, palette: Palette) -> alt.HConcatChart:
    """The chart as a part of another."""
    shifts = [shift for shift in jury.shifts if shift.metric == "agreement"]
    taught = [shift for shift in shifts if shift.against == shift.teacher]
    humans = [shift for shift in shifts if shift.against == jury.reference]
    panels = [_panel("agreement with its teacher", taught, None, True, palette)]
    if humans:
        panels.append(_panel(f"agreement with humans ({jury.reference})", humans, ceiling(jury), False, palette))
    return alt.hconcat(*panels, bounds="flush", spacing=80)


def _panel(
    title: str, shifts: Sequence[PreferenceShift], humans: float | None, first: bool, palette: Palette
) -> alt.LayerChart:
    """A hollow dot before and a filled one after; HUMANS is how far these agree among themselves."""
    names = list(dict.fromkeys(_name(shift) for shift in shifts))
    room = theme.extent(names) if first else 0
    axis = alt.Axis(labels=first, title=None, labelLimit=240, grid=False, minExtent=room, maxExtent=room)
    value = alt.X("value:Q", axis=alt.Axis(title="% of pairs", titleAnchor="start", tickCount=5)).scale(domain=[0, 100])
    after = alt.datum.when == "after"
    hue = alt.when(after).then(alt.value(palette.moved)).otherwise(alt.value(palette.same))
    data = [datum for shift in shifts for datum in _data(shift)]
    dots = theme.intervals(data, value, WIDTH, palette, size=70, gap=8, hollow="datum.when === 'before'")
    students = dots.encode(
        y=alt.Y("student:N", sort=names, axis=axis),
        yOffset=alt.YOffset("when:N", sort=["before", "after"]),
        color=hue,
    )
    layers: list[alt.Chart | alt.LayerChart] = [students]
    if humans is not None:
        told = f"one human agrees with the majority of the others on {share(humans)}"
        rule = theme.rows([{"humans": 100 * humans, "told": told}]).mark_rule(strokeDash=[4, 4], color=palette.quiet)
        layers.insert(0, rule.encode(alt.X("humans:Q")))
    return alt.LayerChart(layer=layers, title=title, height=alt.Step(STEP))


def _data(shift: PreferenceShift) -> list[Datum]:
    ends = {
        "before": (shift.base, shift.base_low, shift.base_high),
        "after": (shift.other, shift.other_low, shift.other_high),
    }
    return [
        {
            "student": _name(shift),
            "when": when,
            **{name: end and 100 * end for name, end in zip(("value", "low", "high"), own, strict=True)},
            "written": share(own[0]),
            "told": f"{_name(shift)}, {when} training, with {shift.against}: {share(own[0])} of {count(shift.n)} pairs",
        }
        for when, own in ends.items()
    ]


def _name(shift: PreferenceShift) -> str:
    return f"{shift.student} ← {shift.teacher}"


def ceiling(jury: Jury) -> float | None:
    """How far one human agrees with the majority of the others."""
    found = (n for n in jury.numbers if n.against == "the other humans" and n.metric == "agreement")
    return next((n.value for n in found), None)


def share(value: float | None) -> str:
    """In percent, written out."""
    return DASH if value is None else f"{number(100 * value, 0)} %"
