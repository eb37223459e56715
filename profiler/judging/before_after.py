"""What a student's taste took from its teacher: agreement before and after training, on the same pairs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np

from profiler import stats
from profiler.errors import WrongUse
from profiler.judging.label_table import LabelTable
from profiler.judging.records import TasteShift
from profiler.stats import raters

METRICS: Mapping[str, stats.Formula] = {"agreement": raters.agreement, "kappa": raters.kappa}
WHENS = ("before", "after", "change")


class StudentJudge(NamedTuple):
    """Three judges: a student, what it was before training, and who taught it."""

    student: str
    before: str
    teacher: str


def taste_shifts(
    whole: LabelTable, students: Sequence[StudentJudge], clusters: stats.IntArray | None, resamples: int, seed: int
) -> tuple[TasteShift, ...]:
    """How each student's agreement with its teacher, with others' teachers and with humans changed.

    Before and after are counted on the same pairs and drawn together, so that the interval is that of the change and
    not of two surveys. Ordered by the students' agreement with humans, as the paper's figure 3 is.
    """
    for line in students:
        for name in line:
            if name not in whole.readings:
                raise WrongUse(f"no verdicts of {name!r}; the judges are {', '.join(whole.readings) or 'none'}")
        if line.student == line.before:
            raise WrongUse(f"{line.student!r} can't be what it was before it was trained; give each judge a --name")
    kinds, one = whole.kinds()
    table = whole.at(one)
    counts = {
        f"{i} {against}": _count(table, line, labels)
        for i, line in enumerate(students)
        for against, labels in _others(table, line, students)
    }
    found = stats.count_intervals(counts, kinds, clusters, resamples, seed)
    shifts = [
        [
            _shift(line, against, metric, *(found[f"{i} {against}", f"{metric} {when}"] for when in WHENS))
            for against, _ in _others(table, line, students)
            for metric in METRICS
        ]
        for i, line in enumerate(students)
    ]

    def with_humans(told: Iterable[TasteShift]) -> float:
        """Minus a student's agreement with humans; the order in which they were named where there are none."""
        with_them = (s.other for s in told if s.against == whole.reference and s.metric == "agreement")
        return -(next(with_them, None) or 0.0)

    return tuple(chain.from_iterable(sorted(shifts, key=with_humans)))


def _others(
    table: LabelTable, line: StudentJudge, students: Sequence[StudentJudge]
) -> Iterator[tuple[str, raters.Labels]]:
    """Its teacher first, then whoever taught other students, then the humans."""
    for name in dict.fromkeys([line.teacher, *(other.teacher for other in students)]):
        if name == line.teacher or name not in line:
            yield name, table.readings[name][table.chosen[name]]
    if table.reference is not None:
        yield table.reference, table.gold


def _count(table: LabelTable, line: StudentJudge, other: raters.Labels) -> stats.Count:
    """Where both the student and what it was meet OTHER, on the pairs that all of them could be read on."""
    before, after = (table.readings[name][table.chosen[name]] for name in (line.before, line.student))
    common = ((before >= 0) & (after >= 0))[:, np.newaxis]
    parts = np.hstack([raters.crossed(other, before) * common, raters.crossed(other, after) * common])
    return stats.Count(parts, {f"{name} {when}": _of(made, when) for name, made in METRICS.items() for when in WHENS})


def _of(formula: stats.Formula, when: str) -> stats.Formula:
    def value(sums: stats.FloatArray) -> stats.FloatArray:
        before, after = (formula(each) for each in np.split(sums, 2, axis=-1))
        return {"before": before, "after": after, "change": after - before}[when]

    return value


def _shift(
    line: StudentJudge, against: str, metric: str, before: stats.Interval, after: stats.Interval, change: stats.Interval
) -> TasteShift:
    return TasteShift(
        **line._asdict(),
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
