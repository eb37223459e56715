"""Probes by name: ours, and those of installed packages."""

from __future__ import annotations

from typing import TypeVar

from profiler import plugins
from profiler.errors import UnknownName
from profiler.probes.probe import Probe

PROBES: dict[str, type[Probe]] = {}

Kind = TypeVar("Kind", bound=type[Probe])


def every() -> dict[str, type[Probe]]:
    """Every kind of probe by name, whoever imported which first: ours, and those of installed packages."""
    plugins.import_all("profiler.probes")
    brought = plugins.installed("inheritance_profiler.probes")
    return dict(sorted((PROBES | {name: one.load() for name, one in brought.items() if name not in PROBES}).items()))


def get(name: str) -> type[Probe]:
    """The kind of probe called NAME."""
    known = every()
    if name not in known:
        raise UnknownName("probe", name, known, "inherit ls probes")
    return known[name]


def register(kind: Kind) -> Kind:
    """Register the class below under its own name."""
    PROBES[kind.name] = kind
    return kind
