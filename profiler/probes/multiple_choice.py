"""Multiple-choice questions: where sets of them come from, how one is put to a model, and which option was taken."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np

from profiler import datasets
from profiler.datasets import File, Json, Row, Source, official
from profiler.datasets.items import Item, drawn
from profiler.endpoints.requests import Answer, Choose, lettered
from profiler.errors import BadData
from profiler.probes.probe import Options

COLUMNS = ("question", "choices", "answer")
"""Of the shipped set and of a user's own: the question, its options, and the number of the right one, from 0."""
KINDS = ("knowledge", "sense")
"""What the shipped questions ask for."""


@dataclass(frozen=True)
class Question:
    """One question as a model sees it."""

    prompt: str
    """What each option continues."""
    options: tuple[str, ...]
    """The options as they are written, without the space before them."""
    gold: int
    """Place of the right one."""
    asked: str = ""
    """The question for an endpoint that answers with a letter; the prompt if empty."""
    rest: str = ""
    """What follows the option in the middle of a sentence; the options are then given and only this is weighed."""

    def fields(self) -> dict[str, Json]:
        ends = [f"{option} {self.rest}" for option in self.options]
        return {
            "prompt": self.prompt,
            "choices": [*(ends if self.rest else (f" {option}" for option in self.options))],
            "given": [*self.options] if self.rest else [],
            "options": [*self.options],
            "asked": self.asked or self.prompt,
            "gold": self.gold,
        }


Put = Callable[[Row], Question]
"""How a row of a set is put to a model."""


@dataclass(frozen=True)
class Set:
    """Questions of one kind, with the file that they come from."""

    name: str
    file: str
    sha256: str
    rows: Callable[[], Iterable[tuple[str, Row]]]
    """Item id and row."""
    put: Put

    def items(self) -> Iterator[Item]:
        for key, row in self.rows():
            yield Item(key, self.put(row).fields(), group=self.name)


@dataclass(frozen=True)
class Official:
    """A published set."""

    name: str
    source: Source
    file: File
    columns: tuple[str, ...]
    put: Put

    def had(self) -> bool:
        """Whether the file is at hand, or could be fetched just now."""
        return self.source.had(self.file)

    def opened(self) -> Set:
        form = self.source.get(self.file).form

        def rows() -> Iterator[tuple[str, Row]]:
            return _numbered(self.name, self.source.rows(self.file, self.columns))

        return Set(self.name, form.path, form.sha256, rows, self.put)


@dataclass(frozen=True)
class Questions:
    """The part of a probe of multiple-choice questions that does not depend on what is made of the answers."""

    sets: tuple[Set, ...]
    suite: str = "mini"
    missing: tuple[str, ...] = ()
    """Sets of the suite whose official files are not to be had."""
    limit: int | None = None
    """Ask only so many items, as many of each set as of the others, picked by a seeded draw."""

    @cached_property
    def _items(self) -> list[Item]:
        if self.limit is None:
            return [item for part in self.sets for item in part.items()]
        share, more = divmod(self.limit, len(self.sets))
        return [item for place, part in enumerate(self.sets) for item in drawn(part.items(), share + (place < more))]

    @property
    def count(self) -> int:
        return len(self._items)

    @property
    def data(self) -> Mapping[str, str]:
        return {part.file: part.sha256 for part in self.sets}

    def items(self) -> Iterator[Item]:
        return iter(self._items)

    def ask(self, item: Item) -> Choose:
        return Choose(
            str(item.fields["prompt"]),
            texts(item, "choices"),
            lettered(str(item.fields["asked"]), texts(item, "options")),
            texts(item, "given"),
        )


class Opened(NamedTuple):
    """What OPTIONS call for."""

    sets: tuple[Set, ...]
    suite: str
    missing: tuple[str, ...] = ()
    """Sets of the suite whose official files are not to be had."""


def opened(options: Options, official: Sequence[Official], put: Put) -> Opened:
    """The sets that OPTIONS call for; PUT is for the shipped set and a user's own."""
    if options.prompts:
        path = Path(options.prompts).expanduser()
        return Opened((own(path, put),), path.name)
    if options.suite == "mini":
        return Opened(mini(put), "mini")
    had = [part for part in official if part.had()]
    if not had and options.suite == "auto":
        return Opened(mini(put), "mini")
    if not had:
        official[0].opened()  # says what is missing, and how to get it
    missing = tuple(part.name for part in official if part not in had)
    return Opened(tuple(part.opened() for part in had), "paper", missing)  # which is the full set too


def mini(put: Put) -> tuple[Set, ...]:
    """The shipped questions, by kind."""

    def rows(kind: str) -> Iterator[tuple[str, Row]]:
        return ((str(row["id"]), row) for row in datasets.mini.rows("questions") if row["kind"] == kind)

    digest = datasets.mini.sha256("questions")
    return tuple(Set(kind, "mini questions", digest, partial(rows, kind), put) for kind in KINDS)


def own(path: Path, put: Put) -> Set:
    """A user's file with the columns question, choices and answer."""
    name = path.name.partition(".")[0]

    def rows() -> Iterator[tuple[str, Row]]:
        for key, row in _numbered(name, datasets.read(path)):
            _check(f"{path.name} row {key.rpartition('/')[2]}", row)
            yield key, row

    next(iter(rows()), None)  # says what is wrong with the file before its digest is taken
    return Set(name, path.name, hashlib.sha256(path.read_bytes()).hexdigest(), rows, put)


def _check(where: str, row: Row) -> None:
    if lacking := [column for column in COLUMNS if column not in row]:
        raise BadData(f"{where}: no column {', '.join(lacking)}; found {', '.join(row)}")
    choices, answer = row["choices"], row["answer"]
    if not isinstance(choices, list) or len(choices) < 2 or not all(isinstance(text, str) and text for text in choices):
        raise BadData(f"{where}: expected a list of at least two texts in `choices`, found {choices!r}")
    if not isinstance(answer, int) or not 0 <= answer < len(choices):
        raise BadData(f"{where}: expected a number from 0 to {len(choices) - 1} in `answer`, found {answer!r}")


def _numbered(name: str, rows: Iterable[Row]) -> Iterator[tuple[str, Row]]:
    return ((f"{name}/{number}", row) for number, row in enumerate(rows))


def texts(item: Item, field: str) -> tuple[str, ...]:
    return tuple(str(text) for text in listed(item.fields[field]))


def listed(value: Json) -> list[Json]:
    """VALUE of a row whose columns are known."""
    return cast(list[Json], value)


def nested(value: Json) -> Row:
    return cast(Row, value)


def gold(item: Item) -> int:
    return cast(int, item.fields["gold"])


def largest(values: Sequence[float]) -> int:
    """Place of the largest value; of those that tie, the first."""
    return int(np.argmax(values))


def unread(answer: Answer) -> float:
    """1 for a written answer that names no option: it is wrong, and counted."""
    return float(not answer.likelihoods and answer.choice is None)


HELLASWAG, OPENBOOKQA = map(official, ("hellaswag", "openbookqa"))


def openbook(row: Row) -> Question:
    """The stem, which the options continue: both probes ask it so."""
    question = nested(row["question"])
    options = [nested(choice) for choice in listed(question["choices"])]
    labels = [choice["label"] for choice in options]
    return Question(
        str(question["stem"]), tuple(str(choice["text"]) for choice in options), labels.index(row["answerKey"])
    )
