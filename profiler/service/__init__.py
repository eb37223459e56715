"""The profiler service: pages and an API for a team, over the same folders that the command makes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from profiler.errors import MissingExtra
from profiler.service import tokens
from profiler.service.options import ServiceOptions, WorkerOptions

if TYPE_CHECKING:
    from fastapi import FastAPI

    from profiler.service.worker import Worker

__all__ = ["ServiceOptions", "WorkerOptions", "application", "made_worker", "tokens"]


def application(options: ServiceOptions) -> FastAPI:
    """The service over the folder that OPTIONS name, as ASGI servers take it."""
    try:
        from profiler.service.app import application as made
    except ModuleNotFoundError as error:
        raise MissingExtra("service", "the profiler service") from error
    return made(options)


def made_worker(options: WorkerOptions) -> Worker:
    """Who does the jobs of the service whose database and folder OPTIONS name."""
    try:
        from profiler.service.app import worker_of
        from profiler.service.queue import Queue
    except ModuleNotFoundError as error:
        raise MissingExtra("service", "a worker of the profiler service") from error
    return worker_of(options, Queue(options.database, options.out))
