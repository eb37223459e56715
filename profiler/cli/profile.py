"""Ask a model: `profile` and `doctor`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Coroutine
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from profiler.cli.console import Json, coloured, finish, note, publish
from profiler.cli.serve import choose, reached

if TYPE_CHECKING:
    from profiler.probes import Probe
    from profiler.records import Endpoint
    from profiler.runs import Run
    from profiler.runs.options import EndpointOptions, ProfileOptions


def profile(options: ProfileOptions, json: Json = False) -> None:
    """Ask MODEL the probes and leave a profile.

    The run is a folder: profile.json, its samples, and a report.html that needs no network.
    """
    from profiler.reporting import report
    from profiler.reporting.profile import first_look, run_report
    from profiler.runs.profile import refuse_incomplete

    run = ask(options, finish)
    told = run_report(run)
    report.save(told, run.folder / "report.html")
    if json:
        publish(told, "json")
    else:
        sys.stdout.write(coloured(first_look(run)))
    note(f"the page: {run.folder / 'report.html'}")
    note(f"next: inherit compare {run.folder} OTHER, where OTHER is a run of another model that was asked the same")
    refuse_incomplete(run)


def ask(options: ProfileOptions, finish: Callable[[Coroutine[Any, Any, Run]], Run], offline: bool = False) -> Run:
    """The run that asking MODEL leaves; OFFLINE, like the demo, asks only what is on this machine."""
    from profiler.datasets import forbidding, found_in
    from profiler.reporting import trackers
    from profiler.reporting.progress import Bar, Downloads
    from profiler.runs import profile

    if options.log:
        trackers.require(options.log)

    def build() -> list[Probe]:
        with Downloads():
            return profile.build_probes(options)

    engine = choose(options.engine, options.url, options.model)
    endpoint = options.endpoint.model_copy(update={"engine": engine})
    # The demo is for trying things out at once: it asks what is on this machine.
    offline = offline or options.model == "demo"
    with found_in(options.data), forbidding("the demo") if offline else nullcontext(), Bar() as bar:
        watcher = profile.Watcher(note, bar.show)
        run = reached(endpoint, lambda at: finish(profile.profile(options, at, build, watcher)))
    if options.log:
        trackers.log(run.profile, options.log, run.folder)
    return run


def doctor(options: EndpointOptions, json: Json = False) -> None:
    """Find out what an endpoint can do, by asking it."""
    import inheritance_profile_finder as finder

    note(f"lm-eval finds the inherit_* tasks by itself: {finder.state()}")
    finish(_doctor(options.endpoint, json))


async def _doctor(endpoint: Endpoint, json: bool) -> None:
    from profiler import probes
    from profiler.endpoints import connect
    from profiler.http import listening
    from profiler.reporting.profile import capabilities_text
    from profiler.reporting.progress import Waiting
    from profiler.runs.run import refusals

    async with connect(endpoint, None) as client:
        with Waiting() as waiting, listening(waiting.say):
            found, fingerprint = await client.capabilities(), await client.fingerprint()
        options = probes.ProbeOptions(suite="mini")  # to find out what is refused, any items do
        asked = [kind.build(options) for kind in probes.every().values()]
        refused = await refusals(client, asked)
    if client.notice:
        note(client.notice)
    if json:
        sys.stdout.write(found.model_dump_json(indent=1) + "\n")
    else:
        why = {probe.name: refused.get(probe.name) for probe in asked}
        sys.stdout.write(capabilities_text(found, fingerprint, why))
