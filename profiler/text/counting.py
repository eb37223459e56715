"""A text that remembers what was counted in it: words, sentences, syllables, and which word comes again where."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache, cached_property
from itertools import accumulate, groupby
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


class Terms(NamedTuple):
    """The words of a text as LexicalRichness takes them: small letters, no digits, no punctuation."""

    kinds: NDArray[np.int32]
    """Which word stands at each place: 0, 1, … within the text."""
    previous: NDArray[np.int32]
    """The place where the same word stood before, or -1."""


class Counted(NamedTuple):
    """All that is known of a text."""

    counts: Counts[float]
    terms: Terms


class Text(str):
    """A string in a language, counted once."""

    lang: str
    _counted: Counted | None
    __slots__ = ("_counted", "lang")

    def __new__(cls, value: str, lang: str = "en") -> Self:
        text = super().__new__(cls, value)
        text.lang = lang
        text._counted = None
        return text

    def __reduce__(self) -> tuple[type[Self], tuple[str, str]]:
        return type(self), (str(self), self.lang)

    @property
    def counts(self) -> Counts[float]:
        return count([self])[0].counts

    @property
    def terms(self) -> Terms:
        return count([self])[0].terms


class Batch(tuple[Text, ...]):
    """Texts that are scored together, with what was counted in them as arrays."""

    @classmethod
    def of(cls, texts: Sequence[Text]) -> Batch:
        return texts if isinstance(texts, Batch) else cls(texts)

    @cached_property
    def counted(self) -> list[Counted]:
        return count(self)

    @cached_property
    def counts(self) -> Counts[FloatArray]:
        """Each count as an array over the texts."""
        rows = np.array([counts for counts, _ in self.counted], np.float64)
        return Counts(*rows.reshape(-1, len(Counts._fields)).T)

    @cached_property
    def sizes(self) -> IntArray:
        """How many terms each text has."""
        return np.array([len(terms.kinds) for _, terms in self.counted], np.int64)

    @cached_property
    def owner(self) -> IntArray:
        """The text that each term belongs to."""
        return np.repeat(np.arange(len(self)), self.sizes)

    @cached_property
    def kinds(self) -> IntArray:
        """The terms of all texts in a row."""
        return np.concatenate([np.zeros(0, np.int64), *(terms.kinds for _, terms in self.counted)])

    @cached_property
    def previous(self) -> IntArray:
        """For each term, the place in its text where it stood before, or -1."""
        return np.concatenate([np.zeros(0, np.int64), *(terms.previous for _, terms in self.counted)])

    @cached_property
    def types(self) -> IntArray:
        """How many different terms each text has."""
        return np.bincount(self.owner[self.previous < 0], minlength=len(self))

    @cached_property
    def frequencies(self) -> IntArray:
        """How often each different term stands in its text."""
        return np.bincount(self.kinds + np.repeat(_before(self.types), self.sizes))

    @cached_property
    def place(self) -> IntArray:
        """The place of each term in its text."""
        return np.arange(len(self.owner)) - np.repeat(_before(self.sizes), self.sizes)


def ratio(part: FloatArray | IntArray, whole: FloatArray | IntArray) -> FloatArray:
    """Divide; NaN where there is nothing to divide by."""
    quotient: FloatArray = np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0)
    return quotient


def count(texts: Sequence[Text]) -> list[Counted]:
    """Count what has not been counted yet, texts of BATCH characters or so at a time."""
    new = [text for text in texts if text._counted is None]
    with _counting:
        for lang in sorted({text.lang for text in new}):
            known = [text for text in new if text.lang == lang]
            ends = zip(accumulate(map(len, known)), known, strict=True)
            for _, part in groupby(ends, lambda pair: pair[0] // BATCH):
                _count([text for _, text in part], _lexicon(lang))
    return [text._counted for text in texts if text._counted]


_counting = Lock()
_lexicon = cache(Lexicon)


def _count(texts: Sequence[Text], lexicon: Lexicon, whole: bool = False) -> None:
    kinds, places, sizes, characters = chunks(texts, whole or lexicon.whole)
    numbers = lexicon.number(kinds)
    rows = lexicon.rows[numbers]
    owner = np.repeat(np.arange(len(texts)), sizes)
    begins, some = _before(sizes)[sizes > 0], np.flatnonzero(sizes)

    def total(name: str) -> FloatArray:
        """What the chunks of each text add up to."""
        sums = np.zeros(len(texts))
        sums[some] = np.add.reduceat(rows[name].astype(np.int64)[places], begins) if len(some) else 0
        return sums

    first, last = (rows[name].astype(np.int64)[places] for name in ("first", "last"))
    seen = first != NEITHER
    between = breaks(first[seen], last[seen], owner[seen], len(texts))
    unknown = 0.0 if lexicon.hyphenates else np.nan
    table = Counts(
        characters=characters.astype(np.float64),
        words=total("words"),
        letters=total("letters"),
        long=total("long"),
        hard=total("hard") + unknown,
        syllables=total("syllables") + unknown,
        sentences=(total("tokens") > 0) + total("breaks") + between,
    )
    many, start = (rows[name].astype(np.int64)[places] for name in ("terms", "start"))
    terms = lexicon.terms[np.arange(many.sum()) + np.repeat(start - _before(many), many)]
    for text, counts, known in zip(
        texts, np.column_stack(table).tolist(), _terms(terms, np.repeat(owner, many), len(texts)), strict=True
    ):
        text._counted = Counted(Counts(*counts), known)
    if not whole and (joined := _joined(kinds, places, owner, rows["edge"], lexicon)):
        spaced = [Text(" ".join(texts[place].split()), lexicon.lang) for place in joined]
        _count(spaced, lexicon, whole=True)
        for place, text in zip(joined, spaced, strict=True):
            texts[place]._counted = text._counted


def _joined(
    kinds: Sequence[str], places: IntArray, owner: IntArray, edge: NDArray[np.bool_], lexicon: Lexicon
) -> list[int]:
    """The texts in which a chunk may not be taken by itself."""
    near = edge[places]
    pairs = np.flatnonzero((near[:-1] | near[1:]) & (owner[:-1] == owner[1:]))
    chunks = zip(owner[pairs].tolist(), places[pairs].tolist(), places[pairs + 1].tolist(), strict=True)
    return sorted({text for text, one, other in chunks if lexicon.joined(kinds[one], kinds[other])})


def _terms(terms: IntArray, owner: IntArray, owners: int) -> Iterator[Terms]:
    """Find the number and the previous place of each term in its text."""
    # One plain sort brings the places of a term together; it is several times as fast as argsort.
    bits = len(terms).bit_length()
    key = np.sort((terms << bits) + np.arange(len(terms)))
    order = key & ((1 << bits) - 1)
    new = np.ones(len(terms), np.bool_)
    new[1:] = (np.diff(key >> bits) > 0) | (np.diff(owner[order]) > 0)
    previous = np.full(len(terms), -1)
    previous[order[~new]] = order[np.flatnonzero(~new) - 1]
    kinds = np.cumsum(previous < 0) - 1
    begins = np.flatnonzero(new)
    kinds[order] = np.repeat(kinds[order[begins]], np.diff(begins, append=len(terms)))
    # Numbered over all texts so far; each text's own begin at 0.
    sizes = np.bincount(owner, minlength=owners)
    kinds -= np.repeat(_before(np.bincount(owner[previous < 0], minlength=owners)), sizes)
    previous -= np.where(previous < 0, 0, np.repeat(_before(sizes), sizes))
    ends = np.cumsum(sizes)
    both = np.stack([kinds, previous]).astype(np.int32)
    return (Terms(*both[:, end - size : end]) for end, size in zip(ends.tolist(), sizes.tolist(), strict=True))


def _before(sizes: IntArray) -> IntArray:
    """The sum of all sizes before each."""
    return np.cumsum(sizes) - sizes
