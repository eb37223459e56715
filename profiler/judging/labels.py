"""One vocabulary of labels: [[A]], tie, 1, model_b and their like become a, b, tie or unparseable."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping

from profiler.datasets import Json
from profiler.errors import BadData, WrongUse
from profiler.stats.raters import ABSENT, TIE, UNPARSEABLE, A, B

CODES: Mapping[str, int] = {"a": A, "b": B, "tie": TIE, "unparseable": UNPARSEABLE, "absent": ABSENT}
"""What a label may mean, as a user says it."""

WORDS: Mapping[str, int] = {
    **dict.fromkeys(("a", "1", "first", "left", "a>b", "a>>b", "b<a", "b<<a", "1>2", "2<1"), A),
    **dict.fromkeys(("b", "2", "second", "right", "b>a", "b>>a", "a<b", "a<<b", "2>1", "1<2"), B),
    **dict.fromkeys(("tie", "ties", "tied", "0", "c", "draw", "equal", "equally good", "same", "both", "neither"), TIE),
    **dict.fromkeys(("a=b", "a==b", "a≈b", "b=a", "1=2", "tie (inconsistent)", "tie (bothbad)", "bothbad"), TIE),
    **dict.fromkeys(("error", "garbage", "unreadable", "invalid", "unparsable", "unparseable", "unknown"), UNPARSEABLE),
    **dict.fromkeys(("", "none", "null", "nan", "n/a", "na", "-1"), UNPARSEABLE),
}
NAMED = re.compile(
    r"(?:the\s+)?(?:model|output|response|answer|assistant|option|candidate|completion|system|text|summary)"
    r"[\s_-]*\(?([ab12])\)?"
)
"""model_a, Output (b), response1 …"""
SIDES = {"a": A, "b": B, "1": A, "2": B}
STRANGE = 0.2
"""The proportion of a judge's words that may be unknown before the column is taken for something else."""
HELP = "labels are 1, 2, a, b, tie, model_a, output_1, A>B and their like; give others as --label WORD=a|b|tie"


class Vocabulary:
    """Reads the labels of one column, and remembers what it could not read."""

    def __init__(self, column: str, words: Mapping[str, int], strict: bool) -> None:
        self.column, self._own, self._strict = column, words, strict
        self._known: dict[str, int | None] = {}
        self.unknown: Counter[str] = Counter()
        self.seen: Counter[str] = Counter()

    def code(self, value: Json, writers: tuple[str | None, str | None] = (None, None)) -> int:
        """What a label says. A word that a human's column can't hold is an error; a judge's is unparseable."""
        word = _word(value)
        self.seen[word] += 1
        if word in self._own:
            return self._own[word]
        if value is None or (isinstance(value, float) and math.isnan(value)):
            return ABSENT if self._strict else UNPARSEABLE
        if isinstance(value, str) and value in writers and writers[0] != writers[1]:
            return A if value == writers[0] else B
        if word not in self._known:
            self._known[word] = self._read(value, word)
        if (known := self._known[word]) is None:
            self.unknown[str(value)[:60]] += 1
            return UNPARSEABLE
        return known

    def _read(self, value: Json, word: str) -> int | None:
        if isinstance(value, float) and not value.is_integer():
            if not 0.999 < value < 2.001:
                raise BadData(f"column {self.column!r}: expected a preference from 1 to 2, found {value!r}; {HELP}")
            return TIE if value == 1.5 else A if value < 1.5 else B
        found = WORDS.get(word, WORDS.get(word.strip("[]()'\"*. \n")))
        if found is None and (named := NAMED.fullmatch(word.strip("[]'\"*. \n"))):
            found = SIDES[named[1]]
        if found is None and self._strict:
            raise BadData(f"column {self.column!r}: {value!r} is no label that is known; {HELP}")
        return found

    def check(self) -> str | None:
        """What could not be read, in words; refuses a column whose labels are guesswork."""
        if "0" in self.seen and "0" not in self._own:
            raise BadData(
                f"column {self.column!r} holds 0, which is a tie to some and the first answer to others; "
                "say which: --label 0=tie, or --label 0=a --label 1=b --label 2=tie"
            )
        many, strangest = self.unknown.total(), ", ".join(repr(word) for word, _ in self.unknown.most_common(3))
        if many > STRANGE * self.seen.total():
            raise BadData(f"column {self.column!r}: {many} labels are not known, such as {strangest}; {HELP}")
        said = f"{many} verdicts in {self.column!r} name no answer, such as {strangest}; they count as unparseable"
        return said if many else None


def parse_labels(given: Iterable[str]) -> dict[str, int]:
    """What a user's WORD=MEANING options say."""
    found = {}
    for one in given:
        word, equals, meaning = one.rpartition("=")
        if not equals or meaning.strip().lower() not in CODES:
            raise WrongUse(f"expected --label WORD=MEANING with one of {', '.join(CODES)}, found {one!r}")
        found[_word(word)] = CODES[meaning.strip().lower()]
    return found


def shares(value: Json) -> tuple[float, float] | None:
    """The probabilities of both answers, where a label is a preference between 1 and 2."""
    if not isinstance(value, float) or not 1 <= value <= 2:
        return None
    return 2 - value, value - 1


def _word(value: Json) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip().lower()
