"""Where a pool's files lie: in a folder of this machine, or at any address that fsspec knows."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import IO

from profiler.errors import MissingExtra, StoreError, WrongUse
from profiler.files import cache_root, create_whole, write_whole
from profiler.http import Bounds


class FolderStorage:
    """A folder of this machine; each of its files is written whole or not at all."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.name = str(folder)
        """The address as its user says it."""
        self.journal = folder / "cache.sqlite"
        """The file on this machine that keeps answers until their block is sealed."""

    def find(self, kind: str) -> dict[str, str]:
        """The paths of all Parquet files of a KIND, candidates or scores; each with a stamp that a new one changes."""
        root, found = self.folder / kind, {}
        for block in [*os.scandir(root)] if root.is_dir() else ():
            for file in [*os.scandir(block)] if block.is_dir() else ():
                if file.name.endswith(".parquet"):
                    about = file.stat()
                    stamp = f"{about.st_ino}-{about.st_size}-{about.st_mtime_ns}"
                    found[f"{kind}/{block.name}/{file.name}"] = stamp
        return found

    @property
    def everywhere(self) -> str:
        """The address as another process takes it, whichever folder it works in."""
        return str(self.folder.resolve())

    def has(self, path: str) -> bool:
        return (self.folder / path).is_file()

    def open(self, path: str) -> IO[bytes]:
        """A file to read from, anywhere in it; FileNotFoundError where it is not."""
        return (self.folder / path).open("rb")

    def write(self, path: str, content: bytes) -> None:
        write_whole(self.folder / path, content)

    def create(self, path: str, content: bytes) -> bool:
        """Write a file unless there is one already, whoever wrote it; whether this is the one that was written."""
        return create_whole(self.folder / path, content)


class RemoteStorage:
    """The same anywhere else; the journal stays on this machine, where SQLite's locks hold."""

    def __init__(self, address: str) -> None:
        self.name = self.everywhere = address.rstrip("/")
        self.journal = cache_root() / "pools" / f"{blake2b(self.name.encode(), digest_size=8).hexdigest()}.sqlite"
        try:
            from fsspec.core import url_to_fs
        except ImportError:
            raise MissingExtra("remote", f"a pool at {self.name!r}") from None
        try:
            self._files, root = url_to_fs(self.name)
        except (ImportError, ValueError) as error:  # it names the package that is missing, or the protocols it knows
            raise WrongUse(f"can't go to {self.name!r}: {error}") from None
        self._root = str(root).rstrip("/")

    def find(self, kind: str) -> dict[str, str]:
        with _plain_errors(self.name):
            self._files.invalidate_cache()
            # All at once; a glob asks folder by folder.
            found = self._files.find(f"{self._root}/{kind}", detail=True)
        return {
            "/".join(path.split("/")[-3:]): blake2b(repr(sorted(about.items())).encode(), digest_size=8).hexdigest()
            for path, about in found.items()
            if path.endswith(".parquet")
        }

    def has(self, path: str) -> bool:
        with _plain_errors(self.name):
            return bool(self._files.isfile(f"{self._root}/{path}"))

    def open(self, path: str) -> IO[bytes]:
        with _plain_errors(self.name):
            found: IO[bytes] = self._files.open(f"{self._root}/{path}", "rb")
        return found

    def write(self, path: str, content: bytes) -> None:
        # An object store shows an object once all of it has arrived.
        with _plain_errors(self.name):
            whole = f"{self._root}/{path}"
            self._files.makedirs(whole.rpartition("/")[0], exist_ok=True)
            self._files.pipe_file(whole, content)

    def create(self, path: str, content: bytes) -> bool:
        with _plain_errors(self.name):
            whole = f"{self._root}/{path}"
            self._files.makedirs(whole.rpartition("/")[0], exist_ok=True)
            try:
                self._files.pipe_file(whole, content, mode="create")
            except FileExistsError:
                return False
        return True


Storage = FolderStorage | RemoteStorage


def storage_at(address: Path | str) -> Storage:
    """The storage at a path or an address such as s3://bucket/pool."""
    if isinstance(address, str) and "://" in (address := address.removeprefix("file://")):
        if Bounds.current():  # a library calls it that knows of none
            raise WrongUse(f"{address!r}: a service keeps pools in its own folders, for nobody elsewhere")
        return RemoteStorage(address)
    return FolderStorage(Path(address))


@contextmanager
def _plain_errors(address: str) -> Iterator[None]:
    """Say plainly what a file system refused; each has errors of its own."""
    try:
        yield
    except FileNotFoundError:
        raise
    except Exception as error:
        raise StoreError(
            f"could not use {address!r}: {type(error).__name__}: {error}; run the same command again to resume"
        ) from error
