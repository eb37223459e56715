"""What a server sends back, checked once on arrival: model output is untrusted, and so is what carries it."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, NamedTuple, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from profiler.errors import EndpointError, Unreadable
from profiler.records import Generation, Likelihood, Usage

LONGEST = 1_000_000
"""Characters that one answer may have."""

MOST_TOKENS = 10**9
"""Tokens that one request may be billed."""

LEAST, TOP = -1e4, 1e-3
"""Log-probabilities that a model can mean; servers round, and write -9999 for what can't be."""

OPENED, CLOSED = "<think>", "</think>"
"""What models put around a thought that their server does not tell from the answer."""

LOST = "\ufffd"
"""What a server writes for a token that is only a part of a character."""


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


Thinking = Annotated[str | None, BeforeValidator(lambda value: value if isinstance(value, str) else None)]


class ReplyMessage(TolerantModel):
    content: str | None = None
    reasoning_content: Thinking = None
    reasoning: Thinking = None


class ReplyChoice(TolerantModel):
    index: int | None = None
    text: str | None = None
    message: ReplyMessage | None = None
    finish_reason: str | None = None
    logprobs: Logprobs | None = None

    @property
    def written(self) -> str | None:
        """All that was written, a thought before the answer to it."""
        thought, text = self.parted
        return text if not thought else thought + (text or "")

    @property
    def parted(self) -> tuple[str, str | None]:
        """What was thought aloud, and the answer; a thought without an end is followed by none."""
        if not self.message:
            return "", self.text
        said = self.message.content
        if apart := self.message.reasoning_content or self.message.reasoning:
            return apart.strip(), said
        before, end, after = (said or "").partition(CLOSED)
        opened = before.lstrip().startswith(OPENED)
        if opened or (end and OPENED not in before):  # some chat templates open it themselves
            return before.strip().removeprefix(OPENED).strip(), after.lstrip() if end else None
        return "", said


def counted(value: object) -> object:
    """A number of tokens as a bill may have it; what no server can mean is none."""
    return value if isinstance(value, int) and 0 <= value <= MOST_TOKENS else None


Tokens = Annotated[int | None, BeforeValidator(counted)]


class CompletionDetails(TolerantModel):
    reasoning_tokens: Tokens = None


class ReplyUsage(TolerantModel):
    prompt_tokens: Tokens = None
    completion_tokens: Tokens = None
    completion_tokens_details: CompletionDetails | None = None

    @property
    def thinking(self) -> int:
        """Tokens that went into a thought, shown or not."""
        return (self.completion_tokens_details and self.completion_tokens_details.reasoning_tokens) or 0


class ServerReply(TolerantModel):
    """An answer to one request."""

    model_config = ConfigDict(frozen=False)

    choices: list[ReplyChoice]
    usage: ReplyUsage | None = None
    seconds: float = 0.0
    """How long it took: noted by who asked."""

    @property
    def thinks(self) -> bool:
        """The model thought before it answered, or meant to answer."""
        return bool(self.usage and self.usage.thinking) or any(choice.parted[0] for choice in self.choices)

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
        problem = error.errors(include_url=False, include_context=False, include_input=False)[0]
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Unreadable(f"expected UTF-8, but byte {error.start:,} of what the server sent is not") from None
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


def generations(
    reply: ServerReply, count: int, stop: Sequence[str] = (), short: bool = False
) -> dict[int, Generation | EndpointError]:
    """The samples in a reply, by place, each cut where it should have stopped; a place without a choice is left out.

    SHORT: the server's bills leave out all but one of a request's samples.
    """
    placed = reply.placed(count)
    paid = reply.usage or ReplyUsage()
    share, rest = divmod(paid.completion_tokens or 0, max(1, len(placed)))
    # The reply has one bill: the first sample carries the prompt, and each its share of what was written.
    short = short and count > 1
    first = Usage(prompt=paid.prompt_tokens or 0, completion=share + rest, short=short)
    others = Usage(completion=share, short=short)
    return {
        place: generation(choice, others if order else first, reply.seconds, stop, bool(paid.thinking))
        for order, (place, choice) in enumerate(sorted(placed.items()))
    }


def generation(
    choice: ReplyChoice, usage: Usage, seconds: float, stop: Sequence[str], unseen: bool
) -> Generation | EndpointError:
    """The sample in a choice: an empty text is an answer, none is not, nor what a filter kept to itself.

    UNSEEN: some tokens of the bill went into thoughts, whether or not they are shown.
    """
    (thought, text), finish = choice.parted, choice.finish_reason
    if (thought or unseen) and not (text or "").strip() and (finish == "length" or text is None):
        return Unreadable(
            f"it thought until its tokens were used up, and did not answer (finish reason: {finish!r}); give it room "
            "with a larger --max-tokens"
        )
    if text is None or (not text and finish == "content_filter"):
        return Unreadable(f"expected a text, but the server sent none (finish reason: {finish!r})")
    if len(text) > LONGEST:
        return Unreadable(f"expected at most {LONGEST:,} characters, but the server sent {len(text):,}")
    if ends := [at for one in stop if (at := text.find(one)) >= 0]:
        # Some servers leave the string in that a text was to stop at.
        text, finish = text[: min(ends)], "stop"
    made = Generation(text=text, finish=finish, usage=usage, seconds=round(seconds, 4))
    if thought or unseen:
        return made.model_copy(update={"thought": thought})  # the first token is not the answer's
    if not choice.logprobs:
        return made
    first = choice.logprobs.first()
    if wrong := next((value for value in first.values() if not value <= TOP), None):
        return Unreadable(f"expected log-probabilities, but the server sent {wrong:.6g}")
    finite = {token: logprob for token, logprob in first.items() if math.isfinite(logprob)}
    return made.model_copy(update={"top": finite})


class TokenSpan(NamedTuple):
    """Where a token stands in the text."""

    start: int
    end: int
    lost: bool = False
    """Part of a run whose characters can't be told from each other; the span is the whole run's."""


@dataclass(frozen=True)
class EchoedText:
    """The tokens of one echoed text, generated ones left out."""

    tokens: tuple[str, ...]
    logprobs: tuple[float | None, ...]

    def likelihood(self, first: int | None) -> Likelihood | Unreadable:
        """The likelihood of the tokens from `first` on; the text's very first counts only if it has one."""
        if first is None:
            return Unreadable("the server's tokens do not say where the choice begins")
        counted = self.logprobs[1 if first == 0 and self.logprobs[:1] == (None,) else first :]
        known = [value for value in counted if value is not None and math.isfinite(value)]
        if len(known) < len(counted):
            return Unreadable("expected a log-probability for every token of the text, but the server left one out")
        if wrong := next((value for value in known if not LEAST <= value <= TOP), None):
            return Unreadable(f"expected log-probabilities, but the server sent {wrong:.6g}")
        return Likelihood(total=math.fsum(known), tokens=len(known), usage=Usage(prompt=len(self.tokens)))


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
    if not (choice.text or "").startswith(prompt) or (new == 0 and choice.text != prompt):
        return Unreadable(f"expected the text to be echoed, but the server sent {(choice.text or '')[:80]!r}")
    # At most one token is asked for. Where the bill does not say whether it was drawn, the text does.
    drawn = new // count if new is not None else int(choice.text != prompt)
    kept = len(found.tokens) - drawn
    return EchoedText(tuple(found.tokens[:kept]), tuple(found.token_logprobs[:kept]))


def boundary(tokens: Sequence[str], text: str, at: int) -> int | None:
    """The first token that reaches past character `at`; None when the tokens don't tell.

    A token that straddles the boundary belongs to what follows. The offsets that servers send can't be used: vLLM's
    count the name of begin-of-text, and drift where decoding one token alone loses characters.
    """
    spans = spell(tokens, text)
    if spans is None:
        return None
    first = next((place for place, span in enumerate(spans) if span.end > at), len(spans))
    if first < len(spans) and spans[first].lost and spans[first].start < at:
        return None
    return first


def spell(tokens: Sequence[str], text: str) -> list[TokenSpan] | None:
    """Where each token stands in the text; None when they don't make it up."""
    spans: list[TokenSpan] = []
    at = run = 0
    for token in tokens:
        if LOST in token:
            run += 1
            continue
        if run:
            resumed = text.find(token, at + 1)
            if resumed < 0:
                return None
            spans += [TokenSpan(at, resumed, lost=True)] * run
            at, run = resumed, 0
        width = _width(token, text, at)
        if width is None:
            return None
        spans.append(TokenSpan(at, at + width))
        at += width
    if run:
        spans += [TokenSpan(at, len(text), lost=True)] * run
        at = len(text)
    return spans if at == len(text) else None


def _width(token: str, text: str, at: int) -> int | None:
    """How many characters of the text a token takes up; None when it does not stand there."""
    if text.startswith(token, at):
        return len(token)
    if text.startswith(" " + token, at):
        return len(token) + 1  # decoding one token alone loses its leading space (SentencePiece)
    if at > 0:
        return None
    if token.startswith(" ") and text.startswith(token[1:]):
        return len(token) - 1  # or gains one at the start
    return 0  # begin-of-text has a name that is not in the text
