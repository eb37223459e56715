"""A new run: which model, what is asked of it, and what that takes, before anything is paid."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from profiler import probes
from profiler.datasets import forbidding, found_in
from profiler.endpoints import RetryLimits, Transport, connect
from profiler.errors import InheritError, WrongUse
from profiler.probes import forms
from profiler.records import Capabilities, Record
from profiler.runs import profile, run, workload
from profiler.runs.options import EndpointOptions, ProfileOptions
from profiler.service import verbs
from profiler.service.jobs import submit
from profiler.service.pages import Filled, Pages, render
from profiler.service.safety import check_submission
from selection import read_price

router = Pages(tags=["new"])


class ProbeCard(Record):
    """A probe, and what asking it takes."""

    probe: str
    about: str
    usual: bool
    """Asked where no probe is named."""
    items: int | None = None
    requests: int | None = None
    """At most: an option whose likelihood is asked is a request of its own."""
    read: int | None = None
    """Tokens of what is asked, about."""
    written: int | None = None
    """Tokens of answers, at most."""
    cost: float | None = None
    """By the price that was given; null where none was."""
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
    asked: tuple[str, ...]
    """The probes that are asked: those that are chosen, else the usual ones."""
    total: ProbeCard | None = None
    """What these take together; null where that is not known of all."""
    errors: Mapping[str, str] = {}
    """Field → what is wrong with it."""
    models: tuple[str, ...] | None = None
    """What the server lists; null where it was not asked."""
    check: EndpointCheck | None = None
    error: str | None = None


Address = Annotated[EndpointOptions, Query()]
Price = Annotated[str, Query(max_length=100)]


@router.page("/new", "new.html")
def new(request: Request, suite: probes.Suite = "mini", quick: bool = False, price: Price = "") -> NewRun:
    """What can be asked, and what each probe takes: requests, tokens, and by a price such as 0.5/1.5 what it costs."""
    return _form_of({"suite": suite, "quick": quick, "price": price}, request)


def _form_of(given: Mapping[str, Any], request: Request, **seen: Any) -> NewRun:
    """The form as it is filled in, with what that takes."""
    errors: dict[str, str] = {}
    price = None
    try:
        price = read_price(str(given.get("price", "") or ""))
    except WrongUse as error:
        errors["price"] = str(error)
    try:
        found = cards(request, given, price)
    except ValueError:  # what is wrong with the form is said beside its field
        found = cards(request, {}, price)
    asked = tuple(given.get("probes") or [card.probe for card in found if card.usual])
    chosen = [card for card in found if card.probe in asked]
    total = None
    if chosen and all(card.why is None for card in chosen):
        sums = {name: sum(getattr(card, name) for card in chosen) for name in ("items", "requests", "read", "written")}
        cost = sum(card.cost or 0 for card in chosen) if price else None
        total = ProbeCard(probe="together", about="", usual=False, cost=cost, **sums)
    errors = {**errors, **seen.pop("errors", {})}
    return NewRun(given=dict(given), cards=found, asked=asked, total=total, errors=errors, **seen)


def cards(
    request: Request, given: Mapping[str, Any], price: tuple[float, float] | None = None
) -> tuple[ProbeCard, ...]:
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
                takes = workload.workload(built)
                cost = takes.cost(price) if price else None
                found.append(card.model_copy(update={**takes._asdict(), "cost": cost}))
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


@router.get("/api/check", name="api.endpoint_check")
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


@router.post("/new", include_in_schema=False)
async def filled(request: Request, form: Filled) -> Response:
    """What a button of the form asks for: a run, the demo, the server's models, a check, or what it takes."""
    wanted = form.pop("do", ["start"])[0]
    several = form.pop("probes", [])
    filled_in: dict[str, Any] = {name: values[0].strip() for name, values in form.items() if values[0].strip()}
    given = {**filled_in, **({"probes": several} if several else {})}
    told_of = {name: value for name, value in given.items() if name != "price"}
    seen: dict[str, Any] = {}
    try:
        if wanted in ("start", "demo"):
            told = verbs.options("profile", verbs.DEMO if wanted == "demo" else told_of, request.app.state.options.out)
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
        seen["errors"] = verbs.wrong("profile", told_of)
    it = await run_in_threadpool(_form_of, given, request, **seen)
    return HTMLResponse(render("new.html", request=request, it=it), 422 if it.error or it.errors else 200)
