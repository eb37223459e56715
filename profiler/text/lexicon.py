"""What spaCy, Pyphen and LexicalRichness's word rule make of each chunk of a text, worked out once a chunk.

spaCy's tokeniser looks at each run of characters between blanks on its own, so what it made of a run can be kept.
Texts repeat most of their runs: counting one becomes adding up the rows of a table. But an exception that it sees
across a blank, as "[=" in "0[ =]0", keeps it from seeing one that overlaps, as "=]": such a text is taken as a whole.
"""

from __future__ import annotations

import re
import string
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence, Set
from functools import cache, lru_cache
from itertools import chain, count, islice
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from profiler.text.chunks import IntArray
from profiler.text.overlaps import Overlaps
from profiler.text.syllables import syllable_counter

if TYPE_CHECKING:
    from spacy.language import Language

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
    ("edge", "?"),  # whether what is beyond a blank may matter to it
])  # fmt: skip

LONG, HARD = 6, 3

LIMIT = 16_000_000
"""Characters remembered at most, each chunk counted as ENTRY more, some 100 MB in all; then all are forgotten."""
ENTRY = 64

PAIRS = 1 << 16
"""Pairs of chunks of which it is remembered whether what is beyond the blank between them matters."""

FRAMEWORKS = ("torch", "tensorflow", "mxnet")
"""What spaCy's neural part loads where installed, longer than everything else together; tokenisers don't need it."""

# LexicalRichness 0.5.1 deletes digits and dashes, and makes a blank of all other ASCII punctuation.
_TERM = str.maketrans(dict.fromkeys("0123456789-–—") | {mark: " " for mark in string.punctuation if mark != "-"})

# A word or a number among marks. Apostrophes, and digits beside letters, are spaCy's to judge, as is what is so short
# that it may be in a smiley.
_MARKS = re.escape(string.punctuation.replace("'", "")) + "–—"
_SHAPE = re.compile(f"([{_MARKS}]*)([A-Za-z]{{3,}}|[0-9]{{3,}})([{_MARKS}]*)").fullmatch

NUMBER = "777"
"""Stands for all numbers: neither spaCy's rules nor Pyphen's patterns have a digit of their own in them."""
_FIGURES = re.compile(f"[{_MARKS}]*([0-9]{{3,}})[{_MARKS}]*").fullmatch
_SEVENS = str.maketrans("0123456789", "7" * 10)

_RUN = re.compile(r"([\W_]{1,8}?)\1{99,}", re.DOTALL)
"""The same mark, or the same few, a hundred times and more: spaCy takes the square of its length to take it apart."""
KEPT, PERIOD = 36, 12
"""After KEPT marks of a run what spaCy makes of it goes on alike: each PERIOD of them adds the same."""

HALF = re.compile("[\ud800-\udfff]")
"""Half a surrogate pair, as JSON may hold, which can't be given to spaCy."""


class _Numbers(dict[str, int]):
    """Each string's number, given when it is first asked for; that of figures is that of sevens, but for EXCEPTIONS."""

    def __init__(self, exceptions: Set[str]) -> None:
        self.exceptions = exceptions

    def __missing__(self, chunk: str) -> int:
        figures = _FIGURES(chunk)
        if figures and figures[1] not in self.exceptions and (plain := chunk.translate(_SEVENS)) != chunk:
            return self[plain]
        self[chunk] = number = len(self)
        return number


class Lexicon:
    """A language's chunks by number: `rows[i]` says what is in chunk i, `terms` holds the numbers of its terms."""

    def __init__(self, lang: str) -> None:
        nlp = _blank(lang)
        self.lang = lang

        from spacy.attrs import IS_PUNCT
        from spacy.pipeline import Sentencizer
        from spacy.tokenizer import Tokenizer

        self.tokenizer: Any = nlp.tokenizer
        self.vocab = nlp.vocab
        self.is_punct: Callable[[str], bool] = nlp.vocab.lex_attr_getters[IS_PUNCT]
        # spaCy would work out a dozen things about every new token, of which we need this one.
        nlp.vocab.lex_attr_getters = {}
        self.memory_zone = nlp.memory_zone
        # Whether it looks at a text as a whole, not at each run between blanks on its own.
        plain = type(self.tokenizer) is Tokenizer and all(len(rule.split()) <= 1 for rule in self.tokenizer.rules)
        self.whole = not plain
        rules = self.tokenizer.rules if plain else ()
        self.exceptions = frozenset(found[2] for found in map(_SHAPE, rules) if found)
        """Words that spaCy takes apart, or together with the marks around them."""
        sizes = self._parted(rules) if plain else {}
        self.ahead = Overlaps(sizes, 0)
        self.behind = Overlaps({rule[::-1]: size for rule, size in sizes.items()}, 1)
        self.stops = frozenset(Sentencizer.default_punct_chars)
        self.counter = syllable_counter(lang)
        self.hyphenates = self.counter is not None
        self.forget()

    def forget(self) -> None:
        self.held = 0
        self.numbers = _Numbers(self.exceptions)
        self.vocabulary: defaultdict[str, int] = defaultdict(count().__next__)
        self.joined = lru_cache(PAIRS)(self._joined)
        self.syllables = cache(self.counter or (lambda word: 0))
        self.rows: Rows = np.zeros(0, ROW)
        self.terms: IntArray = np.zeros(0, np.int64)
        self.shapes: dict[str, int | None] = {}
        self.shaped: Rows = np.zeros(0, ROW)

    def number(self, chunks: Sequence[str]) -> IntArray:
        """Number chunks, and learn those that are new."""
        if self.held > LIMIT:
            self.forget()
        known = len(self.numbers)
        numbers = np.fromiter(map(self.numbers.__getitem__, chunks), np.int64, len(chunks))
        if new := list(islice(self.numbers, known, None)):
            self._learn(new)
        return numbers

    def _parted(self, rules: Iterable[str]) -> dict[str, int]:
        """The exceptions that would be several tokens otherwise, and how many: those are what spaCy looks for."""
        ours = self.tokenizer
        find = {name: getattr(ours, name) for name in ("prefix_search", "suffix_search", "infix_finditer", "url_match")}
        plain = type(ours)(self.vocab, token_match=ours.token_match, **find)
        marked = (rule for rule in rules if not rule.isalnum())
        return {rule: size for rule in marked if (size := len(plain(rule))) > 1}

    def _joined(self, chunk: str, other: str) -> bool:
        """Whether spaCy may see exceptions that overlap on both sides of the blank between two chunks."""
        return self.ahead.meet(chunk, other) or self.behind.meet(other[::-1], chunk[::-1])

    def _learn(self, new: list[str]) -> None:
        self.held += sum(map(len, new)) + ENTRY * len(new)
        shaped, shapes, words, odd = [], [], [], []
        for place, chunk in enumerate(new):
            match = _SHAPE(chunk)
            shape = None if match is None else self._shape(*match.groups())
            if match is None or shape is None:
                odd.append(place)
            else:
                shaped.append(place)
                shapes.append(shape)
                words.append(match[2].lower())
        rows = np.zeros(len(new), ROW)
        rows[shaped] = self._filled(shapes, words)
        runs = {place: found for place in odd if (found := _RUN.search(new[place]))}
        others = [place for place in odd if place not in runs]
        rows[others] = self._tokenised([new[place] for place in others])
        for place, found in runs.items():
            rows[place] = self._run(found)
        terms = [new[place].lower().translate(_TERM).split() for place in odd]
        first, last = self.ahead.sizes, self.behind.sizes
        rows["edge"] = [
            (chunk[0] in first and self.ahead.of(chunk) != [])
            or (chunk[-1] in last and self.behind.of(chunk[::-1]) != [])
            for chunk in new
        ]
        rows["terms"][shaped] = [not word.isdigit() for word in words]
        rows["terms"][odd] = list(map(len, terms))
        order = np.array([*shaped, *odd], np.int64)
        rows["start"][order] = len(self.terms) + np.cumsum(rows["terms"][order]) - rows["terms"][order]
        letters = (word for word in words if not word.isdigit())
        numbered = [self.vocabulary[word] for word in chain(letters, *terms)]
        self.rows = np.concatenate([self.rows, rows])
        self.terms = np.concatenate([self.terms, np.array(numbered, np.int64)])

    def _shape(self, before: str, word: str, after: str) -> int | None:
        """The number of the row that spaCy makes of any such word or number between these marks; None if it varies."""
        if self.lang != "en" or word in self.exceptions:
            return None
        # What stands in for a word has capitals where spaCy's rules look for them: next to a mark.
        first, second, third = (letter.isupper() for letter in (word[0], word[-2], word[-1]))
        plain = ("Q" if first else "q") + ("X" if second else "x") + ("V" if third else "v")
        word = NUMBER if word.isdigit() else plain
        chunk = before + word + after
        if chunk not in self.shapes:
            with self.memory_zone():
                tokens = [token.text for token in self.tokenizer(chunk)]
            values = [(1, 0, 0, 0, 0, WORD) if token == word else self._token(token) for token in tokens]
            row = _added_up(np.array(values), np.zeros(len(tokens), np.int64), 1)
            self.shapes[chunk] = len(self.shaped) if word in tokens else None
            self.shaped = np.concatenate([self.shaped, row])
        return self.shapes[chunk]

    def _filled(self, shapes: list[int], words: list[str]) -> Rows:
        """The shapes' rows with the words in them."""
        size = np.array(list(map(len, words)), np.int32)
        syllables = np.array([self.syllables(NUMBER if word.isdigit() else word) for word in words], np.int32)
        rows: Rows = self.shaped[shapes]
        rows["letters"] += size
        rows["long"] += size > LONG
        rows["syllables"] += syllables
        rows["hard"] += syllables >= HARD
        return rows

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
        # A run of blanks is a token to spaCy, and nothing here.
        told = np.array([not text.isspace() for text in texts], np.bool_)[token]
        return _added_up(values[token][told], owner[told], len(odd))

    def _run(self, run: re.Match[str]) -> NDArray[np.void]:
        """The row of a chunk with a long run of marks: what a shorter run brings, and what each period adds to it."""
        chunk, unit = run.string, run[1]
        periods, rest = divmod(len(run[0]) // len(unit) - KEPT, PERIOD)
        rows = []
        for more in range(3):
            short = chunk[: run.start()] + unit * (KEPT + rest + PERIOD * more) + chunk[run.end() :]
            other = _RUN.search(short)
            rows.append(self._run(other) if other else self._tokenised([short]))
        for name in ("tokens", *TOKEN, "breaks"):
            first, second, third = (int(row[name][0]) for row in rows)
            if second - first != third - second:
                return self._tokenised([chunk])  # it does not go on alike: the long way
            rows[0][name] += periods * (second - first)
        return rows[0]

    def _orth(self, text: str) -> NDArray[np.uint64]:
        orth: NDArray[np.uint64] = self.tokenizer(HALF.sub("\ufffd", text)).to_array("ORTH")
        return orth

    def _token(self, text: str) -> tuple[int, int, int, int, int, int]:
        punctuation = self.is_punct(text)
        kind = STOP if text in self.stops else NEITHER if punctuation else WORD
        if punctuation or "'" in text:
            return 0, 0, 0, 0, 0, kind
        syllables = self.syllables(text.lower())
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


def _blank(lang: str) -> Language:
    """The rules that spaCy has for LANG, or those for any language where it has none or they need another package."""
    absent = [name for name in FRAMEWORKS if name not in sys.modules]
    sys.modules.update(dict.fromkeys(absent))  # type: ignore[arg-type]  # None is how Python marks what is absent
    try:
        import spacy
    finally:
        for name in absent:
            del sys.modules[name]
    try:
        return spacy.blank(lang)
    except ImportError:
        return spacy.blank("xx")
