"""Charts of profiles, comparisons, judges and students: each is Altair's, for a page, a picture or a notebook."""

from profiler.reporting.charts.before_after import (
    BEFORE_AFTER_CAPTION,
    BEFORE_AFTER_TITLE,
    before_after_chart,
    ceiling,
    share,
)
from profiler.reporting.charts.changes import change_bar, change_bars, comparison_chart, profile_chart
from profiler.reporting.charts.rater_matrix import RATER_MATRIX_CAPTION, rater_matrix_chart
from profiler.reporting.charts.reliability import Diagram, answers, diagram, reliability_chart
from profiler.reporting.charts.theme import (
    LIGHT,
    NONE,
    PAGE,
    Chart,
    Datum,
    Palette,
    colour,
    down,
    picture,
    rows,
    svg,
    whole,
)

__all__ = [
    "BEFORE_AFTER_CAPTION",
    "BEFORE_AFTER_TITLE",
    "LIGHT",
    "NONE",
    "PAGE",
    "RATER_MATRIX_CAPTION",
    "Chart",
    "Datum",
    "Diagram",
    "Palette",
    "answers",
    "before_after_chart",
    "ceiling",
    "change_bar",
    "change_bars",
    "colour",
    "comparison_chart",
    "diagram",
    "down",
    "picture",
    "profile_chart",
    "rater_matrix_chart",
    "reliability_chart",
    "rows",
    "share",
    "svg",
    "whole",
]
