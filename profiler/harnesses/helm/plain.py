"""HELM's own scenarios, asked of the same server: samples, echo and log-probabilities as HELM wants them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Protocol
from zlib import crc32

from helm.common.cache import Cache, CacheConfig
from helm.common.request import GeneratedOutput, RequestResult, Token, wrap_request_time
from helm.common.request import Request as HelmRequest

from profiler.endpoints import Body, ReplyChoice, ServerReply
from profiler.errors import Unreadable, WrongUse
from profiler.records import Endpoint

SEED = 0
UNHEARD = ("embedding", "messages", "multimodal_prompt", "image_generation_parameters", "response_format")
"""Fields of a request that plain completions have no place for."""


class Poster(Protocol):
    """What sends a request and waits for its answer."""

    endpoint: Endpoint

    def post(self, body: Body) -> ServerReply: ...

    def weights(self) -> str: ...


class HelmRequests:
    """Answers requests as HELM makes them; HELM's cache keeps the answers, by the weights that gave them."""

    def __init__(self, model: str, cache_config: CacheConfig, line: Poster) -> None:
        self._model = model
        self._cache = Cache(cache_config)
        self._line = line

    def answer(self, request: HelmRequest) -> RequestResult:
        if unheard := [name for name in UNHEARD if getattr(request, name)]:
            raise WrongUse(f"model=inherit/… continues plain text: it has no place for {', '.join(unheard)}")
        asked = body(self._model, request)
        key = {**asked, "url": self._line.endpoint.url, "weights": self._line.weights(), "random": request.random}
        response, cached = self._cache.get(key, wrap_request_time(partial(self._asked, asked, request.num_completions)))
        return RequestResult(
            success=True,
            embedding=[],
            completions=[output(choice) for choice in response["choices"]],
            cached=cached,
            request_time=response["request_time"],
            request_datetime=response["request_datetime"],
        )

    def _asked(self, asked: Body, count: int) -> dict[str, Any]:
        reply = self._line.post(asked)
        if len(reply.choices) < count:
            raise Unreadable(f"expected {count} samples, but the server sent {len(reply.choices)}")
        return {"choices": [choice.model_dump(mode="json") for choice in reply.choices]}


def body(model: str, request: HelmRequest) -> Body:
    """What is sent: of what the standard has, nothing that a server may refuse."""
    asked: Body = {
        "model": model,
        "prompt": request.prompt,
        "max_tokens": request.max_tokens,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "logprobs": 1,
    }
    if request.temperature:
        asked["seed"] = SEED if request.random is None else crc32(request.random.encode()) % 2**31
    if request.num_completions > 1:
        asked["n"] = request.num_completions
    if request.stop_sequences:
        asked["stop"] = [*request.stop_sequences]
    if request.echo_prompt:
        asked["echo"] = True
    penalties = {"presence_penalty": request.presence_penalty, "frequency_penalty": request.frequency_penalty}
    return asked | {name: value for name, value in penalties.items() if value}


def output(raw: Mapping[str, object]) -> GeneratedOutput:
    """A choice in HELM's form; the first token of an echoed text has no log-probability, which HELM writes as 0."""
    choice = ReplyChoice.model_validate(raw)
    listed = choice.logprobs
    if listed is None or listed.tokens is None or listed.token_logprobs is None:
        raise Unreadable("the server gives no log-probabilities of tokens, which HELM's scenarios are scored by")
    tokens = [Token(text, logprob or 0.0) for text, logprob in zip(listed.tokens, listed.token_logprobs, strict=False)]
    return GeneratedOutput(
        text=choice.text or "",
        logprob=sum(token.logprob for token in tokens),
        tokens=tokens,
        finish_reason={"reason": choice.finish_reason or "unknown"},
    )
