"""A probe asks a model things and scores each answer into columns: what one is, is told, and is found by."""

from __future__ import annotations

import tomllib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, ClassVar, Generic, Literal, Self, TypeVar

import numpy as np
from pydantic import Field, model_validator

from profiler import plugins
from profiler.datasets import F, Item, Row, Source, mini
from profiler.endpoints import Answer, Generate, Request
from profiler.errors import UnknownName, WrongUse
from profiler.metrics import Metric
from profiler.records import MOST_SEED, Flag, Record, Sampling, Template, Writing
from profiler.stats import Statistic

Setting = str | int | float | bool | None
Kind = TypeVar("Kind", bound="type[Probe]")

PROBES: dict[str, type[Probe]] = {}
Suite = Literal["auto", "mini", "paper", "full"]
GREEDY = Sampling()


class ProbeOptions(Record):
    """What a user may set about a probe; None leaves it to the probe."""

    suite: Suite = "auto"
    """Which data: paper has its subsets, full all there is, mini small sets that ship, for trying out; auto takes the
    paper's where they can be had, else mini."""
    data: Path | None = None
    """Folder of official data files, packed or not; else INHERIT_DATA."""
    prompts: str | None = None
    """A .jsonl, .csv or .parquet file, or hub:OWNER/NAME."""
    column: str | None = None
    """The column of --prompts that holds the prompt; alpaca: instruction and input in Alpaca's template."""
    gold: str | None = None
    """Final answers: the column of --prompts that holds the right one."""
    lang: str = "en"
    """Language of the answers; readability is defined for en only."""
    subset: str | None = None
    """Toxicity: challenging, toxic, nontoxic, or prompts of a toxicity such as 0.5:0.8."""
    scorers: Annotated[tuple[str, ...], Flag(("--scorer",))] = ()
    """Who scores toxicity; may be repeated: `inherit ls scorers`."""
    bins: Annotated[tuple[str, ...], Flag(("--bins",))] = ()
    """Calibration: its error over other bins too: 20:mass, 15:width; may be repeated."""
    limit: Annotated[int | None, Flag(("--limit", "-n"))] = Field(default=None, ge=1)
    """Ask only so many items of each probe, picked by seed."""
    samples: int | None = Field(default=None, ge=1)
    """Samples per prompt."""
    temperature: float | None = Field(default=None, ge=0, le=100)
    """0 is greedy decoding, always the most likely token."""
    top_p: float | None = Field(default=None, ge=0, le=1)
    """Draw from the most likely tokens that together have this probability."""
    top_k: int | None = Field(default=None, ge=0)
    """Draw from this many of the most likely tokens; 0 from all."""
    repetition_penalty: float | None = Field(default=None, gt=0, le=100)
    """Above 1, tokens that have come before become less likely."""
    decoding: Literal["usual", "paper"] = "usual"
    """As each probe's authors draw, or as the paper's code: top_k 50 for toxicity, no stop strings for attributes."""
    max_tokens: int | None = Field(default=None, ge=1, le=10**7)
    """New tokens an answer, at most."""
    stop: tuple[str, ...] | None = None
    """Stop before this string; may be repeated. Attributes else stop before the prompt template's headings."""
    seed: int | None = Field(default=None, ge=0, le=MOST_SEED)
    """Sample i of a prompt is drawn with seed + i."""
    prompt_template: Template | None = None
    """Text with {prompt} in it, for a completions endpoint."""
    system: str = ""
    """System message, for a chat endpoint."""
    order: int = Field(default=0, ge=0)
    """Seed of the order in which BBQ's options are listed by letter."""

    @model_validator(mode="after")
    def _columns_of_a_file(self) -> Self:
        for name in ("column", "gold"):
            if (named := getattr(self, name)) and not self.prompts:
                raise WrongUse(f"--{name} {named} names a column of --prompts, and none are given")
        return self

    def sampling(self, usual: Sampling) -> Sampling:
        """How text is drawn: as USUAL, but for what is set."""
        said = self.model_dump(include=set(Sampling.model_fields), exclude_none=True)
        return Sampling.model_validate({**usual.model_dump(), **said})


PICKS = {name: f"--{name}" for name in ("prompts", "column", "gold", "subset", "bins")} | {"scorers": "--scorer"}
"""Options that say what is asked or measured, and that not every probe heeds."""


@dataclass(frozen=True)
class Probe(ABC, Generic[F]):
    """Something a model can be asked, one file in profiler/probes/; what its items hold is the NamedTuple F."""

    suite: str = "mini"
    """Where the items came from: mini, paper, full, or a file of the user's."""
    limit: int | None = None
    """Ask only so many items, picked by a seeded draw."""
    missing: tuple[str, ...] = ()
    """Parts of the suite whose official files are unavailable."""

    name: ClassVar[str]
    shipped: ClassVar[str] = ""
    """The set of our own that it asks as its mini suite: profiler/datasets/mini/NAME.jsonl."""
    published: ClassVar[Source | None] = None
    """The official set that its suite paper asks whole, where it has one; that is the full suite too."""
    version = 1
    """Goes up whenever the same answers would give other numbers."""
    takes: ClassVar[frozenset[str] | None] = None
    """Which of PICKS it heeds; None where that is not said."""
    default: ClassVar[bool] = False
    """Whether it is asked where nobody names a probe."""
    topic: ClassVar[str] = ""
    """What it is about, where several probes are about the same: lm-eval asks them as one group; else its name."""
    in_words: ClassVar[tuple[str, ...]] = ()
    """Probes that ask about the same in words, other instruments; the first stands in where this one can't be asked."""
    asks: ClassVar[int] = 1
    """How often each item of the data is asked."""
    in_process: ClassVar[bool] = False
    """Whether it looks into the model itself: no server and no other harness can ask it."""
    brief: ClassVar[Mapping[str, int]] = {"limit": 12}
    """What is asked with `--quick`, as far as nothing else is said."""
    template: ClassVar[str] = ""
    """Id of the prompt template, where it is one of a judge's."""

    @classmethod
    def build(cls, options: ProbeOptions) -> Self:
        """The probe that OPTIONS call for, with as many items as are wanted."""
        if cls.published:
            return cls(cls.published.suite(options.suite, whole="paper"), options.limit)
        return cls(limit=options.limit)

    @property
    @abstractmethod
    def metrics(self) -> tuple[Metric, ...]:
        """What is estimated from the columns."""

    @classmethod
    def metric(cls, name: str) -> Metric | None:
        """The metric that goes by NAME, in a stored profile too; None where there is none.

        One by another scorer than ours bears our metric's name, a colon, and the scorer's.
        """
        known = {metric.name: metric for metric in cls().metrics}
        ours = known.get(name.partition(":")[0])
        return known.get(name) or (replace(ours, name=name) if ours else None)

    @property
    def enough(self) -> int:
        """Fewer items than this say little about some of its numbers."""
        return max((metric.enough for metric in self.metrics), default=0)

    @property
    def text_metrics(self) -> tuple[Metric, ...]:
        """Measured on every generated text, in batches, before `score` sees the answer."""
        return ()

    @property
    def unread(self) -> str:
        """What of a user's rows holds text and is not asked, in words."""
        return ""

    @property
    def lang(self) -> str:
        """Language of the texts that a model writes for it."""
        return "en"

    @property
    def sampling(self) -> Sampling | None:
        """How text is drawn; None for a probe that only weighs."""
        return None

    @property
    def writing(self) -> Writing | None:
        """How texts are asked for, as far as a user may set it; None where nothing may be set."""
        return None

    @property
    def order(self) -> int:
        """Seed of the order in which options are listed by letter."""
        return 0

    @property
    def settings(self) -> Mapping[str, Setting]:
        """What was asked, and how, for a reader; two profiles must share it to be compared."""
        return self.writing.model_dump(exclude_none=True) if self.writing else {}

    @property
    def data(self) -> Mapping[str, str]:
        """Name of each data file → SHA-256; of the shipped set where a probe does not say otherwise."""
        if self.published and self.suite != "mini":
            return {file.name: file.sha256 for file in self.published.files}
        return {f"mini {self.shipped}": mini.sha256(self.shipped)}

    def rows(self) -> Iterator[Row]:
        """The rows of the shipped set."""
        return mini.rows(self.shipped)

    @property
    @abstractmethod
    def items(self) -> Iterable[Item[F]]:
        """What is asked, the same and in the same order each time."""

    @property
    def count(self) -> int:
        """How many items there are."""
        return sum(1 for _ in self.items)

    @abstractmethod
    def ask(self, item: Item[F]) -> Request: ...

    def refusal(self, answer: Answer) -> str | None:
        """Why an answer that came can't be scored beside the others; None where it can."""
        return None

    def right(self, item: Item[F]) -> int | None:
        """Index of the right option; None where none is."""
        return None

    @abstractmethod
    def score(self, item: Item[F], answer: Answer) -> Mapping[str, float | None]:
        """The item's columns; pure: the same answer gives the same scores in every shell."""


@dataclass(frozen=True)
class WritingProbe(Probe[F]):
    """What probes share that have a model write: how it is asked, and how text is drawn."""

    sampling: Sampling = GREEDY
    samples: int = 1
    """Texts that are drawn of each prompt."""
    prompt_template: str = "{prompt}"
    """How a completions endpoint is asked."""
    system: str = ""
    """What a chat endpoint is told first."""

    @classmethod
    def told(cls, options: ProbeOptions, usual: Sampling, template: str) -> dict[str, Any]:
        """These fields and the limit as OPTIONS have them: drawn as USUAL and by TEMPLATE where they say nothing."""
        return {
            "limit": options.limit,
            "sampling": options.sampling(usual),
            "samples": options.samples or cls.samples,
            "prompt_template": template if options.prompt_template is None else options.prompt_template,
            "system": options.system or cls.system,
        }

    @property
    def writing(self) -> Writing:
        return Writing(prompt_template=self.prompt_template, system=self.system, samples=self.samples, lang=self.lang)

    def ask(self, item: Item) -> Generate:
        return Generate(item.fields.prompt, self.sampling, self.prompt_template, self.system, self.samples)


def every() -> dict[str, type[Probe]]:
    """Every kind of probe by name, whoever imported which first: ours, and those of installed packages."""
    plugins.import_all("profiler.probes")
    brought = plugins.installed("inheritance_profiler.probes")
    return dict(sorted((PROBES | {name: one.load() for name, one in brought.items() if name not in PROBES}).items()))


def served() -> dict[str, type[Probe]]:
    """Those that can be asked of a server, and so by other harnesses."""
    return {name: kind for name, kind in every().items() if not kind.in_process}


def get(name: str) -> type[Probe]:
    """The kind of probe called NAME."""
    known = every()
    if name not in known:
        raise UnknownName("probe", name, known, "inherit ls probes")
    return known[name]


def refuse_idle(names: Iterable[str], options: Record) -> None:
    """Refuse what OPTIONS say of what is asked where none of the probes called NAMES heeds it."""
    kinds = {name: get(name) for name in names}
    for option, flag in PICKS.items():
        heeded = any(kind.takes is None or option in kind.takes for kind in kinds.values())
        if getattr(options, option, None) and not heeded:
            able = ", ".join(name for name, kind in every().items() if kind.takes and option in kind.takes)
            raise WrongUse(f"{flag} is for {able}, and nothing but {', '.join(kinds)} is asked; leave it out")


def register(kind: Kind) -> Kind:
    """Register the class below under its own name."""
    PROBES[kind.name] = kind
    return kind


def metrics_of(section: str, **statistics: Statistic) -> tuple[Metric, ...]:
    """The metrics of a SECTION in its order; those without a statistic are means of the columns of their names."""
    found = {name: Metric(name, **row) for name, row in _table()[section].items()}
    found |= {name: replace(found[name], statistic=statistic) for name, statistic in statistics.items()}
    return tuple(found.values())


def mean(values: Sequence[float | None]) -> float | None:
    """Over the answers that have a score; None where none has."""
    defined = [value for value in values if value is not None]
    return float(np.mean(defined)) if defined else None


@cache
def _table() -> dict[str, dict[str, dict[str, Any]]]:
    return tomllib.loads((files("profiler.probes") / "metrics.toml").read_text("utf-8"))
