"""Told to people and programs: reports, tables, pages and charts."""

from profiler.reporting import charts, layout, listing, profile, report
from profiler.reporting.charts import NONE, Chart, Datum, Palette, change_bar, change_bars, colour, down, rows, whole
from profiler.reporting.comparison import HOW_SURE, comparison_report, comparison_table, flat
from profiler.reporting.judging import descent_table, jury_report
from profiler.reporting.layout import Key
from profiler.reporting.numbers import DASH, count, interval, number, places
from profiler.reporting.profile import capabilities_text, estimates_text, profile_report, run_report
from profiler.reporting.progress import Bar, Downloads, Waiting
from profiler.reporting.report import Figure, Part, Quote, Report, render, save
from profiler.reporting.table import Cell, Row, Table, Tone, as_text

__all__ = [
    "DASH",
    "HOW_SURE",
    "NONE",
    "Bar",
    "Cell",
    "Chart",
    "Datum",
    "Downloads",
    "Figure",
    "Key",
    "Palette",
    "Part",
    "Quote",
    "Report",
    "Row",
    "Table",
    "Tone",
    "Waiting",
    "as_text",
    "capabilities_text",
    "change_bar",
    "change_bars",
    "charts",
    "colour",
    "comparison_report",
    "comparison_table",
    "count",
    "descent_table",
    "down",
    "estimates_text",
    "flat",
    "interval",
    "jury_report",
    "layout",
    "listing",
    "number",
    "places",
    "profile",
    "profile_report",
    "render",
    "report",
    "rows",
    "run_report",
    "save",
    "whole",
]
