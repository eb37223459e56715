"""Rows of any file or hub data set, read as a stream and checked as they come."""

from __future__ import annotations

import csv
import gzip
import hashlib
import heapq
import io
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import IO, cast

import orjson

from profiler.errors import BadData, InheritError, MissingExtra
from profiler.probe import Json

Row = Mapping[str, Json]

COLUMNS = ("prompt", "inputs", "instruction", "question", "input", "text")
"""Where a prompt is looked for when no column is named, in this order."""


def read(path: Path) -> Iterator[Row]:
    """The rows of a .jsonl, .json, .csv, .tsv or .parquet file, gzipped or not; a broken row is named by its number."""
    if not path.is_file():
        raise BadData(f"expected a data file, found none at {str(path)!r}")
    kind = Path(path.name.removesuffix(".gz")).suffix
    match kind:
        case ".jsonl" | ".ndjson":
            return _jsonl(path)
        case ".json":
            return _json(path)
        case ".csv" | ".tsv":
            return _csv(path, "\t" if kind == ".tsv" else ",")
        case ".parquet":
            return _parquet(path)
    raise BadData(f"can't read {path.name!r}: expected .jsonl, .json, .csv, .tsv or .parquet, or one of these gzipped")


def _bytes(path: Path) -> IO[bytes]:
    return cast(IO[bytes], gzip.open(path)) if path.name.endswith(".gz") else path.open("rb")


def _jsonl(path: Path) -> Iterator[Row]:
    return parse_lines(_lines(path), path.name)


def _lines(path: Path) -> Iterator[bytes]:
    with _bytes(path) as stream:
        try:
            yield from stream
        except (EOFError, gzip.BadGzipFile, OSError) as error:
            raise BadData(f"{path.name} is cut off or not gzip: {error}; fetch it again") from None


def parse_lines(lines: Iterator[bytes], name: str) -> Iterator[Row]:
    """One JSON object a line; empty lines are passed over."""
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise BadData(f"{name} line {number} is not JSON: {error}") from None
        if not isinstance(row, dict):
            raise BadData(f"{name} line {number}: expected a JSON object, found {type(row).__name__}")
        yield row


def load(path: Path) -> Json:
    """The whole content of a .json file, gzipped or not."""
    try:
        return cast(Json, orjson.loads(b"".join(_lines(path))))
    except orjson.JSONDecodeError as error:
        raise BadData(f"{path.name} is not JSON: {error}") from None


def _json(path: Path) -> Iterator[Row]:
    rows = load(path)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise BadData(f"{path.name}: expected a list of objects, found {type(rows).__name__}")
    yield from cast(list[Row], rows)


def _csv(path: Path, delimiter: str) -> Iterator[Row]:
    csv.field_size_limit(sys.maxsize)
    with _bytes(path) as stream:
        reader = csv.DictReader(io.TextIOWrapper(stream, "utf-8-sig", newline=""), delimiter=delimiter, strict=True)
        try:
            for row in reader:
                if None in row or None in row.values():
                    wanted = len(reader.fieldnames or [])
                    raise BadData(f"{path.name} line {reader.line_num}: expected {wanted} columns")
                yield row
        except (csv.Error, UnicodeDecodeError, EOFError) as error:
            raise BadData(f"{path.name} line {reader.line_num}: {error}") from None


def _parquet(path: Path) -> Iterator[Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(1024):
                yield from batch.to_pylist()
    except pa.ArrowInvalid as error:
        raise BadData(f"{path.name} is not a whole Parquet file: {error}") from None


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
        path = Path(str(files("profiler") / "mini" / "prompts.jsonl"))
        return Prompts("mini prompts", "mini", lambda: read(path), "prompt")
    if where.startswith("hub:"):
        return _hub(where, column, lang)
    path = Path(where).expanduser()
    return Prompts(path.name, path.name, lambda: read(path), _column(read(path), path.name, column), lang)


def _column(rows: Iterator[Row], name: str, column: str | None) -> str:
    first = next(rows, None)
    if first is None:
        raise BadData(f"{name} holds no rows")
    for known in (column,) if column else COLUMNS:
        if known in first:
            return known
    wanted = repr(column) if column else "one of " + ", ".join(COLUMNS)
    raise BadData(f"{name}: expected a column {wanted}, found {', '.join(first)}; name it with --column")


def folder() -> Path | None:
    """The user's folder of data sets, from INHERIT_DATA."""
    named = os.environ.get("INHERIT_DATA")
    return Path(named).expanduser() if named else None


def use(named: Path | None) -> None:
    """Look for data sets in this folder from now on."""
    if named:
        os.environ["INHERIT_DATA"] = str(named)


def _hub(where: str, column: str | None, lang: str) -> Prompts:
    repo, _, split = where.removeprefix("hub:").partition(":")
    repo, _, config = repo.partition(",")

    def rows() -> Iterator[Row]:
        return _load(repo, config or None, split or "train")

    return Prompts(where, where, rows, _column(rows(), where, column), lang)


def _load(repo: str, config: str | None, split: str) -> Iterator[Row]:
    try:
        import datasets
    except ImportError:
        raise MissingExtra("hub", f"reading {repo!r} from the hub") from None
    try:
        yield from datasets.load_dataset(repo, config, split=split, streaming=True)
    except (OSError, ValueError, RuntimeError) as error:
        raise InheritError(
            f"could not read data set {repo!r} from the hub ({type(error).__name__}: {error}); "
            "check its name and the network, or point INHERIT_DATA at a folder that holds it"
        ) from None
