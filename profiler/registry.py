"""What goes by a name: metrics of texts and probes, ours and those of installed packages."""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Protocol, TypeVar, overload

import numpy as np

from profiler.errors import BadData, UnknownName, WrongUse
from profiler.metric import Metric, TextScore
from profiler.probe import Options, Probe
from profiler.records import Ideal
from profiler.stats import FloatArray
from profiler.text.counting import Text


class ProbeKind(Protocol):
    """A class of probes."""

    name: str
    metrics: tuple[Metric, ...]

    def build(self, options: Options) -> Probe: ...


Maker = Callable[[str], Metric]

METRICS: dict[str, Metric] = {}
PROBES: dict[str, ProbeKind] = {}
MAKERS: dict[str, Maker] = {}
"""Metrics made to order: what stands before the colon → what makes one of the words behind it."""

Score = TypeVar("Score", bound=TextScore)
Kind = TypeVar("Kind", bound=ProbeKind)
Making = TypeVar("Making", bound=Maker)


@cache
def metrics() -> dict[str, Metric]:
    """Every metric that is taken of a text unasked: those in profiler/metrics/, then those of entry points."""
    _import_all("profiler.metrics")
    for entry in entry_points(group="inheritance_profiler.metrics"):
        METRICS.setdefault(entry.name, replace(_as_metric(entry.name, entry.load()), name=entry.name))
    return METRICS


def usual() -> list[Metric]:
    """Every metric of a text that has a name, those too that are taken only where they are asked for."""
    return [*metrics().values(), *(make("") for make in MAKERS.values())]


@cache
def probes() -> dict[str, ProbeKind]:
    """Every kind of probe: those in profiler/probes/, then those of entry points."""
    _import_all("profiler.probes")
    for entry in entry_points(group="inheritance_profiler.probes"):
        PROBES.setdefault(entry.name, entry.load())
    return PROBES


@overload
def metric(name: str) -> Metric: ...
@overload
def metric(
    *, version: str, unit: str = "", ideal: Ideal = None, languages: tuple[str, ...] | None = None
) -> Callable[[Score], Score]: ...
def metric(
    name: str | None = None,
    *,
    version: str = "",
    unit: str = "",
    ideal: Ideal = None,
    languages: tuple[str, ...] | None = None,
) -> Metric | Callable[[Score], Score]:
    """The metric called NAME, or made to an order such as `toxicity:tox-block`, or at `package.module:function`;
    without a name, make one of the function below.

    The function's name is the metric's, the first sentence of its docstring says what it is about.
    """
    if name is not None:
        known = metrics()
        kind, _, order = name.partition(":")
        if kind in MAKERS:
            return MAKERS[kind](order)
        if ":" in name:
            return _as_metric(name, _import(name))
        if name not in known:
            raise UnknownName("metric", name, [*known, *MAKERS], "inherit ls metrics")
        return known[name]

    def register(score: Score) -> Score:
        called = score.__name__
        METRICS[called] = Metric(called, _about(score), unit, ideal, score=score, version=version, languages=languages)
        return score

    return register


def maker(name: str) -> Callable[[Making], Making]:
    """Make the function below the maker of the metrics called NAME:…; of no words it makes the usual one."""

    def register(make: Making) -> Making:
        MAKERS[name] = make
        return make

    return register


@overload
def probe(name: str) -> ProbeKind: ...
@overload
def probe(name: Kind) -> Kind: ...
def probe(name: str | Kind) -> ProbeKind | Kind:
    """The kind of probe called NAME; given a class, register it under its own name."""
    if isinstance(name, str):
        if name not in probes():
            raise UnknownName("probe", name, probes(), "inherit ls probes")
        return probes()[name]
    PROBES[name.name] = name
    return name


@dataclass(frozen=True)
class _Own:
    """A user's function as the score of a metric."""

    function: Callable[[Sequence[Text]], Sequence[float | None]]

    def __call__(self, texts: Sequence[Text]) -> FloatArray:
        scores = np.array(self.function(texts), np.float64)
        if scores.shape != (len(texts),):
            raise BadData(
                f"{_path(self.function)} gave {scores.shape} scores for {len(texts)} texts: expected one each"
            )
        return scores


def _as_metric(name: str, thing: object) -> Metric:
    """What a user's path or entry point leads to: a metric, or a function from texts to one number each."""
    if isinstance(thing, Metric):
        return thing
    for known in METRICS.values():
        if known.score is thing:
            return known
    if not callable(thing):
        raise WrongUse(f"{name!r} is neither a Metric nor a function of texts: {thing!r}")
    return Metric(name, _about(thing), score=_Own(thing), version=_path(thing))


def _import(path: str) -> object:
    module, _, name = path.partition(":")
    try:
        found: object = getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise WrongUse(f"no function at {path!r}: {error}") from error
    return found


def _import_all(package: str) -> None:
    for module in pkgutil.iter_modules(import_module(package).__path__):
        import_module(f"{package}.{module.name}")


def _about(thing: object) -> str:
    return (inspect.getdoc(thing) or "").partition("\n")[0]


def _path(function: Callable[..., object]) -> str:
    return f"{function.__module__}:{getattr(function, '__qualname__', type(function).__qualname__)}"
