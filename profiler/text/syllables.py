"""Syllables of a word: one more than the hyphens that Pyphen would insert, found through a tree of its patterns."""

from collections.abc import Callable, Mapping
from typing import Any

LEFT, RIGHT = 2, 2
"""Letters that Pyphen keeps together at a word's ends."""

_Tree = dict[str, Any]  # letter → _Tree, and "" → a pattern's (offset, values)


def syllable_counter(lang: str) -> Callable[[str], int] | None:
    """Count the syllables of a lower-case word of LANG; None where Pyphen has no dictionary for it."""
    from pyphen import Pyphen, language_fallback

    if language_fallback(lang) is None:
        return None
    pyphen = Pyphen(lang=lang)
    patterns = pyphen.hd.patterns
    if any(type(value) is not int for _, values in patterns.values() for value in values):
        # Catalan, Hungarian: some hyphens change the letters around them, which is Pyphen's own business.
        return lambda word: 1 + pyphen.inserted(word).count("-")
    tree = _tree(patterns)
    return lambda word: 1 + word.count("-") + _hyphens(tree, word)


def _tree(patterns: Mapping[str, tuple[int, tuple[int, ...]]]) -> _Tree:
    root: _Tree = {}
    for letters, pattern in patterns.items():
        node = root
        for letter in letters:
            node = node.setdefault(letter, {})
        node[""] = pattern
    return root


def _hyphens(tree: _Tree, word: str) -> int:
    """Count the odd gaps, where a gap's value is the highest that a matching pattern gives it (Liang 1983)."""
    pointed = f".{word.lower()}."
    gaps = [0] * (len(pointed) + 1)
    for begin in range(len(pointed) - 1):
        node = tree
        for letter in pointed[begin:]:
            if letter not in node:
                break
            node = node[letter]
            if "" in node:
                offset, values = node[""]
                for gap, value in enumerate(values, begin + offset):
                    if value > gaps[gap]:
                        gaps[gap] = value
    # Gap i of the pointed word lies before letter i - 1 of the word.
    return sum(value & 1 for value in gaps[LEFT + 1 : len(word) - RIGHT + 2])
