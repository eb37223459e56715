"""The items of a probe, and a seeded draw of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b

from profiler.records import Json


@dataclass(frozen=True)
class Item:
    """One thing to ask."""

    id: str
    fields: Mapping[str, Json] = field(default_factory=dict)
    group: str | None = None
    """A category that is estimated on its own as well."""
    cluster: str | None = None
    """Items of one cluster are resampled together."""


def drawn(items: Iterable[Item], limit: int | None, seed: int = 0) -> list[Item]:
    """All ITEMS, or the LIMIT of them that a seeded draw picks, in their own order; a larger limit keeps them."""
    every = list(items)
    if limit is None or limit >= len(every):
        return every
    picked = sorted(every, key=lambda item: blake2b(f"{seed}:{item.id}".encode()).digest())[:limit]
    kept = {item.id for item in picked}
    return [item for item in every if item.id in kept]
