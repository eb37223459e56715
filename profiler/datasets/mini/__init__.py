"""Small sets of our own, for trying things out; each NAME.jsonl has its card, NAME.md."""

import hashlib
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

from profiler.datasets.rows import Row, read
from profiler.errors import BadData


def names() -> list[str]:
    """The names of the sets."""
    return sorted(path.name.removesuffix(".jsonl") for path in _file("").parent.glob("*.jsonl"))


def rows(name: str) -> Iterator[Row]:
    """The rows of the set NAME."""
    return read(_file(name))


def card(name: str) -> str:
    """What the set NAME is, how it was made, and what it is not for."""
    path = _file(name).with_suffix(".md")
    if not path.is_file():
        raise BadData(f"the shipped set {name!r} has no card; write what it is into {str(path)!r}")
    return path.read_text("utf-8")


def sha256(name: str) -> str:
    """The checksum of the set NAME."""
    return hashlib.sha256(_file(name).read_bytes()).hexdigest()


def _file(name: str) -> Path:
    return Path(str(files("profiler.datasets.mini") / f"{name}.jsonl"))
