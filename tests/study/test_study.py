"""`inherit study`: a file is checked, a plan shown, no stage done twice, and the report says what the runs say."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from profiler.errors import InheritError, UnknownName, WrongUse
from profiler.records import Change, Endpoint
from profiler.reporting import layout
from profiler.reporting.report import render
from profiler.runs.compare import compare, nearer
from profiler.runs.sample_store import Run
from profiler.study import plan, report
from profiler.study.findings import StudyResults, over_seeds, related, tells_itself, verdict
from profiler.study.graph import carry_out
from profiler.study.records import Findings, Pupil, Steering
from profiler.study.stage_order import Schedule, StageGraph
from selection.objective import read_goal
from selection.pool import Pool
from selection.select import read_selection
from tests.support import builders, tiny
from tests.support.command import inherit
from tests.support.study import PLAIN, PROMPTS, trained, written
from tests.support.wire import Script, Wire, serving

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")


def of_two(folder: Path, one: Wire, two: Wire, **fields: Any) -> Path:
    teachers = [{"model": "wire", "url": wire.url, "name": name} for name, wire in (("one", one), ("two", two))]
    return written(folder, **{"arms": PLAIN["arms"], "single": PLAIN["single"], "teachers": teachers, **fields})


@pytest.fixture(autouse=True)
def trains(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trainings are put there, so nothing has to be installed that trains."""
    monkeypatch.setattr("training.student.NEEDED", ())


def quiet(*_: object) -> None:
    """What nobody listens to."""


def until(schedule: Schedule, kind: str) -> None:
    """Do the stages before the first of this kind."""
    for stage in schedule.stages:
        if stage.kind == kind:
            return
        schedule.workspace.do(stage, quiet)


def carried_out(path: Path, seed: int = 7) -> tuple[Schedule, Findings]:
    schedule = Schedule.of(plan.read_study(path))
    until(schedule, "train")
    trained(schedule, seed)
    assert not carry_out(schedule, quiet, quiet)
    return schedule, StudyResults(schedule).findings()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of two teachers at the wire, carried out once."""
    folder = tmp_path_factory.mktemp("whole")

    async def make() -> None:
        async with serving() as one, serving(Script(weights="two")) as two:
            await asyncio.to_thread(carried_out, of_two(folder, one, two))

    asyncio.run(make())
    return folder


@pytest.fixture
def finished(whole: Path, tmp_path: Path) -> Path:
    """A copy of it, whose teachers are gone: nothing can be asked of them again."""
    return Path(shutil.copytree(whole, tmp_path / "copy")) / "study.json"


def changed(path: Path, **fields: Any) -> Path:
    """The study with other fields."""
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **fields}), "utf-8")
    return path


def findings(path: Path) -> Findings:
    return StudyResults(Schedule.of(plan.read_study(path))).findings()


def test_a_study_ends_in_students_controls_and_a_report(finished: Path, tmp_path: Path) -> None:
    found = findings(finished)
    assert [pupil.arm for pupil in found.pupils] == ["base", "random", "random", "single", "single", "multi", "multi"]
    assert found.pupils[1].run == found.pupils[2].run, "the control of both objectives is one student"
    assert len({pupil.run for pupil in found.pupils}) == 6
    assert {outcome.control for outcome in found.outcomes if outcome.pupil.arm == "single"} == {"random of one"}
    report.save(found, tmp_path / "report")
    assert "single of one |" in (tmp_path / "report" / "report.md").read_text("utf-8")
    figures = {part.name for part in (tmp_path / "report" / "figures").iterdir()}
    assert figures == {"aims.svg", "candidates.svg", "side_effects.svg", "unasked.svg"}
    assert Findings.model_validate_json((tmp_path / "report" / "report.json").read_bytes()) == found


def test_what_the_report_says_of_a_student_is_what_its_profile_says(finished: Path) -> None:
    for outcome in findings(finished).outcomes:
        run = Run(finished.parent / "study" / outcome.pupil.run)
        told = {e.metric: e.value for e in run.profile.estimates if e.probe == "attributes"}
        assert outcome.change
        assert outcome.change.other == pytest.approx(told["words"])


def test_a_study_leaves_its_stages_and_what_each_needs(finished: Path) -> None:
    schedule = Schedule.of(plan.read_study(finished))
    left = StageGraph.model_validate_json((schedule.workspace.folder / "plan.json").read_bytes())
    graph = left.now(schedule.workspace.folder)
    assert {node.state for node in graph.stages} == {"done"}
    assert len(graph.stages) == len(schedule.plan())
    names = [f"{node.kind} {node.title}" for node in graph.stages]
    for place, node in enumerate(graph.stages):
        assert {*node.needs} <= {*names[:place]}
        assert len(node.needs) == {"score": 2, "select": 1, "train": 1}.get(node.kind, len(node.needs))


def test_nothing_is_done_twice(finished: Path) -> None:
    schedule, found = Schedule.of(plan.read_study(finished)), findings(finished)
    before = {file: file.stat().st_mtime_ns for file in schedule.workspace.folder.glob("stages/*")}
    assert {step.state for step in schedule.plan()} == {"done"}
    assert not carry_out(schedule, quiet, quiet)
    assert findings(finished) == found
    assert {file: file.stat().st_mtime_ns for file in schedule.workspace.folder.glob("stages/*")} == before


def test_another_objective_asks_no_teacher_again_and_repeats_no_student(finished: Path) -> None:
    near = {"goals": ["near:words=14"], "report": "attributes.words"}
    path = changed(finished, objectives={**PLAIN["objectives"], "near": near}, arms=["random", "single"])
    schedule = Schedule.of(plan.read_study(path))
    before = {file.name for file in schedule.workspace.folder.glob("stages/*")}
    assert [(step.kind, step.title) for step in schedule.plan() if step.state == "to do"] == [
        ("select", "near of one, seed 0")
    ]
    carried_out(path, seed=70)
    new = {file.name for file in schedule.workspace.folder.glob("stages/*")} - before
    # The control is the student that was there.
    assert sorted(name.partition("-")[0] for name in new) == ["profile", "select", "train"]


def test_controls_that_differ_by_their_objective_are_told_apart(finished: Path) -> None:
    held = {"goals": ["min:words"], "hold": ["characters=0.6"]}
    path = changed(finished, objectives={"length": {"goals": ["max:words"]}, "held": held}, arms=["random", "single"])
    _, found = carried_out(path, seed=90)
    assert len({pupil.run for pupil in found.pupils if pupil.arm == "random"}) == 2
    names = [comparison.other_name for comparison in found.comparisons]
    assert sorted(names) == [
        "random of one, held", "random of one, length", "single of one, held", "single of one, length",
    ]  # fmt: skip
    assert {one.control for one in found.outcomes} >= {"random of one, held", "random of one, length"}


def test_a_stage_whose_result_was_removed_is_done_again(finished: Path) -> None:
    found, schedule = findings(finished), Schedule.of(plan.read_study(finished))
    shutil.rmtree(schedule.workspace.folder / found.pupils[0].run)
    assert [step.title for step in schedule.plan() if step.state != "done"] == ["base"]
    assert not carry_out(schedule, quiet, quiet)
    assert findings(finished).comparisons[0].changes == found.comparisons[0].changes


async def test_a_report_of_what_is_done_names_what_is_not(finished: Path) -> None:
    found, schedule = findings(finished), Schedule.of(plan.read_study(finished))
    shutil.rmtree(schedule.workspace.folder / found.pupils[-1].run)
    done = await inherit("study", finished, "--report")
    assert done.code == 0
    assert "not done yet, and so not here: multi, short" in done.err
    assert "multi of 2 teachers" in done.out
    assert not (schedule.workspace.folder / found.pupils[-1].run).exists()
    early = await inherit("study", changed(finished, seeds=[5]), "--report")
    assert "is done yet; `inherit study` resumes it" in early.err


def test_the_curve_is_that_of_the_stored_scores(finished: Path) -> None:
    curve = next(one for one in findings(finished).curves if one.objective == "length" and len(one.sources) == 1)
    scores: dict[str, list[float]] = {}
    for row in Pool(next((finished.parent / "study" / "pools").iterdir())).rows():
        if row.source == "one":
            scores.setdefault(row.prompt_id, []).append(row.scores["words"] or 0.0)
    assert curve.best[0] == pytest.approx(sum(sum(own) / 4 for own in scores.values()) / PROMPTS)
    assert curve.best[3] == pytest.approx(sum(max(own) for own in scores.values()) / PROMPTS)


async def test_a_number_that_falls_too_far_exits_3_and_is_named(finished: Path) -> None:
    done = await inherit("study", changed(finished, guard={"ability.acc_mean": -1.0}))
    assert done.code == 3
    assert "single of one, length: ability.acc_mean is" in done.err
    assert "−1.00 is allowed" in done.err
    assert (finished.parent / "study" / "report.html").is_file()


def test_the_page_holds_names_as_text_only(finished: Path) -> None:
    found = findings(finished)
    evil = "<script>alert(1)</script>"
    warned = found.model_copy(update={"name": evil, "warnings": (evil,)})
    tags: list[str] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: object) -> None:
            tags.append(tag)

    Reader().feed(render(report.study_report(warned), "html"))
    assert "script" not in tags
    assert "<script>" not in render(report.study_report(warned), "md")


@pytest.mark.slow
async def test_teachers_are_asked_what_students_are_and_the_report_says_what_these_took(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(tiny.SIZES, "max_position_embeddings", 1024)  # a pair of answers is longer than the usual 256
    asks = [PLAIN["profile"][0], {"probe": "preferences", "suite": "mini", "limit": 6}]
    short = {"short": PLAIN["objectives"]["short"]}
    async with serving() as one:
        teachers = [{"model": "wire", "url": one.url, "name": "one"}]
        path = written(tmp_path, teachers=teachers, profile=asks, objectives=short, guard={})
        schedule, found = await asyncio.to_thread(carried_out, path)
    assert [(step.kind, step.title, step.state) for step in schedule.plan()][-1] == ("preferences", "one", "done")
    assert found.preferences is not None
    shifts = {(s.student, s.before, s.teacher, s.against) for s in found.preferences.shifts}
    assert {("random of one", "base", "one", "one"), ("single of one, short", "base", "one", "one")} <= shifts
    run = Run(path.parent / "study" / next(pupil.run for pupil in found.pupils if pupil.arm == "single"))
    told = next(e.value for e in run.profile.estimates if (e.metric, e.group) == ("agreement", None))
    humans = next(
        s.other
        for s in found.preferences.shifts
        if (s.student, s.against, s.metric) == ("single of one, short", "majority", "agreement")
    )
    assert humans is not None
    assert humans == pytest.approx(told)
    report.save(found, tmp_path / "report")
    assert "with one, its teacher" in (tmp_path / "report" / "report.md").read_text("utf-8")
    assert (tmp_path / "report" / "figures" / "preferences.svg").is_file()


@pytest.mark.slow
async def test_what_two_student_models_inherit_unasked_stands_side_by_side_each_against_its_own_base(
    tmp_path: Path,
) -> None:
    tiny.checkpoint(tmp_path / "second", "llama", seed=21)
    async with serving() as one:
        teachers = [{"model": "wire", "url": one.url, "name": "one"}]
        short = {"short": PLAIN["objectives"]["short"]}
        fields = {"teachers": teachers, "profile": PLAIN["profile"][:1], "guard": {}, "objectives": short}
        path = written(tmp_path, students=["student", "second"], **fields)
        _, found = await asyncio.to_thread(carried_out, path)
    assert [control.other_name for control in found.controls] == ["student: random of one", "second: random of one"]
    assert len({control.base for control in found.controls}) == 2
    report.save(found, tmp_path / "report")
    drawn = (tmp_path / "report" / "figures" / "unasked.svg").read_text("utf-8")
    for control in found.controls:
        words = next(change for change in control.changes if change.metric == "words" and change.group is None)
        assert control.other_name in drawn
        assert layout.moved(words) in drawn, "the second student's numbers are in the picture, too"


@pytest.mark.slow
async def test_a_student_is_taught_the_best_of_each_number_of_candidates_and_they_are_drawn_over_it(
    tmp_path: Path,
) -> None:
    async with serving() as one:
        teachers = [{"model": "wire", "url": one.url, "name": "one"}]
        objectives = {"length": PLAIN["objectives"]["length"]}
        fields = {"teachers": teachers, "profile": PLAIN["profile"][:1], "guard": {}, "objectives": objectives}
        path = written(tmp_path, best_of=[1, 2], **fields)
        schedule = Schedule.of(plan.read_study(path))
        await asyncio.to_thread(until, schedule, "train")
        assert trained(schedule) == 4, "the control, and the best of 1, 2 and 4"
        done = await inherit("study", path)
    assert done.code == 0, done.err
    found = Findings.model_validate_json((tmp_path / "study" / "report.json").read_bytes())
    best = [one for one in found.outcomes if one.pupil.arm == "single"]
    assert [one.pupil.best_of for one in best] == [1, 2, None]
    assert {one.control for one in best} == {"random of one"}
    scores: dict[str, list[float]] = {}
    for row in sorted(Pool(next((tmp_path / "study" / "pools").iterdir())).rows(), key=lambda row: row.index):
        scores.setdefault(row.prompt, []).append(row.scores["words"] or 0.0)
    for made in schedule.pupils:
        if made.select:
            selected, many = schedule.workspace.result(made.select), made.pupil.best_of or 4
            rows = (selected / read_selection(selected).files["chosen"]).read_text("utf-8").splitlines()
            for row in map(json.loads, rows):
                assert row["scores"]["words"] == max(scores[row["prompt"]][:many])
    drawn = (tmp_path / "study" / "figures" / "taught.svg").read_text("utf-8")
    assert "best of so many candidates of each teacher" in drawn
    assert "single of one, best of 2" in (tmp_path / "study" / "report.md").read_text("utf-8")


def test_the_best_of_fewer_candidates_is_taught_to_those_that_it_is_for(tmp_path: Path) -> None:
    tiny.checkpoint(tmp_path / "other", "llama")
    fewer = {"best_of": [2, 1], "best_of_students": ["other"], "best_of_arms": ["single"]}
    schedule = Schedule.of(plan.read_study(written(tmp_path, students=["student", "other"], **fewer)))
    found = {(Path(one.student).name, one.arm, one.best_of) for one in (made.pupil for made in schedule.pupils)}
    assert {made for made in found if made[2]} == {("other", "single", 1), ("other", "single", 2)}
    assert ("student", "single", None) in found


def test_a_dry_run_counts_what_is_left_and_asks_nobody(tmp_path: Path) -> None:
    fields = {"teachers": [{"model": "m", "url": "http://127.0.0.1:9/v1", "price": [1.0, 2.0]}], "k": 3}
    schedule = Schedule.of(plan.read_study(written(tmp_path, **fields)))
    steps = schedule.plan()
    sample = next(step for step in steps if step.kind == "sample")
    assert sample.state == "to do"
    assert sample.size == {
        "prompts": PROMPTS,
        "candidates": 3 * PROMPTS,
        "tokens": 72 * PROMPTS,
        "cost": pytest.approx(144 * PROMPTS / 1e6),
    }
    assert [step.state for step in steps if step.kind == "train"] == ["waits"] * 4
    told = report.plan_text(steps)
    assert f"1 to sample ({PROMPTS} prompts, {3 * PROMPTS} candidates" in told
    assert "2 of the trainings are controls" in told
    assert not (tmp_path / "study").exists()


@pytest.mark.parametrize(
    ("fields", "error", "says"),
    [
        ({"objektives": {}}, UnknownName, "did you mean 'objectives'"),
        ({"objectives": {"a": {"goals": ["max:mltd"]}}}, UnknownName, "did you mean 'mtld'"),
        ({"objectives": {"a": {"gaols": ["max:mtld"]}}}, UnknownName, "did you mean 'goals'"),
        ({"objectives": {"a": {"goals": ["more:mtld"]}}}, WrongUse, "expected a goal such as max:mtld"),
        ({"objectives": {"a": {"goals": ["min:toxicity"]}}}, UnknownName, "no metric of attributes 'toxicity'"),
        (
            {"objectives": {"a": {"goals": ["max:mtld"], "report": "bbq.bias"}}},
            WrongUse,
            "`profile` asks only attributes",
        ),
        ({"profile": [{"probe": "atributes"}]}, UnknownName, "did you mean 'attributes'"),
        ({"teachers": ["demo", "demo"]}, WrongUse, "two teachers are called 'demo'"),
        ({"single": ["other"]}, UnknownName, "no teacher in `single` 'other'"),
        ({"arms": ["multi"]}, WrongUse, "'multi' needs at least two teachers, found 1"),
        ({"arms": ["base"]}, WrongUse, "nothing to teach"),
        ({"recipe": {"seed": 1}}, WrongUse, "`recipe.seed` is set by the study"),
        ({"recipe": {"lern": 1}}, UnknownName, "no recipe key 'lern'"),
        ({"per_student": {"studnet": {}}}, UnknownName, "no student in `per_student` 'studnet'"),
        ({"per_student": {"student": {"recepie": {}}}}, UnknownName, "did you mean 'recipe'"),
        ({"per_student": {"student": {"recipe": {"lern": 1}}}}, UnknownName, "no recipe key 'lern'"),
        (
            {"per_student": {"student": {"recipe": {"out": "x"}}}},
            WrongUse,
            r"student\.recipe\.out` is set by",
        ),
        (
            {"per_student": {"student": {"resources": {"score": {"gpus": 1}}}}},
            WrongUse,
            r"student\.resources\.score` is of no student; expected train or profile",
        ),
        (
            {"per_student": {"student": {"resources": {"train": {"processes": 3}}}}},
            WrongUse,
            "a batch of 8 can't be shared evenly by 3 processes",
        ),
        ({"best_of": [4]}, WrongUse, "`best_of` holds 4; expected numbers from 1 to 3, below `k`"),
        (
            {"best_of_arms": ["single"]},
            WrongUse,
            "`best_of_arms` says whom `best_of` is for, and there is no `best_of`",
        ),
        (
            {"best_of": [2], "best_of_arms": ["random"]},
            WrongUse,
            "`best_of_arms` holds 'random'; expected some of single",
        ),
        ({"best_of": [2], "best_of_students": ["x"]}, WrongUse, "`best_of_students` holds 'x'"),
        ({"k": 0}, WrongUse, "`k`: expected at least 1"),
        (
            {"resources": {"train": {"gpu": 8}}},
            UnknownName,
            "no key of `resources.train` .* 'gpu'; did you mean 'gpus'",
        ),
        (
            {"profile": [{"probe": "attributes", "sampling": {"temprature": 1}}]},
            UnknownName,
            "no key of `sampling` in `profile` of attributes 'temprature'; did you mean 'temperature'",
        ),
        (
            {"profile": [{"probe": "attributes", "sampling": {"temperature": -1}}]},
            WrongUse,
            "`profile` of attributes: `temperature`: expected at least 0",
        ),
        (
            {"profile": [{"probe": "attributes", "prompt_template": "Q:"}]},
            WrongUse,
            r"`profile.0.prompt_template`: must hold {prompt}, where the prompt goes, found 'Q:'",
        ),
        ({"sampling": {"prompt_template": "Q:"}}, WrongUse, "teacher 'demo': prompt_template: must hold {prompt}"),
        ({"sampling": {"max_tokens": 0}}, WrongUse, "teacher 'demo': max_tokens: expected at least 1, found 0"),
        ({"teachers": [{"name": "x"}]}, WrongUse, "expected at least `model` of a teacher"),
        ({"teachers": [{"model": "demo", "name": ""}]}, WrongUse, "name: expected a text that is not empty, found ''"),
        ({"teachers": [{"model": "demo", "serve": {"replica": 2}}]}, WrongUse, "serve.replica: expected no such key"),
        ({"students": ["student", "student"]}, WrongUse, "`students` holds .*student' twice"),
        ({"seeds": [1, 1]}, WrongUse, "`seeds` holds 1 twice"),
        ({"objectives": {"": {"goals": ["max:words"]}}}, WrongUse, "an objective has no name"),
        ({"guard": {"attributes.words": float("nan")}}, WrongUse, "`guard.attributes.words`: expected"),
        ({"profile": [{"probe": "attributes", "column": "text"}]}, WrongUse, "names a column of --prompts, and none"),
        ({"profile": [{"probe": "bbq", "subset": "toxic"}]}, WrongUse, "--subset is for toxicity, and nothing but bbq"),
        ({"name": ["x"] * 500}, WrongUse, r"`name`: expected a text, found \['x', .{190,200}…"),
        ({"out": ""}, WrongUse, "`out`: expected a text that is not empty"),
        ({"guard": {"ability.ac_mean": 0.1}}, UnknownName, "did you mean 'acc_mean'"),
    ],
)
def test_a_study_that_can_not_be_meant_is_refused_in_a_sentence(
    tmp_path: Path, fields: dict[str, Any], error: type[InheritError], says: str
) -> None:
    with pytest.raises(error, match=says):
        plan.read_study(written(tmp_path, **fields))


def test_files_are_looked_for_beside_the_study_and_results_lie_there(tmp_path: Path) -> None:
    study = plan.read_study(written(tmp_path))
    assert study.prompts == str(tmp_path / "prompts.jsonl")
    assert study.students == (str(tmp_path / "student"),)
    assert study.out == str(tmp_path / "study")


def test_alpacas_template_goes_into_no_template_of_a_teacher_or_a_recipe(tmp_path: Path) -> None:
    fields = {"out": "o", "prompts": "mini", "teachers": ["demo"], "objectives": {"long": {"goals": ["max:words"]}}}
    read = plan.Study.model_validate({**fields, "column": "alpaca"})
    assert {read.asked[0].prompt_template, read.taught("demo", "d", "o", 0).prompt_template} == {"{prompt}"}
    other = plan.Study.model_validate({**fields, "column": "alpaca", "recipe": {"prompt_template": "Q: {prompt}"}})
    assert other.taught("demo", "d", "o", 0).prompt_template == "Q: {prompt}"


async def test_show_prints_every_key_with_its_explanation(tmp_path: Path) -> None:
    done = await inherit("study", written(tmp_path), "--show")
    assert done.code == 0
    for name in plan.Study.model_fields:
        assert f"\n{name}:" in done.out


def change(low: float, high: float, base: float = 10.0, p: float | None = 0.01) -> Change:
    middle = (low + high) / 2
    fields = {"probe": "attributes", "metric": "words", "base": base, "other": base + middle, "absolute": middle}
    more = {"low": low, "high": high, "percent": None, "percent_low": None, "percent_high": None, "n": 64, "p": p}
    return Change.model_validate({**fields, **more, "verdict": None})


@pytest.mark.parametrize(
    ("words", "gain", "near", "steered"),
    [
        ("max:words", change(0.1, 2.0), None, True),
        ("max:words", change(-0.1, 2.0), None, False),
        ("max:words", change(-2.0, -0.1), None, False),
        ("min:words", change(-2.0, -0.1), None, True),
        ("near:words=11", change(0.5, 1.5), (0.1, 0.9), True),
        ("near:words=9", change(0.5, 1.5), (-1.5, -0.5), False),
        ("near:words=150", change(10, 28, base=140), (-8.0, 9.0), False),
        ("near:words=11", change(0.5, 1.5), None, None),
        ("max:words", change(0.1, 2.0, p=None), None, None),
        ("max:words", None, None, None),
    ],
)
def test_steered_is_an_interval_that_excludes_0_on_the_side_that_was_wanted(
    words: str, gain: Change | None, near: tuple[float, float] | None, steered: bool | None
) -> None:
    assert verdict(read_goal(words), gain, near)[0] is steered


@pytest.mark.parametrize(("target", "middle", "steered"), [(171, 159, False), (260, 159, True), (100, 159, False)])
def test_a_student_is_steered_near_a_value_only_where_it_is_nearer(target: int, middle: int, steered: bool) -> None:
    control, student = (builders.attributes(name, length, size=60) for name, length in (("c", 140), ("s", middle)))
    gain = next(one for one in compare(control, student).changes if one.metric == "words" and one.group is None)
    ends = nearer(control, student, "attributes", "words", target)
    assert ends is not None
    assert gain.base is not None
    assert gain.other is not None
    assert ends[0] <= abs(gain.base - target) - abs(gain.other - target) <= ends[1]
    assert verdict(read_goal(f"near:words={target}"), gain, ends)[0] is steered, (gain, ends)


def student(seed: int, gain: Change) -> Steering:
    pupil = Pupil(student="demo", arm="single", objective="length", sources=("one",), seed=seed, run=f"runs/{seed}")
    fields = {"goal": "max:words", "want": "max", "probe": "attributes", "metric": "words", "change": gain}
    more = {"control": f"random of one, seed {seed}", "gain": gain, "steered": True}
    return Steering.model_validate({"pupil": pupil, **fields, **more})


@pytest.mark.parametrize(
    ("gains", "steered", "said"),
    [
        ([3.0], True, ""),
        ([3.0, 3.1], None, "2 trainings are too few"),
        ([3.0, 3.1, 2.9], True, ""),
        ([3.0, 9.0, 0.9], False, "the interval holds 0"),
    ],
)
def test_students_that_differ_by_their_seed_get_one_verdict(
    gains: list[float], steered: bool | None, said: str
) -> None:
    alike = [student(seed, change(gain - 0.5, gain + 0.5)) for seed, gain in enumerate(gains)]
    judged, _ = over_seeds(read_goal("max:words"), alike)
    assert {one.steered for one in judged} == {steered}
    assert judged[0].reason.startswith(said)
    assert {one.trainings for one in judged} == {len(gains)}


def test_near_a_value_students_are_steered_over_seeds_only_where_they_are_nearer() -> None:
    goal = read_goal("near:words=11")
    ends = {True: (0.4, 0.6), False: (-0.6, -0.4)}
    alike = [student(seed, change(0.5, 1.5)).model_copy(update={"nearer": ends[True]}) for seed in range(3)]
    assert {one.steered for one in over_seeds(goal, alike)[0]} == {True}
    away = [one.model_copy(update={"nearer": ends[False]}) for one in alike]
    assert {one.steered for one in over_seeds(goal, away)[0]} == {False}
    untold = [*alike[:2], alike[2].model_copy(update={"nearer": None})]
    assert {one.steered for one in over_seeds(goal, untold)[0]} == {None}


def test_the_same_training_counts_once() -> None:
    one = student(0, change(2.5, 3.5))
    assert over_seeds(read_goal("max:words"), [one, one, one])[0][0].trainings == 1


def test_a_study_of_one_seed_says_that_its_interval_lacks_the_spread_of_trainings(finished: Path) -> None:
    found = findings(finished)
    assert {report.ONE_TRAINING in line for line in report.lead(found) if " against " in line} == {True}
    assert report.ONE_TRAINING in render(report.study_report(found), "table"), "the terminal says it, too"
    assert all(one.trainings == 1 and one.over is None for one in found.outcomes)
    told = [one for one in found.outcomes if one.p_family is not None]
    assert told, "the family's p stands beside the single intervals"


@pytest.mark.slow
async def test_a_study_of_three_seeds_has_one_verdict_an_objective_with_trainings_and_prompts_in_it(
    tmp_path: Path,
) -> None:
    async with serving() as one:
        teachers = [{"model": "wire", "url": one.url, "name": "one"}]
        fields = {"teachers": teachers, "profile": PLAIN["profile"][:1], "guard": {}}
        path = written(tmp_path, seeds=[0, 1, 2], **fields)
        schedule = Schedule.of(plan.read_study(path))
        await asyncio.to_thread(until, schedule, "train")
        trained(schedule)
        done = await inherit("study", path)
    assert done.code == 0, done.err
    told = json.loads((tmp_path / "study" / "report.json").read_bytes())["outcomes"]
    page = (tmp_path / "study" / "report.md").read_text("utf-8")
    ps = {}
    for name in ("length", "short"):
        mine = [o for o in told if (o["pupil"]["objective"], o["pupil"]["arm"]) == (name, "single")]
        assert [o["trainings"] for o in mine] == [3, 3, 3]
        (over,) = {json.dumps(o["over"]) for o in mine}
        gains = np.array([[o["gain"][end] for end in ("absolute", "low", "high")] for o in mine])
        spread, prompts = gains[:, 0].var(ddof=1) / 3, np.mean(((gains[:, 2] - gains[:, 1]) / 3.919928) ** 2)
        error, mean = (spread + prompts) ** 0.5, gains[:, 0].mean()
        t = stats.t(int(2 * (spread + prompts) / spread))
        found = json.loads(over)
        assert [found[end] for end in ("absolute", "low", "high")] == pytest.approx(
            [mean, mean - t.ppf(0.975) * error, mean + t.ppf(0.975) * error], rel=1e-4
        )
        ps[name] = 2 * t.sf(abs(mean) / error)
        assert found["p"] == pytest.approx(ps[name], rel=1e-4)
        assert {o["steered"] for o in mine} == {found["low"] > 0 if name == "length" else found["high"] < 0}
        assert page.count(f"{name}, single: ") == 1, "one sentence for the three of them"
    least, most = sorted(ps, key=lambda name: ps[name])
    family = {o["pupil"]["objective"]: o["p_family"] for o in told if o["pupil"]["arm"] == "single"}
    assert family[least] == pytest.approx(min(1, 2 * ps[least]), rel=1e-4)
    assert family[most] == pytest.approx(min(1, max(2 * ps[least], ps[most])), rel=1e-4)
    assert page.count("; 3 trainings; p ") == 2
    assert report.ONE_TRAINING not in page + done.out


def test_what_selected_and_also_reports_is_told_apart_from_another_scorer() -> None:
    assert tells_itself(read_goal("max:words"), "attributes.words", "")
    assert tells_itself(read_goal("min:toxicity"), "toxicity.expected_max_toxicity", "tox-block-0.1.2")
    assert not tells_itself(read_goal("min:toxicity"), "toxicity.expected_max_toxicity:detoxify", "detoxify-0.5.4")
    assert not tells_itself(read_goal("max:mtld"), "attributes.words", "the same package")


def test_relations_are_found_in_the_records_that_lie_beside_the_weights(tmp_path: Path) -> None:
    student = tiny.checkpoint(tmp_path / "student", "llama")
    copy = shutil.copytree(student, tmp_path / "copy")
    heir = tiny.checkpoint(tmp_path / "heir" / "model", "llama", seed=3)
    stranger = tiny.checkpoint(tmp_path / "stranger", "llama", seed=4)
    with _record(heir, str(student)):
        assert related(*_ends(student, copy), {}) == "the same weights"
        assert related(*_ends(heir, student), {}) == "'model' was made from 'student'"
        assert related(*_ends(stranger, student), {}) is None
        assert related(*_ends(stranger, student), {str(stranger): str(student)}) == "'stranger' was made from 'student'"


def _ends(one: Path, other: Path) -> tuple[Endpoint, Endpoint]:
    return Endpoint(model=str(one)), Endpoint(model=str(other))


@contextmanager
def _record(heir: Path, student: str) -> Iterator[None]:
    recipe = {"student": student, "data": "d", "out": "o"}
    counts = dict.fromkeys(("examples", "tokens", "learned", "trained", "parameters", "steps", "seconds"), 0)
    made = {"recipe": recipe, "data": "", "student": "", **counts, "losses": [], "model": str(heir), "versions": {}}
    (heir.parent / "training.json").write_text(json.dumps(made), "utf-8")
    yield


@pytest.mark.parametrize("lacks", ["trl", "student", "disk", "gpus", "vllm"])
async def test_what_a_training_or_a_profile_lacks_is_found_before_anybody_is_asked(
    lacks: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving() as wire:
        wants = {"gpus": {"train": {"gpus": 2}}, "vllm": {"profile": {"engine": "vllm"}}}
        path = written(tmp_path, teachers=[f"wire@{wire.url}"], resources=wants.get(lacks, {}))
        monkeypatch.setattr("training.student.NEEDED", ())
        if lacks == "gpus":
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
            said = "a task wants 2 GPUs, and this machine has 1"
        elif lacks == "vllm":
            monkeypatch.setenv("INHERIT_VLLM_PYTHON", sys.executable)
            said = "no vLLM in "
        elif lacks == "trl":
            monkeypatch.setattr("training.student.NEEDED", ("torch", "trl"))
            monkeypatch.setitem(sys.modules, "trl", None)
            said = "training (there is no trl) needs the extra 'train'"
        elif lacks == "student":
            config = tmp_path / "student" / "config.json"
            config.write_text(config.read_text("utf-8").replace('"llama"', '"t5"'), "utf-8")
            said = "expected a causal language model"
        else:
            monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
            said = "has room for 0.0; make room"
        for more in ([], ["--dry-run"]):
            done = await inherit("study", path, *more)
            assert done.code in (1, 2)
            assert said in done.err
            assert not wire.bodies
