"""The application: its routes, what guards them, and what they stand on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import files
from threading import Thread
from typing import TYPE_CHECKING

from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool
from fastapi.routing import APIRoute
from fastapi.staticfiles import StaticFiles

from profiler.service import (
    compare,
    forms,
    health,
    jobs,
    judges,
    login,
    new,
    pools,
    problems,
    runs,
    samples,
    score,
    studies,
)
from profiler.service.index import Index
from profiler.service.queue import Queue
from profiler.service.safety import Doors, Safety
from profiler.service.worker import Worker

if TYPE_CHECKING:
    from profiler.service.options import ServiceOptions, WorkerOptions

ROUTERS = (
    samples.router,
    compare.router,
    score.router,
    score.api,
    runs.router,
    jobs.router,
    new.router,
    forms.router,
    login.router,
    health.router,
    pools.router,
    judges.router,
    studies.router,
)
"""What there is to look at and to ask for; each module of the room brings its own."""


def application(options: ServiceOptions) -> FastAPI:
    """The service over the folder that OPTIONS name."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.worker = worker = worker_of(options, app.state.queue) if options.jobs else None
        if worker:
            worker.start()
        loading = Thread(target=compare.load, daemon=True)
        loading.start()
        yield
        if worker:
            await run_in_threadpool(worker.stop)
        app.state.queue.close()

    app = FastAPI(
        title="inherit",
        summary="Profile models, compare them, choose answers.",
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/openapi.json",
        generate_unique_id_function=operation,
        lifespan=lifespan,
    )
    app.state.options = options
    app.state.doors = doors = Doors(options)
    app.add_middleware(Safety, doors=doors)
    app.state.index = Index(options.out)
    app.state.queue = Queue(options.database, options.out)
    app.state.worker = None
    app.state.watches = {}
    problems.told(app)
    for router in ROUTERS:
        app.include_router(router)
    app.mount("/static", StaticFiles(directory=str(files("profiler.service") / "static")), name="static")
    return app


def operation(route: APIRoute) -> str:
    """What the API's document calls a route, which is a function's name in clients made of it."""
    name = route.name.removeprefix("api.").replace(".", "_")
    return f"get_{name}" if route.methods == {"GET"} and name != "compare_runs" else name


def worker_of(options: ServiceOptions | WorkerOptions, queue: Queue) -> Worker:
    """Who does the jobs of QUEUE."""
    options.out.mkdir(parents=True, exist_ok=True)
    data = {"INHERIT_DATA": str(options.data.resolve())} if options.data else {}
    return Worker(queue, options.out, options.jobs, environment=data | options.bounds.environment())
