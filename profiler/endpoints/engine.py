"""One of the ways to reach a model: it draws samples and weighs texts, and knows nothing of probes or caches."""

from collections.abc import AsyncIterable, Callable, Sequence
from typing import NamedTuple, Protocol

from profiler.errors import EndpointError
from profiler.records import Capabilities, Fingerprint, Generation, HiddenState, Likelihood, Sampling


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


class EmbedCall(NamedTuple):
    """The hidden states of texts `indices`, each alone."""

    texts: tuple[str, ...]
    indices: tuple[int, ...]


Call = SampleCall | ScoreCall | EmbedCall
Value = Generation | Likelihood | HiddenState


Take = Callable[[int, int, Value | EndpointError], None]
"""Is given the key of a call, an index, and what came back for it, the moment it is there."""


class Engine(Protocol):
    """What an engine does for the client."""

    async def capabilities(self) -> Capabilities: ...

    async def fingerprint(self) -> Fingerprint:
        """What stands behind the name now; the client gives it the id under which the same weights are known."""
        ...

    async def perform(self, calls: AsyncIterable[tuple[int, Call]], take: Take) -> None:
        """Carry out keyed calls with bounded concurrency, in whatever order they finish.

        Pulls calls no faster than it can work on them. A call that fails gives the error for each of its indices;
        raises EndpointDown when the endpoint keeps failing.
        """
        ...

    async def close(self) -> None: ...


def shared(one: Sequence[object], other: Sequence[object]) -> int:
    """How many tokens two texts begin with in common."""
    differing = (place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b)
    return next(differing, min(len(one), len(other)))
