"""What lies in the runs' folder, as a table that can be thrown away: it is made of the folders again at any time."""

# The SQL is made of names that stand in this file; what is asked travels beside it.
# ruff: noqa: S608

from __future__ import annotations

import os
import sqlite3
import tempfile
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any, Literal, NamedTuple

import orjson

from profiler.errors import InheritError
from profiler.records import Estimate, Profile, Record
from profiler.runs import Run, sample_store, tags
from profiler.service.problems import Missing

VERSION = 3
"""Of the table; another one's is made anew."""
FILE = ".index.sqlite"

Kind = Literal["run", "pool", "selection", "study", "verdicts"]
RECORDS: dict[str, Kind] = {
    "profile.json": "run",
    "pool.json": "pool",
    "selection.json": "selection",
    "report.json": "study",
    "settings.json": "study",
}
"""What a folder holds that is of a kind."""
SORTS = ("started", "name", "model", "items", "failed")
PATIENCE = 20
"""A look at the folders may take one part in so many of the time."""
FIRST = 4
"""Numbers of a run that a list has room for."""
KEPT = 500
"""Answers of the table that are remembered."""
COMPARED = 500
"""Comparisons that are kept."""
SHARED = 0.002
"""Seconds of a look that are too few to matter."""


class Entry(Record):
    """One folder or file, as the table has it."""

    id: str
    """The folder's name; its place under the runs' folder."""
    kind: Kind
    name: str = ""
    model: str = ""
    started: str = ""
    probes: str = ""
    items: int | None = None
    failed: int | None = None
    state: Literal["done", "incomplete", "unfinished", "damaged"] = "done"
    words: str = ""
    """Why it can't be read, where it can't."""
    numbers: Mapping[str, float | None] = {}
    """The numbers to look at first: PROBE.METRIC → value."""
    tags: tuple[str, ...] = ()


class Entries(NamedTuple):
    """Some entries in the order that was asked for."""

    rows: list[Entry]
    after: str | None
    """The key to ask for the next ones by; None where these are the last."""


class Index:
    """The table over one runs' folder."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self._look = Lock()
        self._next = 0.0
        self._made = False
        self._file = Path()
        self._kept: dict[object, Any] = {}
        """What was asked since the folder last changed, by the question."""
        self.pages: dict[object, Any] = {}
        """What was answered since then; another dictionary after each change."""

    def find(self, id: str, kind: Kind) -> Entry:
        """The entry of that id."""
        with self._rows() as rows:
            found = rows.execute("SELECT * FROM entry WHERE id = ? AND kind = ?", (id, kind)).fetchone()
            near = rows.execute("SELECT id FROM entry WHERE kind = ? AND id LIKE ?", (kind, f"%-{id}")).fetchall()
        if found is None:
            hint = f"; did you mean {near[0]['id']!r}?" if len(near) == 1 else ""
            raise Missing(f"no {kind} {id!r} lies in the folder{hint}")
        return _entry(found)

    def place(self, entry: Entry) -> Path:
        """Where an entry lies; it may have vanished since it was seen."""
        path = self.out / entry.id
        if not path.exists():
            raise Missing(f"{entry.id!r} was here and is gone: its folder has been moved or deleted")
        return path

    def run(self, id: str) -> Run:
        """A finished run that can be read."""
        entry = self.find(id, "run")
        folder = self.place(entry)
        if entry.state == "unfinished":
            raise Missing(f"{id!r} has no profile yet: it is running, or was stopped; the same command resumes it")
        return Run(folder)

    def stamp(self, id: str) -> float:
        """What changes when an entry's record does."""
        with self._rows() as rows:
            found = rows.execute("SELECT stamp FROM entry WHERE id = ?", (id,)).fetchone()
        return found["stamp"] if found else 0

    def entries(
        self,
        kind: Kind,
        search: str = "",
        state: str = "",
        sort: str = "started",
        down: bool = True,
        after: str | None = None,
        many: int = 50,
        tag: str = "",
    ) -> Entries:
        """Entries of a kind that hold all words of SEARCH, from behind the key AFTER on."""
        column = sort if sort in SORTS else "started"
        where: list[str] = ["kind = ?"]
        told: list[str | float] = [kind]
        for word in search.split():
            where.append("instr(lower(id || ' ' || name || ' ' || model || ' ' || probes), lower(?))")
            told.append(word)
        if state:
            where.append("state = ?")
            told.append(state)
        if tag:
            where.append("instr(tags, ?)")
            told.append(orjson.dumps(tag).decode())
        key = f"ifnull({column}, '')"
        if after is not None:
            value, id = _key(after)
            less = "<" if down else ">"
            where.append(f"{key} {less}= ? AND ({key}, id) {less} (?, ?)")  # of a pair alone the table knows no index
            told += [value, value, id]
        way = "DESC" if down else "ASC"
        sql = f"SELECT * FROM entry WHERE {' AND '.join(where)} ORDER BY {key} {way}, id {way} LIMIT ?"
        found = [_entry(row) for row in self._asked(sql, *told, many + 1)]
        if len(found) <= many:
            return Entries(found, None)
        last = found[many - 1]
        value = getattr(last, column)
        return Entries(found[:many], orjson.dumps(["" if value is None else value, last.id]).decode())

    def counts(self, kind: Kind) -> dict[str, int]:
        """How many there are in each state."""
        found = self._asked("SELECT state, count(*) AS many FROM entry WHERE kind = ? GROUP BY state", kind)
        return {row["state"]: row["many"] for row in found}

    def tags(self) -> list[str]:
        """The tags that runs have."""
        found = self._asked("SELECT DISTINCT value FROM entry, json_each(tags) ORDER BY value")
        return [row["value"] for row in found]

    def kept(self, key: str) -> bytes | None:
        """What was worked out once and kept under KEY."""
        with suppress(sqlite3.Error), closing(self._opened()) as rows:
            found = rows.execute("SELECT value FROM kept WHERE key = ?", (key,)).fetchone()
            return zlib.decompress(found["value"]) if found else None
        return None

    def keep(self, key: str, value: bytes) -> None:
        """Keep what can be worked out again; where the disk is full it isn't kept."""
        with suppress(sqlite3.Error), closing(self._opened()) as rows, rows:
            told = key, zlib.compress(value)
            last = "(SELECT ifnull(max(at), 0) + 1 FROM kept)"
            rows.execute(f"INSERT OR REPLACE INTO kept VALUES (?, {last}, ?)", told)
            rows.execute(
                "DELETE FROM kept WHERE key NOT IN (SELECT key FROM kept ORDER BY at DESC LIMIT ?)", (COMPARED,)
            )

    def _asked(self, sql: str, *told: str | float) -> list[sqlite3.Row]:
        """What the table says; from memory while nothing in the folder has changed."""
        with self._rows() as rows:
            kept = self._kept
            if (sql, told) not in kept:
                if len(kept) >= KEPT:
                    kept.clear()
                kept[sql, told] = rows.execute(sql, told).fetchall()
            return list(kept[sql, told])

    def refresh(self) -> int:
        """Read what is new or has changed in the folder, forget what has vanished; returns how many were read."""
        with self._look:
            return self._refreshed()

    def _refreshed(self) -> int:
        began = time.monotonic()
        with closing(self._opened()) as rows:
            known = {row["id"]: row["stamp"] for row in rows.execute("SELECT id, stamp FROM entry")}
            seen = {name: (kind, stamp) for name, kind, stamp in _found(self.out)}
            new = [(name, kind, stamp) for name, (kind, stamp) in seen.items() if known.get(name) != stamp]
            with rows:
                rows.executemany("DELETE FROM entry WHERE id = ?", [(id,) for id in known.keys() - seen.keys()])
                places = ", ".join("?" * (len(Entry.model_fields) + 1))
                rows.executemany(
                    f"INSERT OR REPLACE INTO entry VALUES ({places})",
                    (_row(_read(self.out / name, kind), stamp) for name, kind, stamp in new),
                )
        if new or known.keys() - seen.keys():
            self._kept, self.pages = {}, {}
        self._made = True
        took = time.monotonic() - began
        self._next = time.monotonic() + (PATIENCE * took if took > SHARED else 0)
        return len(new)

    @property
    def due(self) -> bool:
        """Whether another look at the folders is worth its while, and nobody has begun it."""
        return time.monotonic() >= self._next and not (self._made and self._look.locked())

    def look(self) -> None:
        """Look at the folders where that is due."""
        # One looks; who comes meanwhile reads what is there, but for the first time.
        if time.monotonic() >= self._next and self._look.acquire(blocking=not self._made):
            try:
                if time.monotonic() >= self._next:
                    self._refreshed()
            finally:
                self._look.release()

    @contextmanager
    def _rows(self) -> Iterator[sqlite3.Connection]:
        """The table, not older than what a look at the folders is worth."""
        self.look()
        with closing(self._opened()) as rows:
            yield rows

    def _opened(self) -> sqlite3.Connection:
        if not self._made:
            self._file = _writable(self.out)
            _begin(self._file)
        rows = sqlite3.connect(self._file, timeout=30)
        rows.row_factory = sqlite3.Row
        return rows


def _writable(out: Path) -> Path:
    """Where the table can lie: in the folder, or where that can't be written, elsewhere."""
    try:
        with (out / FILE).open("ab"):
            return out / FILE
    except OSError:
        return Path(tempfile.mkdtemp(prefix="inherit-")) / FILE


def _begin(file: Path) -> None:
    """A table of this version: the one that is there, or an empty one."""
    try:
        with closing(sqlite3.connect(file)) as rows:
            if rows.execute("PRAGMA user_version").fetchone()[0] == VERSION:
                return
    except sqlite3.DatabaseError:
        pass  # damaged, or something else: it holds nothing that the folders do not
    for end in ("", "-wal", "-shm"):
        file.with_name(file.name + end).unlink(missing_ok=True)
    columns = ", ".join(f"{name} PRIMARY KEY" if name == "id" else name for name in Entry.model_fields)
    with closing(sqlite3.connect(file)) as rows:
        rows.executescript(
            f"PRAGMA journal_mode = WAL; CREATE TABLE entry ({columns}, stamp) WITHOUT ROWID;"
            "CREATE TABLE kept (key PRIMARY KEY, at, value);"
            + "".join(f"CREATE INDEX by_{name} ON entry (kind, ifnull({name}, ''), id);" for name in SORTS)
            + f"PRAGMA user_version = {VERSION}"
        )


def _found(out: Path) -> Iterator[tuple[str, Kind, float]]:
    """Every folder or file of a kind by its name, with what changes when its record does."""
    if not out.is_dir():
        return
    with os.scandir(out) as entries:
        for entry in entries:
            if entry.name.endswith(".jsonl"):
                yield entry.name, "verdicts", entry.stat().st_mtime_ns
            elif entry.is_dir():
                yield from _of_folder(entry)


def _of_folder(entry: os.DirEntry[str]) -> Iterator[tuple[str, Kind, float]]:
    for name, kind in RECORDS.items():
        with suppress(OSError):
            found = os.stat(f"{entry.path}/{name}")
            yield entry.name, kind, found.st_mtime_ns + found.st_size
            return
    if os.path.isdir(f"{entry.path}/samples"):
        yield entry.name, "run", 0


def _read(path: Path, kind: Kind) -> Entry:
    """What the table says of a folder."""
    started = datetime.fromtimestamp(path.stat().st_mtime, UTC).isoformat()
    if kind != "run":
        return Entry(id=path.name, kind=kind, name=path.stem, started=started)
    if not (path / "profile.json").exists():
        return Entry(id=path.name, kind=kind, started=started, state="unfinished")
    try:
        profile = sample_store.read_profile(path / "profile.json")
    except InheritError as error:
        return Entry(id=path.name, kind=kind, started=started, state="damaged", words=str(error))
    return Entry(
        id=path.name,
        kind=kind,
        name=profile.name,
        model=profile.endpoint.model,
        started=profile.started.astimezone(UTC).isoformat(),
        probes=", ".join(f"{part.probe} [{part.suite}]" for part in profile.sections),
        items=sum(part.items for part in profile.sections),
        failed=profile.errors,
        state="incomplete" if profile.incomplete else "done",
        numbers={f"{e.probe}.{e.metric}": e.value for e in _first(profile)},
        tags=tags.read_tags(path),
    )


def _first(profile: Profile) -> list[Estimate]:
    """The first number of each probe."""
    return [*{e.probe: e for e in reversed(profile.estimates) if e.group is None}.values()][::-1][:FIRST]


def _row(entry: Entry, stamp: float) -> Sequence[Any]:
    values = entry.model_dump().values()
    return [*(orjson.dumps(value).decode() if isinstance(value, dict | tuple) else value for value in values), stamp]


def _entry(row: sqlite3.Row) -> Entry:
    values = {name: row[name] for name in Entry.model_fields}
    return Entry.model_construct(
        **values | {"numbers": orjson.loads(values["numbers"]), "tags": tuple(orjson.loads(values["tags"]))}
    )


def _key(after: str) -> tuple[Any, str]:
    try:
        value, id = orjson.loads(after)
        return value if isinstance(value, str | int | float) else "", str(id)
    except ValueError:
        return "", ""
