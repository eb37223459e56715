"""Metrics by name: ours, those of installed packages, and those that are made to order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from profiler import plugins
from profiler.errors import BadData, UnknownName, WrongUse
from profiler.metrics.metric import Metric, TextScore
from profiler.records import Ideal
from profiler.stats import FloatArray
from profiler.text import Text

Factory = Callable[[str], Metric]

METRICS: dict[str, Metric] = {}
FACTORIES: dict[str, Factory] = {}
"""Metrics made to order: what stands before the colon → what makes one of the words behind it."""

Score = TypeVar("Score", bound=TextScore)
Making = TypeVar("Making", bound=Factory)


def default() -> dict[str, Metric]:
    """Every metric that is taken of a text unasked: those that are registered, then those of entry points."""
    plugins.import_all("profiler.metrics")
    brought = {
        name: replace(_metric(name, entry.value, entry.load()), name=name)
        for name, entry in plugins.installed("inheritance_profiler.metrics").items()
        if name not in METRICS
    }
    return METRICS | brought


def every() -> list[Metric]:
    """Every metric of a text that has a name, those too that are taken only where they are asked for."""
    return [*default().values(), *(make("") for make in FACTORIES.values())]


def get(name: str) -> Metric:
    """The metric called NAME, or made to an order such as `toxicity:tox-block`, or at `package.module:function`."""
    known = default()
    kind, _, order = name.partition(":")
    if kind in FACTORIES:
        return FACTORIES[kind](order)
    if ":" in name:
        return _metric(name, name, plugins.imported(name))
    if name not in known:
        raise UnknownName("metric", name, [*known, *FACTORIES], "inherit ls metrics")
    return known[name]


def register(
    *, version: str, unit: str = "", ideal: Ideal = None, languages: tuple[str, ...] | None = None, family: str = ""
) -> Callable[[Score], Score]:
    """Make a metric of the function below.

    The function's name is the metric's, the first sentence of its docstring says what it is about.
    """

    def add(score: Score) -> Score:
        name = score.__name__
        METRICS[name] = Metric(
            name, plugins.about(score), unit, ideal, score=score, version=version, languages=languages, family=family
        )
        return score

    return add


def factory(name: str) -> Callable[[Making], Making]:
    """Make the function below the maker of the metrics called NAME:…; of no words it makes the usual one."""

    def add(make: Making) -> Making:
        FACTORIES[name] = make
        return make

    return add


@dataclass(frozen=True)
class UserScore:
    """A user's function as the score of a metric."""

    function: Callable[[Sequence[Text]], Sequence[float | None]]
    path: str

    def __call__(self, texts: Sequence[Text]) -> FloatArray:
        scores = np.array(self.function(texts), np.float64)
        if scores.shape != (len(texts),):
            raise BadData(f"{self.path} gave {scores.shape} scores for {len(texts)} texts: expected one each")
        return scores


def _metric(name: str, path: str, thing: object) -> Metric:
    """What a user's path or entry point leads to: a metric, or a function from texts to one number each."""
    if isinstance(thing, Metric):
        return thing
    for known in METRICS.values():
        if known.score is thing:
            return known
    if not callable(thing):
        raise WrongUse(f"{name!r} is neither a Metric nor a function of texts: {thing!r}")
    return Metric(name, plugins.about(thing), score=UserScore(thing, path), version=path)
