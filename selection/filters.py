"""Filters: what no objective should be able to choose, because a metric can't see what is wrong with it."""

import re
from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from unicodedata import name as character_name

import numpy as np

from profiler.errors import UnknownName
from profiler.stats import IntArray

VERSION = "1"
"""Goes up whenever a filter would stop other candidates."""

Check = Callable[[str, str, str | None, str], bool]
"""(prompt, answer, finish, language) → whether the filter stops it."""

FILTERS: dict[str, str] = {
    "empty": "no letter or digit in it",
    "truncated": "cut off by the token limit",
    "refusal": "declines to answer in its first sentence",
    "loop": "ends in the same words again and again",
    "language": "not written in the pool's language",
    "copy": "says the prompt again",
    "duplicate": "nearly the same as the answer to another prompt",
}
"""Filter → why it stops a candidate, for a reader. The last one sees the whole pool and has a module of its own."""

SORRY = re.compile(
    r"\W*(?:(?:i(?:'m| am)|we are|my)\s+(?:very |so |truly |really )?(?:sorry|apologi[sz]e\w*|apologies)\b"
    r"|(?:sorry|apologies|unfortunately|as an? (?:ai|artificial|language|large)\b)"
    r"|i\s+(?:(?:can(?:no|')t|can not)(?!\s+(?:believe|wait|imagine|stop|remember|stand|even|say enough|help but)\b)"
    r"|am (?:not able|unable)|'m (?:not able|unable)|won't|will not|must (?:decline|refuse)"
    r"|decline|don't feel comfortable|do not feel comfortable))",
    re.IGNORECASE,
)
UNABLE = re.compile(
    r"\b(?:can(?:no|')t|can not|unable|not able|won't|will not|not (?:appropriate|comfortable|permitted|allowed)"
    r"|decline|refuse|against (?:my|the) (?:programming|guidelines|policy|policies)|do(?:es)?(?:n't| not) have"
    r" (?:access|the ability|enough|personal))\b",
    re.IGNORECASE,
)
OPENING = 240
"""Characters in which a refusal shows."""

WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
APART = "".join(mark.lower() if mark.isalnum() or mark == "'" else " " for mark in map(chr, range(128)))
"""Of each ASCII character its small letter, or a blank where it stands between words."""
PERIODS = 40
"""Words in the longest phrase whose repetition is looked for."""
ROUNDS = 4
"""Times that the phrase stands there at the least."""
LOOPED = 12
"""Words that the repetition takes up at the least."""

SCRIPTS = {"ru": "CYRILLIC", "uk": "CYRILLIC", "el": "GREEK", "ar": "ARABIC", "he": "HEBREW", "hi": "DEVANAGARI"}
SCRIPTS |= {"zh": "CJK", "ja": "CJK HIRAGANA KATAKANA", "ko": "HANGUL", "th": "THAI"}
STOP_WORDS = {
    lang: frozenset(words.split())
    for lang, words in {
        "en": "the of and to in is that it for was with as are this be by from or have an not they which you at were",
        "de": "der die und das ist nicht ein eine zu den mit von sich auf für dem auch es sind wird werden oder wie",
        "fr": "le la les des est et une dans que pour qui sur pas par avec sont plus ce il au du cette être ou",
        "es": "el la los las que es una por con para del se como más pero su al lo sus está este son muy",
        "it": "il che di è per una con non del della sono gli le come più anche nel alla questo essere dei si",
        "pt": "o que não uma os para com em da do é por mais dos como são se na no ao das pelo também",
        "nl": "de het een van en is dat niet op te zijn voor met die aan ook als er maar bij worden deze",
    }.items()
}
COMMONEST = frozenset().union(*STOP_WORDS.values())
"""The commonest words of all these languages."""
CALLS_FOR = re.compile(
    r"\b(?:translat\w*|languages?|french|spanish|german|italian|portuguese|dutch|russian|ukrainian|greek|arabic|hebrew|"
    r"hindi|chinese|mandarin|japanese|korean|thai|latin|english)\b",
    re.IGNORECASE,
)
"""A prompt that may well ask for another language."""
COMMON = 0.2
"""Proportion of a text's words that its language's commonest ones make up."""
FOREIGN = 12
"""Words below which a text's language is not judged."""


def active_filters(skipped: Sequence[str]) -> tuple[str, ...]:
    """Every filter but those that are named; `all` skips all."""
    for name in skipped:
        if name not in (*FILTERS, "all"):
            raise UnknownName("filter", name, FILTERS, "inherit select --help")
    return () if "all" in skipped else tuple(name for name in FILTERS if name not in skipped)


def filter_bits(prompts: Sequence[str], texts: Sequence[str], finishes: Sequence[str | None], lang: str) -> IntArray:
    """For each answer the filters that stop it, as bits in the order of CHECKS."""
    rows = zip(prompts, texts, finishes, strict=True)
    found = [sum(1 << bit for bit, check in enumerate(CHECKS.values()) if check(*row, lang)) for row in rows]
    return np.array(found, np.int64)


def stopped_by_filter(bits: IntArray) -> dict[str, int]:
    """Filter → how many answers it stopped; one may be stopped by several."""
    return {name: int((bits >> bit & 1).sum()) for bit, name in enumerate(CHECKS)}


def empty(prompt: str, text: str, finish: str | None, lang: str) -> bool:
    return not WORD.search(text)


def truncated(prompt: str, text: str, finish: str | None, lang: str) -> bool:
    return finish == "length"


def refusal(prompt: str, text: str, finish: str | None, lang: str) -> bool:
    """Begins with an apology or an inability, and says in its opening that it can't or won't."""
    opening = text[:OPENING].replace("’", "'")
    return bool(SORRY.match(opening) and UNABLE.search(opening))


def loop(prompt: str, text: str, finish: str | None, lang: str) -> bool:
    """Whether the last words are one phrase ROUNDS times or more."""
    end = text[-4000:].lower()
    *before, last = end.rsplit(None, PERIODS + 1) or [""]
    if last not in before[-PERIODS:]:
        return False
    words = end.split()
    for period in range(1, min(PERIODS, len(words) // ROUNDS) + 1):
        if words[-1] != words[-1 - period]:
            continue
        same = 0
        while same + period < len(words) and words[-1 - same] == words[-1 - same - period]:
            same += 1
        if same + period >= max(ROUNDS * period, LOOPED):
            return True
    return False


def language(prompt: str, text: str, finish: str | None, lang: str) -> bool:
    """Whether most letters are of another script, or the commonest words are those of another language.

    Only a clear case counts, and none where the prompt speaks of translating or of a language.
    """
    if _calls_for_another(prompt):
        return False
    if _foreign_script(text, lang):
        return True
    if lang not in STOP_WORDS:
        return False
    words = _words(text[:1500])
    if len(words) < FOREIGN:
        return False
    common = [*filter(COMMONEST.__contains__, words)]
    own = sum(map(STOP_WORDS[lang].__contains__, common))
    if own >= COMMON * len(words):
        return False
    most = max(sum(map(each.__contains__, common)) for each in STOP_WORDS.values())
    return most >= COMMON * len(words) and most > 2 * own


def copy(prompt: str, text: str, finish: str | None, lang: str) -> bool:
    """Whether it begins with the whole prompt and adds less than that, or is most of the prompt and nothing else.

    A prompt that is the beginning of a sentence may be said again and finished.
    """
    asked = _asked(prompt)
    # As far as it has to be read: what is twice as long as the prompt is no copy.
    if len(asked) < 20 or len(_plain(text[: 3 * len(asked)])) >= 2 * len(asked):
        return False
    said = _plain(text)
    if said.startswith(asked):
        return len(said) < 2 * len(asked)
    return said in asked and 2 * len(said) >= len(asked)


CHECKS: dict[str, Check] = {check.__name__: check for check in (empty, truncated, refusal, loop, language, copy)}


# What is asked of a prompt is asked of each of its answers, which stand together.
@lru_cache
def _calls_for_another(prompt: str) -> bool:
    return bool(CALLS_FOR.search(prompt))


@lru_cache
def _asked(prompt: str) -> str:
    return _plain(prompt)


def _plain(text: str) -> str:
    """Small letters, and one space for blanks."""
    return " ".join(text.lower().split())


def _words(text: str) -> list[str]:
    """What WORD finds, in small letters; blanks for marks find it a few times as fast where no apostrophe decides."""
    if not text.isascii():
        return [*map(str.lower, WORD.findall(text))]
    words = text.translate(APART).split()
    if "'" not in text:
        return words
    return [each for word in words for each in (WORD.findall(word) if "'" in word else (word,))]


def _foreign_script(text: str, lang: str) -> bool:
    if text.isascii():
        return lang in SCRIPTS and len(text) > 40
    letters = [char for char in text[:1000] if char.isalpha()]
    if len(letters) < FOREIGN:
        return False
    own = SCRIPTS.get(lang, "LATIN").split()
    return 2 * sum(_script(char) in own for char in letters) < len(letters)


@cache
def _script(char: str) -> str:
    return character_name(char, "").partition(" ")[0]
