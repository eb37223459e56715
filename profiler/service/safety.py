"""What every request passes: whose it is, from which page it comes, what it may, and how large it is."""

from __future__ import annotations

import ipaddress
import json
import os
import re
import secrets
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote, urlsplit

from fastapi import Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from profiler.endpoints import adapter
from profiler.errors import WrongUse
from profiler.http import BOUNDS, FOREIGN, header_parts, read_rule
from profiler.service.health import AnswerCounts
from profiler.service.problems import problem
from profiler.service.tokens import HEAD, RANK, Role, Token, digest, private, tokens
from profiler.service.verbs import leaves

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from profiler.service.options import ServiceOptions

READ = ("GET", "HEAD", "OPTIONS")
"""Methods that change nothing."""

EVERYBODY = None

NEEDS: tuple[tuple[str, str, Role | None], ...] = (
    ("GET", "/healthz", EVERYBODY),
    ("GET", "/static", EVERYBODY),
    ("GET", "/login", EVERYBODY),
    ("POST", "/login", EVERYBODY),
    ("POST", "/logout", EVERYBODY),
    ("GET", "/new", "runner"),
    ("POST", "/new", "runner"),
    ("POST", "/jobs", "runner"),
    ("DELETE", "/jobs", "runner"),
    ("POST", "/runs", "runner"),
    ("POST", "/try", "viewer"),
    ("POST", "/pools", "viewer"),
    ("POST", "/api/score", "viewer"),
    ("POST", "/api/runs", "runner"),
    ("POST", "/api/jobs", "runner"),
    ("DELETE", "/api/jobs", "runner"),
    ("POST", "/api/check", "runner"),
    ("GET", "/api/check", "runner"),
    ("GET", "/api/models", "runner"),
    ("POST", "/api/models", "runner"),
    ("GET", "/api/audit", "admin"),
    *(
        ("GET", place, "viewer")
        for place in (
            "/", "/index", "/metrics", "/runs", "/jobs", "/compare", "/samples", "/try", "/pools", "/selections",
            "/judges", "/studies", "/files", "/api",
        )
    ),
)  # fmt: skip
"""Method, beginning of a path, and the role that it takes; the first that fits counts, and what fits none is an
admin's. A test walks all routes of the application and fails for one without a line here."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
SENT = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    # Not "no-referrer", with which browsers send `Origin: null` with our own forms; others learn as little.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "private, no-cache",
}
"""Headers of every answer that does not set them itself."""

LARGEST = 32 * 2**20
"""Bytes of a request's body; of one that nobody has logged in for, far fewer."""
LARGEST_UNKNOWN = 4096

COOKIE = "inherit_session"
LASTS = 12 * 3600.0
"""Seconds until one has to log in again."""


class User(NamedTuple):
    """Whose request it is."""

    name: str
    role: Role


class Login(NamedTuple):
    """A browser that was shown a token."""

    token: str
    """The token's digest: its role is looked up anew each time."""
    until: float


@dataclass
class Doors:
    """Who is let in."""

    options: ServiceOptions
    logins: dict[str, Login] = field(default_factory=dict)
    """Digest of a cookie → its login; in memory only."""
    counted: AnswerCounts = field(default_factory=AnswerCounts)

    def __post_init__(self) -> None:
        told = self.options
        self.hosts = {urlsplit(each).netloc.lower() for each in told.public}
        if wrong := [each for each in told.public if not re.fullmatch(r"https?://[^/@\s]+/?", each)]:
            raise WrongUse(f"--public takes an address such as https://profiler.example.org, not {wrong[0]!r}")
        self.alone = all(map(_of_this_machine, (told.host, *(urlsplit(each).hostname or "" for each in told.public))))
        try:
            self.proxies = [ipaddress.ip_network(each) for each in told.proxy_from]
        except ValueError as error:
            raise WrongUse(f"--proxy-from takes addresses and networks such as 10.0.0.0/8: {error}") from None
        if bool(told.proxy_header) != bool(self.proxies):
            raise WrongUse("--proxy-header and --proxy-from go together: what the proxy says, and where the proxy is")
        for rule in told.allow:
            read_rule(rule)
        if not (self.alone or self.known() or self.proxies):
            raise WrongUse(
                f"others can reach {told.public[0] if told.public else told.host}: make a token first (`inherit token "
                f"add NAME --role admin --out {told.out}`), or name a proxy that logs users in (--proxy-header)"
            )

    def known(self) -> dict[str, Token]:
        """Digest → token."""
        return {token.sha256: token for token in tokens(self.options.out)}

    def user(self, scope: Scope, headers: Headers) -> User | None:
        """Who asks; None if that is not known."""
        known = self.known()
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and given.startswith(HEAD):
            return _as_user(known.get(digest(given.strip())))
        login = self.logins.get(digest(cookie)) if (cookie := cookie_of(headers)) else None
        if login and login.until > time.monotonic() and (user := _as_user(known.get(login.token))):
            return user
        if self.proxies and (name := self._named_by_proxy(scope, headers)):
            return User(name, self.options.proxy_role)
        return User("this machine", "admin") if self.alone and not known and not self.proxies else None

    def _named_by_proxy(self, scope: Scope, headers: Headers) -> str | None:
        said = headers.getlist(self.options.proxy_header or "")
        peer = _ip((scope.get("client") or ("", 0))[0])
        if len(said) != 1 or not said[0].strip() or not peer or not any(peer in network for network in self.proxies):
            return None
        return said[0].strip()[:200]

    def log_in(self, token: str) -> str | None:
        """A cookie for a browser that brings TOKEN; None if there is no such token."""
        if not (found := self.known().get(digest(token))):
            return None
        now = time.monotonic()
        self.logins = {cookie: login for cookie, login in self.logins.items() if login.until > now}
        cookie = secrets.token_urlsafe(32)
        self.logins[digest(cookie)] = Login(found.sha256, now + LASTS)
        return cookie

    def log_out(self, cookie: str) -> None:
        self.logins.pop(digest(cookie), None)

    def is_ours(self, host: str) -> bool:
        """Whether a Host header names this service: its public names, a number (which no name can be turned to)."""
        name = urlsplit(f"//{host}").hostname or ""
        return host.lower() in self.hosts or name == "localhost" or _ip(name) is not None

    def secure(self, host: str) -> bool:
        """Whether browsers reach it through TLS."""
        return f"https://{host.lower()}" in {each.rstrip("/").lower() for each in self.options.public}


TEXT = re.compile(r"text/|application/(?:[\w.+-]*json|x-ndjson|xml)", re.IGNORECASE)
_BEGIN, _END = (rb"(?:%s|\\u%04x)" % (mark.encode(), ord(mark)) for mark in FOREIGN)
_INNER = rb'(?:(?!%s|%s)(?:[^"<\n\\]|\\u[0-9a-fA-F]{4}))*' % (_BEGIN, _END)
_WORDS = re.compile(_BEGIN + _INNER + rb"(?:%s)?" % _END)
_BEGUN = re.compile(rb"(?:%s%s)?(?:\xef\xbf?|\\(?:u[0-9a-fA-F]{0,3})?)?\Z" % (_BEGIN, _INNER))


class Hide:
    """Takes other servers' words out of text that goes to who is no admin: the kind of an error stays."""

    on = False
    held = b""

    def __call__(self, more: bytes, goes_on: bool) -> bytes:
        text, self.held = self.held + more, b""
        if goes_on and (begun := _BEGUN.search(text)):
            text, self.held = text[: begun.start()], text[begun.start() :]
        return _WORDS.sub("…".encode(), text)


class Safety:
    """The middleware: in pure ASGI, so that what is sent bit by bit goes out bit by bit."""

    def __init__(self, app: ASGIApp, doors: Doors) -> None:
        self.app = app
        self.doors = doors
        self.bounds = doors.options.bounds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            return await send({"type": "websocket.close", "code": 1008})
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        request = Request(scope)
        wrong = self._misplaced(request.headers, scope["method"])
        user = None if wrong else self.doors.user(scope, request.headers)
        scope.setdefault("state", {})["user"] = user
        largest = LARGEST if user else LARGEST_UNKNOWN
        refused = wrong or self._forbidden(request, user) or _too_large(request.headers, largest)
        answer = _refusal(request, *refused) if refused else self.app
        out = self._told(request, user, send)
        token = BOUNDS.set(self.bounds)  # what is asked of other servers on the way is asked within these
        try:
            return await answer(scope, _bounded(receive, largest), out)
        finally:
            BOUNDS.reset(token)

    def _told(self, request: Request, user: User | None, send: Send) -> Send:
        """SEND, with our headers, an audit line, and no server's words for who is no admin."""
        hide, began = Hide(), time.perf_counter()

        async def out(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.doors.counted.add(request.scope, message["status"], time.perf_counter() - began)
                headers = MutableHeaders(scope=message)
                for name, value in SENT.items():
                    headers.setdefault(name, value)
                if request.method not in READ:
                    audit(self.doors.options, request, user, message["status"])
                hide.on = not (user and user.role == "admin") and bool(TEXT.match(headers.get("content-type", "")))
                if hide.on:
                    del headers["content-length"]
            elif hide.on and message["type"] == "http.response.body":
                message["body"] = hide(message.get("body", b""), message.get("more_body", False))
            await send(message)

        return out

    def _misplaced(self, headers: Headers, method: str) -> tuple[int, str] | None:
        """Why a request comes by a wrong way, if it does."""
        host = headers.get("host", "")
        if not self.doors.is_ours(host):
            return 421, f"this service is not called {host!r}; its admin can say so: inherit ui --public https://{host}"
        if method in READ:
            return None
        origin, site = headers.get("origin"), headers.get("sec-fetch-site")
        same = site in ("same-origin", "none") if site else not origin or urlsplit(origin).netloc == host.lower()
        if not same:
            return 403, "what changes something is only done from this service's own pages, or by a program"
        return None

    def _forbidden(self, request: Request, user: User | None) -> tuple[int, str] | None:
        """Why USER can't have what is asked for, if so."""
        role = needed(request.method, request.scope["path"])
        if role is EVERYBODY:
            return None
        if user is None:
            return 401, "log in first: send a token as `Authorization: Bearer TOKEN`, or open /login in a browser"
        if RANK[user.role] < RANK[role]:
            return 403, f"this takes the role {role}, and {user.name} has the role {user.role}"
        return None


def decision(method: str, path: str) -> tuple[Role | None] | None:
    """Which role NEEDS says a request takes; None if it says nothing."""
    method = "GET" if method in READ else method
    for verb, begin, role in NEEDS:
        if verb == method and (path == begin or path.startswith((f"{begin}/", f"{begin}."))) and begin != "/":
            return (role,)
        if verb == method and path == begin == "/":
            return (role,)
    return None


def needed(method: str, path: str) -> Role | None:
    """The role that a request takes; None is everybody's."""
    decided = decision(method, path)
    return decided[0] if decided else "admin"


def user_of(request: Request) -> User:
    """Who asks, on a route that is not everybody's."""
    found = request.state.user
    assert isinstance(found, User)  # noqa: S101 - the middleware lets no other pass
    return found


def check_own(request: Request, owner: str) -> None:
    """Refuse who wants to change what is another's, and is no admin."""
    user = user_of(request)
    if user.role != "admin" and user.name != owner:
        raise HTTPException(403, f"this is {owner}'s, and {user.name} is no admin")


def check_submission(request: Request, told: Mapping[str, object]) -> None:
    """Refuse what a job is told that this service does for nobody, or not for this user, before it is queued.

    Variables are checked again where they are sent, addresses where they are dialled: in the job's own process.
    """
    options: ServiceOptions = request.app.state.options
    for name, value, beside in leaves(told):
        named = name == "model" and beside.get("url")  # a server's own name of a model may look like a path
        if name == "key":
            options.bounds.check_key(str(value))
        elif name == "header":
            options.bounds.check_key(header_parts(str(value))[1])
        elif named or name == "url" or user_of(request).role == "admin":
            continue
        else:
            base = adapter.base(options.out / str(value)) if name == "model" else None
            for one in filter(None, (value, base)):
                if not _inside(str(one), options.out, (options.out, *filter(None, (options.data,)))):
                    raise WrongUse(
                        f"{name}: {str(one)!r} lies outside the service's folders; only an admin may name it"
                    )


def _inside(value: str | Path, here: Path, roots: Iterable[Path]) -> bool:
    """Whether VALUE, as seen from HERE, is no path, or one below ROOTS."""
    if re.search(r"(^|@)https?://", str(value)):
        return True  # an address, which is checked where it is dialled
    try:
        path = (here / Path(value).expanduser()).resolve()
    except (OSError, ValueError, RuntimeError):  # a text that can't be one
        return True
    return "://" not in str(value) and any(path.is_relative_to(root.resolve()) for root in roots)


def audit(told: ServiceOptions, request: Request, user: User | None, status: int) -> None:
    """A line on who did what: no bodies, no queries, so no secrets."""
    path = private(told.out) / "audit.jsonl"
    line = {
        "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "who": user.name if user else None,
        "role": user.role if user else None,
        "from": (request.scope.get("client") or (None,))[0],
        "method": request.method,
        "path": request.scope["path"][:500],
        "status": status,
    }
    try:
        with open(path, "a", encoding="utf-8", opener=_only_ours) as file:
            file.write(json.dumps(line) + "\n")
    except OSError as error:  # it is done already; the disk may be full
        sys.stderr.write(f"no audit line could be written to {path}: {error.strerror}: {json.dumps(line)}\n")


def _only_ours(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def cookie_of(headers: Headers) -> str | None:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return None
    return found.value if found else None


def _too_large(headers: Headers, largest: int) -> tuple[int, str] | None:
    length = headers.get("content-length", "0")
    if length.isdecimal() and int(length) <= largest:
        return None
    return 413, f"a request may bring {largest:,} bytes, and this one brings more"


def _refusal(request: Request, status: int, words: str) -> Response:
    if status == 401 and "text/html" in request.headers.get("accept", "") and request.method in READ:
        here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(f"/login?next={quote(here)}", 303)
    answer = problem(request, status, words)
    if status == 401:
        answer.headers["WWW-Authenticate"] = "Bearer"
    return answer


def _bounded(receive: Receive, largest: int) -> Receive:
    """RECEIVE, as long as what comes is not too much."""
    came = 0

    async def bounded() -> Message:
        nonlocal came
        message = await receive()
        came += len(message.get("body", b""))
        if came > largest:
            raise HTTPException(413, f"a request may bring {largest:,} bytes, and this one brings more")
        return message

    return bounded


def _as_user(token: Token | None) -> User | None:
    return User(token.name, token.role) if token else None


def _ip(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _of_this_machine(host: str) -> bool:
    ip = _ip(host.strip("[]"))
    return host == "localhost" or bool(ip and ip.is_loopback)
