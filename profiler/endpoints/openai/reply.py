"""What a server sends back, checked once on arrival: model output is untrusted, and so is what carries it."""

from __future__ import annotations

import json
import math
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from profiler.endpoints.openai.echo import EchoedText
from profiler.errors import EndpointError, Unreadable
from profiler.records import Generation, Usage

LONGEST = 1_000_000
"""Characters that one answer may have."""


class TolerantModel(BaseModel):
    """A part of a reply; servers add fields of their own."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class Alternative(TolerantModel):
    token: str
    logprob: float
    top_logprobs: list[Alternative] = []


class Logprobs(TolerantModel):
    """Log-probabilities as completions write them (parallel lists) or as chat does (`content`)."""

    tokens: list[str] | None = None
    token_logprobs: list[float | None] | None = None
    top_logprobs: list[dict[str, float] | None] | None = None
    content: list[Alternative] | None = None

    def first(self) -> dict[str, float]:
        """The alternatives of the first generated token."""
        if self.content:
            return {one.token: one.logprob for one in self.content[0].top_logprobs}
        return (self.top_logprobs and self.top_logprobs[0]) or {}


class ReplyMessage(TolerantModel):
    content: str | None = None


class ReplyChoice(TolerantModel):
    index: int | None = None
    text: str | None = None
    message: ReplyMessage | None = None
    finish_reason: str | None = None
    logprobs: Logprobs | None = None

    @property
    def written(self) -> str | None:
        return self.message.content if self.message else self.text


class ReplyUsage(TolerantModel):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class ServerReply(TolerantModel):
    """An answer to one request."""

    model_config = ConfigDict(frozen=False)

    choices: list[ReplyChoice]
    usage: ReplyUsage | None = None
    seconds: float = 0.0
    """How long it took: noted by who asked."""

    def placed(self, count: int) -> dict[int, ReplyChoice]:
        """The choices by place; some of `count` may be missing."""
        if count == 1:
            return dict(enumerate(self.choices[:1]))
        numbers = {choice.index for choice in self.choices}
        trusted = len(numbers) == len(self.choices) and numbers.issubset(range(count))
        return {
            choice.index if trusted and choice.index is not None else place: choice
            for place, choice in enumerate(self.choices[:count])
        }


class ListedModel(TolerantModel):
    """What a server lists of a model; not when it was loaded, which changes."""

    id: str
    root: str | None = None
    max_model_len: int | None = None


class ModelList(TolerantModel):
    data: list[ListedModel]


Kind = TypeVar("Kind", bound=TolerantModel)


def read(kind: type[Kind], raw: bytes) -> Kind:
    """What the bytes of a reply say."""
    try:
        return kind.model_validate_json(raw)
    except ValidationError as error:
        problem = error.errors()[0]
    text = raw.decode("utf-8", "replace")
    if problem["type"] == "json_invalid":
        try:
            return kind.model_validate(lenient(text))
        except (ValueError, RecursionError):
            raise Unreadable(f"expected JSON, but the server sent {text[:80]!r}") from None
    where = ".".join(map(str, problem["loc"])) or "the whole"
    raise Unreadable(f"expected a {kind.__name__.lower()}, but {where}: {problem['msg']} in {text[:80]!r}")


def lenient(text: str) -> object:
    """JSON with half surrogate pairs, which Python's parser lets through; each becomes U+FFFD."""
    written = json.dumps(json.loads(text), ensure_ascii=False).encode("utf-16", "surrogatepass")
    return json.loads(written.decode("utf-16", "replace"))


def generations(reply: ServerReply, count: int) -> dict[int, Generation | EndpointError]:
    """The samples in a reply, by place; a place without a choice is left out."""
    placed = reply.placed(count)
    paid = reply.usage or ReplyUsage()
    share, rest = divmod(paid.completion_tokens or 0, max(1, len(placed)))
    # The reply has one bill: the first sample carries the prompt, and each its share of what was written.
    first, others = Usage(prompt=paid.prompt_tokens or 0, completion=share + rest), Usage(completion=share)
    return {
        place: generation(choice, others if order else first, reply.seconds)
        for order, (place, choice) in enumerate(sorted(placed.items()))
    }


def generation(choice: ReplyChoice, usage: Usage, seconds: float) -> Generation | EndpointError:
    """The sample in a choice: an empty text is an answer, none is not."""
    text = choice.written
    if text is None:
        return Unreadable(f"expected a text, but the server sent null (finish reason: {choice.finish_reason!r})")
    if len(text) > LONGEST:
        return Unreadable(f"expected at most {LONGEST:,} characters, but the server sent {len(text):,}")
    made = Generation(text=text, finish=choice.finish_reason, usage=usage, seconds=round(seconds, 4))
    if not choice.logprobs:
        return made
    finite = {token: logprob for token, logprob in choice.logprobs.first().items() if math.isfinite(logprob)}
    return made.model_copy(update={"top": finite})


def echoes(reply: ServerReply, prompts: list[str], limit: int) -> dict[int, EchoedText | EndpointError]:
    """The echoed prompts, by place, without what the server generated after them: LIMIT tokens each at most."""
    placed = reply.placed(len(prompts))
    # vLLM bills a token that it was asked not to draw, and does not return it.
    new = 0 if limit == 0 else reply.usage.completion_tokens if reply.usage else None
    return {place: echo(choice, prompts[place], new, len(placed)) for place, choice in placed.items()}


def echo(choice: ReplyChoice, prompt: str, new: int | None, count: int) -> EchoedText | EndpointError:
    """The echoed prompt in a choice; `new` tokens were generated for all `count` choices together."""
    found = choice.logprobs
    if not found or not found.tokens or not found.token_logprobs or len(found.tokens) != len(found.token_logprobs):
        return Unreadable("expected the log-probabilities of the text, but the server sent none")
    if not (choice.text or "").startswith(prompt):
        return Unreadable(f"expected the text to be echoed, but the server sent {(choice.text or '')[:80]!r}")
    # At most one token is asked for. Where the bill does not say whether it was drawn, the text does.
    drawn = new // count if new is not None else int(choice.text != prompt)
    kept = len(found.tokens) - drawn
    return EchoedText(tuple(found.tokens[:kept]), tuple(found.token_logprobs[:kept]))
