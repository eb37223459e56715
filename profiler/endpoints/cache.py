"""Answers by content hash, in SQLite: the journal that a stopped run reads when it is started again."""

import asyncio
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

from profiler.errors import StoreError
from profiler.records import Fingerprint

VERSION = 1
"""Goes up when the tables change; a newer cache is refused, never guessed at."""

APPLICATION = 0x696E6872
"""Marks the file as ours: "inhr"."""

TABLES = """
create table part (key blob primary key, value blob not null);
create table fingerprint (id text primary key, model text not null, url text, value blob not null, seen text not null);
"""

CHUNK = 500
"""Keys in one look-up; SQLite takes at most 32,766 variables."""

BUSY = 30.0
"""Seconds to wait for another process that is writing."""

LOG = 8000
"""Pages of the write-ahead log (32 MB) before they are moved, which waits for the disk."""


class CacheKey:
    """The content hash that one call's parts are kept under: the call's, and after it the part's.

    So a call's parts lie side by side in the file: a page to look up or to write, not one for each.
    """

    def __init__(self, *call: str | int | bool | float | tuple[str, ...]) -> None:
        # ASCII: a prompt may hold half a surrogate pair, which has no UTF-8.
        self._call = blake2b(ascii(call).encode(), digest_size=16).digest()

    def part(self, index: int | str) -> bytes:
        if isinstance(index, int):
            return self._call + index.to_bytes(8)
        return self._call + blake2b(index.encode("utf-8", "surrogatepass"), digest_size=8).digest()


class KnownWeights(NamedTuple):
    """A fingerprint met before, and when last."""

    fingerprint: Fingerprint
    seen: datetime


class Cache:
    """One file of answers; several processes may share it. Without a path nothing outlives the process."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._soon: asyncio.Handle | None = None
        self._failure: StoreError | None = None
        self._kept: dict[bytes, bytes] = {}
        with self._told():
            if path:
                path.parent.mkdir(parents=True, exist_ok=True)
            # Commits are made by hand: one for everything that a turn of the event loop brought.
            self._db = sqlite3.connect(path or ":memory:", timeout=BUSY, isolation_level=None)
            try:
                self._open()
            except BaseException:
                self._db.close()
                raise

    def _open(self) -> None:
        # Looked at before anything is written, so that a file which is not ours stays as it is.
        if self._db.execute("select 1 from sqlite_master").fetchone():
            self._check()
        self._db.execute("pragma journal_mode = wal")
        # What a process has committed survives its own death (kill -9); only a power cut can take the last moments.
        self._db.execute("pragma synchronous = normal")
        self._db.execute(f"pragma wal_autocheckpoint = {LOG}")
        self._db.execute("begin immediate")
        if not self._db.execute("select 1 from sqlite_master").fetchone():
            for statement in TABLES.split(";"):
                self._db.execute(statement)
            self._db.execute(f"pragma application_id = {APPLICATION}")
            self._db.execute(f"pragma user_version = {VERSION}")
        self._db.execute("commit")

    def _check(self) -> None:
        (application,) = self._db.execute("pragma application_id").fetchone()
        (version,) = self._db.execute("pragma user_version").fetchone()
        if application != APPLICATION:
            raise StoreError(f"{self.path} is an SQLite file, but not a cache of ours; name another file")
        if version > VERSION:
            raise StoreError(
                f"{self.path} was written by a newer version (schema {version}; this one reads up to {VERSION}); "
                "upgrade inheritance-profiler, or name another cache file"
            )

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Turn what SQLite and the disk say into one sentence."""
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise StoreError(self._sentence(error)) from error

    def _sentence(self, error: sqlite3.Error | OSError) -> str:
        words = str(error).lower()
        code = getattr(error, "sqlite_errorname", "")
        if code == "SQLITE_FULL" or "no space" in words or code.startswith("SQLITE_IOERR"):
            return f"can't write the cache {self.path}: {error}; make room on that disk and run again to resume"
        if code.startswith("SQLITE_READONLY") or code == "SQLITE_CANTOPEN" or isinstance(error, OSError):
            return f"can't write the cache {self.path}: {error}; name a file in a folder that you may write to"
        if code.startswith("SQLITE_BUSY"):
            return (
                f"the cache {self.path} was locked by another process for {BUSY:.0f} s; stop it, or name another file"
            )
        if code in {"SQLITE_NOTADB", "SQLITE_CORRUPT"}:
            return (
                f"the cache {self.path} is damaged: {error}; move it away and run again (its answers will be paid anew)"
            )
        return f"the cache {self.path} can't be used: {error}"

    def find(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        """The values that are there, by key."""
        found = {key: self._kept[key] for key in keys if key in self._kept}
        with self._told():
            for start in range(0, len(keys), CHUNK):
                some = keys[start : start + CHUNK]
                marks = ",".join("?" * len(some))
                found.update(self._db.execute(f"select key, value from part where key in ({marks})", some))  # noqa: S608
        return found

    def keep(self, key: bytes, value: bytes) -> None:
        """Journal one value; it is committed before the event loop waits again, with all else that this turn brings."""
        if not self._kept:
            self._soon = asyncio.get_running_loop().call_soon(self._turn)
        self._kept.setdefault(key, value)

    def _turn(self) -> None:
        try:
            self.commit()
        except StoreError as failure:
            self._failure = failure  # nobody waits for a callback: the next commit tells

    def commit(self) -> None:
        """Make everything kept so far survive the death of this process."""
        if self._failure:
            raise self._failure
        if not self._kept:
            return
        if self._soon:
            self._soon.cancel()
        kept, self._kept = self._kept, {}
        with self._told():
            self._db.execute("begin immediate")
            with self._db:
                self._db.executemany("insert or ignore into part values (?, ?)", kept.items())

    def known(self, model: str) -> list[KnownWeights]:
        """Fingerprints met under this name, the latest first."""
        with self._told():
            query = "select value, seen from fingerprint where model = ? order by seen desc"
            rows = self._db.execute(query, (model,)).fetchall()
        form = Fingerprint.model_validate_json
        try:
            return [KnownWeights(form(value), datetime.fromisoformat(seen)) for value, seen in rows]
        except (ValueError, TypeError) as error:
            raise StoreError(f"the cache {self.path} holds what is no fingerprint: {error}; move it away") from error

    def meet(self, model: str, url: str | None, fingerprint: Fingerprint) -> None:
        """Remember a fingerprint, or that it was met again now."""
        row = (fingerprint.id, model, url, fingerprint.model_dump_json().encode(), datetime.now(UTC).isoformat())
        with self._told():
            self._db.execute(
                "insert into fingerprint values (?, ?, ?, ?, ?) "
                "on conflict (id) do update set url = excluded.url, seen = excluded.seen",
                row,
            )

    def close(self) -> None:
        try:
            self.commit()
        finally:
            self._db.close()
