"""The final answer of a text that works something out: a number or a few words, read from where such texts put it."""

import re
import unicodedata
from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

NUMBER = re.compile(
    r"(?<![\w.])[-+]?[$€£¥]?[-+]?"
    r"(?P<digits>\d{1,3}(?:,\d{3}){1,30}(?!,?\d)(?:\.\d{1,99})?|\d{1,99}(?:\.\d{1,99})?|\.\d{1,99})(?!\d)"
    r"(?:[eE](?P<power>[-+]?\d{1,2})(?!\w))?(?:/(?P<parts>\d{1,99})(?![/\d]))?"
)
MINUS = re.compile(r"[+$€£¥]*-")
MARK = re.compile(r"####[ \t]*(.*)")
STEP = re.compile(r"\W*\d+[.):]\s+\w")
"""A heading such as `#### 1. What is asked` is no answer."""
SIGN = re.compile(
    r"\\boxed\s*\{(?P<boxed>(?:[^{}]|\{[^{}]*\}){0,500})\}|\banswer\s{0,9}(?P<said>is\b|=)\s{0,9}:?|"
    r"^[^\w\n]{0,20}(?:(?:final|the|your|my)\s)*answer[^\w\n:=]{0,9}[:=]",
    re.IGNORECASE | re.MULTILINE,
)
# Cobbe et al. 2021: ANS_RE of the authors' dataset.py
AUTHORS = re.compile(r"#### (-?[0-9.,]+)")
AROUND = "\"#'()*,./:;<=>?@[]_`{|}~! \t“”‘’«»…"
SPELLINGS = (("\\$", "$"), ("\\%", "%"), ("{,}", ","), ("\\!", ""), ("\\,", ""), ("−", "-"), ("\u00a0", " "))


class Signed(NamedTuple):
    """What follows a sign that the answer comes."""

    rest: str
    """As far as the next sign, or what is in the box."""
    label: bool
    """Whether it stands behind a label, after which some reason first."""


def gold(said: str) -> str:
    """What a set gives as the right answer: what stands behind ####, else its last line."""
    found = MARK.search(said)
    lines = [line for line in said.splitlines() if line.strip()]
    return (found[1] if found else lines[-1] if lines else "").strip()


def number(said: str) -> Fraction | None:
    """The number that SAID is, with a sign of money or percent around it; None where it is anything else."""
    found = NUMBER.fullmatch(_spelt(said).strip().rstrip("%. "))
    return _value(found) if found else None


def matches(text: str, right: str) -> bool | None:
    """Whether the final answer of TEXT is RIGHT; None where it gives none, which is no answer and not a right one.

    Numbers are compared as numbers, exactly: 1,000.0 is 1000, and what stands around them (units, money, markup) does
    not count. The number is the one behind ####, else the last that is boxed, said to be the answer or alone in a line
    labelled so, else the last of the text. Words are compared without case and marks around them: what is behind the
    same signs, or its first sentence, else the last line.
    """
    text, wanted = _spelt(text), number(right)
    if wanted is None:
        said = [_plain(part) for part in _words(text)]
        return _plain(right) in said if any(said) else None
    found = _number(text)
    return None if found is None else found == wanted


def matches_strictly(text: str, right: str) -> bool | None:
    """As GSM8K's authors compare: the digits behind the first `#### `, without commas; None where RIGHT is no number.

    A text without the mark is wrong, and so is `#### $18` or `#### 18.`: what is compared are strings.
    """
    if number(right) is None:
        return None
    found = AUTHORS.search(text)
    return found is not None and found[1].replace(",", "") == right.replace(",", "")


def _spelt(text: str) -> str:
    for written, plain in SPELLINGS:
        text = text.replace(written, plain)
    return re.sub(r"\\d?frac\{(\d{1,99})\}\{(\d{1,99})\}", r"\1/\2", text)


def _value(found: re.Match[str]) -> Fraction | None:
    parts = int(found["parts"] or 1)
    if not parts:
        return None
    size = Fraction(found["digits"].replace(",", "")) * Fraction(10) ** int(found["power"] or 0) / parts
    return -size if MINUS.match(found[0]) else size


def _number(text: str) -> Fraction | None:
    for rest in _marked(text):
        if found := NUMBER.search(rest):
            return _value(found)
    for sign in reversed([*_signed(text)]):
        numbers = [*NUMBER.finditer(sign.rest.partition("\n")[0] if sign.label else sign.rest)]
        if len(numbers) == 1 or (numbers and not sign.label):
            return _value(numbers[0])
    last = [*NUMBER.finditer(text)]
    return _value(last[-1]) if last else None


def _words(text: str) -> list[str]:
    """Where the final words may be: the whole line, and its first sentence."""
    found = _marked(text)[:1] or [sign.rest.strip().partition("\n")[0] for sign in _signed(text)][-1:]
    lines = (line for line in reversed(text.splitlines()) if _plain(line))
    said = found[0] if found and _plain(found[0]) else next(lines, "")
    return [said, re.split(r"[.;!?](?:\s|$)|,\s", said, maxsplit=1)[0]]


def _marked(text: str) -> list[str]:
    return [rest for rest in MARK.findall(text) if not STEP.match(rest)]


def _signed(text: str) -> Iterator[Signed]:
    signs = [*SIGN.finditer(text)]
    for sign, end in zip(signs, [*(sign.start() for sign in signs[1:]), len(text)], strict=False):
        boxed = sign["boxed"]
        yield Signed(text[sign.end() : end] if boxed is None else boxed, boxed is None and not sign["said"])


def _plain(said: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", said).casefold().split()).strip(AROUND)
