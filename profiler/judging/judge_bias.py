"""What a judge favours: the answer shown first, the longer one, its own."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from profiler.judging.label_table import GAPS, LabelTable, RaterCount, groups_of, share
from profiler.stats import Count, raters, ratio

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
    if (table.gap >= 0).any():
        yield from length(table, judge)
    if (table.own[judge] != raters.ABSENT).any():
        yield from itself(table, judge)


def position(table: LabelTable, judge: str) -> Iterator[RaterCount]:
    """How far the order of the answers decides."""
    first, swapped = table.readings[judge]["first"], table.readings[judge]["swapped"]
    asked = (first != raters.ABSENT) & (swapped != raters.ABSENT)
    same = asked & (first == swapped) & (first >= 0)
    yield RaterCount(judge, share("positional_agreement", same, asked))
    for group, inside in groups_of(table):
        yield RaterCount(judge, share("positional_agreement", same & inside, asked & inside), group=group)
    yield RaterCount(judge, Count(raters.crossed(first, swapped), {"kappa_of_orders": raters.kappa}))
    # Swapped, it is answer b that is shown first.
    shown_first = ((first == raters.A).astype(float) + (swapped == raters.B)) * asked
    decided = (_decided(first).astype(float) + _decided(swapped)) * asked
    yield RaterCount(judge, share("first_shown_wins", shown_first, decided))
    flips = asked & _decided(first) & _decided(swapped) & (first != swapped)
    yield RaterCount(judge, share("flips_to_first_shown", flips & (first == raters.A), flips))


def length(table: LabelTable, judge: str) -> Iterator[RaterCount]:
    """How often the longer answer wins, beside how often it does for the humans."""
    reading, longer = table.chosen[judge], table.longer
    labels = table.readings[judge][reading]
    said_by = {None: labels} | ({table.reference: table.gold} if table.reference is not None else {})
    for who, said in said_by.items():
        both = (longer != raters.ABSENT) & _decided(said) & (labels != raters.ABSENT)
        yield RaterCount(judge, share("longer_wins", both & (said == longer), both), who, reading)
    for place, name in enumerate(LENGTHS):
        inside = (table.gap == place) & (labels != raters.ABSENT)
        if place:
            both = inside & _decided(labels)
            yield RaterCount(judge, share("longer_wins", both & (labels == longer), both), None, reading, name)
        if table.reference is not None:
            crossing = raters.crossed(table.gold, labels) * inside[:, np.newaxis]
            yield RaterCount(judge, Count(crossing, {"agreement": raters.agreement}), table.reference, reading, name)


def itself(table: LabelTable, judge: str) -> Iterator[RaterCount]:
    """How often an answer of its own (or of its model family) wins, and by how much more than for the humans."""
    reading, own = table.chosen[judge], table.own[judge]
    labels = table.readings[judge][reading]
    both = (own != raters.ABSENT) & _decided(labels)
    yield RaterCount(judge, share("own_wins", both & (labels == own), both), None, reading)
    if table.reference is None:
        return
    known = both & _decided(table.gold)
    yield RaterCount(judge, share("own_wins", known & (table.gold == own), known), table.reference, reading)
    more = (labels == own).astype(float) - (table.gold == own)
    counted = Count(np.column_stack([more * known, known]), {"self_preference": ratio})
    yield RaterCount(judge, counted, table.reference, reading)


def _decided(labels: raters.Labels) -> np.ndarray:
    return np.asarray((labels >= 0) & (labels != raters.TIE))
