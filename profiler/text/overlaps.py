"""Exceptions of spaCy's tokeniser that it sees across a blank, where they keep it from seeing others."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from itertools import combinations_with_replacement


class Overlaps:
    """Where an exception with a blank within it overlaps another behind that blank, and is taken in its place.

    Of two that overlap spaCy takes the one of more tokens, and the first of equals: LEAST says how many more it needs.
    """

    def __init__(self, exceptions: Mapping[str, int], least: int) -> None:
        begun = defaultdict(set)
        for other in exceptions:
            for end in range(1, len(other) + 1):
                begun[other[:end]].add(other)
        self.before = defaultdict[str, set[str]](set)
        """How what is behind the blank begins → what is before it."""
        for exception in exceptions:
            parts = [place for place in range(1, len(exception)) if not _in_word(exception, place)]
            for blank, start in combinations_with_replacement(parts, 2):
                rest = exception[start:]
                within = {rest[:end] for end in range(1, len(rest))}.intersection(exceptions)
                longer = exceptions[exception] - least
                for other in (other for other in within | begun[rest] if exceptions[other] <= longer):
                    self.before[exception[blank:start] + other].add(exception[:blank])
        self.sizes = defaultdict[str, set[int]](set)
        for beginning in self.before:
            self.sizes[beginning[0]].add(len(beginning))

    def of(self, chunk: str) -> list[str]:
        """How the CHUNK begins so that what is before it matters."""
        sizes = self.sizes.get(chunk[0], ())
        return [way for size in sizes if not _in_word(chunk, size) and (way := chunk[:size]) in self.before]

    def meet(self, chunk: str, other: str) -> bool:
        """Whether a CHUNK is what matters before the OTHER."""
        ends = (end for way in self.of(other) for end in self.before[way])
        return any(
            end.endswith(chunk) or (chunk.endswith(end) and not _in_word(chunk, len(chunk) - len(end))) for end in ends
        )


def _in_word(text: str, place: int) -> bool:
    """Whether letters stand on both sides, which spaCy never parts."""
    return text[place - 1 : place].isalpha() and text[place : place + 1].isalpha()
