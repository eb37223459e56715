"""A model profiled: what `inherit profile`, a study and Python call."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from profiler import probes
from profiler.endpoints import ScoringMethod, connect
from profiler.errors import Incomplete, StoreError
from profiler.files import write_whole
from profiler.probes import Probe, forms
from profiler.records import Endpoint, Profile
from profiler.runs.options import ProfileOptions
from profiler.runs.run import Progress, run
from profiler.runs.sample_store import Run

LARGE = 5_000
"""From so many items on, a user is told how to ask fewer."""


@dataclass(frozen=True)
class Watcher:
    """Who is told how a piece of work goes; this one keeps silent."""

    note: Callable[[str], None] = lambda _: None
    """Something that a user should know."""
    step: Callable[[Progress], None] = lambda _: None
    """How far it is."""


def build_probes(options: ProfileOptions) -> list[Probe]:
    """The probes to ask; what data has to be fetched is fetched.

    A user's own prompts are for the probe that takes prompts, unless others are named.
    """
    return [build_probe(name, options) for name in named(options)]


def named(options: ProfileOptions) -> Sequence[str]:
    """The probes that OPTIONS ask for, all of which there are."""
    names = options.probes or (["attributes"] if options.prompts else forms.default())
    probes.refuse_idle(names, options)
    return names


def build_probe(name: str, options: ProfileOptions) -> Probe:
    """One probe; with `--quick` it asks little, as far as nothing else is said."""
    kind = probes.get(name)
    brief = {what: much for what, much in kind.brief.items() if getattr(options, what) is None} if options.quick else {}
    return kind.build(options.model_copy(update=brief))


async def profile(
    options: ProfileOptions,
    endpoint: Endpoint,
    build: Callable[[], Sequence[Probe]],
    watcher: Watcher,
    paged: bool = True,
) -> Run:
    """Ask the probes of a model, which is reached at ENDPOINT, and leave a run, with what was told beside it.

    BUILD finds the probes' data, once the model has answered. Where no probe was named, each is asked in a form that
    the endpoint can answer. Whoever makes no page of its runs says that they are not PAGED.
    """
    named(options)
    found = await ask_probes(
        options.endpoint.model_copy(update={"engine": endpoint.engine}),
        build,
        options.out,
        options.name or options.model,
        watcher,
        endpoint,
        options.concurrency,
        options.scoring_method,
        None if options.probes else lambda probe: build_probe(probe, options),
        paged=paged,
    )
    resolved = options.model_copy(update={"probes": tuple(part.probe for part in found.profile.sections)})
    write_whole(found.folder / "options.json", resolved.model_dump_json(indent=1).encode() + b"\n")
    return found


async def ask_probes(
    endpoint: Endpoint,
    build: Callable[[], Sequence[Probe]],
    out: Path,
    name: str,
    watcher: Watcher,
    reached: Endpoint | None = None,
    concurrency: int = 64,
    scoring_method: ScoringMethod = "auto",
    fallback: Callable[[str], Probe] | None = None,
    journal: Path | None = None,
    paged: bool = True,
) -> Run:
    """Leave a run of a model, which may be REACHED behind a server of our own; FALLBACK builds forms in words.

    Answers are kept in a JOURNAL beside all runs, or in one of your own.
    """
    async with connect(
        reached or endpoint, journal or out / "cache.sqlite", concurrency=concurrency, scoring_method=scoring_method
    ) as client:
        await client.fingerprint()  # a model that is not there is said before data are looked for
        asked = await asyncio.to_thread(build)
        if client.notice:
            watcher.note(client.notice)
        if fallback:
            fitting = await forms.fit(client, asked, fallback)
            for said in fitting.notes:
                watcher.note(said)
            asked = fitting.probes or asked
        for said in warnings(asked):
            watcher.note(said)
        begun = datetime.now(UTC)
        async for event in run(client, asked, endpoint, out, name, paged):
            if isinstance(event, Profile):
                if event.started < begun:
                    watcher.note(f"{event.id} is finished but for its page: it is made now, and no run begun")
                return Run(out / event.id)
            watcher.step(event)
    raise StoreError(f"the run of {name!r} ended without a profile")


def refuse_incomplete(run: Run) -> None:
    """Raise where too much of a run failed."""
    if failed := run.profile.incomplete:
        errors = [one.error for part in run.profile.sections for one in run.samples(part.probe) if one.error]
        raise Incomplete.of(", ".join(failed), errors[-1] if errors else None)


def warnings(asked: Sequence[Probe]) -> list[str]:
    """What a user must know of the data before reading a number."""
    said = []
    for probe in asked:
        if missing := ", ".join(probe.missing):
            said.append(f"{probe.name}: left out, because their official files can't be had: {missing}")
        if probe.unread:
            said.append(f"{probe.name}: {probe.unread}")
        if probe.count < probe.enough:
            few = f"{probe.count} items, fewer than the {probe.enough}"
            said.append(f"{probe.name}: {few} that its errors over bins need to be read")
    if mini := [probe.name for probe in asked if probe.suite == "mini"]:
        said.append(f"asking the MINI sets of {', '.join(mini)}: for trying things out; do not publish their numbers")
    if (total := sum(probe.count for probe in asked)) > LARGE:
        said.append(f"asking {total:,} items; --limit N asks N of each probe, --suite mini the small shipped sets")
    return said
