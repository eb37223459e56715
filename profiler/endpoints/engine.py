"""One of the ways to reach a model: it draws samples and weighs texts, and knows nothing of probes or caches."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from profiler.errors import EndpointError
from profiler.records import Capabilities, Fingerprint, Generation, Likelihood, Sampling


class SampleCall(NamedTuple):
    """Draw samples `indices` of a prompt; sample i is drawn with seed + i."""

    prompt: str
    sampling: Sampling
    indices: tuple[int, ...]
    chat: bool = False
    system: str = ""
    top: int = 0
    """Ask for this many alternatives of the first token."""


class ScoreCall(NamedTuple):
    """The likelihood of texts `indices` after a common prefix (empty: of the texts alone, after begin-of-text)."""

    prefix: str
    texts: tuple[str, ...]
    indices: tuple[int, ...]


Call = SampleCall | ScoreCall
Value = Generation | Likelihood


@dataclass(frozen=True, slots=True)
class Piece:
    """One piece of an answer, journaled the moment it is there."""

    key: int
    """Which call it belongs to."""
    index: int
    value: Value | EndpointError


class Engine(Protocol):
    """What an engine does for the client."""

    async def capabilities(self) -> Capabilities: ...

    async def fingerprint(self) -> Fingerprint:
        """What stands behind the name now; the client gives it the id under which the same weights are known."""
        ...

    def perform(self, calls: AsyncIterable[tuple[int, Call]]) -> AsyncIterator[Piece]:
        """Carry out keyed calls with bounded concurrency, in whatever order they finish.

        Pulls calls no faster than it can work on them. A call that fails gives a Part with the error for each of its
        indices; raises EndpointDown when the endpoint keeps failing.
        """
        ...

    async def close(self) -> None: ...
