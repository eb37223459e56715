"""A page and its record: one function answers both, `/path` as HTML and `/path.json` as the record it was made of."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine, Sequence
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, TypeVar
from urllib.parse import parse_qs, quote, urlencode

from fastapi import APIRouter, Depends, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, Response
from fastapi.routing import APIRoute

from profiler.reporting import layout
from profiler.reporting.jinja import environment
from profiler.reporting.numbers import count, interval, places, plain

if TYPE_CHECKING:
    from jinja2 import Environment

KEPT = 200
"""Answers that are kept of a state of the folder."""

V = TypeVar("V", bound=Callable[..., Any])


class Pages(APIRouter):
    """Routes of pages, each with its record beside it."""

    def page(self, path: str, template: str, api: str = "", kept: bool = False) -> Callable[[V], V]:
        """Serve the record that a function returns at PATH through TEMPLATE (as `it`), and at PATH.json as it is.

        API is a second address of the record, for programs. What is made of nothing but the address and the index may
        be KEPT until the folder changes.
        """
        way = KeptRoute if kept else None

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
            # First: a page's {id} would take the ending for a part of it.
            self.add_api_route(beside, view, name=f"{view.__name__}.json", route_class_override=way)
            if api:
                self.add_api_route(api, view, name=f"api.{view.__name__}", route_class_override=way)
            about: dict[str, Any] = {"include_in_schema": False, "response_class": HTMLResponse}
            self.add_api_route(path, shown, name=view.__name__, route_class_override=way, **about)
            return view

        return add


class KeptRoute(APIRoute):
    """A route whose answers are kept until the runs' folder changes: many readers wait for one of them only."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        made = super().get_route_handler()

        async def answered(request: Request) -> Response:
            index = request.app.state.index
            if index.due:
                await run_in_threadpool(index.look)
            pages: dict[object, tuple[bytes, str]] = index.pages  # what is made meanwhile is of this state at least
            # The foot of a page tells who is logged in.
            who = request.state.user, bool(request.cookies.get("inherit_session"))
            key = request.url.path, request.url.query, who
            if key not in pages:
                answer = await made(request)
                if answer.status_code != 200:
                    return answer
                if len(pages) >= KEPT:
                    pages.clear()
                pages[key] = bytes(answer.body), answer.headers["content-type"]
            body, kind = pages[key]
            return Response(body, headers={"content-type": kind})

        return answered


async def form_fields(request: Request) -> dict[str, list[str]]:
    """What was filled in."""
    return parse_qs((await request.body()).decode("utf-8", "replace"))


Filled = Annotated[dict[str, list[str]], Depends(form_fields)]


def render(template: str, **context: Any) -> str:
    """A page; whatever is put into it is escaped."""
    return _environment().get_template(template).render(**context)


@cache
def _environment() -> Environment:
    made = environment("profiler.service")
    made.globals["address"] = address
    made.filters |= {
        "count": count,
        "places": lambda values: places(*values),
        "interval": interval,
        "plain": plain,
        "quoted": quote,
        "themed": _themed,
        "moved": layout.moved,
        "spread": layout.spread,
        "verdict": layout.verdict,
    }
    return made


def _themed(address: str, theme: str) -> str:
    """The address of a picture in other colours, or for another width."""
    return f"{address}{'&' if '?' in address else '?'}theme={theme}"


def address(*parts: str, **query: str | int | Sequence[str] | None) -> str:
    """/PART/PART?NAME=VALUE, whatever the parts hold; what is None or empty is left out."""
    path = "/" + "/".join(quote(part, safe="") for part in parts)
    told = urlencode({name.rstrip("_"): value for name, value in query.items() if value not in (None, "")}, doseq=True)
    return f"{path}?{told}" if told else path
