"""Arrays in, numbers out: intervals from one bootstrap, how well calibrated an answer is, how far raters agree."""

from profiler.stats import association, calibration, calibration_resamples, raters, trainings
from profiler.stats.bootstrap import RESAMPLES, draws, kinds_of, percentiles, simultaneous, spread
from profiler.stats.interval import Interval, change_of_shares, count_intervals, intervals
from profiler.stats.logistic import logistic, logistic_fit
from profiler.stats.share import share_interval, student
from profiler.stats.statistic import (
    Columns,
    Count,
    FloatArray,
    Fold,
    Formula,
    IntArray,
    Mean,
    OfRows,
    OfSums,
    ShareOf,
    Statistic,
    defined,
    observed,
    ratio,
    uses,
)
from profiler.stats.threads import in_one_thread

__all__ = [
    "RESAMPLES",
    "Columns",
    "Count",
    "FloatArray",
    "Fold",
    "Formula",
    "IntArray",
    "Interval",
    "Mean",
    "OfRows",
    "OfSums",
    "ShareOf",
    "Statistic",
    "association",
    "calibration",
    "calibration_resamples",
    "change_of_shares",
    "count_intervals",
    "defined",
    "draws",
    "in_one_thread",
    "intervals",
    "kinds_of",
    "logistic",
    "logistic_fit",
    "observed",
    "percentiles",
    "raters",
    "ratio",
    "share_interval",
    "simultaneous",
    "spread",
    "student",
    "trainings",
    "uses",
]
