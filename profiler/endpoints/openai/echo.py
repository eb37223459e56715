"""Log-probabilities of a text that a server echoes: which of its tokens belong to what."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from profiler.errors import Unreadable
from profiler.records import Likelihood, Usage

LOST = "\ufffd"
"""What a server writes for a token that is only a part of a character."""


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
        return Likelihood(total=math.fsum(known), tokens=len(known), usage=Usage(prompt=len(self.tokens)))


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
