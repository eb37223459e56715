"""A client of the wire, impatient enough for tests, and a way to collect what it answers."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

from profiler.endpoints.answer_reader import ScoringMethod
from profiler.endpoints.cache import Cache
from profiler.endpoints.client import Client
from profiler.endpoints.openai.engine import OpenAIEngine
from profiler.endpoints.openai.transport import RetryLimits
from profiler.endpoints.requests import Answer, Request
from profiler.records import Endpoint, Sampling
from tests.support.wire import Wire

HASTY = RetryLimits(tries=3, first=0.005, longest=0.02, attempt=5.0, deadline=10.0, down=4)

WARM = Sampling(temperature=1.0, max_tokens=8, seed=7)

K = TypeVar("K")


def client(
    wire: Wire,
    cache: Path | None = None,
    *,
    chat: bool = False,
    scoring_method: ScoringMethod = "auto",
    concurrency: int = 8,
    patience: RetryLimits = HASTY,
) -> Client:
    endpoint = Endpoint(model=wire.script.model, url=wire.url, chat=chat)
    return Client(
        OpenAIEngine(endpoint, concurrency=concurrency, patience=patience), Cache(cache), endpoint, scoring_method
    )


async def answers(client: Client, requests: Iterable[tuple[K, Request]]) -> dict[K, Answer]:
    """All answers, by key."""
    return {key: answer async for key, answer in client.answer(requests)}


async def one(client: Client, request: Request) -> Answer:
    """The answer to a single request."""
    return (await answers(client, [("it", request)]))["it"]
