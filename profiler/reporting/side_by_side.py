"""The same questions answered by two models, side by side: where their scores differ most, word by word."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import SequenceMatcher

import numpy as np

from profiler.records import Comparison, Sample
from profiler.reporting import layout
from profiler.reporting.numbers import number
from profiler.reporting.samples import Exchange, Piece, SampleList, Score, Side, address, asked, cut, options, outcome
from profiler.runs import Run, SampleColumns, compare

EACH = 100
"""Questions of a probe that are shown, the most different first."""
WORDS = 400
"""Words of an answer that are compared; what is beyond is shown as it is."""
METRICS = 4
"""Scores that are shown beside a pair: those that differ most."""


def pairs(base: Run, other: Run, comparison: Comparison, each: int = EACH) -> dict[str, list[Exchange]]:
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


def _pair(base: Sample, other: Sample, names: tuple[str, str], columns: Sequence[str], apart: np.ndarray) -> Exchange:
    most = [columns[place] for place in np.argsort(-apart, kind="stable")[:METRICS] if apart[place] > 0]
    both, ends = (base, other), [outcome(base), outcome(other)]
    written = all(sample.answers for sample in both)
    texts = differing(*(cut(sample.answers[0].text) for sample in both)) if written else ()
    return Exchange(
        id=address(base.probe, base.item, names[1]),
        item=base.item,
        group=base.group or "",
        prompt=asked(base),
        options=options(both, names),
        sides=[Side(name, [text], _more(sample)) for name, text, sample in zip(names, texts, both, strict=False)],
        scores=[_score(name, base.scores.get(name), other.scores.get(name)) for name in most],
        outcome=", ".join(f"{name} {end}" for name, end in zip(names, ends, strict=True)) if all(ends) else "",
    )


def _score(name: str, base: float | None, other: float | None) -> Score:
    change = None if base is None or other is None else other - base
    return Score(name, f"{number(base)} → {number(other)}", change)


def _more(sample: Sample) -> str:
    """What is not shown of a side."""
    return f"the first of {len(sample.answers)} answers" if len(sample.answers) > 1 else ""


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


def together(base: Run, others: Sequence[Run], comparisons: Sequence[Comparison]) -> list[SampleList]:
    """The pairs of one or several comparisons, as a page shows them."""
    alone = len(comparisons) == 1
    return [
        SampleList(
            f"Side by side: {probe}" if alone else f"Side by side: {probe}, {layout.other_name(comparison)}",
            f"The {len(found)} questions whose scores differ most. Marked: what the other answer does not have there.",
            found,
        )
        for other, comparison in zip(others, comparisons, strict=True)
        for probe, found in pairs(base, other, comparison).items()
    ]
