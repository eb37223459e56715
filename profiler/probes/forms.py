"""In which form a model is asked when no probe is named: by likelihood where it gives that, otherwise in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from profiler.endpoints.client import Client
from profiler.endpoints.requests import Request
from profiler.probes.probe import Probe
from profiler.probes.registry import every

FORMS = (
    ("crows_pairs", "crows_pairs_chat"),
    ("stereoset", "stereoset_chat"),
    ("stereoset_inter", "stereoset_inter_chat"),
    ("calibration", "calibration_verbal", "calibration_sampled"),
)
"""Probes that ask about the same with other instruments: by likelihood, in words, and what is asked only when named."""

IN_WORDS: Mapping[str, str] = {probe: words for probe, words, *_ in FORMS}
"""Probe → the one that asks about the same in words. They are other instruments, never compared with each other."""


class Fit(NamedTuple):
    """The probes that an endpoint is asked."""

    probes: list[Probe]
    notes: list[str]
    """Which probes were left out or asked in another form, and why."""


def usual() -> list[str]:
    """The probes that are asked when none is named; their forms in words may stand in for them."""
    others = {name for _, *rest in FORMS for name in rest}
    return [name for name in every() if name not in others]


def first(probe: Probe) -> Request:
    """What a probe asks first; it asks the rest in the same way."""
    return probe.ask(next(iter(probe.items())))


async def fit(client: Client, probes: Sequence[Probe], build: Callable[[str], Probe]) -> Fit:
    """Those of PROBES that the endpoint can be asked, or their forms in words, which BUILD makes by name."""
    fitting = Fit([], [])
    for probe in probes:
        why = await client.refusal(first(probe))
        form = build(IN_WORDS[probe.name]) if why and probe.name in IN_WORDS else None
        if not why:
            fitting.probes.append(probe)
        elif form and not await client.refusal(first(form)):
            fitting.probes.append(form)
            fitting.notes.append(f"{probe.name}: asked as {form.name}, another instrument, because {why}")
        else:
            fitting.notes.append(f"{probe.name}: left out, {why}")
    return fitting
