"""For who runs the service: whether it is well, and its numbers in Prometheus' form."""

from __future__ import annotations

import os
import time
from collections import Counter
from typing import TYPE_CHECKING

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse, Response

if TYPE_CHECKING:
    from starlette.types import Scope

router = APIRouter(tags=["operations"])

BOUNDS = (0.005, 0.025, 0.1, 0.5, 2.5)
"""Seconds that answers are counted under."""


class AnswerCounts:
    """What was answered since the start."""

    def __init__(self) -> None:
        self.since = time.time()
        self.answers: Counter[tuple[str, str, int]] = Counter()
        """Method, route and status → how many."""
        self.within: Counter[float] = Counter()
        self.seconds = 0.0

    def add(self, scope: Scope, status: int, seconds: float) -> None:
        """Count an answer under its route, so that paths of users make no series."""
        route = getattr(scope.get("route"), "path", "none")
        self.answers[scope["method"], route, status] += 1
        self.seconds += seconds
        self.within.update(bound for bound in BOUNDS if seconds <= bound)

    def text(self) -> str:
        """The counts as Prometheus reads them."""
        total = self.answers.total()
        lines = ["# TYPE inherit_answers_total counter"]
        lines += [
            f'inherit_answers_total{{method="{method}",route="{route}",status="{status}"}} {count}'
            for (method, route, status), count in sorted(self.answers.items())
        ]
        lines.append("# TYPE inherit_answer_seconds histogram")
        lines += [f'inherit_answer_seconds_bucket{{le="{bound:g}"}} {self.within[bound]}' for bound in BOUNDS]
        lines += [f'inherit_answer_seconds_bucket{{le="+Inf"}} {total}', f"inherit_answer_seconds_count {total}"]
        lines.append(f"inherit_answer_seconds_sum {self.seconds:.6f}")
        lines += ["# TYPE inherit_start_time_seconds gauge", f"inherit_start_time_seconds {self.since:.3f}"]
        return "\n".join(lines) + "\n"


@router.get("/healthz")
def health(request: Request) -> Response:
    """200 while runs can be kept: the folder is there and can be written to."""
    out = request.app.state.options.out
    out.mkdir(parents=True, exist_ok=True)
    well = os.access(out, os.W_OK)
    return PlainTextResponse("ok\n" if well else "the folder of the runs can't be written to\n", 200 if well else 503)


@router.get("/metrics")
def metrics(request: Request) -> PlainTextResponse:
    """Counts of answers, and jobs by state where there is a queue."""
    text: str = request.app.state.doors.counted.text()
    if queue := getattr(request.app.state, "queue", None):
        states = [f'inherit_jobs{{state="{state}"}} {count}' for state, count in sorted(queue.counts().items())]
        text += "\n".join(["# TYPE inherit_jobs gauge", *states]) + "\n"
    return PlainTextResponse(text, media_type="text/plain; version=0.0.4")
