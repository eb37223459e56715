"""What spaCy, Pyphen and LexicalRichness's word rule make of each chunk of a text, worked out once a chunk.

spaCy's tokeniser looks at each run of characters between blanks on its own, so what it made of a run can be kept.
Texts repeat most of their runs: counting one becomes adding up the rows of a table.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from profiler.syllable import syllable_counter

if TYPE_CHECKING:
    from spacy.language import Language

IntArray = NDArray[np.int64]
Rows = NDArray[np.void]

NEITHER, WORD, STOP = 0, 1, 2
"""What a token is to a sentence: a STOP ends it, the next WORD begins another, other punctuation is NEITHER."""

TOKEN = ("words", "letters", "long", "hard", "syllables")
ROW = np.dtype([
    ("tokens", "i4"),
    ("words", "i4"),  # tokens that are not punctuation and have no apostrophe
    ("letters", "i4"),  # characters of the words
    ("long", "i4"),  # words of more than 6 characters
    ("hard", "i4"),  # words of 3 syllables or more
    ("syllables", "i4"),
    ("breaks", "i4"),  # sentences that begin inside the chunk
    ("first", "i4"),  # the chunk's first WORD or STOP
    ("last", "i4"),
    ("terms", "i4"),  # LexicalRichness's words: how many,
    ("start", "i4"),  # and where they begin in `Lexicon.terms`
])  # fmt: skip

LONG, HARD = 6, 3

LIMIT = 16_000_000
"""Characters remembered at most, each chunk counted as ENTRY more, some 100 MB in all; then all are forgotten."""
ENTRY = 64

# LexicalRichness 0.5.1 deletes digits and dashes, and makes a blank of all other ASCII punctuation.
_TERM = str.maketrans(dict.fromkeys("0123456789-–—") | {mark: " " for mark in string.punctuation if mark != "-"})

# English without exceptions: letters are one token and a mark after them is another. The full stop parts from a small
# letter or from two capitals only, as in "end." and "NATO." but not "A.".
_PLAIN = re.compile(r"([A-Za-z]+)[,;:!?]?|([A-Za-z]*(?:[a-z]|[A-Z]{2}))\.").fullmatch

_STOPS = (".", "!", "?")

_HALF = re.compile("[\ud800-\udfff]")
_BLANKS = re.compile(r"\s{2,}|[^\S ]")


def chunks(text: str) -> list[str]:
    """Split TEXT as spaCy does: at single spaces; any other run of blanks is a chunk, less the space it begins with."""
    if not _BLANKS.search(text):
        return [" ", *text.split()] if text[:1] == " " else text.split()
    parts = []
    end = 0
    for blanks in _BLANKS.finditer(text):
        if end == 0 and text[0] == " " and blanks.start() > 0:
            parts.append(" ")
        parts += text[end : blanks.start()].split()
        end = blanks.end()
        # The space after a word belongs to the word; at the very beginning there is none.
        parts.append(blanks[0].removeprefix(" ") if blanks.start() else blanks[0])
    return [*parts, *text[end:].split()]


def _whole(text: str) -> list[str]:
    return [str(text)] if text else []


class Lexicon:
    """A language's chunks by number: `rows[i]` says what is in chunk i, `terms` holds the numbers of its terms."""

    def __init__(self, lang: str) -> None:
        from spacy.attrs import IS_PUNCT
        from spacy.pipeline import Sentencizer

        nlp = _blank(lang)
        self.tokenizer: Any = nlp.tokenizer
        self.vocab = nlp.vocab
        self.is_punct: Callable[[str], bool] = nlp.vocab.lex_attr_getters[IS_PUNCT]
        # spaCy would work out a dozen things about every new token, of which we need this one.
        nlp.vocab.lex_attr_getters = {}
        self.memory_zone = nlp.memory_zone
        self.split = chunks if _splits_at_blanks(self.tokenizer) else _whole
        self.exceptions = frozenset(self.tokenizer.rules) if lang == "en" else None
        self.stops = frozenset(Sentencizer.default_punct_chars)
        self.counter = syllable_counter(lang)
        self.hyphenates = self.counter is not None
        self.forget()

    def forget(self) -> None:
        self.held = 0
        self.numbers = _Numbers()
        self.vocabulary = _Numbers()
        self.syllables = _Memo(self.counter or (lambda word: 0))
        self.rows: Rows = np.zeros(0, ROW)
        self.terms: IntArray = np.zeros(0, np.int64)

    def number(self, texts: Iterable[str]) -> list[list[int]]:
        """Number the chunks of each text, and learn those that are new."""
        if self.held > LIMIT:
            self.forget()
        known = len(self.numbers)
        numbers = [list(map(self.numbers.__getitem__, self.split(text))) for text in texts]
        if new := list(islice(self.numbers, known, None)):
            self._learn(new)
        return numbers

    def _learn(self, new: list[str]) -> None:
        self.held += sum(map(len, new)) + ENTRY * len(new)
        rows = np.zeros(len(new), ROW)
        terms: list[list[int]] = []
        odd = []
        plain = {}
        for i, chunk in enumerate(new):
            stem = self._stem(chunk)
            if stem is None:
                odd.append(i)
                words = chunk.lower().translate(_TERM).split()
                terms.append([self.vocabulary[word] for word in words])
            else:
                word = stem.lower()
                terms.append([self.vocabulary[word]])
                plain[i] = _plain_row(chunk, stem, self.syllables[word])
        rows[list(plain)] = np.array(list(plain.values()), ROW)
        rows[odd] = self._tokenised([new[i] for i in odd])
        rows["terms"] = [len(words) for words in terms]
        rows["start"] = len(self.terms) + np.cumsum(rows["terms"]) - rows["terms"]
        self.rows = np.concatenate([self.rows, rows])
        self.terms = np.concatenate([self.terms, np.array([word for words in terms for word in words], np.int64)])

    def _stem(self, chunk: str) -> str | None:
        """The one word of a plain English chunk; None where spaCy must be asked."""
        if self.exceptions is None or chunk in self.exceptions:
            return None
        plain = _PLAIN(chunk)
        if plain is None:
            return None
        stem: str = plain[1] or plain[2]
        return None if stem in self.exceptions else stem

    def _tokenised(self, odd: Sequence[str]) -> Rows:
        """The rows that spaCy's tokens make, one a chunk."""
        joined = [i for i, chunk in enumerate(odd) if chunk.split() == [chunk]]
        spaced = sorted(set(range(len(odd))).difference(joined))
        with self.memory_zone():
            # Newlines keep apart what spaCy's exceptions could match across a blank.
            newline = self.vocab.strings.add("\n")
            orth = self._orth("\n".join(odd[i] for i in joined))
            parts = np.array(joined, np.int64)[np.cumsum(orth == newline)[orth != newline]]
            others = [self._orth(odd[i]) for i in spaced]
            owner = np.concatenate([parts, np.repeat(spaced, [len(other) for other in others]).astype(np.int64)])
            kinds, token = np.unique(np.concatenate([orth[orth != newline], *others]), return_inverse=True)
            texts = [self.vocab.strings[kind] for kind in kinds.tolist()]
        values = np.array([self._token(text) for text in texts], np.int64).reshape(-1, 6)
        return _added_up(values[token], owner, len(odd))

    def _orth(self, text: str) -> NDArray[np.uint64]:
        # Half a surrogate pair, as JSON may hold, can't be given to spaCy.
        orth: NDArray[np.uint64] = self.tokenizer(_HALF.sub("\ufffd", text)).to_array("ORTH")
        return orth

    def _token(self, text: str) -> tuple[int, int, int, int, int, int]:
        punctuation = self.is_punct(text)
        kind = STOP if text in self.stops else NEITHER if punctuation else WORD
        if punctuation or "'" in text:
            return 0, 0, 0, 0, 0, kind
        syllables = self.syllables[text.lower()]
        return 1, len(text), len(text) > LONG, syllables >= HARD, syllables, kind


def breaks(first: IntArray, last: IntArray, owner: IntArray, owners: int) -> IntArray:
    """How often a WORD follows a STOP within each owner, as in spaCy's Sentencizer."""
    begins = (last[:-1] == STOP) & (first[1:] == WORD) & (owner[:-1] == owner[1:])
    return np.bincount(owner[1:][begins], minlength=owners)


def _added_up(values: IntArray, owner: IntArray, owners: int) -> Rows:
    """Add up the tokens of each owner."""
    rows = np.zeros(owners, ROW)
    rows["tokens"] = np.bincount(owner, minlength=owners)
    for column, name in enumerate(TOKEN):
        rows[name] = np.bincount(owner, values[:, column], owners)
    kind, owner = values[:, -1][values[:, -1] != NEITHER], owner[values[:, -1] != NEITHER]
    rows["breaks"] = breaks(kind, kind, owner, owners)
    rows["last"][owner] = kind  # numpy keeps the last of several assignments
    rows["first"][owner[::-1]] = kind[::-1]
    return rows


def _plain_row(chunk: str, stem: str, syllables: int) -> tuple[int, ...]:
    mark = chunk[len(stem) :]
    last = STOP if mark in _STOPS else WORD
    size = len(stem)
    return 1 + len(mark), 1, size, size > LONG, syllables >= HARD, syllables, 0, WORD, last, 1, 0


def _blank(lang: str) -> Language:
    """The rules that spaCy has for LANG, or those for any language where it has none or they need another package."""
    import spacy

    try:
        return spacy.blank(lang)
    except ImportError:
        return spacy.blank("xx")


def _splits_at_blanks(tokenizer: Any) -> bool:
    """Whether the tokeniser looks at each run between blanks on its own."""
    from spacy.tokenizer import Tokenizer

    return type(tokenizer) is Tokenizer and all(len(rule.split()) <= 1 for rule in tokenizer.rules)


class _Numbers(dict[str, int]):
    """Each string's number, given when it is first asked for."""

    def __missing__(self, key: str) -> int:
        self[key] = number = len(self)
        return number


class _Memo(dict[str, int]):
    def __init__(self, function: Callable[[str], int]) -> None:
        super().__init__()
        self.function = function

    def __missing__(self, key: str) -> int:
        self[key] = value = self.function(key)
        return value
