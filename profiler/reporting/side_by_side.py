"""The same questions answered by two models, side by side: where their scores differ most, word by word."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher
from typing import NamedTuple

import numpy as np

from profiler.records import Comparison, Sample
from profiler.reporting import layout
from profiler.reporting.numbers import number
from profiler.runs import Run, SampleColumns, compare

EACH = 25
"""Questions of a probe that are shown, the most different first."""
WORDS = 400
"""Words of an answer that are compared; what is beyond is shown as it is."""
METRICS = 4
"""Scores that are shown beside a pair: those that differ most."""


class Piece(NamedTuple):
    """A stretch of an answer."""

    text: str
    own: bool
    """The other answer does not have it here."""


class Score(NamedTuple):
    """One number on both sides."""

    metric: str
    base: str
    other: str


class AnswerPair(NamedTuple):
    """One question and what both sides made of it."""

    item: str
    group: str
    prompt: str
    sides: tuple[tuple[str, Sequence[Piece]], tuple[str, Sequence[Piece]]]
    """Each side's name and answer."""
    scores: Sequence[Score]


def pairs(base: Run, other: Run, comparison: Comparison, each: int = EACH) -> dict[str, list[AnswerPair]]:
    """Of each probe that was compared the questions whose scores differ most, in standard deviations of the scores."""
    names = layout.base_name(comparison), layout.other_name(comparison)
    found = {}
    for probe in comparison.suites:
        left, right = base.columns(probe), other.columns(probe)
        apart = _apart(left, right)
        items = sorted(apart, key=lambda item: (-apart[item].sum(), item))[:each]
        columns = [name for name in left.columns if name in right.columns]
        one, two = base.chosen(probe, items), other.chosen(probe, items)
        found[probe] = [_pair(one[item], two[item], names, columns, apart[item]) for item in items]
    return {probe: some for probe, some in found.items() if some}


def _apart(left: SampleColumns, right: SampleColumns) -> dict[str, np.ndarray]:
    """Of the items that both sides answered: how far each score lies apart."""
    mine, theirs = compare.paired(left, right)
    gaps = []
    for name in (name for name in left.columns if name in right.columns):
        one, two = mine.columns[name], theirs.columns[name]
        both = np.concatenate([one, two])
        known = both[np.isfinite(both)]
        scale = float(known.std()) if len(known) else 0.0
        gap = np.abs(one - two) / scale if scale else np.zeros(len(one))
        gaps.append(np.where(np.isfinite(gap), gap, 0.0))
    table = np.column_stack(gaps) if gaps else np.zeros((len(mine.items), 0))
    return dict(zip(mine.items, table, strict=True))


def _pair(base: Sample, other: Sample, names: tuple[str, str], columns: Sequence[str], apart: np.ndarray) -> AnswerPair:
    texts = _said(base), _said(other)
    most = [columns[place] for place in np.argsort(-apart, kind="stable")[:METRICS] if apart[place] > 0]
    scores = [Score(name, number(base.scores.get(name)), number(other.scores.get(name))) for name in most]
    mine, theirs = differing(*texts)
    return AnswerPair(base.item, base.group or "", base.prompt, ((names[0], mine), (names[1], theirs)), scores)


def _said(sample: Sample) -> str:
    """The first answer, or which option was taken."""
    if sample.answers:
        return sample.answers[0].text
    return "no option" if sample.choice is None else f"option {sample.choice + 1}"


def differing(one: str, two: str) -> tuple[list[Piece], list[Piece]]:
    """Two texts in pieces: what both have in the same order, and what only one of them has."""
    sides = [re.findall(r"\s*\S+|\s+$", text) for text in (one, two)]
    left, right = (words[:WORDS] for words in sides)
    one_plain, two_plain = ([word.strip() for word in words] for words in (left, right))
    found: tuple[list[Piece], list[Piece]] = ([], [])
    for kind, i, j, k, m in SequenceMatcher(None, one_plain, two_plain, autojunk=False).get_opcodes():
        for pieces, words in zip(found, (left[i:j], right[k:m]), strict=True):
            if words:
                pieces.append(Piece("".join(words), kind != "equal"))
    for pieces, words in zip(found, sides, strict=True):
        if rest := "".join(words[WORDS:]):
            pieces.append(Piece(rest, False))
    return found


def together(base: Run, others: Sequence[Run], comparisons: Sequence[Comparison]) -> Mapping[str, Sequence[AnswerPair]]:
    """The pairs of one or several comparisons, under what to call them."""
    alone = len(comparisons) == 1
    return {
        probe if alone else f"{probe}, {layout.other_name(comparison)}": found
        for other, comparison in zip(others, comparisons, strict=True)
        for probe, found in pairs(base, other, comparison).items()
    }
