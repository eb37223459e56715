"""What a student's taste took from its teacher: agreement before and after training, on the same pairs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from profiler.agreement import CLASSES, Count, Formula, Labels, agreement, crossed, intervals, kappa
from profiler.errors import WrongUse
from profiler.judge.sheet import Sheet
from profiler.records import Shift
from profiler.stats import FloatArray, IntArray, Interval

METRICS: Mapping[str, Formula] = {"agreement": agreement, "kappa": kappa}
CELLS = CLASSES * CLASSES
WHENS: Mapping[str, slice] = {
    "before": slice(0, CELLS),
    "after": slice(CELLS, 2 * CELLS),
    "change": slice(0, 2 * CELLS),
}
"""Where the counts of what a number is about stand."""


class Descent(NamedTuple):
    """Three judges: a student, what it was before training, and who taught it."""

    student: str
    before: str
    teacher: str


def shifts(
    whole: Sheet, students: Sequence[Descent], clusters: IntArray | None, resamples: int, seed: int
) -> tuple[Shift, ...]:
    """How each student's agreement with its teacher, with others' teachers and with humans changed.

    Before and after are counted on the same pairs and drawn together, so that the interval is that of the change and
    not of two surveys. Ordered by the students' agreement with humans, as the paper's figure 3 is.
    """
    for line in students:
        _known(line, whole)
    kinds, one = whole.kinds()
    sheet = whole.at(one)
    counts = {
        f"{i} {against}": _count(sheet, line, labels)
        for i, line in enumerate(students)
        for against, labels in _others(sheet, line, students)
    }
    found = intervals(counts, kinds, clusters, resamples, seed) if counts else {}
    told = {
        i: [
            _shift(line, against, metric, *(found[f"{i} {against}", f"{metric} {when}"] for when in WHENS))
            for against, _ in _others(sheet, line, students)
            for metric in METRICS
        ]
        for i, line in enumerate(students)
    }

    def with_humans(i: int) -> float:
        """Minus a student's agreement with humans; the order in which they were named where there are none."""
        values = [s.other for s in told[i] if s.against == whole.reference and s.metric == "agreement"]
        return -(values[0] or 0.0) if values else 0.0

    return tuple(shift for i in sorted(told, key=with_humans) for shift in told[i])


def _others(sheet: Sheet, line: Descent, students: Sequence[Descent]) -> Iterator[tuple[str, Labels]]:
    """Its teacher first, then whoever taught other students, then the humans."""
    for name in dict.fromkeys([line.teacher, *(other.teacher for other in students)]):
        if name == line.teacher or name not in line:
            yield name, sheet.readings[name][sheet.chosen[name]]
    if sheet.reference is not None:
        yield sheet.reference, sheet.gold


def _count(sheet: Sheet, line: Descent, other: Labels) -> Count:
    """Where both the student and what it was meet OTHER, on the pairs that all of them could be read on."""
    before, after = (sheet.readings[name][sheet.chosen[name]] for name in (line.before, line.student))
    common = ((before >= 0) & (after >= 0))[:, np.newaxis]
    parts = np.hstack([crossed(other, before) * common, crossed(other, after) * common])
    return Count(parts, {f"{name} {when}": _of(made, when) for name, made in METRICS.items() for when in WHENS})


def _of(formula: Formula, when: str) -> Formula:
    def value(sums: FloatArray) -> FloatArray:
        if when != "change":
            return formula(sums[..., WHENS[when]])
        return formula(sums[..., WHENS["after"]]) - formula(sums[..., WHENS["before"]])

    return value


def _shift(line: Descent, against: str, metric: str, before: Interval, after: Interval, change: Interval) -> Shift:
    return Shift(
        student=line.student,
        before=line.before,
        teacher=line.teacher,
        against=against,
        metric=metric,
        base=before.value,
        base_low=before.low,
        base_high=before.high,
        other=after.value,
        other_low=after.low,
        other_high=after.high,
        absolute=change.value,
        low=change.low,
        high=change.high,
        n=change.n,
        reason=change.reason,
    )


def _known(line: Descent, sheet: Sheet) -> None:
    for name in line:
        if name not in sheet.readings:
            raise WrongUse(f"no verdicts of {name!r}; the judges are {', '.join(sheet.readings) or 'none'}")
    if line.student == line.before:
        raise WrongUse(f"{line.student!r} can't be what it was before it was trained; give each judge a --name")
