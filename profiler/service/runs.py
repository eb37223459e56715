"""The runs of the folder."""

from __future__ import annotations

from typing import Any

from fastapi import Request

from profiler.reporting import listing
from profiler.service.pages import Pages

router = Pages(tags=["runs"])


@router.page("/", "runs.html")
def runs(request: Request) -> list[dict[str, Any]]:
    """Every run of the folder, newest first."""
    return [dict(row) for row in listing.rows("runs", request.app.state.options.out)]
