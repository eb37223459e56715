"""Texts, and what is counted in them: words, sentences, syllables, and which word comes again where."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache, cached_property
from itertools import accumulate, compress, groupby
from threading import Lock
from typing import Generic, NamedTuple, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from profiler.text.chunks import IntArray, chunks
from profiler.text.lexicon import NEITHER, Lexicon, breaks

BATCH = 1 << 20
"""Characters counted at a time."""

FloatArray = NDArray[np.float64]
Number = TypeVar("Number")


class Counts(NamedTuple, Generic[Number]):
    """What was counted in a text, or in each of many."""

    characters: Number
    """All but blanks."""
    words: Number
    """spaCy's tokens that are not punctuation and have no apostrophe."""
    letters: Number
    """Characters of the words."""
    long: Number
    """Words of more than 6 characters."""
    hard: Number
    """Words of 3 syllables or more; NaN where Pyphen does not know the language."""
    syllables: Number
    """Syllables of the words; NaN where Pyphen does not know the language."""
    sentences: Number
    """As spaCy's sentencizer parts them."""


class Counted(NamedTuple):
    """What was counted in texts, and their terms: their words as LexicalRichness takes them.

    Terms have small letters, no digits and no punctuation; those of all texts lie in a row.
    """

    counts: Counts[FloatArray]
    sizes: IntArray
    """How many terms each text has."""
    kinds: IntArray
    """Which term stands at each place: 0, 1, … within its text."""
    previous: IntArray
    """The place in its text where the same term stood before, or -1."""


class Text(str):
    """A string in a language."""

    lang: str
    __slots__ = ("lang",)

    def __new__(cls, value: str, lang: str = "en") -> Self:
        text = super().__new__(cls, value)
        text.lang = lang
        return text

    def __reduce__(self) -> tuple[type[Self], tuple[str, str]]:
        return type(self), (str(self), self.lang)

    @property
    def counts(self) -> Counts[float]:
        return Counts(*(float(column[0]) for column in Batch([self]).counts))


class Batch(tuple[Text, ...]):
    """Texts that are scored together, with what was counted in them as arrays; they are counted once."""

    @classmethod
    def of(cls, texts: Sequence[Text]) -> Batch:
        return texts if isinstance(texts, Batch) else cls(texts)

    def part(self, inside: Sequence[bool]) -> Batch:
        """Those of the texts that are INSIDE; what was counted in all need not be counted again."""
        some = Batch(compress(self, inside))
        if "_counted" in self.__dict__:
            counts, sizes, *terms = self._counted
            there = np.array(inside, np.bool_)
            counts = Counts(*(column[there] for column in counts))
            some._counted = Counted(counts, sizes[there], *(each[np.repeat(there, sizes)] for each in terms))
        return some

    @cached_property
    def _counted(self) -> Counted:
        with _counting:
            parts = [_count(part, _lexicon(lang)) for lang, part in _parts(self)]
        if len(parts) == 1:
            return parts[0]
        counts, *terms = zip(*parts, strict=True) if parts else ((), (), (), ())
        columns = np.concatenate([np.zeros((len(Counts._fields), 0)), *map(np.array, counts)], axis=1)
        return Counted(Counts(*columns), *(np.concatenate([np.zeros(0, np.int64), *each]) for each in terms))

    @cached_property
    def counts(self) -> Counts[FloatArray]:
        """Each count as an array over the texts."""
        return self._counted.counts

    @property
    def sizes(self) -> IntArray:
        """How many terms each text has."""
        return self._counted.sizes

    @property
    def kinds(self) -> IntArray:
        """The terms of all texts in a row."""
        return self._counted.kinds

    @property
    def previous(self) -> IntArray:
        """For each term, the place in its text where it stood before, or -1."""
        return self._counted.previous

    @cached_property
    def begins(self) -> IntArray:
        """Where each text's terms begin in the row."""
        return _before(self.sizes)

    @cached_property
    def owner(self) -> IntArray:
        """The text that each term belongs to."""
        return np.repeat(np.arange(len(self)), self.sizes)

    @cached_property
    def types(self) -> IntArray:
        """How many different terms each text has."""
        return np.bincount(self.owner[self.previous < 0], minlength=len(self))

    @cached_property
    def numbers(self) -> IntArray:
        """The terms of all texts in a row, numbered over all texts."""
        return self.kinds + np.repeat(_before(self.types), self.sizes)

    @cached_property
    def frequencies(self) -> IntArray:
        """How often each different term stands in its text."""
        return np.bincount(self.numbers)

    @cached_property
    def place(self) -> IntArray:
        """The place of each term in its text."""
        return np.arange(len(self.owner)) - np.repeat(self.begins, self.sizes)


def ratio(part: FloatArray | IntArray, whole: FloatArray | IntArray) -> FloatArray:
    """Divide; NaN where there is nothing to divide by."""
    quotient: FloatArray = np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0)
    return quotient


def _parts(texts: Sequence[Text]) -> Iterator[tuple[str, list[Text]]]:
    """Runs of texts in one language, of BATCH characters or so."""
    ends = zip(texts, accumulate(map(len, texts)), strict=True)
    for (lang, _), part in groupby(ends, key=lambda pair: (pair[0].lang, pair[1] // BATCH)):
        yield lang, [text for text, _ in part]


_counting = Lock()
_lexicon = cache(Lexicon)


def _count(texts: Sequence[Text], lexicon: Lexicon, whole: bool = False) -> Counted:
    kinds, places, sizes, characters = chunks(texts, whole or lexicon.whole)
    numbers = lexicon.number(kinds)
    rows = lexicon.rows[numbers]
    owner = np.repeat(np.arange(len(texts)), sizes)
    begins, some = _before(sizes)[sizes > 0], np.flatnonzero(sizes)

    def stands(name: str) -> IntArray:
        """What there is of it in each chunk of the texts."""
        return np.asarray(rows[name].astype(np.int64)[places])

    def total(name: str) -> FloatArray:
        """What the chunks of each text add up to."""
        sums = np.zeros(len(texts))
        sums[some] = np.add.reduceat(stands(name), begins) if len(some) else 0
        return sums

    first, last = stands("first"), stands("last")
    seen = first != NEITHER
    between = breaks(first[seen], last[seen], owner[seen], len(texts))
    unknown = 0.0 if lexicon.hyphenates else np.nan
    counts = Counts(
        characters=characters.astype(np.float64),
        words=total("words"),
        letters=total("letters"),
        long=total("long"),
        hard=total("hard") + unknown,
        syllables=total("syllables") + unknown,
        sentences=(total("tokens") > 0) + total("breaks") + between,
    )
    many, start = stands("terms"), stands("start")
    terms = lexicon.terms[np.arange(many.sum()) + np.repeat(start - _before(many), many)]
    if not whole and (joined := _joined(kinds, places, owner, rows["edge"], lexicon)):
        spaced = [Text(" ".join(texts[place].split()), lexicon.lang) for place in joined]
        for column, own in zip(counts, _count(spaced, lexicon, whole=True).counts, strict=True):
            column[joined] = own
    return _found_again(counts, terms, np.repeat(owner, many), len(texts))


def _joined(
    kinds: Sequence[str], places: IntArray, owner: IntArray, edge: NDArray[np.bool_], lexicon: Lexicon
) -> list[int]:
    """The texts in which a chunk may not be taken by itself."""
    near = edge[places]
    pairs = np.flatnonzero((near[:-1] | near[1:]) & (owner[:-1] == owner[1:]))
    chunks = zip(owner[pairs].tolist(), places[pairs].tolist(), places[pairs + 1].tolist(), strict=True)
    return sorted({text for text, one, other in chunks if lexicon.joined(kinds[one], kinds[other])})


def _found_again(counts: Counts[FloatArray], terms: IntArray, owner: IntArray, owners: int) -> Counted:
    """Find the number and the previous place of each term in its text."""
    order = _alike(terms)
    sorted_terms, sorted_owner = terms[order], owner[order]
    new = np.ones(len(terms), np.bool_)
    new[1:] = (sorted_terms[1:] != sorted_terms[:-1]) | (sorted_owner[1:] != sorted_owner[:-1])
    previous = np.full(len(terms), -1)
    previous[order[~new]] = order[np.flatnonzero(~new) - 1]
    kinds = np.cumsum(previous < 0) - 1
    begins = np.flatnonzero(new)
    kinds[order] = np.repeat(kinds[order[begins]], np.diff(begins, append=len(terms)))
    # Numbered over all texts so far; each text's own begin at 0.
    sizes = np.bincount(owner, minlength=owners)
    kinds -= np.repeat(_before(np.bincount(owner[previous < 0], minlength=owners)), sizes)
    previous -= np.where(previous < 0, 0, np.repeat(_before(sizes), sizes))
    return Counted(counts, sizes, kinds, previous)


def _alike(terms: IntArray) -> IntArray:
    """The places of terms, those of the same term together, first ones first."""
    # Renumbered so that 16 bits do, which NumPy sorts several times as fast as more of them.
    number = np.empty(int(terms.max(initial=-1)) + 1, np.int64)
    number[terms] = np.arange(len(terms))
    there = np.zeros(len(terms), np.bool_)
    there[number[terms]] = True
    small = (np.cumsum(there) - 1)[number[terms]]
    return np.argsort(small.astype(np.uint16 if there.sum() <= 1 << 16 else np.int64), kind="stable")


def _before(sizes: IntArray) -> IntArray:
    """The sum of all sizes before each."""
    return np.cumsum(sizes) - sizes
