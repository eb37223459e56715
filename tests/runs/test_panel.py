"""A panel of judges, as a study asks it: every judge asked once, and what the students took."""

from __future__ import annotations

import pytest

from profiler.errors import WrongUse
from profiler.judging import Jury, StudentJudge, load_pairs
from profiler.records import Endpoint
from profiler.runs.as_judges import preferences
from profiler.runs.run import Progress
from tests.support.command import inherit
from tests.support.wire import Script, serving

LINE = StudentJudge("student", "base", "teacher")


async def asked(wires, out, students=(LINE,), **how):
    judges = {name: Endpoint(model="wire", url=wire.url) for name, wire in wires.items()}
    return [step async for step in preferences(judges, students, load_pairs(["mini"])[:8], out, resamples=50, **how)]


async def test_every_judge_is_asked_and_the_students_are_told_about(tmp_path):
    async with serving(Script(weights="a")) as base, serving(Script(weights="b")) as other:
        wires = {"base": base, "teacher": other, "student": other}
        *steps, found = await asked(wires, tmp_path)
        assert isinstance(found, Jury)
        assert {step.probe for step in steps if isinstance(step, Progress)} == {f"judge {name}" for name in wires}
        taught = next(s for s in found.shifts if s.against == "teacher" and s.metric == "agreement")
        assert (taught.other, taught.n) == (1.0, 8)
        paid = len(base.asked("### Answer B"))
        *_, again = await asked(wires, tmp_path)
    assert again == found
    assert len(base.asked("### Answer B")) == paid > 0
    done = await inherit("agree", *(tmp_path / f"{name}.jsonl" for name in wires), "--student", "student=base,teacher")
    assert "agreement with teacher, its teacher" in done.out


async def test_a_run_that_asked_preferences_is_a_judge_like_a_verdict_file(tmp_path):
    async with serving() as wire:
        url = ("--url", wire.url, "--out", tmp_path / "runs")
        probe = ("-p", "preferences", "--suite", "mini", "-n", "8")
        assert (await inherit("profile", "wire", *url, *probe, "--name", "one")).code == 0
        file = tmp_path / "two.jsonl"
        assert (await inherit("judge", "wire", *url, "-n", "8", "--name", "two", "--save", file)).code == 0
    (run,) = (path.parent for path in (tmp_path / "runs").glob("*/profile.json"))
    both = Jury.model_validate_json((await inherit("agree", run, file, "--json")).out)
    assert {(rater.name, rater.kind, rater.labels) for rater in both.raters if rater.kind == "judge"} == {
        ("one", "judge", 16),
        ("two", "judge", 16),
    }
    assert next(n.value for n in both.numbers if n.metric == "agreement" and n.against == "one") == 1
    assert [rater.name for rater in both.raters if rater.kind == "human"] == ["author"]
    mine, theirs = (
        {(n.metric, n.reading): n.value for n in both.numbers if n.rater == name and n.against == both.reference}
        for name in ("one", "two")
    )
    assert mine == {key: theirs[key] for key in mine}
    twice = await inherit("agree", run, run)
    assert "two judges are called 'one'" in twice.err


async def test_a_judge_that_is_not_there_is_named(tmp_path):
    async with serving(Script()) as wire:
        with pytest.raises(WrongUse, match="no judge is called 'student', 'teacher'; there are base"):
            await asked({"base": wire}, tmp_path)


async def test_judges_whose_files_would_be_one_are_refused(tmp_path):
    async with serving(Script()) as wire:
        with pytest.raises(WrongUse, match="share a file"):
            await asked({"a/b": wire, "a_b": wire}, tmp_path, students=())
