"""How a server is asked over HTTP: by aiohttp, with one policy of when another try is worth its while."""

import asyncio
import ipaddress
import json
import math
import os
import random
import re
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Coroutine, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from contextvars import ContextVar, copy_context
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from profiler.errors import WrongUse

if TYPE_CHECKING:
    import aiohttp

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
"""What a variable of the environment may be called."""
OURS = frozenset({"content-type", "content-length", "host", "connection", "transfer-encoding"})
"""Headers that are not the user's to say."""

T = TypeVar("T")


class Stop:
    """What ends every `wait` in another thread, the ones to come too."""

    def __init__(self) -> None:
        self.asked = False
        self.ways: list[Callable[[], object]] = []

    def __call__(self) -> None:
        self.asked = True
        for way in [*self.ways]:
            way()


STOP: ContextVar[Stop | None] = ContextVar("stop", default=None)
"""Of whoever handed work to this thread."""

LISTENER: ContextVar[Callable[[str], object] | None] = ContextVar("listener", default=None)
"""Is told what is waited for before another try, and an empty text once it is over."""

EVERY = 5.0
"""Seconds between two words on one wait."""

NOTABLE = 2.0
"""Seconds of trouble below which nothing is said of it."""


@contextmanager
def listening(listener: Callable[[str], object]) -> Iterator[None]:
    """Inside, LISTENER is told of every wait for a server that has to be asked again."""
    token = LISTENER.set(listener)
    try:
        yield
    finally:
        LISTENER.reset(token)


async def pause(seconds: float, why: str, since: float) -> None:
    """Wait before another try, and say every few seconds what for; SINCE is when the trouble began."""
    until = time.monotonic() + seconds
    if not (tell := LISTENER.get()) or until - since < NOTABLE:
        return await asyncio.sleep(seconds)
    while (left := until - time.monotonic()) > 0:
        tell(f"waiting: {why}; next try in {math.ceil(left)} s, in trouble for {time.monotonic() - since:.0f} s")
        await asyncio.sleep(min(left, EVERY))
    return None


class Failed(Exception):
    """A request that brought no answer."""

    def __init__(self, words: str, status: int | None = None, body: bytes = b"", wait: float | None = None) -> None:
        super().__init__(words)
        self.status = status
        """What the server said; None where nothing came, or not all."""
        self.body = body
        self.wait = wait
        """Seconds that the server asks us to wait."""


@dataclass(frozen=True)
class Retry:
    """When to try again, and how long to wait before."""

    tries: int = 4
    first: float = 0.5
    """Seconds before the second try."""
    factor: float = 2.0
    """How much longer each further wait is."""
    longest: float = 30.0
    """Most seconds between two tries."""
    jitter: float = 0.0
    """Share by which a wait may be longer or shorter: requests that failed together must not come back together."""
    statuses: Collection[int] = frozenset({408, 429, 500, 502, 503, 504})
    """Answers that may be another the next time."""

    def cures(self, status: int | None) -> bool:
        """Whether another try may bring what this one did not."""
        return status is None or status in self.statuses

    def pause(self, tried: int) -> float:
        """Seconds to wait after so many tries."""
        usual = min(self.longest, self.first * self.factor ** (tried - 1))
        return usual * random.uniform(1 - self.jitter, 1 + self.jitter)

    async def persist(self, work: Callable[[], Awaitable[T]]) -> T:
        """What WORK gives, tried until it does or there is no hope; Failed then says why."""
        tried, since = 1, time.monotonic()
        while True:
            try:
                return await work()
            except Failed as error:
                if tried >= self.tries or not self.cures(error.status):
                    raise
                await pause(max(self.pause(tried), min(error.wait or 0.0, self.longest)), str(error), since)
            tried += 1


@contextmanager
def failing() -> Iterator[None]:
    """A connection that fails or breaks in this block has Failed."""
    import aiohttp

    try:
        yield
    except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
        raise Failed(failure_words(error)) from None


def failure_words(error: Exception) -> str:
    """Why a connection failed, as a person says it."""
    import aiohttp

    if isinstance(error, aiohttp.ClientConnectorError) and not isinstance(error, aiohttp.ClientSSLError):
        number, said = error.os_error.errno or 0, error.os_error.strerror
        return (os.strerror(number) if number > 0 else said) or str(error)
    return str(error) or type(error).__name__


async def sent(
    url: str,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    *,
    seconds: float,
    direct: bool = False,
) -> bytes:
    """What a server answers to a GET, or to a POST of BODY; past the environment's proxies where DIRECT."""
    import aiohttp

    limit, via = aiohttp.ClientTimeout(total=seconds), None if direct else proxy(url)
    with failing():
        async with (
            aiohttp.ClientSession(connector=connector(), proxy=via, timeout=limit, headers=headers) as session,
            session.request("GET" if body is None else "POST", url, data=body, allow_redirects=body is None) as answer,
        ):
            content = await answer.read()
    if answer.status >= 300:
        wait = retry_after(answer.headers)
        raise Failed(f"{answer.status} {answer.reason}", answer.status, content, wait)
    return content


def wait(work: Coroutine[Any, Any, T]) -> T:
    """What WORK gives, for plain code; where a loop runs already, it stands still meanwhile."""
    stop = STOP.get()

    async def stoppable() -> T:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        if stop is None or task is None:
            return await work
        stop.ways.append(way := lambda: loop.call_soon_threadsafe(task.cancel))
        if stop.asked:
            task.cancel()
        try:
            return await work
        finally:
            stop.ways.remove(way)

    def run() -> T:
        # A factory of its own keeps the runner from taking away the loop that others may have set in this thread.
        with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
            return runner.run(stoppable())

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return run()
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(copy_context().run, run).result()


async def streamed(url: str, headers: Mapping[str, str], *, seconds: float) -> AsyncIterator[str]:
    """The lines that a server sends as they come, the next within so many SECONDS."""
    import aiohttp

    limit = aiohttp.ClientTimeout(total=None, sock_connect=seconds, sock_read=seconds)
    with failing():
        async with (
            aiohttp.ClientSession(connector=connector(), proxy=proxy(url), timeout=limit, headers=headers) as session,
            session.get(url, allow_redirects=False) as answer,
        ):
            if answer.status >= 300:
                raise Failed(f"{answer.status} {answer.reason}", answer.status, await answer.read())
            rest = b""
            async for more in answer.content.iter_any():
                *whole, rest = (rest + more).split(b"\n")
                for line in whole:
                    yield line.decode("utf-8", "replace").rstrip("\r")


def model_at(word: str) -> tuple[str, str]:
    """MODEL@URL in its parts; a word without an address is all model."""
    model, at, url = word.rpartition("@http")
    return (model, f"http{url}") if at else (word, "")


def check_address(url: str, option: str = "--url") -> None:
    """Refuse what is no address of a server, or holds a secret; the words never repeat one."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
        host.encode("idna")
    except ValueError as error:  # UnicodeError is one
        raise WrongUse(f"{option} is no address: {error.__cause__ or error}") from None
    cure = "name a variable that holds the key with --key" if option == "--url" else f"put the token into {TOKEN}"
    if parts.username is not None or parts.password is not None:
        raise WrongUse(f"{option} holds a name or password (NAME:PASSWORD@); {cure}")
    if parts.query or parts.fragment:
        raise WrongUse(f"{option} holds more than an address (? or #); {cure}")
    if parts.scheme not in ("http", "https") or not host:
        raise WrongUse(f"expected {option} http://HOST/v1 or https://HOST/v1, found {url!r}")


def check_key_name(name: str) -> None:
    """Refuse what can't be the name of a variable: it may be the key itself, and is not repeated."""
    if not NAME.fullmatch(name) or (name not in os.environ and len(name) >= 20 and not name.isupper()):
        raise WrongUse("--key takes the NAME of an environment variable, such as OPENAI_API_KEY, never the key itself")


def header_parts(said: str) -> tuple[str, str]:
    """A header's name and the variable that holds its value; what may be the value itself is not repeated."""
    name, _, variable = said.partition("=")
    if not re.fullmatch(r"[A-Za-z0-9-]+", name) or name.lower() in OURS:
        kept = ", ".join(sorted(OURS))
        raise WrongUse(f"--header takes NAME=VARIABLE, such as api-key=AZURE_OPENAI_API_KEY, and none of {kept}")
    if not NAME.fullmatch(variable) or (variable not in os.environ and len(variable) >= 20 and not variable.isupper()):
        raise WrongUse("--header takes NAME=VARIABLE: the name of an environment variable, never the value itself")
    return name, variable


def proxy(url: str) -> str | None:
    """The proxy that the environment names for an address."""
    parts = urlsplit(url)
    if not parts.hostname or proxy_bypass(parts.hostname):
        return None
    named = getproxies().get(parts.scheme)
    if named and (bounds := Bounds.current()) and not bounds.proxies:
        raise WrongUse(
            f"the environment names a proxy for {parts.scheme}, behind which nobody sees what is called: an admin can "
            "unset it, add the host to NO_PROXY, or start the service with --trust-proxies"
        )
    return named


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that a server asks to wait, given as a number or as a date, which is held against the server's clock."""
    asked = headers.get("Retry-After") or ""
    with suppress(ValueError):
        return max(0.0, seconds) if math.isfinite(seconds := float(asked)) else None
    until = _moment(asked)
    return None if until is None else max(0.0, until - (_moment(headers.get("Date") or "") or time.time()))


def _moment(date: str) -> float | None:
    with suppress(ValueError, OverflowError):
        return parsedate_to_datetime(date).timestamp()
    return None


ANY_LOOPBACK = "loopback"
"""The word for every address of this machine itself."""
KEYS = ("OPENAI_API_KEY", "INHERIT_*")
"""Variables that a service sends as keys where its admin names none."""
TOKEN = "INHERIT_TOKEN"  # noqa: S105 - the variable's name
"""Holds the token of whoever uses a service by the command; a service's own jobs never send it."""
FOREIGN = ("\ufff9", "\ufffb")
"""What a server's words in an error stand between where they are not for everybody's eyes; no glyph shows it."""

NEVER = tuple(
    map(
        ipaddress.ip_network,
        # Metadata of clouds, beside what is link-local: Amazon's by IPv6, Alibaba's, Azure's, Oracle's.
        ("fd00:ec2::/32", "100.100.100.200/32", "168.63.129.16/32", "192.0.0.192/32"),
    )
)
IP = ipaddress.IPv4Address | ipaddress.IPv6Address
NAT64 = ipaddress.ip_network("64:ff9b::/96")


@dataclass(frozen=True)
class Bounds:
    """How far work for others may reach; what a person does at the command line has none."""

    addresses: tuple[str, ...] = (ANY_LOOPBACK,)
    """HOST, HOST:PORT, a network, or `loopback`."""
    keys: tuple[str, ...] = KEYS
    """Variables that may be sent as keys."""
    proxies: bool = False
    """The environment's proxies may be called instead, and decide themselves."""

    @classmethod
    def current(cls) -> "Bounds | None":
        """What goes for this work; None is no bounds."""
        told = os.environ.get("INHERIT_BOUNDS")
        return BOUNDS.get() or (_read_bounds(told) if told is not None else None)

    def environment(self) -> dict[str, str]:
        """What a process has to find in its environment to keep to these, with all that it starts."""
        return {"INHERIT_BOUNDS": json.dumps([self.addresses, self.keys, self.proxies])}

    def check_key(self, name: str) -> None:
        """Refuse a variable that is not to be sent."""
        if name == TOKEN or not any(fnmatchcase(name, each) for each in self.keys):
            raise WrongUse(
                f"the variable {name} is none that this service sends as a key ({', '.join(self.keys)}); "
                f"an admin can start it with --keys {name}"
            )

    def allow(self, host: str, ip: IP, port: int) -> bool:
        """Whether a connection to IP, which HOST led to, is allowed."""
        ip = unwrapped(ip)
        if ip.is_link_local or ip.is_multicast or ip.is_unspecified or any(ip in network for network in NEVER):
            return False
        return any(_fits(rule, host.lower().rstrip("."), ip, port) for rule in self.addresses)

    def refusal(self, host: str, port: int) -> WrongUse:
        """Why nothing is called there."""
        where = f"[{host}]" if ":" in host else host
        return WrongUse(
            f"{where}:{port} is no address that this service may call; an admin can start it with --allow "
            f"{where}:{port}; addresses of the link and of a cloud's metadata are never called"
        )


BOUNDS: ContextVar[Bounds | None] = ContextVar("bounds", default=None)
"""Of whoever this work is done for."""


@lru_cache(maxsize=4)
def _read_bounds(told: str) -> Bounds:
    addresses, keys, proxies = json.loads(told)
    return Bounds(tuple(addresses), tuple(keys), proxies)


def unwrapped(ip: IP) -> IP:
    """The IPv4 address that an IPv6 one stands for, if it does."""
    if not isinstance(ip, ipaddress.IPv6Address):
        return ip
    inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF) if ip in NAT64 else None
    return ip.ipv4_mapped or ip.sixtofour or inner or ip


def _fits(rule: str, host: str, ip: IP, port: int) -> bool:
    if rule == ANY_LOOPBACK:
        return ip.is_loopback
    network, name, only = read_rule(rule)
    return (only is None or only == port) and (ip in network if network else host == name)


@lru_cache(maxsize=1024)
def read_rule(rule: str) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network | None, str, int | None]:
    """The network, or else the name, that a rule of --allow speaks of, and its port if it names one."""
    for text, port in ((rule.strip("[]"), None), (rule.rpartition(":")[0].strip("[]"), rule.rpartition(":")[2])):
        with suppress(ValueError):
            return ipaddress.ip_network(text), "", int(port) if port else None
    name, colon, port = rule.partition(":")
    number = int(port) if port.isascii() and port.isdecimal() else None
    if not re.fullmatch(r"[A-Za-z0-9_.-]+", name) or (colon and not 0 < (number or 0) < 65536):
        raise WrongUse(f"--allow takes HOST, HOST:PORT, a network such as 10.0.0.0/8, or loopback, not {rule!r}")
    return None, name.lower().rstrip("."), number


def marked(words: str) -> str:
    """A server's words, on one line, between marks that a service finds in any page, log or JSON."""
    begin, end = FOREIGN
    told = " ".join(words.replace(begin, "").replace(end, "").split())
    return begin + told.translate(str.maketrans('"<>\\', "'‹›/")) + end


def connector(limit: int = 100) -> "aiohttp.TCPConnector":
    """Connections for one session, at most LIMIT at once (0 is no limit), to none but allowed addresses.

    What is checked is what is dialled: a name is looked up once, each address that it has is checked, and those are
    called; the socket is checked again where it is made, for addresses that were written as numbers.
    """
    import aiohttp
    from aiohttp.abc import AbstractResolver, ResolveResult

    if not (current := Bounds.current()):
        return aiohttp.TCPConnector(limit=limit)
    bounds: Bounds = current
    named: set[tuple[str, int]] = set()

    class Checked(AbstractResolver):
        """Knows no address that is not allowed."""

        def __init__(self) -> None:
            self.inner = aiohttp.ThreadedResolver()

        async def resolve(
            self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
        ) -> list[ResolveResult]:
            found = await self.inner.resolve(host, port, family)
            good = [each for each in found if bounds.allow(host, ipaddress.ip_address(each["host"]), port)]
            if not good:
                raise bounds.refusal(host, port)
            named.update((each["host"], port) for each in good)
            return good

        async def close(self) -> None:
            await self.inner.close()

    def made(address: Any) -> socket.socket:
        family, kind, protocol, _, (host, port, *_) = address
        if (host, port) not in named and not bounds.allow(host, ipaddress.ip_address(host), port):
            raise bounds.refusal(host, port)
        return socket.socket(family, kind, protocol)

    return aiohttp.TCPConnector(limit=limit, resolver=Checked(), socket_factory=made)
