"""A set of prompts of any file or hub data set, named by its content."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import orjson

from profiler.datasets import mini
from profiler.datasets.rows import Row, read, text_column
from profiler.errors import BadData, InheritError, MissingExtra

COLUMNS = ("prompt", "inputs", "instruction", "question", "input", "text")
"""Where a prompt is looked for when no column is named, in this order."""


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

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """Key and prompt of each row; the key is the row's number, which the digest makes unambiguous."""
        for number, row in enumerate(self.rows()):
            if number < self.skip:
                continue
            prompt = row.get(self.column)
            if not isinstance(prompt, str) or not prompt.strip():
                raise BadData(
                    f"{self.name} row {number}: expected text in column {self.column!r}, found {prompt!r}; "
                    f"its columns are {', '.join(row)}"
                )
            yield str(number), prompt

    def take(self, limit: int | None, seed: int = 0) -> Iterator[tuple[str, str]]:
        """All, or the LIMIT rows that a seeded draw picks, in file order; holds no more than LIMIT rows in memory."""
        if limit is None:
            return iter(self)
        drawn = heapq.nsmallest(limit, self, key=lambda row: hashlib.blake2b(f"{seed}:{row[0]}".encode()).digest())
        return iter(sorted(drawn, key=lambda row: int(row[0])))

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
    """The prompts called mini, of a file, or of a hub data set named `hub:OWNER/NAME[,CONFIG][:SPLIT]`."""
    if where == "mini":
        return Prompts("mini prompts", "mini", lambda: mini.rows("prompts"), "prompt")
    if where.startswith("hub:"):
        return _hub(where, column, lang)
    path = Path(where).expanduser()
    return _prompts(path.name, lambda: read(path), column, lang)


def _prompts(name: str, rows: Callable[[], Iterator[Row]], column: str | None, lang: str) -> Prompts:
    return Prompts(name, name, rows, text_column(rows(), name, COLUMNS, column), lang)


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
