"""A study's pictures: its aims arm by arm, the gain of more candidates, what is inherited unasked, side effects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle, islice
from math import ceil

from profiler.records import Change, Comparison
from profiler.reporting import layout
from profiler.reporting.charts import altair as alt
from profiler.reporting.charts import theme
from profiler.reporting.charts.changes import change_bar, change_bars
from profiler.reporting.charts.theme import Chart, Datum, Palette
from profiler.reporting.comparison import shown
from profiler.reporting.numbers import DASH, MINUS
from profiler.study.records import Curve, Findings, Steering

WIDTH = 420
NARROW = 200
ROW = 24
LABELS = 190
CELL = 104
ACROSS = 8
"""Students beside each other; more are drawn below, as a page leaves no room to read them."""
SIGN = 30
"""How wide a cell is on a telephone, where it has room for a sign."""
SIGNS = {"better": "▲ ", "worse": "▼ ", "higher": "◆ ", "lower": "◆ "}
SHAPES = {"steered": "triangle-up", "not shown": "circle", "control": "diamond", "not told": "square"}


def aims(found: Findings, palette: Palette) -> Chart:
    """Change of each objective's number against the base, a row an arm; the paper's figures 1 and 4."""
    panels = []
    for objective in dict.fromkeys(outcome.pupil.objective for outcome in found.outcomes):
        mine = [outcome for outcome in found.outcomes if outcome.pupil.objective == objective]
        named = {found.who(outcome.pupil): outcome for outcome in mine}
        panels.append(_aim(f"{objective}: {mine[0].probe}.{mine[0].metric}", named, palette))
    return theme.whole(panels, f"{found.name}: change of each objective's number against the base", palette)


def _aim(title: str, outcomes: dict[str, Steering], palette: Palette) -> alt.LayerChart:
    percent = all(outcome.change and outcome.change.percent is not None for outcome in outcomes.values())
    axis = alt.Axis(title=f"change against the base{', %' if percent else ''}", tickCount=5)
    kinds = {"steered": palette.better, "not shown": palette.same, "control": palette.moved, "not told": palette.same}
    data = [_aimed(outcome, arm, percent) for arm, outcome in outcomes.items()]
    bars = change_bars(data, alt.X("value:Q", axis=axis), kinds, SHAPES, WIDTH, palette)
    return bars.encode(theme.down("row", LABELS)).properties(title=title, height=alt.Step(ROW))


def _aimed(outcome: Steering, arm: str, percent: bool) -> Datum:
    change = outcome.change
    kind = {True: "steered", False: "not shown", None: "not told"}[outcome.steered]
    kind = "control" if outcome.reason == "control" else kind
    if change is None or change.absolute is None:
        return {"row": arm, "kind": kind, "written": DASH, "told": f"{arm}: undefined"}
    return change_bar(arm, change if percent else change.model_copy(update={"percent": None}), kind, kind)


def candidates(found: Findings, palette: Palette) -> Chart:
    """Expected mean of what is kept when the best of 1, 2, … candidates is taken; the paper's figure 5."""
    panels = []
    for objective, metric in dict.fromkeys((curve.objective, curve.metric) for curve in found.curves):
        mine = [curve for curve in found.curves if (curve.objective, curve.metric) == (objective, metric)]
        mine = [curve for curve in mine if curve.seed == mine[0].seed]
        panels.append(_curves(f"{objective}: {metric} of the candidates that are kept", mine, palette))
    return theme.whole(panels, f"{found.name}: gain against the number of candidates", palette)


def students_by_candidates(found: Findings, palette: Palette) -> Chart:
    """What students took over of the best of 1, 2, … candidates, each a training; the paper's figure 5."""
    most = max((len(curve.best) // len(curve.sources) for curve in found.curves), default=0)
    panels = []
    for objective, student in dict.fromkeys((one.pupil.objective, one.pupil.student) for one in found.outcomes):
        mine = [o for o in found.outcomes if (o.pupil.objective, o.pupil.student) == (objective, student)]
        title = f"{objective}: {mine[0].probe}.{mine[0].metric}"
        panels.append(
            _taught(
                title if len({one.student for one in found.pupils}) == 1 else f"{title}, {student}", mine, most, palette
            )
        )
    return theme.whole(panels, f"{found.name}: change against the base by the number of candidates", palette)


def _taught(title: str, outcomes: list[Steering], most: int, palette: Palette) -> alt.LayerChart:
    shown = [(outcome, outcome.change) for outcome in outcomes if outcome.change]
    percent = all(change.percent is not None for _, change in shown)
    data = []
    for outcome, change in shown:
        value, low, high = layout.ends(change if percent else change.model_copy(update={"percent": None}))
        many = None if outcome.reason == "control" else outcome.pupil.best_of or most
        whose = f"{outcome.pupil.arm} of {' + '.join(outcome.pupil.sources)}"
        data.append({"taught": whose, "best": many, "value": value, "low": low, "high": high})
    points = theme.base(data)
    best = alt.X("best:Q", title="best of so many candidates of each teacher", axis=alt.Axis(tickMinStep=1))
    chosen = points.transform_filter("datum.best !== null")
    return alt.layer(
        points.transform_filter("datum.best === null").mark_rule(strokeDash=[4, 4]),
        chosen.mark_line(strokeWidth=2).encode(best, alt.Y("mean(value):Q")),
        chosen.mark_rule(strokeWidth=1.4, opacity=0.6).encode(best, alt.Y("low:Q"), alt.Y2("high:Q")),
        chosen.mark_point(filled=True, size=40, opacity=1).encode(best, alt.Shape("taught:N", legend=None)),
        title=title,
        width=WIDTH,
        height=150,
    ).encode(
        alt.Y("value:Q", title=f"change{', %' if percent else ''}"),
        _hues("taught", data, palette, palette.quiet),
    )


def losses(trainings: Mapping[str, Sequence[float]], palette: Palette) -> Chart:
    """Mean loss a token of each training, step by step."""
    data: list[Datum] = [
        {"student": title, "step": step, "loss": loss}
        for title, steps in trainings.items()
        for step, loss in enumerate(steps, 1)
    ]
    line = theme.base(data).mark_line(strokeWidth=1.6)
    told = line.encode(
        alt.X("step:Q", title="step", axis=alt.Axis(tickMinStep=1)),
        alt.Y("loss:Q", title="loss a token").scale(zero=False),
        _hues("student", data, palette),
    )
    layer = alt.LayerChart(layer=[told], width=NARROW if palette.narrow else WIDTH, height=180)
    return theme.whole([layer], "Mean loss a token of each student, step by step", palette)


def _curves(title: str, curves: list[Curve], palette: Palette) -> alt.LayerChart:
    data = [
        {"teachers": " + ".join(curve.sources), "best": place, "mean": value}
        for curve in curves
        for place, value in enumerate(curve.best, 1)
    ]
    best = alt.X("best:Q", title="best of so many candidates", axis=alt.Axis(tickMinStep=1))
    means = theme.base(data)
    return alt.layer(
        means.mark_line(strokeWidth=2).encode(best),
        means.mark_point(filled=True, size=40, opacity=1).encode(best, alt.Shape("teachers:N", legend=None)),
        means.transform_filter("datum.best == 1").mark_rule(strokeDash=[4, 4], opacity=0.6),
        title=title,
        width=WIDTH,
        height=150,
    ).encode(alt.Y("mean:Q", title=None).scale(zero=False), _hues("teachers", data, palette))


def _hues(field: str, data: Sequence[Datum], palette: Palette, *first: str) -> alt.Color:
    """A colour for each name in a FIELD, FIRST ones before the others, over again where there are too few."""
    names = list(dict.fromkeys(datum[field] for datum in data))
    hues = cycle([*first, palette.moved, palette.better, palette.worse, palette.same])
    legend = alt.Legend(title=None, labelColor=palette.text)
    return alt.Color(f"{field}:N", legend=legend).scale(domain=names, range=list(islice(hues, len(names))))


def side_effects(found: Findings, palette: Palette) -> Chart:
    """Every number of every student against the base: a side-effect matrix, with the verdict as colour and shape."""
    panels = []
    for objective in dict.fromkeys(pupil.objective for pupil in found.shown):
        both = zip(found.shown, found.comparisons, strict=True)
        mine = [comparison for pupil, comparison in both if pupil.objective == objective]
        beside = ceil(len(mine) / ceil(len(mine) / ACROSS))
        panels += [_matrix(mine[at : at + beside], objective or "", palette) for at in range(0, len(mine), beside)]
    return theme.whole(panels, f"{found.name}: what changed against the base, student by student", palette)


def _matrix(comparisons: Sequence[Comparison], title: str, palette: Palette) -> alt.LayerChart:
    names = [comparison.other_name for comparison in comparisons]
    angle, written = (-90, "sign:N") if palette.narrow else (-25, "written:N")
    above = alt.Axis(
        orient="top",
        labelAngle=angle,
        labelLimit=220,
        labelColor=palette.text,
        titleColor=palette.text,
        titleAnchor="start",
        titlePadding=24 if palette.narrow else 4,
    )
    drawn = [shown(comparison, "simultaneous") for comparison in comparisons]
    cells = theme.rows([datum for comparison in drawn for datum in _cells(comparison)])
    within = cells.mark_text(aria=False, dy=8, fontSize=9)
    text = cells.mark_text(aria=False, dy=0 if palette.narrow else -6)
    layers = [
        cells.mark_rect(opacity=0.28, stroke=palette.grid).encode(theme.colour("kind", palette.verdicts())),
        text.encode(alt.Text(written), alt.ColorValue(palette.text)),
        within.encode(alt.Text("within:N"), alt.ColorValue(palette.quiet)),
    ]
    width, height = (SIGN, ROW) if palette.narrow else (CELL, 1.5 * ROW)
    return alt.layer(
        *(layers[:2] if palette.narrow else layers), width=alt.Step(width), height=alt.Step(height)
    ).encode(alt.X("student:N", sort=names, title=title, axis=above), theme.down("metric", LABELS))


def _cells(comparison: Comparison) -> list[Datum]:
    changes, student = layout.overall(comparison.changes), comparison.other_name
    several = len({key.probe for key in changes}) > 1
    named = [
        (f"{key.probe} · {key.metric}" if several else key.metric, changes[key])
        for block in layout.blocks(changes)
        for key in block.keys
    ]
    return [
        change_bar(f"{student}, {metric}", change)
        | {"student": student, "metric": metric, "written": DASH, "within": "", "sign": _sign(change)}
        | ({} if change.absolute is None else {"written": _signed(change), "within": layout.spread(change)})
        for metric, change in named
    ]


def _signed(change: Change) -> str:
    return SIGNS.get(change.verdict or "", "") + layout.moved(change)


def _sign(change: Change) -> str:
    """Better or worse by its shape; which way it went where neither is."""
    if change.verdict in ("higher", "lower"):
        return "+" if change.verdict == "higher" else MINUS
    return SIGNS.get(change.verdict or "", "").strip()
