"""A reliability diagram: how often answers are right against how sure a model is, and how many are in each bin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from profiler.reporting.charts import altair as alt
from profiler.reporting.charts import theme
from profiler.reporting.charts.theme import LIGHT, Chart, Datum, Palette
from profiler.reporting.numbers import count, interval, number
from profiler.runs import SampleColumns
from profiler.stats import calibration, share_interval

BINS = 10
USES = ("confidence", "correct")
"""Columns of a probe that has such a diagram."""
SIDES = {1: 300, 2: 240}
"""Of the square, by how many there are in a row."""
LEAST = 170
TALLY = 60
SETS = 3
"""Sets of questions that are drawn each on its own; of more, only all together."""

Diagram = Mapping[str, Sequence[calibration.Bin]]
"""A set of questions, or `all` → its bins."""


def diagram(samples: SampleColumns) -> Diagram | None:
    """The bins of a probe's answers, all and by group; None for a probe that knows no confidence."""
    if not all(name in samples.columns for name in USES):
        return None
    confidence, correct = (samples.columns[name] for name in USES)
    edges = calibration.equal_width(BINS)
    groups = sorted({group for group in samples.groups if group is not None})
    found = {"all": calibration.reliability(confidence, correct, edges)}
    if 1 < len(groups) <= SETS:
        for group in groups:
            rows = [row for row, name in enumerate(samples.groups) if name == group]
            found[group] = calibration.reliability(confidence[rows], correct[rows], edges)
    return found if answers(found) else None


def answers(of: Diagram) -> int:
    """How many answers the diagram rests on."""
    return sum(part.items for part in of["all"])


def reliability_chart(of: Diagram, name: str, palette: Palette = LIGHT) -> Chart:
    """A square a set, accuracy over confidence with 95 % intervals, and below it the answers in each bin."""
    side = SIDES.get(len(of), LEAST)
    data = {which: theme.rows([_datum(part) for part in bins]) for which, bins in of.items()}
    squares = [_square(bins, side, which == "all", palette).properties(title=which) for which, bins in data.items()]
    tallies = [_tally(bins, which == "all", palette).properties(width=side) for which, bins in data.items()]
    lines = [alt.hconcat(*line, bounds="flush", spacing=34) for line in (squares, tallies)]
    return theme.whole(lines, f"{name}: accuracy against confidence in {BINS} bins", palette)


def _square(data: alt.Chart, side: int, first: bool, palette: Palette) -> alt.LayerChart:
    """How often answers are right, with a dashed line where they are as often as the model is sure."""
    x = alt.X("from:Q", axis=alt.Axis(labels=False, title=None, tickCount=5)).scale(domain=[0, 1])
    # Labels that can't be seen keep the titles of all squares in line.
    axis = alt.Axis(title="accuracy" if first else None, labelOpacity=int(first), tickCount=5)
    y = alt.Y("from:Q", axis=axis).scale(domain=[0, 1])
    line = theme.base([{"from": 0, "to": 1}])
    line = line.mark_rule(strokeDash=[4, 4], color=palette.quiet, aria=False)
    bins = theme.known(data, "confidence").encode(alt.X("confidence:Q"), alt.ColorValue(palette.moved))
    layers = [
        line.encode(x, y, alt.X2("to"), alt.Y2("to")),
        bins.mark_rule(strokeWidth=2, aria=False).encode(alt.Y("low:Q"), alt.Y2("high")),
        bins.mark_point(filled=True, size=62, opacity=1).encode(alt.Y("accuracy:Q")),
    ]
    return alt.LayerChart(layer=layers, width=side, height=side)


def _tally(bins: alt.Chart, first: bool, palette: Palette) -> alt.LayerChart:
    """How many answers each bin holds."""
    axis = alt.Axis(title="confidence", titleAnchor="start", tickCount=5, grid=False)
    x = alt.X("from:Q", bin="binned", axis=axis).scale(domain=[0, 1])
    y = alt.Y("items:Q", axis=alt.Axis(title="answers" if first else None, labels=False, grid=False))
    bars = bins.mark_bar(color=palette.moved, opacity=0.4, binSpacing=1)
    counts = bins.transform_filter("datum.items > 0").mark_text(dy=-6, fontSize=9, color=palette.quiet, aria=False)
    layers = [
        bars.encode(x, alt.X2("to"), alt.Description("counted:N"), alt.Tooltip("counted:N")),
        counts.encode(alt.X("middle:Q"), alt.Text("items:Q", format="~s")),
    ]
    return alt.LayerChart(layer=layers, height=TALLY).encode(y)


def _datum(part: calibration.Bin) -> Datum:
    shown: Datum = {
        "from": part.low,
        "to": part.high,
        "middle": (part.low + part.high) / 2,
        "items": part.items,
        "counted": f"confidence {part.low:.1f} to {part.high:.1f}: {count(part.items)} answers",
    }
    if part.confidence is None or part.accuracy is None:
        return shown
    low, high = share_interval(part.accuracy, part.items)
    said = f"{number(part.accuracy, 2)} right {interval(low, high, 2)}, {count(part.items)} answers"
    return shown | {
        "confidence": part.confidence,
        "accuracy": part.accuracy,
        "low": low,
        "high": high,
        "told": f"confidence {number(part.confidence, 2)}: {said}",
    }
