"""Numbers that others reported stand in the report beside those of the same students."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from profiler.errors import InheritError, UnknownName, WrongUse
from profiler.records import Change, Estimate
from profiler.study import plan, report
from profiler.study.beside import beside
from profiler.study.records import Pupil
from profiler.study.reported import Beside, ReportedNumber, read_reported
from tests.support.places import ROOT
from tests.support.study import written

PAPER = ROOT / "examples" / "paper"


class Results:
    """Students and their numbers, without runs."""

    def __init__(self, *told: tuple[Pupil, float | None]) -> None:
        self.values = dict(told)
        self.pupils = [pupil for pupil, _ in told]
        self.runs = dict.fromkeys(self.pupils, self)
        self.profile = self
        self.estimates: list[Estimate] = []

    def base(self, pupil: Pupil) -> Pupil:
        return next(one for one in self.pupils if one.arm == "base" and one.student == pupil.student)

    def name(self, pupil: Pupil) -> str:
        return f"{Path(pupil.student).name} {pupil.title}"

    def change(self, base: Pupil, other: Pupil, number: str) -> Change | None:
        """By so many percent as the other's value says."""
        value = self.values[other]
        fields = {"percent": value, "percent_low": None, "percent_high": None}
        return Change.model_construct(**fields)


def pupil(arm: str, student: str = "org/small", **fields: Any) -> Pupil:
    name = "-".join([arm, student, *map(str, fields.values())])
    return Pupil.model_validate({"student": student, "arm": arm, "run": f"runs/{name}", **fields})


def number(**fields: Any) -> ReportedNumber:
    whole = {"what": "w", "where": "table 1", "value": 1.0, "number": "attributes.words", "arms": ("single",), **fields}
    return ReportedNumber.model_validate(whole)


def of(told: ReportedNumber, *students: tuple[Pupil, float | None]) -> Beside:
    return beside(told, Results(*students))  # type: ignore[arg-type]


ALL = (
    (pupil("base"), 0.0),
    (pupil("random", sources=("a",), objective="length"), 5.0),
    (pupil("single", sources=("a",), objective="length", seed=0), 10.0),
    (pupil("single", sources=("a",), objective="length", seed=1), 30.0),
    (pupil("single", sources=("a",), objective="length", best_of=2), 500.0),
    (pupil("single", sources=("b",), objective="length"), 90.0),
    (pupil("single", sources=("a",), objective="other"), 900.0),
    (pupil("multi", sources=("a", "b"), objective="length"), 70.0),
)


@pytest.mark.parametrize(
    ("fields", "here"),
    [
        ({"teacher": "a", "objective": "length"}, 20.0),  # the mean of its two seeds
        ({"arms": ("single", "multi"), "objective": "length", "take": "highest"}, 90.0),
        ({"arms": ("single", "multi"), "objective": "length", "take": "lowest"}, 10.0),
        ({"arms": ("random",), "teacher": "a", "objective": "toxicity"}, 5.0),  # a control was chosen for nothing
        ({"student": "small", "teacher": "b"}, 90.0),
        ({"student": "large"}, None),
        ({"arms": ("first",)}, None),
    ],
)
def test_the_students_are_those_that_the_number_is_of(fields: dict[str, Any], here: float | None) -> None:
    found = of(number(of="percent", **fields), *ALL)
    assert found.here == here
    assert found.reason == ("" if here is not None else "not run")


def test_an_undefined_number_is_told_from_one_that_was_not_run() -> None:
    assert of(number(of="percent"), (pupil("base"), 0.0), (pupil("single"), None)).reason == "undefined"


def test_a_number_is_scaled_with_its_interval_and_the_reported_one_told_apart_from_it() -> None:
    results = Results((pupil("base"), None))
    estimate = {"probe": "toxicity", "metric": "expected_max_toxicity", "value": 0.5, "low": 0.4, "high": 0.6, "n": 9}
    results.estimates = [Estimate(**{**estimate, "group": "x", "value": 0.9}), Estimate(**estimate)]
    told = {"number": "toxicity.expected_max_toxicity", "arms": ("base",), "scale": 100.0}
    for value, lies in ((39.0, "below our interval"), (55.0, "in it"), (61.0, "above our interval")):
        found = beside(number(value=value, **told), results)  # type: ignore[arg-type]
        assert (found.here, found.low, found.high) == (50.0, 40.0, 60.0)
        assert found.lies == lies
    of_group = beside(number(value=1.0, group="x", **told), results)  # type: ignore[arg-type]
    assert of_group.here == pytest.approx(90.0)


@pytest.mark.parametrize(
    ("fields", "error", "says"),
    [
        ({"number": "attributes.wrds"}, UnknownName, "no metric of attributes 'wrds'"),
        ({"number": "bbq.s_amb"}, WrongUse, "`profile` asks only attributes"),
        ({"arms": ["singel"]}, UnknownName, "did you mean 'single'"),
        ({"value": "many"}, WrongUse, "`numbers.0.value`: expected a number"),
    ],
)
def test_numbers_that_the_study_can_not_have_are_refused_before_anything_is_paid(
    fields: dict[str, Any], error: type[InheritError], says: str, tmp_path: Path
) -> None:
    one = {"what": "w", "where": "t", "value": 1, "number": "attributes.words", "arms": ["base"], **fields}
    (tmp_path / "theirs.json").write_text(json.dumps({"source": "they", "numbers": [one]}), "utf-8")
    with pytest.raises(error, match=says.replace("`", ".")):
        plan.read_study(written(tmp_path, reported="theirs.json"))


def test_every_number_of_docs_paper_is_in_the_examples_file() -> None:
    told = {one.value for one in read_reported(PAPER / "reported.toml").numbers}
    page = (ROOT / "docs" / "paper.md").read_text("utf-8").partition("## Numbers that are known")[2]
    lines = [line for line in page.partition("The last three")[0].splitlines() if line.startswith("| ")][1:]
    named = {float(word.strip("+%")) for line in lines for word in _numbers(line.split("|")[2])}
    assert named == told


def _numbers(cell: str) -> list[str]:
    """65.2; 70.3; +116 %; more than +100 %; 88.51 / 63.32."""
    words = cell.replace("−", "-").replace(";", " ").split()
    return [word for word in words if word.strip("+-%").replace(".", "").isdigit()]


def test_the_report_says_not_run_where_there_is_no_such_student() -> None:
    found = [of(number(what="EMT", value=65.2), ALL[0]), of(number(what="gain", of="percent", bound="up to"), *ALL)]
    findings = report.Findings.model_construct(reported=tuple(found))
    rows = {row.label: [cell.text for cell in row.cells] for row in report.beside(findings).rows}
    assert rows["EMT"][:3] == ["65.2", "not run", "–"]
    assert rows["gain"][0] == "up to 1.00"
