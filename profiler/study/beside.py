"""What the students that a reported number is of have in its place."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from profiler.study.plan import ARMS
from profiler.study.records import Pupil
from profiler.study.reported import Beside, ReportedNumber

if TYPE_CHECKING:
    from profiler.study.findings import StudyResults


class Shown(NamedTuple):
    """A number with its interval, where it has one."""

    value: float
    low: float | None = None
    high: float | None = None


def beside(told: ReportedNumber, results: StudyResults) -> Beside:
    """What the students that a reported number is of have in its place."""
    meant = {pupil.run: pupil for pupil in reversed(results.pupils) if _is_of(told, pupil)}
    numbers = [(_number(told, pupil, results), results.name(pupil)) for pupil in meant.values()]
    found = sorted(((here, name) for here, name in numbers if here), key=lambda one: one[0].value)
    if not found:
        return Beside(reported=told, here=None, reason="undefined" if meant else "not run")
    chosen = {"highest": found[-1:], "lowest": found[:1], "mean": found}[told.take]
    alone = chosen[0][0] if len(chosen) == 1 else Shown(sum(one.value for one, _ in chosen) / len(chosen))
    names = tuple(name for _, name in chosen)
    return Beside(reported=told, here=alone.value, low=alone.low, high=alone.high, students=names)


def _number(told: ReportedNumber, pupil: Pupil, results: StudyResults) -> Shown | None:
    """A student's number, or its change against the untouched one; None where it is undefined."""
    if told.of == "percent":
        change = results.change(results.base(pupil), pupil, told.number)
        if change is None or change.percent is None:
            return None
        return Shown(change.percent, change.percent_low, change.percent_high)
    key = (*told.number.split(".", 1), told.group)
    for one in results.runs[pupil].profile.estimates:
        if (one.probe, one.metric, one.group) == key and one.value is not None:
            ends = (None if end is None else end * told.scale for end in (one.low, one.high))
            return Shown(one.value * told.scale, *ends)
    return None


def _is_of(told: ReportedNumber, pupil: Pupil) -> bool:
    """Whether a student has the number that was reported; those of fewer candidates have not."""
    chosen = bool(ARMS[pupil.arm].controls)
    return (
        pupil.arm in told.arms
        and not pupil.best_of
        and told.student in (None, Path(pupil.student).name)
        and (told.teacher is None or pupil.sources == (told.teacher,))
        and (not chosen or told.objective in (None, pupil.objective))
    )
