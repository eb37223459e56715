"""The application: its routes, what guards them, and what they stand on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import TYPE_CHECKING

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles

from profiler.service import compare, problems, reports, runs, samples, score
from profiler.service.index import Index

if TYPE_CHECKING:
    from profiler.service.options import ServiceOptions

ROUTERS = (samples.router, compare.router, score.router, score.api, reports.router, runs.router)
"""What there is to look at and to ask for; each module of the room brings its own."""


def application(options: ServiceOptions) -> FastAPI:
    """The service over the folder that OPTIONS name."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield

    app = FastAPI(
        title="inherit",
        summary="Profile models, compare them, choose answers.",
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/openapi.json",
        lifespan=lifespan,
    )
    app.state.options = options
    app.state.index = Index(options.out)
    problems.told(app)
    for router in ROUTERS:
        app.include_router(router)
    app.mount("/static", StaticFiles(directory=str(files("profiler.service") / "static")), name="static")
    return app
