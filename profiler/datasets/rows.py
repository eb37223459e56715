"""Rows of any file, read as a stream and checked as they come."""

import codecs
import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, AnyStr, cast

import orjson

from profiler.errors import BadData
from profiler.records import Json

Row = Mapping[str, Json]

LONGEST = 2**26
"""Bytes that a line may have: what is longer is no row of texts."""

LARGEST = 2**31
"""Bytes that a file may have, unpacked, that is read whole."""

NOT_UTF8 = "is not UTF-8: save it as UTF-8"


def read(path: Path) -> Iterator[Row]:
    """The rows of a .jsonl, .json, .csv, .tsv or .parquet file, gzipped or not; a broken row is named by its number."""
    try:
        there = path.is_file()
    except OSError as error:  # a name that is too long, a folder that we may not look into
        raise BadData(f"can't read {str(path)[:200]!r}: {error.strerror}") from None
    if not there:
        raise BadData(f"expected a data file, found none at {str(path)!r}")
    kind = Path(path.name.removesuffix(".gz")).suffix
    match kind:
        case ".jsonl" | ".ndjson":
            return parse_lines(_lines(path), path.name)
        case ".json":
            return _json(path)
        case ".csv" | ".tsv":
            return _csv(path, "\t" if kind == ".tsv" else ",")
        case ".parquet":
            return _parquet(path)
    raise BadData(f"can't read {path.name!r}: expected .jsonl, .json, .csv, .tsv or .parquet, or one of these gzipped")


def text_column(rows: Iterable[Row], file: str, usual: Sequence[str], named: str | None) -> str:
    """The column that holds the texts of a FILE, by its first row: the one NAMED, else the first of the USUAL ones."""
    if (first := next(iter(rows), None)) is None:
        raise BadData(f"{file} holds no rows")
    if found := next((name for name in ([named] if named else usual) if name in first), None):
        return found
    wanted = repr(named) if named else "one of " + ", ".join(usual)
    cure = "" if named else "; name it with --column"
    raise BadData(f"{file}: expected a column {wanted}, found {', '.join(first)}{cure}")


def _bytes(path: Path) -> IO[bytes]:
    return cast(IO[bytes], gzip.open(path)) if path.name.endswith(".gz") else path.open("rb")


def _lines(path: Path) -> Iterator[bytes]:
    with _bytes(path) as stream, _unpacking(path):
        yield from lines(stream, path.name)


@contextmanager
def _unpacking(path: Path) -> Iterator[None]:
    try:
        yield
    except (EOFError, OSError, zlib.error) as error:
        raise BadData(f"{path.name} is cut off or not gzip: {error}; fetch it again") from None


def lines(stream: IO[AnyStr], name: str) -> Iterator[AnyStr]:
    """The lines of a stream, none longer than memory has room for."""
    number = 0
    while line := stream.readline(LONGEST):
        number += 1
        if len(line) == LONGEST:
            raise BadData(f"{name} line {number} is longer than {LONGEST:,} bytes; expected a row a line")
        yield line


def parse_lines(lines: Iterator[bytes], name: str) -> Iterator[Row]:
    """One JSON object a line; empty lines are passed over."""
    for number, line in enumerate(lines, 1):
        if number == 1:
            line = line.removeprefix(codecs.BOM_UTF8)
        if not line.strip():
            continue
        try:
            row = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise BadData(f"{name} line {number} {_not_json(line, error)}") from None
        if not isinstance(row, dict):
            raise BadData(f"{name} line {number}: expected a JSON object, found {type(row).__name__}")
        yield row


def load(path: Path) -> Json:
    """The whole content of a .json file, gzipped or not."""
    content = bytearray()
    with _bytes(path) as stream, _unpacking(path):
        while chunk := stream.read(2**20):
            content += chunk
            if len(content) > LARGEST:
                raise BadData(f"{path.name} is longer than {LARGEST:,} bytes; expected a row a line, in a .jsonl file")
    try:
        return cast(Json, orjson.loads(content.removeprefix(codecs.BOM_UTF8)))
    except orjson.JSONDecodeError as error:
        raise BadData(f"{path.name} {_not_json(content, error)}") from None


def _not_json(content: bytes | bytearray, error: Exception) -> str:
    """Why what was read is no JSON, in words that say what to do about it."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return NOT_UTF8
    with suppress(ValueError, RecursionError):
        json.loads(text)  # which takes NaN and Infinity, as Python writes them
        return "is not JSON: NaN and Infinity are none of its numbers; write null where there is no number"
    return f"is not JSON: {error}"


def _json(path: Path) -> Iterator[Row]:
    rows = load(path)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise BadData(f"{path.name}: expected a list of objects, found {type(rows).__name__}")
    yield from cast(list[Row], rows)


def _csv(path: Path, delimiter: str) -> Iterator[Row]:
    csv.field_size_limit(LONGEST)
    with io.TextIOWrapper(_bytes(path), "utf-8-sig", newline="") as text:
        reader = csv.DictReader(lines(text, path.name), delimiter=delimiter, strict=True)
        try:
            names = reader.fieldnames or []
            if len(names) == 1 and ";" in names[0]:
                raise BadData(f"{path.name} has semicolons between its columns: save it with commas, or tabs as .tsv")
            if twice := next((name for name in names if names.count(name) > 1), None):
                raise BadData(f"{path.name} has two columns {twice!r}; take one away, or give it another name")
            for row in reader:
                if None in row or None in row.values():
                    wanted = len(reader.fieldnames or [])
                    raise BadData(f"{path.name} line {reader.line_num}: expected {wanted} columns")
                yield row
        except UnicodeDecodeError:
            raise BadData(f"{path.name} {NOT_UTF8}, which spreadsheets call CSV UTF-8") from None
        except (csv.Error, EOFError, OSError, zlib.error) as error:
            raise BadData(f"{path.name} line {reader.line_num}: {error}") from None


def _parquet(path: Path) -> Iterator[Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(1024):
                yield from batch.to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise BadData(f"{path.name} is not a whole Parquet file: {error}") from None
