"""A metric reduces columns to one number; a text metric also makes its own column from texts. Metrics by name."""

import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, replace
from itertools import chain
from multiprocessing import get_context
from typing import Protocol, TypedDict, TypeVar, Unpack

import numpy as np

from profiler import plugins
from profiler.endpoints import held_off
from profiler.errors import BadData, UnknownName, WrongUse
from profiler.http import Bounds
from profiler.records import Ideal
from profiler.stats import FloatArray, Mean, Statistic
from profiler.text import Batch, Text, unspaced, wordless

TextScore = Callable[[Batch], FloatArray]
"""Scores a batch of texts; NaN where a text has no such score."""

Columns = dict[str, FloatArray]
"""The scores of a batch of texts under each metric's name."""
WHOLE = {"proportion": 1.0, "%": 100.0}
"""What is all, in the units of proportions."""
COUNTED = {"probability", "ratio", "characters", "words", "long words", "sentences", "syllables"}
"""Units of which, or of so many of which a piece, nothing has less than none."""


@dataclass(frozen=True)
class Metric:
    """One named number about a set of samples."""

    name: str
    about: str
    """One sentence that a reader of a table understands."""
    unit: str = ""
    ideal: Ideal = None
    """Where it would like to be: 0 for a bias, 50 for a preference, "high", "low", or None for a description."""
    statistic: Statistic | None = None
    """How columns become the number; None takes the mean of the column that bears the metric's name."""
    score: TextScore | None = None
    """For a metric of a text: the score of each text, in one batch."""
    version: str = ""
    """Which implementation makes the number: splitter, tokeniser, model and revision."""
    languages: tuple[str, ...] | None = None
    """The languages a text metric is defined for; None for any."""
    of_words: bool = False
    """Whether it rests on words as blanks part them, so that only a text whose script has them has it."""
    family: str = ""
    """What it is shown among: length, readability, …; empty for one that stands for itself."""
    rates: str = ""
    """What it rates, where metrics by several makers rate the same; a profile then says how far they agree."""
    enough: int = 0
    """An estimate from fewer items is marked: it says little, whatever its interval."""
    margin: str = ""
    """The change that is too small to matter, where nobody says another: a number, or a percentage of the base."""
    light: bool = False
    """Whether its scorer is loaded at so little cost that it is measured where the usual text metrics are."""
    withheld: str = ""
    """Why it is given no value though one could be worked out: it would mislead."""

    def reduction(self) -> Statistic:
        statistic = self.statistic or Mean(self.name)
        if not isinstance(statistic, Mean):
            return statistic
        counted = self.unit.partition("/")[0] in COUNTED
        return replace(statistic, whole=WHOLE.get(self.unit, 0.0), counted=counted)

    def foreign(self, lang: str) -> str | None:
        """Why a text in LANG has no such score; None when it has."""
        if self.of_words and unspaced(lang):
            return f"{self.name} counts what stands between blanks, which {lang!r} is written without"
        if self.languages is None or lang in self.languages:
            return None
        return f"{self.name} is defined for {', '.join(self.languages)}; these texts are {lang!r}"


METRICS: dict[str, Metric] = {}
FACTORIES: dict[str, Callable[[str], Metric]] = {}
"""Metrics made to order: what stands before the colon → what makes one of the words behind it, of none the usual."""

Score = TypeVar("Score", bound=TextScore)


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
        if Bounds.current():
            raise WrongUse(f"{name!r} is a function by its path, which a service runs for nobody; name a metric")
        return _metric(name, name, plugins.imported(name))
    if name not in known:
        raise UnknownName("metric", name, [*known, *FACTORIES], "inherit ls metrics")
    return known[name]


class MetricFields(TypedDict, total=False):
    """What may be said of a metric of a text beside its version; see `Metric`."""

    unit: str
    ideal: Ideal
    languages: tuple[str, ...] | None
    family: str
    of_words: bool
    margin: str


def register(*, version: str, **fields: Unpack[MetricFields]) -> Callable[[Score], Score]:
    """Make a metric of the function below.

    The function's name is the metric's, the first sentence of its docstring says what it is about.
    """

    def add(score: Score) -> Score:
        name = score.__name__
        METRICS[name] = Metric(name, plugins.about(score), score=score, version=version, **fields)
        return score

    return add


@dataclass(frozen=True)
class UserScore:
    """A user's function as the score of a metric."""

    function: Callable[[Sequence[Text]], Sequence[float | None]]
    path: str

    def __call__(self, texts: Sequence[Text]) -> FloatArray:
        try:
            scores = np.array(self.function(texts), np.float64)
        except Exception as error:  # the user's own code, which may raise whatever it likes
            raise BadData(f"{self.path} failed: {type(error).__name__}: {error}") from error
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


def distinct(metrics: Iterable[Metric]) -> tuple[Metric, ...]:
    """METRICS, each name once; of a name that rates and one that does not, what rates."""
    found: dict[str, Metric] = {}
    for metric in metrics:
        held = found.setdefault(metric.name, metric)
        if held.version != metric.version:
            raise WrongUse(
                f"{metric.name} would stand for two: {held.version} and {metric.version}; ask them in runs of their own"
            )
        if metric.rates:
            found[metric.name] = metric
    return tuple(found.values())


def measure(texts: Sequence[Text], metrics: Sequence[Metric]) -> Columns:
    """Score TEXTS with text METRICS; NaN where a score is undefined, also for languages a metric does not know."""
    columns = {}
    texts = Batch.of(texts)
    kinds = [(text.lang, wordless(text, text.lang)) for text in texts]
    every = frozenset(kinds)
    parts = {every: texts}
    for metric in metrics:
        if metric.score is None:
            raise TypeError(f"metric {metric.name!r} is not a metric of a text")
        known = frozenset(
            kind for kind in every if metric.foreign(kind[0]) is None and not (metric.of_words and kind[1])
        )
        if known not in parts:
            parts[known] = texts.part([kind in known for kind in kinds])
        if parts[known] is texts:
            columns[metric.name] = metric.score(texts)
        else:
            columns[metric.name] = column = np.full(len(texts), np.nan)
            column[[kind in known for kind in kinds]] = metric.score(parts[known])
    return columns


class Written(Protocol):
    """Anything that carries a text."""

    @property
    def text(self) -> Text: ...


Carrier = TypeVar("Carrier", bound=Written)


def measured(
    batches: Iterable[Sequence[Carrier]], metrics: Sequence[Metric], workers: int = 1
) -> Iterator[tuple[Sequence[Carrier], Columns]]:
    """Measure batch after batch, in order, holding only a few at a time; on several WORKERS each has its own memory."""
    if workers == 1:
        for batch in batches:
            yield batch, measure(_texts(batch), metrics)
        return
    batches = iter(batches)
    first = next(batches, None)
    if first is None:
        return
    measure(_texts(first[:1]), metrics)  # loads what forked workers then share
    # Fork where that is safe; a process that has threads, as torch starts them, must start its workers afresh.
    safe = sys.platform == "linux" and threading.active_count() == 1 and "torch" not in sys.modules
    context = get_context("fork" if safe else "spawn")
    # A worker's collector would touch, and so copy, every page that it shares.
    with held_off(), ProcessPoolExecutor(workers, context) as pool:
        waiting: deque[tuple[Sequence[Carrier], Future[Columns]]] = deque()
        for batch in chain([first], batches):
            texts = _texts(batch)
            plain = [str(text) for text in texts], [text.lang for text in texts]
            waiting.append((batch, pool.submit(_measure_plain, *plain, metrics)))
            if len(waiting) > 2 * workers:
                done, columns = waiting.popleft()
                yield done, columns.result()
        for done, columns in waiting:
            yield done, columns.result()


def _measure_plain(texts: Sequence[str], langs: Sequence[str], metrics: Sequence[Metric]) -> Columns:
    """In a worker: plain strings travel quicker than texts."""
    return measure([Text(text, lang) for text, lang in zip(texts, langs, strict=True)], metrics)


def _texts(batch: Sequence[Written]) -> list[Text]:
    return [carrier.text for carrier in batch]
