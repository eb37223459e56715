"""A reliability diagram: how often answers are right against how sure a model is, and how many are in each bin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from profiler.calibration import Bin, equal_width, reliability
from profiler.charts import LIGHT, Datum, Palette, Spec, whole
from profiler.reporting.numbers import count, interval, number
from profiler.runs.store import SampleColumns
from profiler.stats import share_interval

BINS = 10
USES = ("confidence", "correct")
"""Columns of a probe that has such a diagram."""
SIDES = {1: 300, 2: 240}
"""Of the square, by how many there are in a row."""
LEAST = 170
TALLY = 60
SETS = 3
"""Sets of questions that are drawn each on its own; of more, only all together."""

Diagram = Mapping[str, Sequence[Bin]]
"""A set of questions, or `all` → its bins."""


def diagram(samples: SampleColumns) -> Diagram | None:
    """The bins of a probe's answers, all and by group; None for a probe that knows no confidence."""
    if not all(name in samples.columns for name in USES):
        return None
    confidence, correct = (samples.columns[name] for name in USES)
    edges = equal_width(BINS)
    groups = sorted({group for group in samples.groups if group is not None})
    found = {"all": reliability(confidence, correct, edges)}
    if 1 < len(groups) <= SETS:
        for group in groups:
            rows = [row for row, name in enumerate(samples.groups) if name == group]
            found[group] = reliability(confidence[rows], correct[rows], edges)
    return found if answers(found) else None


def answers(of: Diagram) -> int:
    """How many answers the diagram rests on."""
    return sum(part.items for part in of["all"])


def reliability_chart(of: Diagram, name: str, palette: Palette = LIGHT) -> Spec:
    """A square a set, accuracy over confidence with 95 % intervals, and below it the answers in each bin."""
    side = SIDES.get(len(of), LEAST)
    data = [[_datum(part) for part in bins] for bins in of.values()]
    squares = [_square(which, bins, side, which == "all", palette) for which, bins in zip(of, data, strict=True)]
    tallies = [_tally(bins, side, bins is data[0], palette) for bins in data]
    rows: list[Spec] = [{"bounds": "flush", "spacing": 34, "hconcat": row} for row in (squares, tallies)]
    return whole(rows, f"{name}: accuracy against confidence in {BINS} bins", palette)


def _square(which: str, data: Sequence[Datum], side: int, first: bool, palette: Palette) -> Spec:
    across = {"scale": {"domain": [0, 1]}, "axis": {"labels": False, "title": None, "tickCount": 5}}
    # Labels that can't be seen keep the titles of all squares in line.
    shown = {"title": "accuracy" if first else None, "labelOpacity": int(first), "tickCount": 5}
    up = {"scale": {"domain": [0, 1]}, "axis": shown}
    known = [{"filter": "isValid(datum.confidence)"}]
    return {
        "title": which,
        "width": side,
        "height": side,
        "layer": [
            {
                "data": {"values": [{"at": 0, "to": 1}]},
                "mark": {"type": "rule", "strokeDash": [4, 4], "color": palette.quiet, "aria": False},
                "encoding": {
                    "x": {"field": "at", "type": "quantitative", **across},
                    "y": {"field": "at", "type": "quantitative", **up},
                    "x2": {"field": "to"},
                    "y2": {"field": "to"},
                },
            },
            {
                "data": {"values": data},
                "transform": known,
                "mark": {"type": "rule", "strokeWidth": 2, "color": palette.moved, "aria": False},
                "encoding": {
                    "x": {"field": "confidence", "type": "quantitative", **across},
                    "y": {"field": "low", "type": "quantitative", **up},
                    "y2": {"field": "high"},
                },
            },
            {
                "data": {"values": data},
                "transform": known,
                "mark": {"type": "point", "filled": True, "size": 62, "opacity": 1, "color": palette.moved},
                "encoding": {
                    "x": {"field": "confidence", "type": "quantitative", **across},
                    "y": {"field": "accuracy", "type": "quantitative", **up},
                    "description": {"field": "told"},
                    "tooltip": {"field": "told"},
                },
            },
        ],
    }


def _tally(data: Sequence[Datum], side: int, first: bool, palette: Palette) -> Spec:
    x = {
        "field": "from",
        "type": "quantitative",
        "scale": {"domain": [0, 1]},
        "axis": {"title": "confidence", "titleAnchor": "start", "tickCount": 5, "grid": False},
    }
    y = {
        "field": "items",
        "type": "quantitative",
        "axis": {"title": "answers" if first else None, "labels": False, "grid": False},
    }
    return {
        "width": side,
        "height": TALLY,
        "data": {"values": data},
        "layer": [
            {
                "mark": {"type": "bar", "color": palette.moved, "opacity": 0.4, "binSpacing": 1},
                "encoding": {
                    "x": {**x, "bin": "binned"},
                    "x2": {"field": "to"},
                    "y": y,
                    "description": {"field": "counted"},
                    "tooltip": {"field": "counted"},
                },
            },
            {
                "transform": [{"filter": "datum.items > 0"}],
                "mark": {"type": "text", "dy": -6, "fontSize": 9, "color": palette.quiet, "aria": False},
                "encoding": {
                    "x": {**x, "field": "middle"},
                    "y": y,
                    "text": {"field": "items", "type": "quantitative", "format": "~s"},
                },
            },
        ],
    }


def _datum(part: Bin) -> Datum:
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
