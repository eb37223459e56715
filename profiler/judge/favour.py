"""What a judge favours: the answer shown first, the longer one, its own."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from profiler.agreement import ABSENT, TIE, A, B, Count, Labels, agreement, crossed, kappa, share
from profiler.judge.sheet import GAPS, Sheet
from profiler.stats import FloatArray

LENGTHS = (
    f"0–{GAPS[0]} characters",
    *(f"{low + 1}–{high} characters" for low, high in pairwise(GAPS)),
    f"over {GAPS[-1]} characters",
)
"""Differences in length."""

Found = tuple[str | None, str | None, str | None, Count]
"""Against whom, by which reading, in which group, and what is counted."""


def favours(sheet: Sheet, judge: str) -> Iterator[Found]:
    """All that is told of one judge's leanings."""
    if "swapped" in sheet.readings[judge]:
        yield from position(sheet, judge)
    if sheet.longer is not None and sheet.gap is not None:
        yield from length(sheet, judge, sheet.longer, sheet.gap)
    if (sheet.own[judge] != ABSENT).any():
        yield from itself(sheet, judge)


def position(sheet: Sheet, judge: str) -> Iterator[Found]:
    """How far the order of the answers decides."""
    first, swapped = sheet.readings[judge]["first"], sheet.readings[judge]["swapped"]
    asked = (first != ABSENT) & (swapped != ABSENT)
    same = asked & (first == swapped) & (first >= 0)
    yield None, None, None, Count(_of(same, asked), {"positional_agreement": share})
    yield None, None, None, Count(crossed(first, swapped), {"kappa_of_orders": kappa})
    # Swapped, it is answer b that is shown first.
    shown_first = ((first == A).astype(float) + (swapped == B)) * asked
    decided = (_decided(first).astype(float) + _decided(swapped)) * asked
    yield None, None, None, Count(np.column_stack([shown_first, decided]), {"first_shown_wins": share})
    flips = asked & _decided(first) & _decided(swapped) & (first != swapped)
    yield None, None, None, Count(_of(flips & (first == A), flips), {"flips_to_first_shown": share})


def length(sheet: Sheet, judge: str, longer: Labels, gap: np.ndarray) -> Iterator[Found]:
    """How often the longer answer wins, beside how often it does for the humans."""
    reading = sheet.chosen[judge]
    labels = sheet.readings[judge][reading]
    for who, said in ((None, labels), (sheet.reference, sheet.gold)):
        if who is None or sheet.reference is not None:
            both = (longer != ABSENT) & _decided(said) & (labels != ABSENT)
            yield who, reading, None, Count(_of(both & (said == longer), both), {"longer_wins": share})
    for place, name in enumerate(LENGTHS):
        inside = (gap == place) & (labels != ABSENT)
        if place:
            both = inside & _decided(labels)
            yield None, reading, name, Count(_of(both & (labels == longer), both), {"longer_wins": share})
        if sheet.reference is not None:
            crossing = crossed(sheet.gold, labels) * inside[:, np.newaxis]
            yield sheet.reference, reading, name, Count(crossing, {"agreement": agreement})


def itself(sheet: Sheet, judge: str) -> Iterator[Found]:
    """How often an answer of its own (or of its kin) wins, and by how much more than for the humans."""
    reading, own = sheet.chosen[judge], sheet.own[judge]
    labels = sheet.readings[judge][reading]
    both = (own != ABSENT) & _decided(labels)
    yield None, reading, None, Count(_of(both & (labels == own), both), {"own_wins": share})
    if sheet.reference is None:
        return
    known = both & _decided(sheet.gold)
    yield sheet.reference, reading, None, Count(_of(known & (sheet.gold == own), known), {"own_wins": share})
    more = (labels == own).astype(float) - (sheet.gold == own)
    yield (
        sheet.reference,
        reading,
        None,
        Count(np.column_stack([more * known, known]), {"self_preference": share}),
    )


def _decided(labels: Labels) -> np.ndarray:
    return np.asarray((labels >= 0) & (labels != TIE))


def _of(hit: np.ndarray, of: np.ndarray) -> FloatArray:
    return np.column_stack([hit, of]).astype(np.float64)
