"""In which form a model is asked when no probe is named: by likelihood where it gives that, otherwise in words."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from profiler.endpoints import Client, Request
from profiler.probes.probe import Probe, every


class Fit(NamedTuple):
    """The probes that an endpoint is asked."""

    probes: list[Probe]
    notes: list[str]
    """Which probes were left out or asked in another form, and why."""


def default() -> list[str]:
    """The probes that are asked when none is named, by name; their forms in words may stand in for them."""
    return sorted(name for name, kind in every().items() if kind.default)


def forms_of(probe: str) -> list[str]:
    """All probes that ask about the same as PROBE, by likelihood and in words: instruments that are never compared."""
    families = ([name, *kind.in_words] for name, kind in every().items() if kind.in_words)
    return next((family for family in families if probe in family), [])


def first(probe: Probe) -> Request:
    """What a probe asks first; it asks the rest in the same way."""
    return probe.ask(next(iter(probe.items)))


async def fit(client: Client, probes: Sequence[Probe], build: Callable[[str], Probe]) -> Fit:
    """Those of PROBES that the endpoint can be asked, or their forms in words, which BUILD makes by name."""
    fitting = Fit([], [])
    for probe in probes:
        why = await client.refusal(first(probe))
        form = build(probe.in_words[0]) if why and probe.in_words else None
        if not why:
            fitting.probes.append(probe)
        elif form and not await client.refusal(first(form)):
            fitting.probes.append(form)
            fitting.notes.append(f"{probe.name}: asked as {form.name}, another instrument, because {why}")
        else:
            fitting.notes.append(f"{probe.name}: left out, {why}")
    return fitting
