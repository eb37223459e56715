"""What asking a probe takes, before anything is paid: requests, and tokens that are read and written."""

from __future__ import annotations

from itertools import islice
from typing import NamedTuple, assert_never

from profiler.endpoints import Choose, Embed, Generate, Request, Weigh
from profiler.probes import Probe

LOOKED = 200
"""Items whose texts are looked at; the others are taken to be as long."""
CHARACTERS = 4
"""Of a token, about: a model's own tokens are known once it is asked."""
LETTER = 16
"""Tokens that a letter may take to be written, where likelihoods can't be had."""


class Workload(NamedTuple):
    """What all items of a probe take."""

    items: int
    requests: int
    """At most: an option whose likelihood is asked is a request of its own."""
    read: int
    """Tokens of what is asked, about."""
    written: int
    """Tokens of answers, at most."""

    def cost(self, price: tuple[float, float]) -> float:
        """By the PRICE of a million tokens read, and of a million written."""
        return (self.read * price[0] + self.written * price[1]) / 1e6


def workload(probe: Probe) -> Workload:
    """By the texts of some items, evenly spaced."""
    many = probe.count
    looked = [_asked(probe.ask(item)) for item in islice(probe.items, 0, None, max(1, many // LOOKED))]
    requests, read, written = (many * sum(column) // max(len(looked), 1) for column in zip(*looked, strict=True))
    return Workload(many, requests, read // CHARACTERS, written)


def _asked(request: Request) -> tuple[int, int, int]:
    """Requests, characters read and tokens written of one."""
    match request:
        case Generate():
            asked = len(request.filled()) + len(request.system)
            return 1, asked, request.n * request.sampling.max_tokens
        case Choose():
            weighed = sum(len(request.prompt) + len(choice) for choice in request.choices)
            return len(request.choices), max(weighed, len(request.lettered())), LETTER
        case Weigh() | Embed():
            return len(request.texts), sum(map(len, request.texts)), 0
    assert_never(request)
