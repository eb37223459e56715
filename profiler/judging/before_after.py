"""What a student's taste took from its teacher: agreement before and after training, on the same pairs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from profiler.errors import WrongUse
from profiler.judging.label_table import LabelTable
from profiler.judging.records import TasteShift
from profiler.stats import (
    CLASSES,
    Count,
    FloatArray,
    Formula,
    IntArray,
    Interval,
    Labels,
    agreement,
    count_intervals,
    crossed,
    kappa,
)

METRICS: Mapping[str, Formula] = {"agreement": agreement, "kappa": kappa}
CELLS = CLASSES * CLASSES
WHENS: Mapping[str, slice] = {
    "before": slice(0, CELLS),
    "after": slice(CELLS, 2 * CELLS),
    "change": slice(0, 2 * CELLS),
}
"""Where the counts of what a number is about stand."""


class StudentJudge(NamedTuple):
    """Three judges: a student, what it was before training, and who taught it."""

    student: str
    before: str
    teacher: str


def taste_shifts(
    whole: LabelTable, students: Sequence[StudentJudge], clusters: IntArray | None, resamples: int, seed: int
) -> tuple[TasteShift, ...]:
    """How each student's agreement with its teacher, with others' teachers and with humans changed.

    Before and after are counted on the same pairs and drawn together, so that the interval is that of the change and
    not of two surveys. Ordered by the students' agreement with humans, as the paper's figure 3 is.
    """
    for line in students:
        _known(line, whole)
    kinds, one = whole.kinds()
    table = whole.at(one)
    counts = {
        f"{i} {against}": _count(table, line, labels)
        for i, line in enumerate(students)
        for against, labels in _others(table, line, students)
    }
    found = count_intervals(counts, kinds, clusters, resamples, seed)
    told = {
        i: [
            _shift(line, against, metric, *(found[f"{i} {against}", f"{metric} {when}"] for when in WHENS))
            for against, _ in _others(table, line, students)
            for metric in METRICS
        ]
        for i, line in enumerate(students)
    }

    def with_humans(i: int) -> float:
        """Minus a student's agreement with humans; the order in which they were named where there are none."""
        values = [s.other for s in told[i] if s.against == whole.reference and s.metric == "agreement"]
        return -(values[0] or 0.0) if values else 0.0

    return tuple(shift for i in sorted(told, key=with_humans) for shift in told[i])


def _others(table: LabelTable, line: StudentJudge, students: Sequence[StudentJudge]) -> Iterator[tuple[str, Labels]]:
    """Its teacher first, then whoever taught other students, then the humans."""
    for name in dict.fromkeys([line.teacher, *(other.teacher for other in students)]):
        if name == line.teacher or name not in line:
            yield name, table.readings[name][table.chosen[name]]
    if table.reference is not None:
        yield table.reference, table.gold


def _count(table: LabelTable, line: StudentJudge, other: Labels) -> Count:
    """Where both the student and what it was meet OTHER, on the pairs that all of them could be read on."""
    before, after = (table.readings[name][table.chosen[name]] for name in (line.before, line.student))
    common = ((before >= 0) & (after >= 0))[:, np.newaxis]
    parts = np.hstack([crossed(other, before) * common, crossed(other, after) * common])
    return Count(parts, {f"{name} {when}": _of(made, when) for name, made in METRICS.items() for when in WHENS})


def _of(formula: Formula, when: str) -> Formula:
    def value(sums: FloatArray) -> FloatArray:
        if when != "change":
            return formula(sums[..., WHENS[when]])
        return formula(sums[..., WHENS["after"]]) - formula(sums[..., WHENS["before"]])

    return value


def _shift(
    line: StudentJudge, against: str, metric: str, before: Interval, after: Interval, change: Interval
) -> TasteShift:
    return TasteShift(
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


def _known(line: StudentJudge, table: LabelTable) -> None:
    for name in line:
        if name not in table.readings:
            raise WrongUse(f"no verdicts of {name!r}; the judges are {', '.join(table.readings) or 'none'}")
    if line.student == line.before:
        raise WrongUse(f"{line.student!r} can't be what it was before it was trained; give each judge a --name")
