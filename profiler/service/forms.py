"""A form for each verb that jobs do: its options as TOML, as `inherit VERB @FILE` reads them, checked by its record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic_core import to_json

from profiler.datasets import settings
from profiler.errors import InheritError
from profiler.records import Record
from profiler.service import verbs
from profiler.service.jobs import submit
from profiler.service.pages import Filled, Pages, render
from profiler.service.problems import Missing

router = Pages(tags=["new"])


class VerbOption(Record):
    """One thing that a verb can be told."""

    name: str
    about: str
    needed: bool
    default: str
    """As it stands in a file; empty for none."""
    error: str = ""


class VerbForm(Record):
    """What a verb can be told, and what is wrong with what it is told."""

    verb: str
    about: str
    verbs: tuple[str, ...]
    text: str
    options: tuple[VerbOption, ...]
    error: str = ""


def form(verb: str, text: str = "", errors: Mapping[str, str] | None = None, error: str = "") -> VerbForm:
    if verb not in verbs.VERBS:
        raise Missing(f"no job does {verb!r}; jobs do {', '.join(verbs.VERBS)}")
    record, wrong = verbs.VERBS[verb], errors or {}
    options = [
        VerbOption(
            name=name,
            about=settings.about(record, name),
            needed=field.is_required(),
            default="" if field.is_required() else _written(field.get_default(call_default_factory=True)),
            error=wrong.get(name, ""),
        )
        for name, field in record.model_fields.items()
    ]
    unknown = [words for name, words in wrong.items() if name not in record.model_fields]
    options.sort(key=lambda option: not option.needed)
    needed = "".join(f"{option.name} = \n" for option in options if option.needed)
    about = (record.__doc__ or "").strip().partition("\n")[0]
    return VerbForm(
        verb=verb,
        about=about,
        verbs=tuple(verbs.VERBS),
        text=text or needed,
        options=tuple(options),
        error=error or " ".join(unknown),
    )


def _written(value: object) -> str:
    return "" if value is None else to_json(value).decode()


@router.page("/new/{verb}", "verb.html")
def verb_form(verb: str) -> VerbForm:
    """What a verb can be told."""
    return form(verb)


@router.post("/new/{verb}", include_in_schema=False)
async def submitted(request: Request, verb: str, filled: Filled) -> Response:
    """A job of the options, or the form with what is wrong beside each."""
    text, given = filled.get("options", [""])[0], dict[str, Any]()
    try:
        form(verb)
        given = settings.parse_toml(text, "what you wrote")
        told = await run_in_threadpool(verbs.options, verb, given, request.app.state.options.out)
        job = await run_in_threadpool(submit, request, verb, told)
        return RedirectResponse(f"/jobs/{job.id}", 303)
    except Missing:
        raise
    except InheritError as error:
        wrong = verbs.wrong(verb, given) if given else {}
        it = form(verb, text, wrong, "" if wrong else str(error))
        return HTMLResponse(render("verb.html", request=request, it=it), 422)
