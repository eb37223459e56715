"""Told to people and programs: reports, tables, pages and charts."""

from profiler.reporting import (
    charts,
    comparison,
    hub,
    judging,
    layout,
    listing,
    model_card,
    numbers,
    page,
    profile,
    progress,
    report,
    table,
    trackers,
)

__all__ = [
    "charts",
    "comparison",
    "hub",
    "judging",
    "layout",
    "listing",
    "model_card",
    "numbers",
    "page",
    "profile",
    "progress",
    "report",
    "table",
    "trackers",
]
