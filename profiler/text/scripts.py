"""In which script a text is written, in which ones a language is, and which put no blanks between words."""

import unicodedata
from collections import Counter
from functools import cache

WRITTEN = {
    "LATIN": "af az ca cs cy da de en eo es et eu fi fr ga gl hr hu id is it la lb lt lv ms nb nl nn no pl pt ro sk sl "
    "sq sr sv sw tl tr uz vi",
    "CYRILLIC": "be bg kk ky mk mn ru sr tg tt uk uz",
    "ARABIC": "ar fa ps ug ur", "DEVANAGARI": "hi mr ne sa", "BENGALI": "as bn", "GUJARATI": "gu", "GURMUKHI": "pa",
    "KANNADA": "kn", "MALAYALAM": "ml", "TAMIL": "ta", "TELUGU": "te", "SINHALA": "si", "GREEK": "el grc",
    "HEBREW": "he yi", "ARMENIAN": "hy", "GEORGIAN": "ka", "ETHIOPIC": "am ti", "HANGUL": "ko",
    "CJK": "ja yue zh", "HIRAGANA": "ja", "KATAKANA": "ja", "THAI": "th", "LAO": "lo", "KHMER": "km", "MYANMAR": "my",
    "TIBETAN": "bo dz",
}  # fmt: skip
"""A script, as Unicode names its letters → languages that are written in it; one that isn't listed may be in any."""
UNSPACED = frozenset(("CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR", "TIBETAN"))
"""Scripts without blanks between words: where one ends there, only a dictionary tells."""


def base(lang: str) -> str:
    """The language of a tag such as zh-Hans."""
    return lang.replace("_", "-").partition("-")[0].lower()


@cache
def scripts(lang: str) -> frozenset[str]:
    """The scripts that LANG is written in; none where we don't know."""
    return frozenset(script for script, langs in WRITTEN.items() if base(lang) in langs.split())


def unspaced(lang: str) -> bool:
    """Whether LANG puts no blanks between words."""
    return bool(scripts(lang)) and scripts(lang) <= UNSPACED


def wordless(text: str, lang: str) -> bool:
    """Whether most letters of TEXT are of a script that LANG isn't written in, or that has no blanks between words."""
    known = scripts(lang)
    if text.isascii() and (not known or "LATIN" in known):
        return False
    found: Counter[str] = Counter()
    for letter, often in Counter(text).items():
        found[_script(letter)] += often
    del found[""]
    [(most, _)] = found.most_common(1) or [("", 0)]
    return most in UNSPACED or bool(known and most and most not in known)


@cache
def _script(letter: str) -> str:
    """The script of a letter, as far as WRITTEN has it."""
    script = unicodedata.name(letter, "").partition(" ")[0]
    return script if letter.isalpha() and script in WRITTEN else ""
