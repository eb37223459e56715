"""What went wrong, in one sentence: a page for a person, an RFC 9457 problem document for a program."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, Response
from starlette.exceptions import HTTPException

from profiler.datasets import settings
from profiler.errors import InheritError, UnknownName, WrongUse, visible
from profiler.records import Record
from profiler.service.pages import render

if TYPE_CHECKING:
    from fastapi import FastAPI, Request

PROBLEM = "application/problem+json"


class ProblemDocument(Record):
    """What went wrong."""

    type: str = "about:blank"
    title: str
    """The status in words."""
    status: int
    detail: str
    """The sentence that the command says."""


class Missing(InheritError):
    """What is asked for is not here."""


def told(app: FastAPI) -> None:
    """Let APP answer every error with its sentence."""
    for kind, handler in ((InheritError, _ours), (HTTPException, _http), (RequestValidationError, _unfit)):
        app.exception_handler(kind)(handler)
    app.exception_handler(Exception)(_unforeseen)
    made = app.openapi
    app.router.responses["default"] = {"model": ProblemDocument, "description": "A problem document (RFC 9457)."}

    def described() -> dict[str, Any]:
        """The API's document, in which a problem has its own media type; FastAPI would give it the answer's."""
        if not app.openapi_schema:
            for operations in made()["paths"].values():
                for each in operations.values():
                    answer = each["responses"]["default"]
                    answer["content"] = {PROBLEM: answer["content"].popitem()[1]}
        return made()

    app.openapi = described  # type: ignore[method-assign]


def problem(request: Request, status: int, words: str) -> Response:
    """STATUS and WORDS in the form that the client reads."""
    title = HTTPStatus(status).phrase
    if "text/html" in request.headers.get("accept", "") and not request.url.path.startswith("/api/"):
        page = render("problem.html", request=request, it={"title": title, "status": status, "detail": words})
        return HTMLResponse(page, status)
    body = ProblemDocument(title=title, status=status, detail=words)
    return JSONResponse(body.model_dump(), status, media_type=PROBLEM)


async def _ours(request: Request, error: Exception) -> Response:
    absent = isinstance(error, Missing) or (isinstance(error, UnknownName) and request.method == "GET")
    status = 404 if absent else 422 if isinstance(error, WrongUse) else 500
    return problem(request, status, visible(str(error)))


async def _http(request: Request, error: HTTPException) -> Response:
    words = f"nothing is at {request.url.path}" if error.status_code == 404 else str(error.detail)
    return problem(request, error.status_code, visible(words))


async def _unfit(request: Request, error: RequestValidationError) -> Response:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"] if part not in ("body", "query", "path"))
    return problem(request, 422, visible(f"{where or 'the request'}: {settings.expected(first)}"))


async def _unforeseen(request: Request, error: Exception) -> Response:
    return problem(request, 500, f"something went wrong that we did not foresee ({type(error).__name__})")
