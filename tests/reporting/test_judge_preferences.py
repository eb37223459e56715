"""Judge preferences that a student took from its teacher: before and after training, on the same pairs."""

from __future__ import annotations

import re

import numpy as np
import pytest

from profiler.errors import WrongUse
from profiler.judging import Jury, PreferenceShift, StudentJudge, compare_raters, read_labels
from profiler.reporting import judging
from profiler.reporting.charts.before_after import TITLE, before_after_chart
from profiler.reporting.charts.theme import svg
from profiler.stats import Mean, intervals
from tests.support.agreement import value
from tests.support.candidates import written
from tests.support.command import inherit
from tests.support.svg import Drawing

RNG = np.random.default_rng(3)
TEACHER = RNG.integers(1, 3, 60)


def like(share: float) -> list[int]:
    """A judge that says what the teacher says on SHARE of the pairs, and otherwise the opposite."""
    return [int(said if place < share * len(TEACHER) else 3 - said) for place, said in enumerate(TEACHER)]


JUDGES = {"teacher": like(1), "base": like(0.5), "student": like(0.8), "poor": like(0.6)}
LINE = StudentJudge("student", "base", "teacher")


def rows(judges=JUDGES, **extra):
    return [
        {"id": i, "prompt": f"Say {i}.", "verdicts": {name: said[i] for name, said in judges.items()}, "gold": gold}
        | {name: each[i] for name, each in extra.items()}
        for i, gold in enumerate(like(0.75))
    ]


def told(tmp_path, *students: StudentJudge, of=None, resamples: int = 200) -> Jury:
    path = written(tmp_path / "verdicts.jsonl", of or rows())
    return compare_raters(read_labels([path]), resamples=resamples, students=students)


def shift(found: Jury, against: str, metric: str = "agreement", student: str = "student") -> PreferenceShift:
    fits = [s for s in found.shifts if (s.student, s.against, s.metric) == (student, against, metric)]
    assert len(fits) == 1
    return fits[0]


def test_before_and_after_are_the_numbers_of_the_matrix_and_the_change_is_between_them(tmp_path):
    found = told(tmp_path, LINE)
    for metric in ("agreement", "kappa"):
        one = shift(found, "teacher", metric)
        assert one.base == value(found, metric, rater="teacher", against="base")
        assert one.other == value(found, metric, rater="teacher", against="student")
        assert one.absolute == pytest.approx(one.other - one.base)
    assert shift(found, "gold").base == value(found, "agreement", rater="base", against="gold")


def test_the_interval_is_that_of_the_paired_difference(tmp_path):
    found = shift(told(tmp_path, LINE, resamples=4000), "teacher")
    moved = (np.array(JUDGES["student"]) == TEACHER).astype(float) - (np.array(JUDGES["base"]) == TEACHER)
    wanted = intervals([Mean("moved")], {"moved": moved}, resamples=4000, seed=7)[0]
    assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high), abs=0.02)
    unpaired = np.hypot(found.base_high - found.base_low, found.other_high - found.other_low)
    assert found.high - found.low < 0.9 * unpaired


def test_a_student_that_did_not_change_has_moved_by_nothing(tmp_path):
    of = rows(JUDGES | {"same": JUDGES["base"]})
    one = shift(told(tmp_path, StudentJudge("same", "base", "teacher"), of=of), "teacher", student="same")
    assert (one.absolute, one.low) == (0, None)


def test_only_pairs_that_all_three_were_read_on_are_counted(tmp_path):
    of = rows()
    for row in of[:10]:
        row["verdicts"]["student"] = "who knows"
    for row in of[10:15]:
        row["verdicts"]["base"] = "who knows"
    found = told(tmp_path, LINE, of=of)
    assert shift(found, "teacher").n == 45
    assert shift(found, "teacher").other == pytest.approx((48 - 15) / 45)


def test_students_are_in_the_order_of_their_agreement_with_humans(tmp_path):
    found = told(tmp_path, StudentJudge("poor", "base", "teacher"), LINE)
    values = {s.student: s.other for s in found.shifts if s.against == "gold" and s.metric == "agreement"}
    assert list(values) == sorted(values, key=values.get, reverse=True) == ["student", "poor"]


def test_other_students_teachers_stand_beside_as_a_control(tmp_path):
    of = rows(JUDGES | {"stranger": like(0.4)})
    found = told(tmp_path, LINE, StudentJudge("poor", "base", "stranger"), of=of)
    assert [s.against for s in found.shifts if s.student == "student"][::2] == ["teacher", "stranger", "gold"]


def test_pairs_of_one_prompt_are_drawn_together(tmp_path):
    of = [{**row, "prompt": f"Say {row['id'] // 20}."} for row in rows()]
    alone, together = shift(told(tmp_path, LINE), "teacher"), shift(told(tmp_path, LINE, of=of), "teacher")
    assert together.absolute == alone.absolute
    assert (together.low, together.high) != (alone.low, alone.high)


def test_a_student_is_related_to_the_writers_it_comes_from(tmp_path):
    of = [{**row, "a": "x", "b": "y", "writer_a": "teacher", "writer_b": "nobody"} for row in rows()]
    raters = {rater.name: rater.related for rater in told(tmp_path, LINE, of=of).raters}
    assert raters["student"] == raters["base"] == ("teacher",)
    assert raters["poor"] == ()


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (StudentJudge("pupil", "base", "teacher"), "no verdicts of 'pupil'; the judges are teacher, base"),
        (StudentJudge("student", "student", "teacher"), "give each judge a --name"),
    ],
)
def test_a_student_that_can_not_be_meant_is_refused(tmp_path, line, says):
    with pytest.raises(WrongUse, match=says):
        told(tmp_path, line)


async def test_the_command_tells_what_the_student_took(tmp_path):
    path = written(tmp_path / "v.jsonl", rows())
    done = await inherit("agree", path, "--student", "student=base,teacher")
    assert done.code == 0
    line = next(line for line in done.out.splitlines() if "agreement with teacher, its teacher" in line)
    assert re.search(r"0\.500 \[.*0\.800 \[.*◆ \+0\.300 \[", line)
    wrong = await inherit("agree", path, "--student", "student=base")
    assert "STUDENT=BEFORE,TEACHER" in wrong.err


async def test_page_and_picture_show_it(tmp_path):
    path = written(tmp_path / "v.jsonl", rows(annotator1=like(0.7), annotator2=like(0.75), annotator3=like(0.9)))
    for name in ("r.html", "r.svg"):
        done = await inherit("agree", path, "--student", "student=base,teacher", "--save", tmp_path / name)
        assert (done.code, done.err) == (0, "")
        drawn = (tmp_path / name).read_text("utf-8")
        assert "student ← teacher" in drawn
        assert "agreement with its teacher" in drawn
    assert TITLE.replace("'", "&#39;") in (tmp_path / "r.html").read_text("utf-8")


def test_a_student_moves_from_a_hollow_to_a_filled_dot_of_its_own_row(tmp_path):
    humans = {f"annotator{number}": like(share) for number, share in enumerate((0.7, 0.75, 0.9), 1)}
    found = told(tmp_path, LINE, of=rows(**humans))
    teacher, gold = Drawing(svg(before_after_chart(found))).panels
    for panel, against in ((teacher, "teacher"), (gold, found.reference)):
        one, dots = shift(found, against), panel.of("point")
        assert [panel.at(dot.left) for dot in dots] == pytest.approx([100 * one.base, 100 * one.other])
        assert dots[0].middle < dots[1].middle
        assert len({dot.colour for dot in dots}) == 2
        ends = [(panel.at(line.left), panel.at(line.right)) for line in panel.of("line") if not line.label]
        assert ends[1] == pytest.approx((100 * one.other_low, 100 * one.other_high))
    assert [words.text for words in teacher.words] == ["50 %", "80 %"]
    (ceiling,) = (line for line in gold.of("line") if line.label)
    assert ceiling.label.startswith("one human agrees with the majority of the others on ")
    assert f"{gold.at(ceiling.left):.0f} %" in ceiling.label


def test_without_humans_there_is_one_panel(tmp_path):
    of = [{key: row[key] for key in ("id", "verdicts")} for row in rows()]
    found = told(tmp_path, LINE, of=of)
    (panel,) = Drawing(svg(before_after_chart(found))).panels
    assert panel.title == "agreement with its teacher"
    assert judging.preference_table(told(tmp_path)) is None
