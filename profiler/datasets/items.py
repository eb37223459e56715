"""The items of a probe, and a seeded draw of them."""

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Generic, NamedTuple, Protocol

from typing_extensions import TypeVar

F = TypeVar("F", bound=NamedTuple, default=Any)


@dataclass(frozen=True)
class Item(Generic[F]):
    """One thing to ask."""

    id: str
    fields: F
    """What is asked, and what the answer is scored by; its names and values are what other harnesses log."""
    group: str | None = None
    """A category that is estimated on its own as well."""
    cluster: str | None = None
    """Items of one cluster are resampled together."""


class HasId(Protocol):
    """Anything that has an id."""

    @property
    def id(self) -> str: ...


N = TypeVar("N", bound=HasId)


def drawn(items: Iterable[N], limit: int | None, seed: int = 0) -> list[N]:
    """All ITEMS, or the LIMIT of them that a seeded draw picks, in their own order; a larger limit keeps them."""
    every = list(items)
    if limit is None or limit >= len(every):
        return every
    kept = {item.id for item in sorted(every, key=lambda item: blake2b(f"{seed}:{item.id}".encode()).digest())[:limit]}
    return [item for item in every if item.id in kept]
