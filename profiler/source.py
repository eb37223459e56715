"""Data sets that others made: pinned, checked, and read from the user's folder or the cache."""

from __future__ import annotations

import gzip
import hashlib
import os
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path, PurePosixPath

from profiler import data
from profiler.data import Row
from profiler.errors import BadData

HOME = "inheritance-profiler"
"""Our folder among the user's caches."""


@dataclass(frozen=True)
class File:
    """One file of a data set, as its authors published it."""

    path: str
    """As in the official repository: data/Age.jsonl."""
    sha256: str
    """Of the unpacked content; empty where only the authors' repository vouches for it, by `git`."""
    rows: int
    git: str = ""
    """The content's blob id in the authors' repository (SHA-1), where we never held that very file."""

    @property
    def name(self) -> str:
        return PurePosixPath(self.path).name

    def vouched(self, content: bytes) -> bool:
        """Whether CONTENT is what the authors published; where both checksums are known, either vouches."""
        if hashlib.sha256(content).hexdigest() == self.sha256:
            return True
        blob = hashlib.sha1(b"blob %d\0" % len(content), usedforsecurity=False)
        blob.update(content)
        return blob.hexdigest() == self.git


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

    def find(self, file: File) -> Path | None:
        """Where FILE lies, packed by gzip or not: anywhere under the user's folder, then in the cache.

        A file of that name counts where its content is right, or where it lies at the official path and therefore
        must be it: `read` then says what is wrong with it.
        """
        places = [*_named(data.folder(), file.name), *_named(cache() / self.name, file.name)]
        for path in places:
            try:
                if file.vouched(unpacked(path)):
                    return path
            except BadData:
                continue
        return next((path for path in places if _official(path, file)), None)

    def missing(self, wanted: Sequence[File] | None = None) -> list[File]:
        """Those of the WANTED files (or of all) that are not at hand."""
        return [file for file in (self.files if wanted is None else wanted) if self.find(file) is None]

    def suite(self, asked: str, whole: str) -> str:
        """mini, where that is asked for or `auto` finds a file missing; else WHOLE, the only other suite there is."""
        mini = asked == "mini" or (asked == "auto" and self.missing())
        return "mini" if mini else whole

    def read(self, file: File) -> bytes:
        """The content of FILE, unpacked, its checksum verified."""
        return self._verified(file)[1]

    def rows(self, file: File, columns: Sequence[str] = ()) -> Iterator[Row]:
        """The rows of a .jsonl, .json, .csv or .tsv FILE, each with all of COLUMNS."""
        path, _ = self._verified(file)
        for number, row in enumerate(data.read(path), 1):
            if lacking := [column for column in columns if column not in row]:
                raise BadData(
                    f"{file.path} of {self.name} row {number}: no column {', '.join(lacking)}; found {', '.join(row)}"
                )
            yield row

    def _verified(self, file: File) -> tuple[Path, bytes]:
        path = self.find(file)
        if path is None:
            raise BadData(
                f"{file.path} of {self.name} is not at hand: put the official file ({self.url.format(path=file.path)}) "
                "into the folder that --data or INHERIT_DATA names"
            )
        content = unpacked(path)
        if file.vouched(content):
            return path, content
        lines = content.count(b"\n")
        short = file.name.endswith(".jsonl") and lines < file.rows
        why = f"it is cut off after {lines:,} of {file.rows:,} rows" if short else "its checksum is another"
        raise BadData(f"{path} is not the official {file.path} of {self.name}: {why}; get it again")


SOURCES: dict[str, Source] = {}
"""What the probes read, filled when their modules are imported."""


def declare(source: Source) -> Source:
    """Make SOURCE known by its name."""
    SOURCES[source.name] = source
    return source


def mini(name: str) -> Iterator[Row]:
    """The rows of the shipped set profiler/mini/NAME.jsonl."""
    return data.read(_mini(name))


def mini_sha256(name: str) -> str:
    """The checksum of the shipped set NAME."""
    return hashlib.sha256(_mini(name).read_bytes()).hexdigest()


def _mini(name: str) -> Path:
    return Path(str(files("profiler") / "mini" / f"{name}.jsonl"))


def cache() -> Path:
    """The user's cache of data sets."""
    named = os.environ.get("XDG_CACHE_HOME")
    return (Path(named) if named else Path.home() / ".cache") / HOME / "data"


def unpacked(path: Path) -> bytes:
    """The content of a file, gzip or not."""
    content = path.read_bytes()
    if not path.name.endswith(".gz"):
        return content
    try:
        return gzip.decompress(content)
    except (EOFError, OSError, zlib.error) as error:
        raise BadData(f"{path} is cut off or not gzip ({error}); get it again") from None


def _blob(content: bytes) -> bytes:
    """What git takes the id of."""
    return b"blob %d\0" % len(content) + content


def _named(folder: Path | None, name: str) -> list[Path]:
    """Files called NAME or NAME.gz at any depth under FOLDER, in a fixed order."""
    if folder is None or not folder.is_dir():
        return []
    return sorted(path for path in folder.rglob(f"{name}*") if path.name in (name, f"{name}.gz") and path.is_file())


def _official(path: Path, file: File) -> bool:
    """Whether PATH ends as the file's path in the official repository does."""
    wanted = PurePosixPath(file.path).parts
    return (*path.parts[-len(wanted) : -1], path.name.removesuffix(".gz")) == wanted
