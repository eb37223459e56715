"""A file from a pinned address: streamed, resumed where the connection breaks, in place only when it is whole."""

import os
import shutil
import socket
import tempfile
import threading
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import BinaryIO, TypeVar
from urllib.parse import urlsplit

from profiler import http
from profiler.errors import FetchFailed, Unreachable
from profiler.http import Retry

T = TypeVar("T")

SWITCHES = ("INHERIT_OFFLINE", "HF_HUB_OFFLINE")
"""Environment variables that forbid any connection."""
HUB = "https://huggingface.co"
"""Replaced by HF_ENDPOINT where that names a mirror, as in the Hub's own client."""
KNOCK = 2.0
"""Seconds that a host has to take a connection."""
STALL = 20.0
"""Seconds without a byte after which a connection counts as broken."""
RETRY = Retry(tries=4, first=0.5)

_hosts: dict[str, str] = {}
"""Host → why it could not be reached; empty if it could. A host that is silent is waited for once in a process."""


class Watch:
    """Who is told of downloads; this one keeps silent."""

    def got(self, name: str, done: int, size: int) -> None:
        """DONE of SIZE bytes of the file NAME are here; 0 if its size is not known."""

    def failed(self, why: str) -> None:
        """A file that would have been taken can't be had."""

    def unsure(self, why: str) -> None:
        """A file was taken that nothing vouches for."""


_watch: ContextVar[Watch] = ContextVar("watch", default=Watch())  # noqa: B039 (it has no state)
_forbidding: ContextVar[str | None] = ContextVar("forbidding", default=None)
watch = _watch.get
"""Who is told in this block."""


@contextmanager
def within(variable: ContextVar[T], value: T) -> Iterator[None]:
    """VARIABLE has this VALUE in this block."""
    token = variable.set(value)
    try:
        yield
    finally:
        variable.reset(token)


def watched(by: Watch) -> AbstractContextManager[None]:
    """Tell BY of every download in this block."""
    return within(_watch, by)


def forbidding(who: str) -> AbstractContextManager[None]:
    """Fetch nothing in this block, on WHO's account."""
    return within(_forbidding, who)


def forbidden() -> str | None:
    """Who forbids connections, if anybody does: an environment variable, or the block we are in."""
    switched = (name for name in SWITCHES if os.environ.get(name, "").lower() in ("1", "true", "yes", "on"))
    return next(switched, _forbidding.get())


def hopeless() -> bool:
    """Whether a host was waited for in vain and none has answered yet: then no other needs to be waited for."""
    return any(_hosts.values()) and all(_hosts.values())


def mirrored(url: str) -> str:
    """URL at the Hub's mirror, where HF_ENDPOINT names one."""
    mirror = os.environ.get("HF_ENDPOINT", "").rstrip("/")
    return url.replace(HUB, mirror, 1) if mirror and url.startswith(f"{HUB}/") else url


@contextmanager
def downloaded(url: str, name: str, folder: Path, size: int = 0) -> Iterator[Path]:
    """What lies at URL, in a file under FOLDER that is gone at the end of the block unless it was moved."""
    if who := forbidden():
        raise Unreachable(f"{who} forbids connections")
    url = mirrored(url)
    _knock(url)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".part-", dir=folder) as room:
            path = Path(room) / "content"
            with path.open("wb") as file:
                _whole(url, file, name, size)
            yield path
    except OSError as error:
        raise FetchFailed(f"can't write to {folder}: {error.strerror or error}") from None


def _knock(url: str) -> None:
    """Find out within seconds whether the host takes connections; a name that never resolves counts as silence."""
    host, port = _door(url)
    if host not in _hosts:
        _hosts[host] = _silence(host, port)
    if why := _hosts[host]:
        raise Unreachable(f"{host} can't be reached ({why})")


def _door(url: str) -> tuple[str, int]:
    """The host and port that a connection to URL goes to: its own, or the proxy's."""
    parts = urlsplit(url)
    if proxy := http.proxy(url):
        parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


def _silence(host: str, port: int) -> str:
    # In a thread of its own: the time that a name takes to resolve can't be limited otherwise.
    said: list[str] = []

    def knock() -> None:
        try:
            socket.create_connection((host, port), KNOCK).close()
            said.append("")
        except OSError as error:
            said.append(error.strerror or str(error))

    thread = threading.Thread(target=knock, daemon=True)
    thread.start()
    thread.join(KNOCK)
    return said[0] if said else f"no answer within {KNOCK:g} seconds"


def _whole(url: str, file: BinaryIO, name: str, size: int) -> None:
    """Write all of URL, going on where a broken connection left off."""
    try:
        http.wait(RETRY.persist(lambda: _rest(url, file, name, size)))
    except http.Failed as error:
        if error.status:
            raise FetchFailed(f"{url} answered {error}") from None
        raise FetchFailed(f"{url} broke off {RETRY.tries} times ({error})") from None


async def _rest(url: str, file: BinaryIO, name: str, size: int) -> None:
    """One try: ask for what is not here yet."""
    import aiohttp
    from yarl import URL

    have = file.tell()
    headers = {"User-Agent": "inheritance-profiler", "Accept-Encoding": "identity"}
    headers |= {"Range": f"bytes={have}-"} if have else {}
    patience = aiohttp.ClientTimeout(total=None, sock_connect=STALL, sock_read=STALL)
    with http.failing():
        async with (
            # Bytes are taken and addresses sent as they are, packed and signed.
            aiohttp.ClientSession(
                trust_env=True, timeout=patience, auto_decompress=False, requote_redirect_url=False
            ) as session,
            session.get(URL(url, encoded=True), headers=headers) as answer,
        ):
            if answer.status >= 400:
                wait = http.retry_after(answer.headers)
                raise http.Failed(f"{answer.status} {answer.reason}", answer.status, wait=wait)
            if answer.status != 206:  # the whole again: the server does not know how to go on
                file.seek(have := 0)
                file.truncate()
            total = have + (answer.content_length or 0)
            try:
                async for chunk in answer.content.iter_any():
                    file.write(chunk)
                    watch().got(name, file.tell(), total or size)
            except aiohttp.ClientPayloadError:
                raise ConnectionError(f"{file.tell():,} of {total:,} bytes came") from None


def member(archive: Path, name: str) -> None:
    """Put the file NAME of a zip ARCHIVE in the archive's place."""
    import zipfile

    part = archive.with_name("member")
    try:
        with zipfile.ZipFile(archive) as opened, opened.open(name) as inside, part.open("wb") as file:
            shutil.copyfileobj(inside, file)
    except (zipfile.BadZipFile, KeyError, EOFError, zlib.error) as error:
        raise FetchFailed(f"the archive is broken or holds no {name} ({error})") from None
    part.replace(archive)
