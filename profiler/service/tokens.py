"""Tokens: who may use the service beside this machine's own user, and as what."""

from __future__ import annotations

import hashlib
import os
import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from profiler.errors import StoreError, UnknownName, WrongUse
from profiler.files import locked, write_whole
from profiler.records import Record

Role = Literal["viewer", "runner", "admin"]
RANK: dict[Role, int] = {"viewer": 0, "runner": 1, "admin": 2}
"""A viewer reads, a runner also submits and cancels what is its own, an admin does everything."""

HEAD = "inherit_"
"""What every token begins with, so that one that lies about is found."""
SHOWN = len(HEAD) + 6
"""Characters by which a token is told from others in a list."""


class Token(Record):
    """What is kept of a token: not the token."""

    name: str
    role: Role
    prefix: str
    sha256: str
    made: datetime


KEPT = TypeAdapter(list[Token])


def private(out: Path) -> Path:
    """The folder of what the service keeps for itself, among the runs of OUT; for nobody else's eyes."""
    folder = out / ".service"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def digest(token: str) -> str:
    """What a token is known by: 32 random bytes need no salt and no slow hash."""
    return hashlib.sha256(token.encode()).hexdigest()


def tokens(out: Path) -> list[Token]:
    """Every token of the folder."""
    path = out / ".service" / "tokens.json"
    try:
        return KEPT.validate_json(path.read_bytes())
    except FileNotFoundError:
        return []
    except (OSError, ValidationError) as error:
        raise StoreError(f"{path} can't be read, so nobody is let in: {type(error).__name__}") from None


def add(out: Path, name: str, role: Role) -> str:
    """A new token, which is shown this once."""
    if not name.isprintable() or not 0 < len(name.strip()) <= 100:
        raise WrongUse(f"expected a NAME of up to 100 characters for the token, found {name!r}")
    token = HEAD + secrets.token_urlsafe(32)
    made = Token(name=name, role=role, prefix=token[:SHOWN], sha256=digest(token), made=datetime.now(UTC))
    with locked(private(out) / "tokens.lock"):
        known = tokens(out)
        if any(each.name == name for each in known):
            raise WrongUse(f"there is a token for {name!r}; `inherit token remove {name}` takes it back")
        _keep(out, [*known, made])
    return token


def remove(out: Path, name: str) -> None:
    """Take a token back; who is logged in with it is out at once."""
    with locked(private(out) / "tokens.lock"):
        known = tokens(out)
        if name not in (names := [each.name for each in known]):
            raise UnknownName("token", name, names, "inherit token list")
        _keep(out, [each for each in known if each.name != name])


def _keep(out: Path, known: list[Token]) -> None:
    old = os.umask(0o077)
    try:
        write_whole(private(out) / "tokens.json", KEPT.dump_json(known, indent=1) + b"\n")
    finally:
        os.umask(old)
