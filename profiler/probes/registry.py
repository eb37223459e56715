"""Probes by name: ours, and those of installed packages."""

from __future__ import annotations

from typing import Protocol, TypeVar, cast

from profiler import plugins
from profiler.errors import UnknownName
from profiler.metrics.metric import Metric
from profiler.probes.probe import Options, Probe


class ProbeKind(Protocol):
    """A class of probes."""

    name: str
    metrics: tuple[Metric, ...]

    def build(self, options: Options) -> Probe: ...


PROBES: dict[str, ProbeKind] = {}

Kind = TypeVar("Kind", bound=ProbeKind)


def every() -> dict[str, ProbeKind]:
    """Every kind of probe: those that are registered, then those of entry points."""
    plugins.import_all("profiler.probes")
    brought = cast(dict[str, ProbeKind], plugins.installed("inheritance_profiler.probes"))
    return PROBES | {name: kind for name, kind in brought.items() if name not in PROBES}


def get(name: str) -> ProbeKind:
    """The kind of probe called NAME."""
    known = every()
    if name not in known:
        raise UnknownName("probe", name, known, "inherit ls probes")
    return known[name]


def register(kind: Kind) -> Kind:
    """Register the class below under its own name."""
    PROBES[kind.name] = kind
    return kind
