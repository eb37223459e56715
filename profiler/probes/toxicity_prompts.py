"""RealToxicityPrompts and files like it: where they lie, what a row says, and which rows are asked."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import orjson

from profiler import datasets
from profiler.datasets import Json, Row, mini, official
from profiler.datasets.items import Item
from profiler.errors import BadData, WrongUse
from profiler.metrics.toxicity.scorer import TOXIC
from profiler.probes.probe import Options

SOURCE = official("real_toxicity_prompts")
(EVERY,) = SOURCE.files
TOOLKIT = official("toxic_300")
(PAPER,) = TOOLKIT.files

SUITES = ("mini", "paper", "full")
RANGES = {"toxic": (TOXIC, 1.0), "nontoxic": (0.0, TOXIC)}
CHALLENGING = "challenging"


@dataclass(frozen=True)
class Subset:
    """Which prompts of a set are asked."""

    low: float = 0.0
    high: float = 1.0
    """Above the last one that counts, but for 1.0, which counts too."""
    challenging: bool = False

    @classmethod
    def read(cls, text: str) -> Self:
        """`challenging`, `toxic`, `nontoxic`, or a range of the prompt's toxicity such as 0.5:0.8, `0.5:` or `:0.5`."""
        if text == CHALLENGING:
            return cls(challenging=True)
        low, colon, high = text.partition(":")
        try:
            bounds = RANGES.get(text) or (float(low or 0), float(high or 1))
        except ValueError:
            bounds = (1.0, 0.0)
        if not (colon or text in RANGES) or not 0 <= bounds[0] < bounds[1] <= 1:
            known = ", ".join([CHALLENGING, *RANGES])
            raise WrongUse(f"no subset {text!r}: expected {known}, or a toxicity within 0 and 1 such as 0.5:0.8")
        return cls(*bounds)

    def holds(self, prompt: Prompt) -> bool:
        if self.challenging:
            return prompt.challenging
        rated = prompt.toxicity
        return rated is not None and self.low <= rated and (rated < self.high or self.high == 1)


@dataclass(frozen=True)
class Prompt:
    """One beginning of a text."""

    key: str
    text: str
    toxicity: float | None = None
    """As the set's authors rated it; None where they did not."""
    challenging: bool = False
    """Whether it made all of the authors' models toxic."""
    kind: str | None = None

    @classmethod
    def of(cls, number: int, row: Row, column: str, name: str) -> Self:
        """From a row in the official form, in that of the paper's file, or any with a text under COLUMN."""
        whole = row.get(column)
        inner = whole if isinstance(whole, dict) else {"text": whole, "toxicity": row.get("prompt_toxicity")}
        text, rated = inner.get("text"), inner.get("toxicity")
        if not isinstance(text, str) or not text.strip():
            raise BadData(f"{name} row {number}: expected text in column {column!r}, found {whole!r}")
        if not isinstance(rated, int | float | None):
            raise BadData(f"{name} row {number}: expected the prompt's toxicity as a number, found {rated!r}")
        kind = row.get("kind")
        return cls(
            _key(number, row), text, rated, row.get("challenging") is True, kind if isinstance(kind, str) else None
        )

    @property
    def toxic(self) -> bool | None:
        return None if self.toxicity is None else self.toxicity >= TOXIC

    def item(self, group: str | None) -> Item:
        fields: dict[str, Json] = {"prompt": self.text, "toxicity": self.toxicity, "challenging": self.challenging}
        return Item(self.key, fields, group)


def _key(number: int, row: Row) -> str:
    """The same prompt has the same key in every file that was cut from the official one."""
    match row:
        case {"filename": str() as file, "begin": int() as begin, "end": int() as end}:
            return f"{file.removesuffix('.txt')}:{begin}-{end}"
        case {"id": str() as key}:
            return key
    return str(number)


@dataclass(frozen=True)
class Prompts:
    """A set of beginnings, and which of them are meant."""

    suite: str = "mini"
    """mini, paper, full, or a file or hub name of the user's."""
    column: str | None = None
    subset: str | None = None
    lang: str = "en"

    @classmethod
    def build(cls, options: Options) -> Self:
        """What the options ask for; of `auto`, the paper's where they can be had, all where a subset is wanted."""
        if options.subset:
            Subset.read(options.subset)
        asked = "full" if options.subset and options.suite == "auto" else options.suite
        where = SOURCE if asked == "full" else TOOLKIT
        suite = options.prompts or where.suite(asked, whole="full" if asked == "full" else "paper")
        return cls(suite, options.column, options.subset, options.lang)

    @property
    def named(self) -> str:
        """What the suite is called in a record."""
        return self.suite if self.suite in SUITES else self._own.suite

    @cached_property
    def sha256(self) -> dict[str, str]:
        """Name of the file that is read → its checksum."""
        match self.suite:
            case "mini":
                return {"mini toxicity": mini.sha256("toxicity")}
            case "paper":
                return {PAPER.name: PAPER.sha256}
            case "full":
                return {EVERY.name: hashlib.sha256(SOURCE.read(EVERY)).hexdigest()}
        every = [[prompt.key, prompt.text] for prompt in self._every]
        return {self._own.name: hashlib.sha256(orjson.dumps(every)).hexdigest()}

    @cached_property
    def _own(self) -> datasets.Prompts:
        return datasets.prompts(self.suite, self.column, self.lang)

    @cached_property
    def _every(self) -> list[Prompt]:
        rows, column, name = self._rows()
        return [Prompt.of(number, row, column, name) for number, row in enumerate(rows)]

    def _rows(self) -> tuple[Iterable[Row], str, str]:
        match self.suite:
            case "mini":
                return mini.rows("toxicity"), "prompt", "mini toxicity"
            case "paper":
                lines = TOOLKIT.read(PAPER).splitlines()  # it is named .json, and holds a row a line
                return datasets.parse_lines(iter(lines), PAPER.name), "prompt", PAPER.name
            case "full":
                return SOURCE.rows(EVERY, ("filename", "begin", "end", "prompt")), "prompt", EVERY.name
        return self._own.rows(), self._own.column, self._own.name

    @cached_property
    def items(self) -> Sequence[Item]:
        """Every prompt that is meant; grouped by kind, or where both occur into toxic and nontoxic beginnings."""
        wanted = Subset.read(self.subset) if self.subset else None
        prompts = [prompt for prompt in self._every if wanted is None or wanted.holds(prompt)]
        if not prompts:
            raise BadData(f"none of the {len(self._every):,} prompts of {self.suite} is {self.subset or 'there'}")
        return list(_grouped(prompts))


def _grouped(prompts: Sequence[Prompt]) -> Iterator[Item]:
    both = {True, False} <= {prompt.toxic for prompt in prompts}
    names: dict[bool | None, str] = {True: "toxic", False: "nontoxic"} if both else {}
    return (prompt.item(prompt.kind or names.get(prompt.toxic)) for prompt in prompts)
