"""Students as judges before and after their training: how their agreement with teachers and humans changed."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from profiler import stats
from profiler.errors import WrongUse
from profiler.judging.label_table import LabelTable
from profiler.judging.records import PreferenceShift
from profiler.stats import raters

PLAIN: Mapping[str, stats.Formula] = {"agreement": raters.agreement, "kappa": raters.kappa}
"""What is told of parts of the pairs, and of a student before and after its training."""
WHENS = ("before", "after", "change")


class StudentJudge(NamedTuple):
    """Three judges: a student, what it was before training, and who taught it."""

    student: str
    before: str
    teacher: str


def preference_shifts(
    table: LabelTable,
    students: Sequence[StudentJudge],
    kinds: stats.IntArray,
    clusters: stats.IntArray | None,
    resamples: int,
    seed: int,
) -> tuple[PreferenceShift, ...]:
    """How each student's agreement with its teacher, with others' teachers and with humans changed.

    Before and after are counted on the same pairs and drawn together, so that the interval is that of the change and
    not of two surveys. Ordered by the students' agreement with humans, as the paper's figure 3 is.
    """
    for line in students:
        for name in line:
            if name not in table.readings:
                raise WrongUse(f"no verdicts of {name!r}; the judges are {', '.join(table.readings) or 'none'}")
        if line.student == line.before:
            raise WrongUse(f"{line.student!r} can't be what it was before it was trained; give each judge a --name")
    asked = [(line, *other) for line in students for other in _others(table, line, students)]
    counts = [_before_and_after(table, line, labels) for line, _, labels in asked]
    found = stats.count_intervals(counts, kinds, clusters, resamples, seed)
    shifts = [
        _shift(line, against, metric, *(numbers[f"{metric} {when}"] for when in WHENS))
        for (line, against, _), numbers in zip(asked, found, strict=True)
        for metric in PLAIN
    ]
    with_humans = {
        (shift.student, shift.before, shift.teacher): shift.other or 0.0
        for shift in shifts
        if shift.against == table.reference and shift.metric == "agreement"
    }
    # Where there are no humans, in the order in which they were named.
    return tuple(sorted(shifts, key=lambda shift: -with_humans.get((shift.student, shift.before, shift.teacher), 0.0)))


def _others(
    table: LabelTable, line: StudentJudge, students: Sequence[StudentJudge]
) -> Iterator[tuple[str, raters.Labels]]:
    """Its teacher first, then whoever taught other students, then the humans."""
    for name in dict.fromkeys([line.teacher, *(other.teacher for other in students)]):
        if name == line.teacher or name not in line:
            yield name, table.readings[name][table.chosen[name]]
    if table.reference is not None:
        yield table.reference, table.gold


def _before_and_after(table: LabelTable, line: StudentJudge, other: raters.Labels) -> stats.Count:
    """Where both the student and what it was meet OTHER, on the pairs that all of them could be read on."""
    before, after = (table.readings[name][table.chosen[name]] for name in (line.before, line.student))
    common = ((before >= 0) & (after >= 0))[:, np.newaxis]
    parts = np.hstack([raters.crossed(other, before) * common, raters.crossed(other, after) * common])
    return stats.Count(parts, {f"{name} {when}": _of(made, when) for name, made in PLAIN.items() for when in WHENS})


def _of(formula: stats.Formula, when: str) -> stats.Formula:
    def change(sums: stats.FloatArray) -> stats.FloatArray:
        before, after = np.split(sums, 2, axis=-1)
        return formula(after) - formula(before)

    def half(sums: stats.FloatArray) -> stats.FloatArray:
        return np.split(sums, 2, axis=-1)[WHENS.index(when)]

    if when == "change":
        return change
    if isinstance(formula, stats.ShareOf):
        counted = formula.counted
        return stats.ShareOf(lambda sums: counted(half(sums)))
    return lambda sums: formula(half(sums))


def _shift(
    line: StudentJudge, against: str, metric: str, before: stats.Interval, after: stats.Interval, change: stats.Interval
) -> PreferenceShift:
    return PreferenceShift(
        **line._asdict(),
        against=against,
        metric=metric,
        base=before.value,
        # Whoever is compared with itself agrees for certain.
        base_low=None if against == line.before else before.low,
        base_high=None if against == line.before else before.high,
        other=after.value,
        other_low=after.low,
        other_high=after.high,
        absolute=change.value,
        low=change.low,
        high=change.high,
        n=change.n,
        reason=change.reason,
    )
