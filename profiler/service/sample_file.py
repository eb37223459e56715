"""A file of samples, a million of them: asked by DuckDB, and one of them found by where its key may stand."""

from __future__ import annotations

from bisect import bisect
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from profiler.errors import BadData
from profiler.records import Sample
from profiler.runs import sample_store

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection
    from pyarrow.parquet import FileMetaData, ParquetFile

MEMORY = "256MB"
GROUPS = 200
"""Groups that a list offers."""
FEW = 8
"""Parts of a file that are read to find a key; where it may stand in more, all keys are searched."""


class SampleFile(NamedTuple):
    """What a file of samples has."""

    rows: int
    scores: tuple[str, ...]
    groups: tuple[str, ...]


class FoundSample(NamedTuple):
    """A sample, and what stands beside it."""

    row: int
    sample: Sample
    previous: str | None
    next: str | None


class _Parts(NamedTuple):
    """A file's row groups: where each begins, and between which keys its own lie."""

    about: FileMetaData
    starts: list[int]
    keys: list[tuple[str, str] | None]


def sample_file(path: Path) -> SampleFile:
    """What a file has; read once."""
    return _read(path, path.stat().st_mtime_ns)


@lru_cache(256)
def _read(path: Path, changed: int) -> SampleFile:
    names = [name for name, *_ in asked("DESCRIBE SELECT * FROM read_parquet(?)", path)]
    rows = asked("SELECT count(*) FROM read_parquet(?)", path)[0][0]
    sql = 'SELECT DISTINCT "group" FROM read_parquet(?) WHERE "group" IS NOT NULL ORDER BY 1 LIMIT ?'
    scores = tuple(name.removeprefix("score.") for name in names if name.startswith("score."))
    return SampleFile(rows, scores, tuple(group for (group,) in asked(sql, path, GROUPS)))


def found_sample(path: Path, item: str) -> FoundSample | None:
    """The sample of an item; None where there is none."""
    import pyarrow.parquet as pq

    parts = _parts(path, path.stat().st_mtime_ns)
    hits = [part for part, keys in enumerate(parts.keys) if keys is None or keys[0] <= item <= keys[1]]
    if len(hits) > FEW:
        sql = "SELECT file_row_number FROM read_parquet(?, file_row_number = true) WHERE item = ? LIMIT 1"
        hits = [bisect(parts.starts, row) - 1 for (row,) in asked(sql, path, item)]
    with sample_store.sealed(path), pq.ParquetFile(path, metadata=parts.about) as file:
        for part in hits:
            items = _column(file, part, "item")
            if item in items:
                place = items.index(item)
                before, after = items[:place][-1:], items[place + 1 :][:1]
                return FoundSample(
                    row=parts.starts[part] + place,
                    sample=Sample.model_validate_json(_column(file, part, "json")[place]),
                    previous=next(iter(before or _column(file, part - 1, "item")[-1:]), None),
                    next=next(iter(after or _column(file, part + 1, "item")[:1]), None),
                )
    return None


@lru_cache(16)
def _parts(path: Path, changed: int) -> _Parts:
    import pyarrow.parquet as pq

    with sample_store.sealed(path):
        about = pq.read_metadata(path)
        names = [about.schema.column(place).path for place in range(about.num_columns)]
        starts, keys = [0], []
        for part in map(about.row_group, range(about.num_row_groups)):
            found = part.column(names.index("item")).statistics
            keys.append((found.min, found.max) if found and found.has_min_max else None)
            starts.append(starts[-1] + part.num_rows)
    return _Parts(about, starts[:-1], keys)


def _column(file: ParquetFile, part: int, name: str) -> list[str]:
    if not 0 <= part < file.num_row_groups:
        return []
    values: list[str] = file.read_row_group(part, [name])[name].to_numpy().tolist()
    return values


def asked(sql: str, *told: Any) -> list[Any]:
    """What DuckDB answers, on a cursor of its own."""
    import duckdb

    try:
        with _database().cursor() as cursor:
            rows: list[Any] = cursor.execute(sql, [str(e) if isinstance(e, Path) else e for e in told]).fetchall()
            return rows
    except duckdb.Error as error:
        words = str(error).partition("\n")[0]
        raise BadData(f"the samples can't be read, they are damaged or not what inherit writes: {words}") from None


@lru_cache(1)
def _database() -> DuckDBPyConnection:
    """DuckDB without a file of its own: nothing is stored in it, and nothing is fetched by it."""
    import duckdb

    options = {"memory_limit": MEMORY, "threads": 2, "autoinstall_known_extensions": False}
    return duckdb.connect(":memory:", config={**options, "preserve_insertion_order": True})
