"""Numbers as people read them: three significant digits, a real minus sign, a dash where there is none."""

from math import floor, log10
from unicodedata import bidirectional, category

DASH = "–"
MINUS = "−"
TINY = 1e-5
TURNING = frozenset({"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"})
"""Characters that change the order in which others are shown."""


def places(*values: float | None) -> int:
    """Decimals that give the largest of VALUES three significant digits; numbers shown together share them."""
    largest = max((abs(value) for value in values if value), default=0.0)
    return 0 if largest == 0 else min(7, max(0, 2 - floor(log10(largest))))


def number(value: float | None, decimals: int | None = None, sign: bool = False) -> str:
    """VALUE with DECIMALS, or three significant digits; its plus sign too if SIGN."""
    if value is None:
        return DASH
    if 0 < abs(value) < TINY and decimals is None:
        return f"{value:{'+' if sign else ''}.2e}".replace("-", MINUS)
    shown = f"{value:{'+' if sign else ''},.{places(value) if decimals is None else decimals}f}"
    if not shown.strip("+-0.,"):
        shown = shown.lstrip("+-")  # rounded to zero, which has no sign
    return shown.replace("-", MINUS)


def interval(low: float | None, high: float | None, decimals: int, sign: bool = False) -> str:
    if low is None or high is None:
        return DASH
    return f"[{number(low, decimals, sign)}, {number(high, decimals, sign)}]"


def with_interval(value: float | None, low: float | None, high: float | None, decimals: int, sign: bool = False) -> str:
    """VALUE, and its interval where there is one."""
    shown = number(value, decimals, sign)
    return shown if low is None else f"{shown} {interval(low, high, decimals, sign)}"


def count(value: int) -> str:
    return f"{value:,}"


def counted(value: int, what: str) -> str:
    """So many of WHAT, which has a plain plural."""
    return f"{count(value)} {what}{'' if value == 1 else 's'}"


def plain(text: str) -> str:
    """TEXT on one line, without the characters by which a model's name could paint on a terminal or turn its order."""
    return "".join(map(_plain, text))


def _plain(char: str) -> str:
    kind = category(char)
    if kind.startswith("Z"):
        return " "
    hidden = kind in ("Cc", "Cs", "Cn") or bidirectional(char) in TURNING
    return "\ufffd" if hidden else char
