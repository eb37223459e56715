"""HELM's requests, answered by the client that `inherit profile` asks with."""

import asyncio
import atexit
import threading
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any, TypeVar
from zlib import crc32

from helm.clients.client import Client as HelmClient
from helm.common.cache import BlackHoleCacheConfig, CacheConfig, SqliteCacheConfig
from helm.common.cache import Cache as HelmCache
from helm.common.hierarchical_logger import hwarn
from helm.common.request import ErrorFlags, GeneratedOutput, RequestResult, Token, wrap_request_time
from helm.common.request import Request as HelmRequest

from profiler import endpoints
from profiler.endpoints import Answer, Body, Choose, Client, Request, Weigh
from profiler.errors import EndpointDown, EndpointError, InheritError, StoreError, Unreadable, WrongUse
from profiler.harnesses.helm import spec
from profiler.records import Endpoint, Likelihood

T = TypeVar("T")

ONE = threading.Lock()

FLIGHT = 64
"""Most requests in flight; HELM's --num-threads says how many it makes at once."""

ANSWERS = "inherit-answers.sqlite"
"""Our cache, beside HELM's own: answers are kept by what was asked and by the fingerprint of the weights."""

SEED = 0
UNHEARD = ("embedding", "messages", "multimodal_prompt", "image_generation_parameters", "response_format")
"""Fields of a request that plain completions have no place for."""


class InheritClient(HelmClient):
    """Answers what the run specs inherit_* ask as `inherit profile` would, and HELM's own scenarios as HELM would."""

    def __init__(self, cache_config: CacheConfig, url: str, served: str) -> None:
        self._url = url
        with ONE:  # HELM makes a client for each of its threads, and each would ask what the endpoint can do
            self._line = line(Endpoint(model=served, url=url), answers(cache_config))
        self._cache = HelmCache(cache_config)

    def make_request(self, request: HelmRequest) -> RequestResult:
        if self._line.over:
            return failure(self._line.over, final=True)
        try:
            return self._ours(request) if request.prompt.startswith(spec.SCHEME) else self._helms(request)
        except InheritError as error:
            if isinstance(error, EndpointDown | StoreError):
                self._line.over = error  # every other request would wait for the same end
            return failure(error, final=True)

    def _ours(self, request: HelmRequest) -> RequestResult:
        began, clock = int(time.time()), time.monotonic()
        stop = tuple(request.stop_sequences)
        drawn = spec.DrawSettings(request.temperature, request.max_tokens, stop, request.num_completions)
        asked = spec.read(request.prompt, drawn)
        answer = self._line.ask(asked)
        if answer.error:
            return failure(answer.error, final=False)
        written = [(text.text, text.finish or "unknown") for text in answer.generations]
        written = written or [(listed(asked.request, answer.likelihoods), "weighed")]
        outputs = [GeneratedOutput(text, 0.0, [], {"reason": reason}) for text, reason in written]
        reply = spec.StoredAnswer.of(answer, self._line.weights(asked.way), self._url)
        outputs[0].finish_reason[spec.KEY] = reply.model_dump(mode="json", exclude_defaults=True)
        cached = all(part.cached for part in answer.generations) and all(part.cached for part in answer.likelihoods)
        return RequestResult(True, [], outputs, cached, time.monotonic() - clock, began)

    def _helms(self, request: HelmRequest) -> RequestResult:
        """Answers a request as HELM makes it; HELM's cache keeps the answer, by the weights that gave it."""
        if unheard := [name for name in UNHEARD if getattr(request, name)]:
            raise WrongUse(f"model=inherit/… continues plain text: it has no place for {', '.join(unheard)}")
        asked = body(self._line.endpoint.model, request)
        key = {**asked, "url": self._url, "weights": self._line.weights(spec.AskMode()), "random": request.random}
        found, cached = self._cache.get(key, wrap_request_time(partial(self._posted, asked, request.num_completions)))
        outputs = [output(choice) for choice in found["choices"]]
        return RequestResult(True, [], outputs, cached, found["request_time"], found["request_datetime"])

    def _posted(self, asked: Body, count: int) -> dict[str, Any]:
        reply = self._line.post(asked)
        if len(reply.choices) < count:
            raise Unreadable(f"expected {count} samples, but the server sent {len(reply.choices)}")
        return {"choices": [choice.model_dump(mode="json") for choice in reply.choices]}


def listed(request: Request, likelihoods: Iterable[Likelihood]) -> str:
    """Likelihoods for a reader, a line each: the text, its log-probability, its tokens."""
    texts = request.texts if isinstance(request, Weigh) else request.choices if isinstance(request, Choose) else ()
    return "\n".join(
        f"{likelihood.total:9.3f} / {likelihood.tokens} tokens  {text.strip()}"
        for text, likelihood in zip(texts, likelihoods, strict=True)
    )


def failure(why: object, *, final: bool) -> RequestResult:
    """What was asked again often enough already; FINAL ends the run, else it is the error of one item."""
    flags = ErrorFlags(is_retriable=False, is_fatal=final)
    return RequestResult(False, embedding=[], completions=[], cached=False, error=str(why), error_flags=flags)


def answers(config: CacheConfig) -> Path | None:
    """Where our answers are kept, given where HELM keeps its own."""
    if isinstance(config, BlackHoleCacheConfig):
        return None
    if not isinstance(config, SqliteCacheConfig):
        raise WrongUse("inherit keeps its answers in SQLite: leave out --mongo-uri, or give --disable-cache")
    return Path(config.path).with_name(ANSWERS)


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
    optional: Body = {
        "n": request.num_completions if request.num_completions > 1 else None,
        "stop": [*request.stop_sequences],
        "echo": request.echo_prompt,
        "presence_penalty": request.presence_penalty,
        "frequency_penalty": request.frequency_penalty,
    }
    return asked | {name: value for name, value in optional.items() if value}


def output(raw: Mapping[str, object]) -> GeneratedOutput:
    """A choice in HELM's form; the first token of an echoed text has no log-probability, which HELM writes as 0."""
    choice = endpoints.ReplyChoice.model_validate(raw)
    listed = choice.logprobs
    if listed is None or listed.tokens is None or listed.token_logprobs is None:
        raise Unreadable("the server gives no log-probabilities of tokens, which HELM's scenarios are scored by")
    tokens = [Token(text, logprob or 0.0) for text, logprob in zip(listed.tokens, listed.token_logprobs, strict=False)]
    reason = {"reason": choice.finish_reason or "unknown"}
    return GeneratedOutput(choice.text or "", sum(token.logprob for token in tokens), tokens, reason)


class SharedClient:
    """Our client in a thread of its own: HELM's threads ask and wait."""

    def __init__(self, endpoint: Endpoint, kept: Path | None) -> None:
        self.endpoint = endpoint
        self.over: InheritError | None = None
        """Why nothing more can be asked."""
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="inherit", daemon=True).start()
        self._cache = self._done(there(partial(endpoints.Cache, kept)))  # its database belongs to the loop's thread
        self._engines: dict[bool, endpoints.OpenAIEngine] = {}
        self._clients: dict[spec.AskMode, Client] = {}
        self._transport = endpoints.Transport(endpoint, FLIGHT, endpoints.RetryLimits())
        self._first: asyncio.Lock = asyncio.Lock()
        atexit.register(self.close)

    def ask(self, asked: spec.SpecRequest) -> Answer:
        """The answer; an EndpointError where such a request can't be answered here, or nothing can."""
        return self._done(self._answer(*asked))

    def post(self, body: Body) -> endpoints.ServerReply:
        """What the server answers to plain completions."""
        return self._done(self._transport.post(endpoints.COMPLETIONS, body))

    def weights(self, way: spec.AskMode) -> str:
        """Id of the weights that answer."""
        return self._done(self._recognised(way))

    async def _answer(self, request: Request, way: spec.AskMode) -> Answer:
        await self._recognised(way)
        client = self._client(way)
        if why := await client.refusal(request):
            raise EndpointError(f"{self.endpoint.model} at {self.endpoint.url} can't be asked this: {why}")
        (answer,) = [answer async for _, answer in client.answer([(None, request)])]
        return answer

    def _client(self, way: spec.AskMode) -> Client:
        """Who asks in this way; all of them keep their answers in one place."""
        if way not in self._clients:
            endpoint = self.endpoint.model_copy(update={"chat": way.chat})
            engine = self._engines.setdefault(way.chat, endpoints.OpenAIEngine(endpoint, concurrency=FLIGHT))
            self._clients[way] = Client(engine, self._cache, endpoint, way.scoring_method)
        return self._clients[way]

    async def _recognised(self, way: spec.AskMode) -> str:
        client = self._client(way)
        async with self._first:  # the first asks which weights these are, and says so once
            try:
                found = await client.fingerprint()
            except EndpointError as error:
                raise EndpointDown(str(error)) from error
            if client.notice:
                hwarn(client.notice)
                client.notice = None
            return found.id

    def _done(self, work: Coroutine[None, None, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def close(self) -> None:
        for engine in self._engines.values():
            self._done(engine.close())
        self._done(there(self._cache.close))
        self._done(self._transport.close())
        self._loop.call_soon_threadsafe(self._loop.stop)


async def there(work: Callable[[], T]) -> T:
    """A plain function, for the loop's thread."""
    return work()


line = cache(SharedClient)
"""The one line to an endpoint."""
