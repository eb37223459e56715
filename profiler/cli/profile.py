"""Ask a model: `profile` and `doctor`."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from profiler.cli.console import announce, finish, note, publish
from profiler.cli.options import Chat, Data, Engine, Items, Json, Key, Model, Out, Reading, Scorers, Subset, Url
from profiler.cli.serve import choose, reached

if TYPE_CHECKING:
    from profiler.probes.probe import Options, Probe
    from profiler.records import Endpoint, Profile

LARGE = 5_000
"""From so many items on, a user is told how to ask fewer."""


def profile(
    model: Model,
    url: Url = None,
    chat: Chat = False,
    key: Key = "OPENAI_API_KEY",
    engine: Engine = "auto",
    probe: Annotated[list[str] | None, typer.Option("--probe", "-p", help="Only this probe; may be repeated.")] = None,
    suite: Items = "auto",
    data: Data = None,
    prompts: Annotated[str | None, typer.Option(help="A .jsonl, .csv or .parquet file, or hub:OWNER/NAME.")] = None,
    column: Annotated[str | None, typer.Option(help="The column of --prompts that holds the prompt.")] = None,
    lang: Annotated[str, typer.Option(help="Language of the answers; readability is defined for en only.")] = "en",
    subset: Subset = None,
    scorer: Scorers = None,
    limit: Annotated[int | None, typer.Option("--limit", "-n", min=1, help="Items a probe, picked by seed.")] = None,
    samples: Annotated[int | None, typer.Option(min=1, help="Answers a prompt.")] = None,
    temperature: Annotated[float | None, typer.Option(min=0.0, help="0 takes the likeliest token.")] = None,
    top_p: Annotated[float | None, typer.Option(min=0.0, max=1.0, help="Nucleus that tokens are drawn from.")] = None,
    max_tokens: Annotated[int | None, typer.Option(min=1, help="New tokens an answer, at most.")] = None,
    stop: Annotated[list[str] | None, typer.Option(help="Stop before this string; may be repeated.")] = None,
    seed: Annotated[int | None, typer.Option(help="Sample i is drawn with seed + i.")] = None,
    frame: Annotated[str | None, typer.Option(help="Text with {prompt} in it, for a completions endpoint.")] = None,
    system: Annotated[str, typer.Option(help="System message, for a chat endpoint.")] = "",
    reading: Reading = "auto",
    order: Annotated[int, typer.Option(help="Seed of the order in which BBQ's options are listed by letter.")] = 0,
    concurrency: Annotated[int, typer.Option(min=1, help="Requests in flight at a server.")] = 64,
    name: Annotated[str | None, typer.Option(help="What to call the profile; the model's name if left out.")] = None,
    out: Out = Path("runs"),
    json: Json = False,
) -> None:
    """Ask MODEL the probes and leave a profile.

    The run is a folder: profile.json, its samples, and a report.html that needs no network.
    """
    from profiler.datasets import forbidding, found_in
    from profiler.probes.probe import Options
    from profiler.records import Endpoint
    from profiler.reporting.profile import profile_report

    drawn: dict[str, float | int | tuple[str, ...] | None] = {
        "temperature": temperature,
        "top_p": top_p,
        "max_tokens": max_tokens,
        "seed": seed,
        "stop": tuple(stop) if stop else None,
    }
    sampling = {field: value for field, value in drawn.items() if value is not None}
    scorers = tuple(scorer or ())
    options = Options(suite, prompts, column, lang, limit, samples, frame, system, sampling, order, subset, scorers)
    endpoint = Endpoint(model=model, url=url, key=key, chat=chat, engine=choose(engine, url, model))
    # A user's own prompts are for the probe that takes prompts, unless others are named.
    names = probe or (["attributes"] if prompts else None)
    # The demo is for trying things out at once: it asks what is at hand.
    with found_in(data), forbidding("the demo") if model == "demo" else nullcontext():
        probes = build(names, options)
        more = (probes, out, name, concurrency, reading, None if probe else options)
        done = reached(endpoint, lambda at: finish(_profile(endpoint, at, *more)))
    publish(profile_report(done), "json" if json else "table")
    note(f"{out / done.id}: profile.json, report.html, samples/")


def build(names: Sequence[str] | None, options: Options) -> list[Probe]:
    """The probes called NAMES, or those that are asked when none is named; what data has to be fetched is fetched."""
    from profiler import probes
    from profiler.probes import forms
    from profiler.reporting.progress import Downloads

    with Downloads():
        return [probes.get(name).build(options) for name in names or forms.default()]


async def _profile(
    endpoint: Endpoint,
    at: Endpoint,
    probes: list[Probe],
    out: Path,
    name: str | None,
    concurrency: int,
    reading: Reading,
    unnamed: Options | None,
) -> Profile:
    """Profile an endpoint, reached AT a server or as it is.

    Where the user named no probe, in the forms that it can answer, with the options UNNAMED.
    """
    from profiler.endpoints.client import connect
    from profiler.probes import forms
    from profiler.records import Profile
    from profiler.reporting import report
    from profiler.reporting.profile import run_report
    from profiler.reporting.progress import Bar
    from profiler.runs import store
    from profiler.runs.run import run

    async with connect(at, out / "cache.sqlite", concurrency=concurrency, reading=reading) as client:
        # Items are read while the server says what it can do.
        await asyncio.gather(client.fingerprint(), asyncio.to_thread(lambda: [probe.count for probe in probes]))
        if client.notice:
            note(client.notice)
        if unnamed:
            fitting = await forms.fit(client, probes, lambda name: build([name], unnamed)[0])
            for said in fitting.notes:
                note(said)
            probes = fitting.probes or probes
        announce(probes)
        if (total := sum(probe.count for probe in probes)) > LARGE:
            note(f"asking {total:,} items; --limit N asks N of each probe, --suite mini the small shipped sets")
        with Bar() as bar:
            async for event in run(client, probes, endpoint, out, name):
                if isinstance(event, Profile):
                    report.save(run_report(store.Run(out / event.id)), out / event.id / "report.html")
                    return event
                bar.show(event)
    raise AssertionError("a run ends in a profile or an error")


def doctor(
    model: Model,
    url: Url = None,
    chat: Chat = False,
    key: Key = "OPENAI_API_KEY",
    json: Json = False,
) -> None:
    """Find out what an endpoint can do, by asking it."""
    import inheritance_profile_finder as finder
    from profiler.records import Endpoint

    note(f"lm-eval finds the inherit_* tasks by itself: {finder.state()}")
    finish(_doctor(Endpoint(model=model, url=url, key=key, chat=chat), json))


async def _doctor(endpoint: Endpoint, json: bool) -> None:
    from profiler.endpoints.client import connect
    from profiler.probes import Options, every
    from profiler.reporting.profile import capabilities_text
    from profiler.runs.run import refusals

    async with connect(endpoint, None) as client:
        found, fingerprint = await client.capabilities(), await client.fingerprint()
        probes = build([*every()], Options(suite="mini"))  # to find out what is refused, any items do
        refused = await refusals(client, probes)
    if json:
        sys.stdout.write(found.model_dump_json(indent=1) + "\n")
    else:
        sys.stdout.write(
            capabilities_text(found, fingerprint, {probe.name: refused.get(probe.name) for probe in probes})
        )
