"""A teacher as one names it: `demo`, a path, `MODEL@URL`, or a .toml file that says more."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path

from pydantic import ValidationError

from profiler.errors import BadData, UnknownName, WrongUse
from profiler.records import Endpoint, Sampling
from selection.record import Teacher

ENDPOINT = ("model", "url", "key", "chat")
DRAWN = tuple(Sampling.model_fields)
OWN = ("name", "k", "frame", "system", "price")


def teachers(words: Iterable[str], defaults: Mapping[str, object]) -> list[Teacher]:
    """Everyone who is named, each with DEFAULTS for what it does not say itself."""
    found = [teacher({**defaults, **_named(word)}) for word in words]
    if not found:
        raise WrongUse("expected at least one teacher: demo, a path or hub id, MODEL@URL, or a .toml file")
    names = [one.name for one in found]
    if twice := [name for name in names if names.count(name) > 1]:
        raise WrongUse(f"two teachers are called {twice[0]!r}; give one another `name` in a .toml file")
    return found


def teacher(fields: Mapping[str, object]) -> Teacher:
    """A teacher from flat fields: those of its endpoint, of its sampling, and its own."""
    for name in fields:
        if name not in (*ENDPOINT, *DRAWN, *OWN):
            raise UnknownName("field of a teacher", name, (*ENDPOINT, *DRAWN, *OWN), "docs/selection.md")

    def some(names: Iterable[str]) -> dict[str, object]:
        return {name: fields[name] for name in names if name in fields}

    try:
        default = Teacher.model_fields["sampling"].default.model_dump()
        endpoint, sampling = Endpoint.model_validate(some(ENDPOINT)), Sampling.model_validate(default | some(DRAWN))
        own = {"name": endpoint.model, **some(OWN)}
        return Teacher.model_validate({**own, "endpoint": endpoint, "sampling": sampling})
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(map(str, problem["loc"]))
        raise WrongUse(f"teacher {fields.get('model')!r}: {where}: {problem['msg']}") from None


def _named(word: str) -> dict[str, object]:
    if word.endswith(".toml"):
        return _file(Path(word).expanduser())
    model, at, url = word.rpartition("@http")
    return {"model": model, "url": f"http{url}"} if at else {"model": word}


def _file(path: Path) -> dict[str, object]:
    try:
        found = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise BadData(f"expected a teacher at {str(path)!r}, found no such file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadData(f"{path.name} is not TOML: {error}") from None
    if "model" not in found:
        raise BadData(f"{path.name}: expected at least `model = …`, found {', '.join(found) or 'nothing'}")
    return found
