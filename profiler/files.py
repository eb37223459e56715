"""A file written whole, locked, on a disk that may be full; and where what can be made again is kept."""

from __future__ import annotations

import errno
import math
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from profiler.errors import StoreError

if TYPE_CHECKING:
    from filelock import BaseFileLock

PART = ".part"
"""How the name of a hidden file ends that is not whole, or was not when its writer was killed."""
LOOK = 0.1
"""Seconds between two looks at a lock that somebody has."""


LINKLESS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}
"""What file systems say that have no links, as of a memory card: there two writers in the same instant both win."""


@contextmanager
def disk(path: Path) -> Iterator[None]:
    """Say plainly what the disk refused."""
    try:
        yield
    except OSError as error:
        match error.errno:
            case errno.ENOSPC | errno.EDQUOT | errno.EFBIG:
                why = "the disk is full; make room and run the same command again: it resumes where it stopped"
            case errno.EACCES | errno.EROFS | errno.EPERM:
                ours = path.absolute().is_relative_to(cache_root().absolute())
                other = "set INHERIT_CACHE to another" if ours else "choose another with --out or --save"
                why = f"the folder can't be written to; {other}"
            case errno.ENOENT | errno.ENOTDIR:
                why = f"there is no folder {str(path.parent)!r}, and none can be made there"
            case _:
                why = error.strerror or str(error)
        raise StoreError(f"could not write {str(path)!r}: {why}") from None


def require_writable(path: Path) -> None:
    """Say, before what is to stand there is made or paid for, that a file can't be written."""
    with _beside(path, b""):
        if path.is_dir():
            raise StoreError(f"could not write {str(path)!r}: it is a folder; choose the name of a file")


def write_whole(path: Path, content: bytes) -> None:
    """Replace a file in one step: a reader sees the old content or the new, never half."""
    with _beside(path, content) as part:
        part.replace(path)


def create_whole(path: Path, content: bytes) -> bool:
    """Write a file in one step unless there is one: of several writers the first wins; False to those that are late."""
    with _beside(path, content) as part:
        try:
            os.link(part, path)
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in LINKLESS:
                raise
            if path.exists():
                return False
            part.replace(path)
    return True


@contextmanager
def _beside(path: Path, content: bytes) -> Iterator[Path]:
    """A whole file that is to stand at PATH, and is gone afterwards where it does not."""
    with disk(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        part = part_of(path)
        try:
            with part.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            yield part
        finally:
            part.unlink(missing_ok=True)


def part_of(path: Path) -> Path:
    """Where a file is written until it is whole: beside its place, under a name that no other writer takes."""
    return path.with_name(f".{path.name[:200]}.{os.getpid()}-{secrets.token_hex(4)}{PART}")


def whole_lines(path: Path) -> Iterator[bytes]:
    """The lines of a journal; a last line that was torn by a kill is dropped."""
    with path.open("rb") as file:
        yield from (line for line in file if line.endswith(b"\n"))


def locked(path: Path) -> BaseFileLock:
    """A lock on PATH that nobody else can have until it is released or we die; BlockingIOError if somebody has it."""
    from filelock import FileLock, Timeout

    lock = FileLock(path, thread_local=False)
    with disk(path.parent), suppress(Timeout):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(blocking=False)
    if not lock.is_locked:
        raise BlockingIOError(f"{str(path)!r} is locked")
    return lock


@contextmanager
def sole_writer(folder: Path) -> Iterator[None]:
    """Nobody else makes what is made in FOLDER meanwhile."""
    try:
        lock = locked(folder / ".lock")
    except BlockingIOError:
        raise StoreError(f"another inherit works on {str(folder)!r}; wait for it") from None
    try:
        yield
    finally:
        lock.release()


def held(path: Path) -> bool:
    """Whether somebody has the lock on PATH."""
    try:
        if path.exists():
            locked(path).release()
    except BlockingIOError:
        return True
    return False


def awaited(path: Path, seconds: float = math.inf) -> BaseFileLock:
    """The lock on PATH once whoever has it lets go; BlockingIOError where that takes more SECONDS."""
    until = time.monotonic() + seconds
    while True:
        try:
            return locked(path)
        except BlockingIOError:
            if time.monotonic() > until:
                raise
            time.sleep(LOOK)


@contextmanager
def wait_locked(path: Path) -> Iterator[None]:
    """Nobody else holds the lock on PATH meanwhile; whoever has it is waited for."""
    lock = awaited(path)
    try:
        yield
    finally:
        lock.release()


def cache_root() -> Path:
    """Where what can be made again is kept: INHERIT_CACHE, or our folder among the platform's caches."""
    from platformdirs import user_cache_path

    named = os.environ.get("INHERIT_CACHE")
    return Path(named).expanduser() if named else user_cache_path("inheritance-profiler", appauthor=False)
