"""The judge study in examples/: its files give the numbers of its page again."""

from __future__ import annotations

import pytest

from profiler.judging import StudentJudge, compare_raters, read_labels
from profiler.reporting.numbers import interval, number
from tests.support.places import ROOT

STUDY = ROOT / "examples" / "judge_study"


@pytest.mark.parametrize("teacher", ["demo", "longer"])
def test_the_files_give_the_numbers_of_the_page_again(teacher: str) -> None:
    labels = read_labels([STUDY / f"{name}.jsonl" for name in ("demo", "terse", "longer")])
    found = compare_raters(labels, students=[StudentJudge("terse", "demo", teacher)])
    lines = (STUDY / "README.md").read_text("utf-8").splitlines()
    told = next(line for line in lines if line.startswith(f"| agreement with {teacher}"))
    shift = next(s for s in found.shifts if s.against == teacher and s.metric == "agreement")
    assert f"| {number(shift.other, 2)} {interval(shift.other_low, shift.other_high, 2)} |" in told
    change = f"{number(shift.absolute, 2, sign=True)} {interval(shift.low, shift.high, 2, sign=True)}"
    assert told.endswith(f"| {change} |")
