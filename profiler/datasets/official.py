"""Data sets that others made: pinned, checked, and read from the user's folder, the cache, or their address."""

from __future__ import annotations

import gzip
import hashlib
import os
import tomllib
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from pathlib import Path, PurePosixPath
from typing import NamedTuple
from urllib.parse import quote

from profiler.datasets import download
from profiler.datasets.rows import Row, read
from profiler.errors import BadData, FetchFailed, NotAvailable, UnknownName, WrongUse
from profiler.files import cache_root


class Digest(NamedTuple):
    """What a content is known by."""

    sha256: str
    blob: str
    """Its id as a blob of git (SHA-1)."""
    lines: int


@dataclass(frozen=True)
class File:
    """One file of a data set, as its authors published it."""

    path: str
    """As in the official repository: data/Age.jsonl. In an archive, as it is called there."""
    sha256: str
    """Of the unpacked content; empty where only the authors' repository vouches for it, by `git`, or nobody does."""
    rows: int
    git: str = ""
    """The content's blob id in the authors' repository (SHA-1), where we never held that very file."""
    size: int = 0
    """Bytes that come over the wire; 0 where we don't know."""
    url: str = ""
    """Its own pinned address, where the source's does not lead to it; a .zip holds the file under its path."""
    same: tuple[File, ...] = ()
    """The same questions as others wrote them down: read where they lie, never downloaded."""

    @property
    def name(self) -> str:
        return PurePosixPath(self.path).name

    @property
    def pinned(self) -> bool:
        """Whether a checksum of it is known; where none is, the number of rows must do."""
        return bool(self.sha256 or self.git)

    def known(self, by: Digest) -> bool:
        """Whether it is this content; where both checksums are known, either vouches."""
        if not self.pinned:
            return by.lines == self.rows
        return by.sha256 == self.sha256 or by.blob == self.git


class Held(NamedTuple):
    """A file that is available."""

    form: File
    """The file itself, or one that says the same."""
    path: Path


@dataclass(frozen=True)
class Source:
    """A data set with everything that is needed to get it again and to cite it."""

    name: str
    about: str
    licence: str
    citation: str
    url: str
    """The pinned address, revision included; {path} stands where a file's path goes."""
    files: tuple[File, ...]

    def address(self, file: File) -> str:
        return file.url or self.url.format(path=quote(file.path))

    def find(self, file: File) -> Path | None:
        """Where FILE lies; nothing is fetched."""
        held = self.held(file)
        return held.path if held else None

    def held(self, file: File) -> Held | None:
        """FILE, or one that says the same, packed by gzip or not: anywhere in the user's folder, then in the cache.

        A file of that name counts where its content is right, or where the user has it at the official path and it
        therefore must be it: `read` then says what is wrong with it.
        """
        for form in (file, *file.same):
            for path in self._places(form):
                if _right(form, path):
                    return Held(form, path)
        claimed = (path for path in _named(folder(), file.name) if _official(path, file))
        return next((Held(file, path) for path in claimed), None)

    def had(self, file: File) -> bool:
        """Whether FILE is available, or could be fetched just now; who watches is told why it could not."""
        if self.held(file):
            return True
        if download.forbidden() or download.hopeless():
            return False
        try:
            self.fetch(file)
        except FetchFailed as error:
            download.watch().failed(f"{file.path} of {self.name} is unavailable: {error}")
            return False
        return True

    def get(self, file: File) -> Held:
        """FILE, fetched if it has to be."""
        if held := self.held(file):
            return held
        try:
            return Held(file, self.fetch(file))
        except FetchFailed as error:
            raise NotAvailable(
                f"{file.path} of {self.name} is unavailable, and {error}: run `inherit data fetch {self.name}` where "
                f"there is a network, or put the official file ({self.address(file)}) into the folder that --data or "
                f"INHERIT_DATA names{self.namesake(file)}"
            ) from None

    def namesake(self, file: File) -> str:
        """What to say of a file that is called as FILE is and holds something else; nothing if there is none."""
        found = next(iter(self._places(file)), None)
        return f"; {found} is called so, but its checksum is another" if found else ""

    def fetch(self, file: File) -> Path:
        """Download FILE into the cache; it counts once its checksum is right. Who watches is told if none is known."""
        place = cached() / self.name / file.path
        url = self.address(file)
        with download.downloaded(url, file.path, place.parent, file.size) as content:
            if url.endswith(".zip"):
                download.member(content, file.path)
            found = digest(content.read_bytes())
            if not file.known(found):
                what = "checksum" if file.pinned else "number of rows"
                raise FetchFailed(f"{url} holds another {file.path} than the authors published (its {what} is another)")
            content.replace(place)
        if not file.pinned:
            download.watch().unsure(
                f"{file.path} of {self.name} has its {file.rows:,} rows, but its checksum is not known here: nothing "
                f"vouches for what {url} sent (SHA-256 {found.sha256}, which every record will bear)"
            )
        return place

    def suite(self, asked: str, whole: str, wanted: Sequence[File] | None = None) -> str:
        """mini, where that is asked for or `auto` can't have all the WANTED files; else WHOLE, with all of them."""
        needed = self.files if wanted is None else wanted
        if asked == "mini" or (asked == "auto" and not all(map(self.had, needed))):
            return "mini"
        for file in needed:
            self.get(file)
        return whole

    def read(self, file: File) -> bytes:
        """The content of FILE, unpacked, its checksum verified."""
        return self._verified(file)[1]

    def rows(self, file: File, columns: Sequence[str] = ()) -> Iterator[Row]:
        """The rows of a .jsonl, .json, .csv, .tsv or .parquet FILE, each with all of COLUMNS."""
        path, _ = self._verified(file)
        for number, row in enumerate(read(path), 1):
            if lacking := [column for column in columns if column not in row]:
                raise BadData(
                    f"{file.path} of {self.name} row {number}: no column {', '.join(lacking)}; found {', '.join(row)}"
                )
            yield row

    def _places(self, file: File) -> list[Path]:
        return [*_named(folder(), file.name), *_named(cached() / self.name, file.name)]

    def _verified(self, file: File) -> tuple[Path, bytes]:
        form, path = self.get(file)
        content = unpacked(path)
        if form.known(digest(content)):
            return path, content
        raise BadData(
            f"{path} is not the official {form.path} of {self.name}: {self._fault(form, content)}; get it again"
        )

    def _fault(self, file: File, content: bytes) -> str:
        """What is wrong with a CONTENT that is not FILE's."""
        lines = content.count(b"\n")
        if file.name.endswith(".jsonl") and lines < file.rows:
            return f"it is cut off after {lines:,} of {file.rows:,} rows"
        if len(content) < file.size and not self.address(file).endswith(".zip"):
            return f"it is cut off after {len(content):,} of {file.size:,} bytes"
        return "its checksum is another"


@cache
def _published() -> Mapping[str, Source]:
    """What official.toml says, by name."""
    from pydantic import TypeAdapter

    found = tomllib.loads((files("profiler.datasets") / "official.toml").read_text("utf-8"))
    listed = [{"name": name, **fields} for name, fields in found.items()]
    return {source.name: source for source in TypeAdapter(list[Source]).validate_python(listed)}


def official(name: str) -> Source:
    """The data set called NAME."""
    if name not in _published():
        raise UnknownName("data set", name, _published(), "inherit data ls")
    return _published()[name]


def officials(names: Sequence[str] = ()) -> list[Source]:
    """The data sets called NAMES, or all."""
    wanted = [*map(official, names)]
    return [source for source in _published().values() if not names or source in wanted]


_folder: ContextVar[Path | None] = ContextVar("folder", default=None)


def found_in(named: Path | None) -> AbstractContextManager[None]:
    """Look into this folder first in this block; None leaves it to the block around, and to INHERIT_DATA."""
    return download.within(_folder, named or _folder.get())


def folder() -> Path | None:
    """The user's folder of data sets: that of the block we are in, else of INHERIT_DATA."""
    named = _folder.get() or os.environ.get("INHERIT_DATA")
    if not named:
        return None
    place = Path(named).expanduser()
    if not place.is_dir():  # a slip of the pen would end in the small sets of our own
        raise WrongUse(f"no folder {str(place)!r}; expected the official data files there, by --data or INHERIT_DATA")
    return place


def cached() -> Path:
    """The user's cache of data sets."""
    return cache_root() / "data"


def unpacked(path: Path) -> bytes:
    """The content of a file, gzip or not."""
    content = path.read_bytes()
    if not path.name.endswith(".gz"):
        return content
    try:
        return gzip.decompress(content)
    except (EOFError, OSError, zlib.error) as error:
        raise BadData(f"{path} is cut off or not gzip ({error}); get it again") from None


def digest(content: bytes) -> Digest:
    blob = hashlib.sha1(b"blob %d\0" % len(content), usedforsecurity=False)
    blob.update(content)
    return Digest(hashlib.sha256(content).hexdigest(), blob.hexdigest(), len(content.splitlines()))


def _right(file: File, path: Path) -> bool:
    """Whether PATH holds FILE; a content is read once, and again when it changes."""
    seen = path.stat()
    try:
        return file.known(_digest(path, seen.st_size, seen.st_mtime_ns))
    except BadData:
        return False


@lru_cache(1024)
def _digest(path: Path, _size: int, _changed: int) -> Digest:
    return digest(unpacked(path))


def _named(folder: Path | None, name: str) -> list[Path]:
    """Files called NAME or NAME.gz at any depth under FOLDER, in a fixed order."""
    if folder is None or not folder.is_dir():
        return []
    names = {name, f"{name}.gz"}
    return sorted(Path(room, found) for room, _, here in os.walk(folder) for found in names.intersection(here))


def _official(path: Path, file: File) -> bool:
    """Whether PATH ends as the file's path in the official repository does."""
    wanted = PurePosixPath(file.path).parts
    return (*path.parts[-len(wanted) : -1], path.name.removesuffix(".gz")) == wanted
