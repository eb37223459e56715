"""A pool is a folder: candidates in blocks of whole prompts, and beside them what was measured of each."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from hashlib import blake2b
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from profiler.errors import BadData, StoreError
from profiler.records import Sampling, Usage, stored
from profiler.stats import FloatArray, IntArray
from selection.pool_index import KnownFile, as_table, from_table, index_part
from selection.records import Candidate, Footer, PoolContents
from selection.storage import storage_at

if TYPE_CHECKING:
    import pyarrow as pa

BLOCK = 1024
"""Prompts in a block: what is held in memory at once."""
KEY = ("prompt_id", "source", "index")
"""What a row is matched by, everywhere."""
COLUMNS = (*KEY, "prompt", "text", "finish", "seed", "sampling", "fingerprint", "prompt_tokens", "tokens")
"""What is kept of a candidate."""
FOOTER = b"inherit"
SCORE = "score."
SCORER = "+"
"""Stands between a segment and a scorer in the name of its file; no segment has it in its own."""

Measures = Mapping[str, FloatArray | IntArray | NDArray[np.uint64]]
"""Scores, filters and bands of some candidates, by column."""


class Segment(NamedTuple):
    """Some candidates of a block: one file of rows."""

    block: int
    name: str

    @property
    def path(self) -> str:
        return f"{self.block:05}/{self.name}.parquet"

    def scores(self, scorer: str = "") -> str:
        """The file of what was measured of them: one that many metrics share, or that of a SCORER with its own."""
        return f"scores/{self.block:05}/{self.name}{SCORER if scorer else ''}{file_name(scorer)}.parquet"


class PoolFile(NamedTuple):
    """A Parquet file of a pool: what it says of itself, and its rows."""

    footer: Footer
    table: pa.Table


class Pool:
    """The candidates at a path, or at an address such as s3://bucket/pool."""

    def __init__(self, where: Path | str) -> None:
        self.storage = storage_at(where)
        self._listed: dict[str, dict[str, str]] = {}
        """Kind of file → path → stamp: what was there when it was asked for first, and what was written since."""
        self._segments: list[Segment] | None = None
        self._scored: dict[str, list[str]] | None = None
        """Path of a segment → its files of scores."""
        self._files: dict[str, KnownFile] = {}
        """Path → what was read of a file, or is told of it in the index."""
        self._indexed: set[str] = set()
        """Parts of the index that were read."""
        self._news: set[str] = set()
        """Parts of the index that lack something."""
        name = self.storage.name
        try:
            with self.storage.open("pool.json") as file:
                self.about = stored(PoolContents, file.read(), f"{name}/pool.json")
        except FileNotFoundError:
            raise BadData(f"expected a pool at {name!r}, found no pool.json; `inherit sample` makes one") from None

    @classmethod
    def create(cls, where: Path | str, about: PoolContents) -> Pool:
        """Make the folder a pool, or say anew what it holds."""
        storage_at(where).write("pool.json", about.model_dump_json(indent=1).encode() + b"\n")
        return cls(where)

    def segments(self) -> list[Segment]:
        """Every file of candidates, block by block."""
        if self._segments is None:
            paths = sorted(path.split("/") for path in self._listing("candidates"))
            self._segments = [Segment(int(block), file.removesuffix(".parquet")) for _, block, file in paths]
        return [*self._segments]

    def blocks(self) -> Iterator[list[Segment]]:
        """The segments of each block: a block has all the candidates of its prompts."""
        for _, some in groupby(self.segments(), key=lambda segment: segment.block):
            yield [*some]

    def write(self, segment: Segment, candidates: pa.Table, **footer: object) -> None:
        """Keep candidates as one file, whole or not at all."""
        said = Footer.model_validate({"content": _content_digest(candidates), **footer})
        self._write(f"candidates/{segment.path}", candidates, said)

    def seal(self, segment: Segment, candidates: pa.Table, plan: str, failed: Mapping[str, str]) -> bool:
        """Keep what was answered to a PLAN; False where another writer was first: what is whole is never replaced."""
        said = Footer(content=_content_digest(candidates), plan=plan, failed=dict(failed))
        path, content = f"candidates/{segment.path}", _parquet(candidates, said)
        first = self.storage.create(path, content)
        self._is_new(path)
        if not first:
            there = self.footer(segment)
            if there and there.plan == plan and not there.failed:
                return False
            self._write(path, candidates, said)
        return True

    def footer(self, segment: Segment) -> Footer | None:
        """What a file of candidates says of itself; None where there is no such file."""
        try:
            return self._known(f"candidates/{segment.path}").footer
        except FileNotFoundError:
            return None

    def size(self, segment: Segment) -> int:
        """How many candidates a file holds."""
        return self._known(f"candidates/{segment.path}").rows

    def candidates(self, segment: Segment, columns: list[str] | None = None) -> pa.Table:
        return self._file(f"candidates/{segment.path}", columns).table

    def measured(self, segment: Segment, columns: list[str] | None = None) -> PoolFile | None:
        """What was measured of a segment, or those COLUMNS of it that are there, whichever files hold it.

        None where nothing was, or where it was measured of other candidates than those there now.
        """
        own = self.footer(segment)
        known = [file for path in self._score_files(segment) if (file := self._scores(path, columns, own))]
        if not known:
            return None
        whole, *more = known
        for file in more:
            whole = PoolFile(
                whole.footer.model_copy(update={"versions": whole.footer.versions | file.footer.versions}),
                _with_columns(whole.table, {name: file.table[name] for name in file.table.column_names}),
            )
        return whole

    def versions(self, segment: Segment) -> dict[str, str]:
        """Which implementations a segment was measured by."""
        return dict(pair for path in self._score_files(segment) for pair in self._versions(segment, path).items())

    def file_versions(self, segment: Segment, scorer: str = "") -> dict[str, str]:
        """The same of one file alone, without a look at what others there are."""
        try:
            return self._versions(segment, segment.scores(scorer))
        except FileNotFoundError:
            return {}

    def _versions(self, segment: Segment, path: str) -> dict[str, str]:
        known, own = self._known(path).footer, self.footer(segment)
        return known.versions if own and own.content == known.content else {}

    def add(self, segment: Segment, columns: Measures, versions: Mapping[str, str], scorer: str = "") -> None:
        """Store what was measured, beside what was measured of the same candidates before.

        A SCORER that is named has a file of its own, so that it may run elsewhere than the others at the same time.
        """
        import pyarrow as pa

        path, own = segment.scores(scorer), self.footer(segment)
        known = self._scores(path, None, own)
        table = known.table if known else self.candidates(segment, [*KEY])
        table = _with_columns(table, {name: pa.array(values, from_pandas=True) for name, values in columns.items()})
        whole = {**(known.footer.versions if known else {}), **versions}
        self._write(path, table, Footer(content=own.content if own else "", versions=whole))

    def look_again(self) -> None:
        """List the files anew when they are asked for: others have added some."""
        self._listed, self._segments, self._scored = {}, None, None
        self._files = {path: known for path, known in self._files.items() if known.stamp}

    def keep_index(self) -> None:
        """Keep what was read of the files, for whoever opens the pool next; only who leads the work does that."""
        if not self._news:
            return
        files: dict[str, dict[str, KnownFile]] = {part: {} for part in self._news}
        there = self._listing("candidates") | self._listing("scores")
        for path, known in self._files.items():
            if known.stamp and known.stamp == there.get(path) and (part := index_part(path)) in files:
                files[part][path] = known
        with suppress(StoreError):  # a pool that can't be written to can be read without
            for part, told in files.items():
                self.storage.write(part, _parquet(as_table(told), Footer(content="")))
        self._news = set()

    def _listing(self, kind: str) -> dict[str, str]:
        """The files of a KIND, and the stamp of each; what the index tells of them is known from now on."""
        if kind not in self._listed:
            listed = self._listed[kind] = self.storage.find(kind)
            for part in {*map(index_part, listed)} - self._indexed:
                for path, known in self._told(part).items():
                    self._files.setdefault(path, known)
                self._indexed.add(part)
        return self._listed[kind]

    def _told(self, part: str) -> dict[str, KnownFile]:
        """What a part of the index tells; nothing where it is not there, or not ours."""
        try:
            return from_table(self._read(part, None).table)
        except (FileNotFoundError, BadData, ValueError):
            return {}

    def _stamp(self, path: str) -> str:
        return self._listed.get(_kind(path), {}).get(path, "")

    def _known(self, path: str) -> KnownFile:
        """What a file says of itself; it is read where that is not known of the file that is there now."""
        known = self._files.get(path)
        if known is None or known.stamp != self._stamp(path):
            self._file(path, [])
        return self._files[path]

    def _file(self, path: str, columns: list[str] | None) -> PoolFile:
        """A file of rows, or those COLUMNS of it; what it says of itself is known from now on."""
        found = self._read(path, columns)
        known = KnownFile(self._stamp(path), len(found.table), found.footer)
        if known.stamp and self._files.get(path) != known:
            self._news.add(index_part(path))
        self._files[path] = known
        return found

    def _is_new(self, path: str) -> None:
        """Forget what was known of a file, which was just written."""
        self._files.pop(path, None)
        listed = self._listed.get(_kind(path))
        if listed is None:
            return
        if path not in listed:
            self._segments, self._scored = None, None
        listed[path] = ""

    def _score_files(self, segment: Segment) -> list[str]:
        """The files of a segment's scores: the one that many metrics share, then those of single scorers."""
        if self._scored is None:
            self._scored = {}
            for path in sorted(self._listing("scores")):
                _, block, file = path.split("/")
                of = f"{block}/{file.removesuffix('.parquet').partition(SCORER)[0]}.parquet"
                self._scored.setdefault(of, []).append(path)
        shared = segment.scores()
        return sorted(self._scored.get(segment.path, []), key=lambda path: (path != shared, path))

    def _scores(self, path: str, columns: list[str] | None, own: Footer | None) -> PoolFile | None:
        """A file of scores; None where there is none, or it is of other candidates than those with their OWN footer."""
        try:
            found = self._file(path, columns)
        except FileNotFoundError:
            return None
        return found if own and found.footer.content == own.content else None

    def rows(self) -> Iterator[Candidate]:
        """Every candidate as a record, with its scores."""
        for segment in self.segments():
            known, rows = self.measured(segment), self.candidates(segment).to_pylist()
            for row, measured in zip(rows, known.table.to_pylist() if known else [{}] * len(rows), strict=True):
                sampling, read, new = (row.pop(name) for name in ("sampling", "prompt_tokens", "tokens"))
                more = {
                    "sampling": sampling and Sampling.model_validate_json(sampling),
                    "usage": Usage(prompt=read or 0, completion=new or 0),
                    "scores": {name.removeprefix(SCORE): measured[name] for name in measured if name.startswith(SCORE)},
                }
                yield Candidate.model_validate({**row, **more})

    def _write(self, path: str, table: pa.Table, footer: Footer) -> None:
        self.storage.write(path, _parquet(table, footer))
        self._is_new(path)

    def _read(self, path: str, columns: list[str] | None) -> PoolFile:
        """A file of the pool, or those COLUMNS of it; one that can't be read is named."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        whole = f"{self.storage.name}/{path}"
        try:
            with self.storage.open(path) as stream, pq.ParquetFile(stream) as file:
                said = (file.schema_arrow.metadata or {}).get(FOOTER)
                if said is None:
                    raise BadData(f"{whole!r} was not written by inherit; take it out of the pool's folder")
                return PoolFile(Footer.model_validate_json(said), file.read(columns, use_threads=False))
        except FileNotFoundError:
            raise
        except (pa.ArrowInvalid, OSError) as error:
            raise BadData(f"{whole!r} is not a whole Parquet file: {error}") from None


def _kind(path: str) -> str:
    return path.partition("/")[0]


def _parquet(table: pa.Table, footer: Footer) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    said = {FOOTER: footer.model_dump_json().encode()}
    sink = pa.BufferOutputStream()
    pq.write_table(table.replace_schema_metadata(said), sink, compression="zstd")
    return bytes(sink.getvalue().to_pybytes())


def _with_columns(table: pa.Table, columns: Mapping[str, object]) -> pa.Table:
    """A table with columns put into it; one that it has is replaced."""
    for name, values in columns.items():
        table = (table.drop_columns([name]) if name in table.column_names else table).append_column(name, values)
    return table


def candidate_table(columns: Mapping[str, Sequence[object]]) -> pa.Table:
    """Columns as candidates; those that are not there are null."""
    import pyarrow as pa

    again = pa.dictionary(pa.int32(), pa.string())  # a few texts that come again and again
    kinds = {"prompt_id": pa.string(), "text": pa.string(), "index": pa.int32()}
    kinds |= dict.fromkeys(("seed", "prompt_tokens", "tokens"), pa.int64())
    nulls = [None] * len(columns["text"])
    return pa.table({name: pa.array(columns.get(name, nulls), kinds.get(name, again)) for name in COLUMNS})


def _content_digest(candidates: pa.Table) -> str:
    import pyarrow as pa

    said = candidates.select([*KEY, "prompt", "text", "finish"])
    fields = [(one.name, pa.string() if pa.types.is_dictionary(one.type) else one.type) for one in said.schema]
    digest = blake2b(digest_size=16)
    # Arrow's own bytes: made and digested without holding up what else this process does.
    for batch in said.cast(pa.schema(fields)).combine_chunks().to_batches():
        digest.update(batch.serialize())
    return digest.hexdigest()


def prompt_id(prompt: str) -> str:
    """A prompt's own name: the same wherever the prompt stands."""
    return blake2b(prompt.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def file_name(source: str) -> str:
    """A source's name as a file's; two sources never share one."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", source).strip("-.")[:48]
    return plain if plain == source else f"{plain}-{blake2b(source.encode(), digest_size=3).hexdigest()}"
