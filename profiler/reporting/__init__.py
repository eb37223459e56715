"""Told to people and programs: reports, tables, pages and charts."""

from profiler.reporting import (
    charts,
    checks,
    comparison,
    judging,
    layout,
    listing,
    numbers,
    page,
    profile,
    progress,
    report,
    side_by_side,
    table,
)

__all__ = [
    "charts",
    "checks",
    "comparison",
    "judging",
    "layout",
    "listing",
    "numbers",
    "page",
    "profile",
    "progress",
    "report",
    "side_by_side",
    "table",
]
