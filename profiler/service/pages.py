"""A page and its record: one function answers both, `/path` as HTML and `/path.json` as the record it was made of."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from typing import Any, TypeVar

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FunctionLoader, StrictUndefined

from profiler.reporting.numbers import number

V = TypeVar("V", bound=Callable[..., Any])


class Pages(APIRouter):
    """Routes of pages, each with its record beside it."""

    def page(self, path: str, template: str) -> Callable[[V], V]:
        """Serve the record that a function returns at PATH through TEMPLATE (as `it`), and at PATH.json as it is."""

        def add(view: V) -> V:
            signature = inspect.signature(view, eval_str=True)
            request = inspect.Parameter("request", inspect.Parameter.KEYWORD_ONLY, annotation=Request)
            others = [each.replace(kind=each.KEYWORD_ONLY) for each in signature.parameters.values()]
            asks = "request" in signature.parameters

            async def shown(**given: Any) -> HTMLResponse:
                told = given if asks else {name: value for name, value in given.items() if name != "request"}
                it = await view(**told) if inspect.iscoroutinefunction(view) else await run_in_threadpool(view, **told)
                return HTMLResponse(render(template, request=given["request"], it=it))

            shown.__signature__ = signature.replace(  # type: ignore[attr-defined]
                parameters=others if asks else [request, *others], return_annotation=HTMLResponse
            )
            beside = "/index.json" if path == "/" else f"{path}.json"
            self.add_api_route(beside, view, name=f"{view.__name__}.json")  # first: /{id} takes /x.json too
            self.add_api_route(path, shown, name=view.__name__, include_in_schema=False, response_class=HTMLResponse)
            return view

        return add


def render(template: str, **context: Any) -> str:
    """A page; whatever is put into it is escaped."""
    return _environment().get_template(template).render(**context)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FunctionLoader(_source), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["number"] = number
    return environment


def _source(name: str) -> str:
    return (files("profiler.service") / "templates" / name).read_text(encoding="utf-8")
