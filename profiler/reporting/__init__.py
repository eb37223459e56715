"""Told to people and programs: reports, tables, pages and charts."""

from profiler.reporting import (
    charts,
    checks,
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
    side_by_side,
    table,
    trackers,
)

__all__ = [
    "charts",
    "checks",
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
    "side_by_side",
    "table",
    "trackers",
]
