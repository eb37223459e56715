"""The profiler service: pages and an API for a team, over the same folders that the command makes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from profiler.errors import MissingExtra
from profiler.service import tokens
from profiler.service.options import ServiceOptions

if TYPE_CHECKING:
    from fastapi import FastAPI

__all__ = ["ServiceOptions", "application", "tokens"]


def application(options: ServiceOptions) -> FastAPI:
    """The service over the folder that OPTIONS name, as ASGI servers take it."""
    try:
        from profiler.service.app import application as made
    except ModuleNotFoundError as error:
        raise MissingExtra("service", "the profiler service") from error
    return made(options)
