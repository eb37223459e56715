"""A new run: which model, what is asked of it, and what that takes, before anything is paid."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import parse_qs

from fastapi import Depends, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from profiler import probes
from profiler.datasets import forbidding, found_in
from profiler.endpoints import RetryLimits, Transport, connect
from profiler.errors import InheritError, WrongUse
from profiler.probes import forms
from profiler.records import Capabilities, Record
from profiler.runs import profile, run
from profiler.runs.options import EndpointOptions, ProfileOptions
from profiler.service import verbs
from profiler.service.jobs import submit
from profiler.service.pages import Pages, render
from profiler.service.safety import check_submission

router = Pages(tags=["new"])


class ProbeCard(Record):
    """A probe, and what asking it takes."""

    probe: str
    about: str
    usual: bool
    """Asked where no probe is named."""
    items: int | None = None
    tokens: int | None = None
    """That the model reads and writes, at most."""
    why: str | None = None
    """Why that is not known."""


class EndpointCheck(Record):
    """What an endpoint was found able to do."""

    capabilities: Capabilities
    refused: dict[str, str]
    """Probe → why it can't be asked there."""


class NewRun(Record):
    """The form of a new run, as far as it is filled in."""

    given: dict[str, Any]
    cards: tuple[ProbeCard, ...]
    models: tuple[str, ...] | None = None
    """What the server lists; null where it was not asked."""
    check: EndpointCheck | None = None
    error: str | None = None


Address = Annotated[EndpointOptions, Query()]


@router.page("/new", "new.html")
def new(request: Request, suite: probes.Suite = "mini", quick: bool = False) -> NewRun:
    """What can be asked, and what each probe takes."""
    given = {"suite": suite, "quick": quick}
    return NewRun(given=given, cards=cards(request, given))


def cards(request: Request, given: Mapping[str, Any]) -> tuple[ProbeCard, ...]:
    """Every probe, with what it takes as it is GIVEN; data that are not here are not fetched for this."""
    told = {name: given[name] for name in ("suite", "quick", "limit") if given.get(name)}
    options = ProfileOptions.model_validate({"model": "demo", **told})
    found = []
    with found_in(request.app.state.options.data), forbidding("an estimate"):
        for name, kind in probes.every().items():
            about = (kind.__doc__ or "").strip().partition("\n")[0]
            card = ProbeCard(probe=name, about=about, usual=name in forms.default())
            try:
                built = profile.build_probe(name, options)
                size = run.size(probes.first(built))
                found.append(card.model_copy(update={"items": built.count, "tokens": built.count * size}))
            except InheritError as error:
                found.append(card.model_copy(update={"why": str(error)}))
    return tuple(sorted(found, key=lambda card: not card.usual))


@router.get("/api/models")
async def models(request: Request, address: Address) -> list[str]:
    """The models that a server lists."""
    transport = Transport(_asked(request, address).endpoint, 1, RetryLimits())
    try:
        return [each.id for each in await transport.models()]
    finally:
        await transport.close()


@router.get("/api/check")
async def check(request: Request, address: Address) -> EndpointCheck:
    """What an endpoint can do, as `inherit doctor` finds out: by asking it a few short things."""
    async with connect(_asked(request, address).endpoint, None) as client:
        found = await client.capabilities()
        asked = [kind.build(probes.ProbeOptions(suite="mini")) for kind in probes.every().values()]
        return EndpointCheck(capabilities=found, refused=await run.refusals(client, asked))


def _asked(request: Request, address: EndpointOptions) -> EndpointOptions:
    if not address.url:
        raise WrongUse("name the address of a server; a model that runs here needs no check")
    for name, value, _ in verbs.leaves(address.model_dump()):
        verbs.check_secret(name, str(value))
    check_submission(request, {"key": address.key, "header": address.header})
    return address


async def _form(request: Request) -> dict[str, list[str]]:
    return parse_qs((await request.body()).decode("utf-8", "replace"))


@router.post("/new", include_in_schema=False)
async def filled(request: Request, form: Annotated[dict[str, list[str]], Depends(_form)]) -> Response:
    """What a button of the form asks for: a run, the demo, the server's models, a check, or what it takes."""
    wanted = form.pop("do", ["start"])[0]
    several = form.pop("probes", [])
    filled_in: dict[str, Any] = {name: values[0].strip() for name, values in form.items() if values[0].strip()}
    given = {**filled_in, **({"probes": several} if several else {})}
    seen: dict[str, Any] = {}
    try:
        if wanted in ("start", "demo"):
            told = verbs.options("profile", verbs.DEMO if wanted == "demo" else given, request.app.state.options.out)
            job = await run_in_threadpool(submit, request, "profile", told)
            return RedirectResponse(f"/jobs/{job.id}", 303)
        address = {name: given[name] for name in ("model", "url", "chat", "key") if name in given}
        endpoint = EndpointOptions.model_validate({"model": "", **address})
        if wanted == "models":
            seen["models"] = tuple(await models(request, endpoint))
        elif wanted == "check":
            seen["check"] = await check(request, endpoint)
    except InheritError as error:
        seen["error"] = str(error)
    try:
        shown = await run_in_threadpool(cards, request, given)
    except ValueError:  # what is wrong with the form was said above
        shown = await run_in_threadpool(cards, request, {})
    it = NewRun(given=given, cards=shown, **seen)
    return HTMLResponse(render("new.html", request=request, it=it), 422 if it.error else 200)
