"""How a request is put to an endpoint that can do this and that, and how what comes back is read."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, assert_never

from profiler.endpoints.engine import Call, EmbedCall, SampleCall, ScoreCall, Value
from profiler.endpoints.requests import LETTERS, Answer, Choose, Embed, Generate, Request, Weigh
from profiler.records import Capabilities, Generation, HiddenState, How, Likelihood, Sampling, Usage

ScoringMethod = Literal["auto", "loglikelihood", "top_logprobs", "letter"]
"""The instrument for choices; auto takes the best that the endpoint allows."""

LISTED: tuple[How, ...] = ("top_logprobs", "letter")
"""Instruments for which the choices are listed by letter."""

TOP = 20
"""Alternatives of the first token to ask for: what OpenAI and vLLM allow at most."""

ROOM = 4096
"""New tokens that a model which thinks may spend on that before an answer whose length is ours to set."""

LETTER = re.compile(
    r"""[\s*_]*(?i:(?:the\s+)?(?:correct\s+)?(?:answer|option|sentence)(?:\s+is)?\s*:?[\s*_]*)?"""
    r"""[("'*\[<]*([A-Z])[)"'*\]>]*(?:\s*$|[.:)]|\n)"""
)
"""A letter that stands alone, or before a full stop, colon, bracket or line end: "A nurse" is not an answer."""


@dataclass(frozen=True)
class AnswerReader:
    """The way of asking that an endpoint's capabilities allow."""

    can: Capabilities
    chat: bool
    """The user wants /chat/completions."""
    scoring_method: ScoringMethod = "auto"
    _known: dict[tuple[How, ...], tuple[How, str | None]] = field(default_factory=dict, init=False, compare=False)
    """What was found for requests that such instruments can read: it is asked several times a request."""

    @property
    def talks(self) -> bool:
        """Whether text is asked for through chat."""
        return self.chat or not self.can.completions

    def how(self, request: Request) -> How:
        """The instrument that the answer to such a request is read with: the best that is allowed."""
        return self._taken(request.ways)[0]

    def obstacle(self, request: Request) -> str | None:
        """Why such a request can't be answered here; None when it can."""
        how, obstacle = self._taken(request.ways)
        if isinstance(request, Choose) and how in LISTED and len(request.choices) > len(LETTERS):
            return obstacle or f"{len(request.choices)} choices are more than there are letters"
        if isinstance(request, Generate) and request.sampling.temperature and not self.can.sampled:
            return obstacle or f"it does not sample: {self.can.notes.get('sampled')}; ask with --temperature 0"
        if not self.can.temperature and self.talks:
            return obstacle or self._too_warm(request, how)
        return obstacle

    def _too_warm(self, request: Request, how: How) -> str | None:
        """What a model that draws at temperature 1 only can't be asked: what is greedy, or drawn otherwise."""
        why = f"it draws at temperature 1 only ({self.can.notes.get('temperature')})"
        match request:
            case Generate(sampling=Sampling(temperature=1.0, top_p=1.0)):
                return None
            case Generate():
                return f"{why}; ask with --temperature 1 --top-p 1"
            case Choose() if how == "letter":
                return f"{why}, so that a letter would be drawn by chance"
            case _:
                return None

    def _taken(self, able: tuple[How, ...]) -> tuple[How, str | None]:
        """Of the instruments that can read an answer the one to take, and why there is none that can be."""
        if able not in self._known:
            self._known[able] = self._weighed(able)
        return self._known[able]

    def _weighed(self, able: tuple[How, ...]) -> tuple[How, str | None]:
        # What is written is read as it is; only with a confidence in it does it stand in for another instrument.
        wanted = {
            self.scoring_method,
            "text",
            "hidden_states",
            *(("verbal", "sampled") if self.scoring_method == "letter" else ()),
        }
        allowed = able if self.scoring_method == "auto" else tuple(how for how in able if how in wanted)
        if not allowed:
            return able[0], f"it is read by {' or '.join(able)}, not by {self.scoring_method}"
        lacking = {how: self._lacking(how) for how in allowed}
        for how, lack in lacking.items():
            if lack is None:
                return how, None
        return allowed[0], "; ".join(why for why in dict.fromkeys(lacking.values()) if why)

    def _lacking(self, how: How) -> str | None:
        """What the endpoint lacks for an instrument."""
        match how:
            case "loglikelihood" if self.can.echo:
                return None
            case "loglikelihood":
                capability, what = "echo", "it gives no log-probabilities of a text that it is handed (echo)"
            case "hidden_states" if self.can.hidden_states:
                return None
            case "hidden_states":
                capability, what = (
                    "hidden_states",
                    "a server gives no hidden states: run the checkpoint in this process",
                )
            case "top_logprobs" if not self.can.top_logprobs:
                capability, what = "top_logprobs", "it gives no alternatives of a generated token (top_logprobs)"
            case _ if self.talks and not self.can.chat:
                capability, what = "chat", "it does not answer /chat/completions"
            case _:
                return None
        note = self.can.notes.get(capability)
        return f"{what}: {note}" if note else what

    def call(self, request: Request) -> Call:
        """The one call that brings everything a request needs."""
        match request:
            case Generate(prompt, sampling, _, system, n):
                if self.talks:
                    said = request.said.sampling
                    drawn = self._roomy(said) if request.how != "text" else said
                    return SampleCall(prompt, drawn, tuple(range(n)), True, system)
                return SampleCall(request.filled(), sampling, tuple(range(n)))
            case Choose(prompt, choices, given=given) if self.how(request) == "loglikelihood":
                texts = choices + given
                return ScoreCall(prompt, texts, tuple(range(len(texts))))
            case Choose():
                return self._letter(request)
            case Weigh(texts):
                return ScoreCall("", texts, tuple(range(len(texts))))
            case Embed(texts):
                return EmbedCall(texts, tuple(range(len(texts))))
            case _:
                assert_never(request)

    def _letter(self, request: Choose) -> SampleCall:
        listed = request.lettered()
        prompt = listed if self.talks else f"{listed}\nAnswer:"
        if self.how(request) == "top_logprobs":
            return SampleCall(prompt, Sampling(max_tokens=1), (0,), self.talks, top=min(TOP, self.can.top_logprobs))
        return SampleCall(prompt, self._roomy(Sampling(max_tokens=16)), (0,), self.talks)

    def _roomy(self, sampling: Sampling) -> Sampling:
        """With room for the thought of a model that thinks."""
        more = ROOM if self.can.thinks and self.talks else 0
        return sampling.model_copy(update={"max_tokens": sampling.max_tokens + more})

    def answer(self, request: Request, values: Sequence[Value]) -> Answer:
        """What the parts of a call say."""
        how = self.how(request)
        generations = tuple([value for value in values if isinstance(value, Generation)])
        if isinstance(request, Generate):
            return Answer(how, generations)
        likelihoods = tuple([value for value in values if isinstance(value, Likelihood)])
        if isinstance(request, Weigh):
            return Answer(how, (), likelihoods)
        if isinstance(request, Embed):
            return Answer(how, states=tuple([value for value in values if isinstance(value, HiddenState)]))
        if how == "loglikelihood":
            return Answer(how, (), followed(likelihoods, len(request.choices)) if request.given else likelihoods)
        (generation,) = generations
        count = len(request.choices)
        if how == "letter":
            letter = read_letter(generation.text, count)
            return Answer(how, generations, choice=None if letter is None else request.places[letter])
        by_letter = letter_shares(generation.top, count)
        shares = tuple(by_letter[request.places.index(choice)] for choice in range(count)) if by_letter else ()
        choice = max(range(count), key=shares.__getitem__) if shares else None
        return Answer(how, generations, choice=choice, confidences=shares)


ITEM = re.compile(r"^\s*([A-Z])(?:[.):]|\s*$)", re.MULTILINE)
"""A letter at the beginning of a line, as options are listed."""


def order(request: Request, how: How) -> tuple[int, ...]:
    """Which option each letter of the question stood for; empty where none were listed by letter."""
    match request:
        case Choose():
            return request.places if how in LISTED else ()
        case Generate():
            return request.order
        case _:
            return ()


def options(request: Request) -> tuple[str, ...]:
    """What could be taken, or what was weighed."""
    match request:
        case Choose(choices=choices):
            return tuple(choice.strip() for choice in choices)
        case Weigh(texts):
            return texts
        case _:
            return ()


def asked(request: Request, how: How) -> str:
    """The question as a model was asked it, but for a template around it."""
    match request:
        case Choose():
            return request.lettered() if how in LISTED else request.prompt
        case Generate(prompt=prompt):
            return prompt
        case Weigh(texts) | Embed(texts):
            return "\n".join(texts)
        case _:
            assert_never(request)


def followed(likelihoods: Sequence[Likelihood], count: int) -> tuple[Likelihood, ...]:
    """Of each of the first `count` texts, what stands after the part of it that is given: whole less part.

    Exact where the part's tokens begin the whole's, as they do where the rest begins with a space.
    """
    return tuple(
        Likelihood(
            total=whole.total - part.total,
            tokens=whole.tokens - part.tokens,
            usage=sum((paid.usage for paid in (whole, part) if not paid.cached), Usage()),
            cached=whole.cached and part.cached,
        )
        for whole, part in zip(likelihoods[:count], likelihoods[count:], strict=True)
    )


def read_letter(text: str, count: int) -> int | None:
    """Which of the first `count` letters an answer consists of or opens with; None when it does not say.

    One that repeats the list of options opens with A and says nothing.
    """
    found = LETTER.match(text)
    if not found or {line[1] for line in ITEM.finditer(text)} - {found[1]} & set(LETTERS[:count]):
        return None
    index = LETTERS.index(found[1])
    return index if index < count else None


def letter_shares(top: dict[str, float], count: int) -> tuple[float, ...]:
    """How the first token's probability is shared among the letters, with and without a space before them.

    A letter that is not among the alternatives has next to none; empty when no letter is.
    """
    weights = [0.0] * count
    for token, logprob in top.items():
        letter = token.strip()
        if len(letter) == 1 and letter in LETTERS[:count]:
            weights[LETTERS.index(letter)] += math.exp(logprob)
    total = sum(weights)
    return tuple(weight / total for weight in weights) if total else ()
