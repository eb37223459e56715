"""What a judge favours: the answer shown first, the longer one, its own."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from profiler.judging.label_table import GAPS, LabelTable, RaterCount, share
from profiler.stats import ABSENT, TIE, A, B, Count, Labels, agreement, crossed, kappa

LENGTHS = (
    f"0–{GAPS[0]} characters",
    *(f"{low + 1}–{high} characters" for low, high in pairwise(GAPS)),
    f"over {GAPS[-1]} characters",
)
"""Differences in length."""


def biases(table: LabelTable, judge: str) -> Iterator[RaterCount]:
    """All that is told of one judge's leanings."""
    if "swapped" in table.readings[judge]:
        yield from position(table, judge)
    if table.longer is not None and table.gap is not None:
        yield from length(table, judge, table.longer, table.gap)
    if (table.own[judge] != ABSENT).any():
        yield from itself(table, judge)


def position(table: LabelTable, judge: str) -> Iterator[RaterCount]:
    """How far the order of the answers decides."""
    first, swapped = table.readings[judge]["first"], table.readings[judge]["swapped"]
    asked = (first != ABSENT) & (swapped != ABSENT)
    same = asked & (first == swapped) & (first >= 0)
    yield RaterCount(judge, share("positional_agreement", same, asked))
    yield RaterCount(judge, Count(crossed(first, swapped), {"kappa_of_orders": kappa}))
    # Swapped, it is answer b that is shown first.
    shown_first = ((first == A).astype(float) + (swapped == B)) * asked
    decided = (_decided(first).astype(float) + _decided(swapped)) * asked
    yield RaterCount(judge, share("first_shown_wins", shown_first, decided))
    flips = asked & _decided(first) & _decided(swapped) & (first != swapped)
    yield RaterCount(judge, share("flips_to_first_shown", flips & (first == A), flips))


def length(table: LabelTable, judge: str, longer: Labels, gap: np.ndarray) -> Iterator[RaterCount]:
    """How often the longer answer wins, beside how often it does for the humans."""
    reading = table.chosen[judge]
    labels = table.readings[judge][reading]
    for who, said in ((None, labels), (table.reference, table.gold)):
        if who is None or table.reference is not None:
            both = (longer != ABSENT) & _decided(said) & (labels != ABSENT)
            yield RaterCount(judge, share("longer_wins", both & (said == longer), both), who, reading)
    for place, name in enumerate(LENGTHS):
        inside = (gap == place) & (labels != ABSENT)
        if place:
            both = inside & _decided(labels)
            yield RaterCount(judge, share("longer_wins", both & (labels == longer), both), None, reading, name)
        if table.reference is not None:
            crossing = crossed(table.gold, labels) * inside[:, np.newaxis]
            yield RaterCount(judge, Count(crossing, {"agreement": agreement}), table.reference, reading, name)


def itself(table: LabelTable, judge: str) -> Iterator[RaterCount]:
    """How often an answer of its own (or of its kin) wins, and by how much more than for the humans."""
    reading, own = table.chosen[judge], table.own[judge]
    labels = table.readings[judge][reading]
    both = (own != ABSENT) & _decided(labels)
    yield RaterCount(judge, share("own_wins", both & (labels == own), both), None, reading)
    if table.reference is None:
        return
    known = both & _decided(table.gold)
    yield RaterCount(judge, share("own_wins", known & (table.gold == own), known), table.reference, reading)
    more = (labels == own).astype(float) - (table.gold == own)
    yield RaterCount(judge, share("self_preference", more * known, known), table.reference, reading)


def _decided(labels: Labels) -> np.ndarray:
    return np.asarray((labels >= 0) & (labels != TIE))
