"""A set of prompts of any file or hub data set, named by its content."""

from __future__ import annotations

import hashlib
import heapq
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path

import orjson

from profiler.datasets import mini
from profiler.datasets.rows import Row, read, text_column
from profiler.errors import BadData, InheritError, MissingExtra, WrongUse
from profiler.records import Json

COLUMNS = ("prompt", "inputs", "instruction", "question", "input", "text")
"""Where a prompt is looked for when no column is named, in this order."""
PLAIN = ("{instruction}", "{instruction}\n\n{input}")
"""An instruction alone, and one with an input: what it is about."""
ALPACA = "alpaca"
# Taori et al. 2023, PROMPT_DICT of stanford_alpaca's train.py, to the letter.
TEMPLATE = (
    "Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n"
    "### Instruction:\n{instruction}\n\n### Response:",
    "Below is an instruction that describes a task, paired with an input that provides further context. "
    "Write a response that appropriately completes the request.\n\n"
    "### Instruction:\n{instruction}\n\n### Input:\n{input}\n\n### Response:",
)
LOOK = 100
"""Rows in which a column shows that it holds text."""


@dataclass(frozen=True)
class Prompts:
    """A set of prompts that can be read again and again, and is named by its content."""

    name: str
    suite: str
    """mini, paper, or the file or hub name that the user gave."""
    rows: Callable[[], Iterator[Row]]
    column: str
    lang: str = "en"
    skip: int = 0
    """Rows before the ones that count."""
    also: tuple[str, ...] = ()
    """Columns that are part of the prompt as well."""

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """Key and prompt of each row; the key is the row's number, which the digest makes unambiguous."""
        for number, row in enumerate(self.rows()):
            if number < self.skip:
                continue
            prompt = row.get(self.column)
            if not isinstance(prompt, str) or not prompt.strip():
                raise BadData(
                    f"{self.name} row {number + 1}: expected text in column {self.column!r}, found {prompt!r}; "
                    f"its columns are {', '.join(row)}"
                )
            yield str(number), prompt

    def take(self, limit: int | None, seed: int = 0) -> Iterator[tuple[str, str]]:
        """All, or the LIMIT rows that a seeded draw picks, in file order; holds no more than LIMIT rows in memory."""
        if limit is None:
            return iter(self)
        drawn = heapq.nsmallest(limit, self, key=lambda row: hashlib.blake2b(f"{seed}:{row[0]}".encode()).digest())
        return iter(sorted(drawn, key=lambda row: int(row[0])))

    @cached_property
    def unread(self) -> str:
        """Which columns of a user's set hold text that is not asked, in one sentence; empty where there are none."""
        if self.suite != self.name:
            return ""
        # A space, or a letter beyond ASCII, in what is neither a key nor a number tells a text from a name.
        rows = list(islice(self.rows(), LOOK))
        every = dict.fromkeys(name for row in rows for name in row)
        prompt = [name for name in (self.column, *self.also) if name in every]
        names = [
            name
            for name in every
            if name not in prompt
            and any(re.search(r"\s|[^\x00-\x7f]", text) for row in rows for text in _texts(row.get(name)))
        ]
        asked = " and ".join(prompt)
        said = f"{self.name}: the prompt is {asked}; other columns with text are not asked"
        return f"{said}: {', '.join(names)}" if names else ""

    def summary(self) -> Summary:
        """One pass over the rows: their number and a digest. Finds a bad row before anything is paid."""
        digest, count = hashlib.sha256(), 0
        for key, prompt in self:
            digest.update(orjson.dumps([key, prompt]))
            count += 1
        if not count:
            raise BadData(f"{self.name} holds no prompts")
        return Summary(count, digest.hexdigest())


@dataclass(frozen=True)
class Summary:
    """What one pass over a set of prompts found."""

    count: int
    sha256: str


def prompts(where: str = "mini", column: str | None = None, lang: str = "en") -> Prompts:
    """The prompts called mini, of a file, or of a hub data set named `hub:OWNER/NAME[,CONFIG][:SPLIT]`.

    An `instruction` is asked with its `input`, unless COLUMN names one of them; `alpaca` is both in Alpaca's template.
    """
    if where == "mini":
        if column not in (None, "prompt"):
            raise WrongUse(f"the shipped prompts have no column {column!r}; a file's column is named")
        return Prompts("mini prompts", "mini", lambda: mini.rows("prompts"), "prompt")
    if where.startswith("hub:"):
        return _hub(where, column, lang)
    path = Path(where).expanduser()
    return _prompts(path.name, lambda: read(path), column, lang)


def template_of(column: str | None) -> dict[str, str]:
    """The template that prompts under COLUMN bring with them: a template is not put into another."""
    return {"prompt_template": "{prompt}"} if column == ALPACA else {}


def with_input(row: Row, name: str, template: tuple[str, str] = PLAIN) -> Row:
    """An Alpaca-like row whose instruction holds its input too: it says what the instruction is about."""
    said, given = row.get("instruction"), row.get("input")
    if not isinstance(given, str | None):
        raise BadData(f"{name}: expected text in column 'input', found {given!r}; --column names the column to ask")
    if not isinstance(said, str) or not said.strip():
        return row
    filled = template[bool(given and given.strip())].format(instruction=said, input=given)
    return {**row, "instruction": filled}


def _prompts(name: str, rows: Callable[[], Iterator[Row]], column: str | None, lang: str) -> Prompts:
    found = text_column(rows(), name, COLUMNS, "instruction" if column == ALPACA else column)
    if found != "instruction" or column == found:
        return Prompts(name, name, rows, found, lang)
    template = TEMPLATE if column == ALPACA else PLAIN
    return Prompts(
        name, name, lambda: (with_input(row, name, template) for row in rows()), found, lang, also=("input",)
    )


def _texts(value: Json) -> Iterator[str]:
    """All texts in a value, however deep."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _texts(part)


def _hub(where: str, column: str | None, lang: str) -> Prompts:
    repo, _, split = where.removeprefix("hub:").partition(":")
    repo, _, config = repo.partition(",")

    def rows() -> Iterator[Row]:
        try:
            import datasets
        except ImportError:
            raise MissingExtra("hub", f"reading {repo!r} from the hub") from None
        try:
            yield from datasets.load_dataset(repo, config or None, split=split or "train", streaming=True)
        except (OSError, ValueError, RuntimeError) as error:
            raise InheritError(
                f"could not read data set {repo!r} from the hub ({type(error).__name__}: {error}); "
                "check its name and the network, or point INHERIT_DATA at a folder that holds it"
            ) from None

    return _prompts(where, rows, column, lang)
