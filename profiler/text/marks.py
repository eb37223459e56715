"""What was counted where: a text in sentences, and each in pieces that say whether they are words, and which kind."""

from __future__ import annotations

from functools import cache
from threading import Lock
from typing import Literal, NamedTuple

from profiler.text.lexicon import HARD, LONG, STOP, WORD, Lexicon

Kind = Literal["word", "long", "hard", ""]


class Mark(NamedTuple):
    """A piece of a text with the blanks behind it."""

    text: str
    blanks: str
    kind: Kind
    """hard: a word of 3 syllables or more; long: one of more than 6 characters; empty: no word."""


def marks(text: str, lang: str = "en") -> list[list[Mark]]:
    """The sentences of a text, counted by the rules that its numbers are counted by."""
    sentences: list[list[Mark]] = []
    last = 0
    with _marking:
        lexicon = _lexicon(lang)
        for token in lexicon.tokenizer(text.encode("utf-8", "replace").decode()):
            word = str(token.text)
            punctuation = lexicon.is_punct(word)
            kind = STOP if word in lexicon.stops else 0 if punctuation or word.isspace() else WORD
            if not sentences or (last == STOP and kind == WORD):
                sentences.append([])
            last = kind or last
            counted = not (punctuation or word.isspace() or "'" in word)
            sentences[-1].append(Mark(word, str(token.whitespace_), _kind(word, lexicon) if counted else ""))
    return sentences


def _kind(word: str, lexicon: Lexicon) -> Kind:
    if lexicon.syllables(word.lower()) >= HARD:
        return "hard"
    return "long" if len(word) > LONG else "word"


_marking = Lock()
_lexicon = cache(Lexicon)
