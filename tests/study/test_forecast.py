"""`inherit study --dry-run`: what a study takes, reckoned by hand here, before anything is loaded or paid for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from profiler.study import forecast, plan, read_assumptions
from profiler.study.forecast import Forecast, ModelWork
from profiler.study.stage_order import Schedule
from tests.support.command import inherit
from tests.support.places import ROOT
from tests.support.study import PROMPTS, written

PAPER = ROOT / "examples" / "paper"
ASSUMED = """
characters = 5.0
written = 0.25
[sizes]
student = 14.0
[gpus.mine]
price = 2.0
source = "made up"
speeds = [{ billions = 7, reads = 100, writes = 10, trains = 50, source = "made up" }]
"""


def works(found: Forecast) -> dict[tuple[str, str], ModelWork]:
    return {(work.kind, work.model): work for work in found.works}


@pytest.fixture(autouse=True)
def trains(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.student.NEEDED", ())


def assumed(folder: Path) -> Path:
    path = folder / "mine.toml"
    path.write_text(ASSUMED, "utf-8")
    return path


async def test_hours_and_money_are_those_of_the_sum_by_hand(tmp_path: Path) -> None:
    teacher = {"model": "m-7b", "url": "http://127.0.0.1:9/v1", "prompt_template": "Q: {prompt}"}
    asks = [
        {"probe": "attributes", "prompts": "asked.jsonl", "sampling": {"max_tokens": 12}, "prompt_template": "{prompt}"}
    ]
    recipe = {"method": "full", "epochs": 2, "prompt_template": "{prompt}", "length": 128}
    fields: dict[str, Any] = {"teachers": [teacher], "profile": asks, "recipe": recipe, "guard": {}}
    path = written(tmp_path, **fields)
    done = await inherit("study", path, "--dry-run", "--json", "--assume", assumed(tmp_path))
    assert done.code == 0, done.err
    found = Forecast.model_validate(json.loads(done.out)["forecast"])
    length = sum(len(f"teach question {number} end") for number in range(PROMPTS)) / PROMPTS
    sampled = works(found)["sample", "m-7b"]
    assert (sampled.requests, sampled.written) == (4 * PROMPTS, 4 * PROMPTS * 24 / 4)
    assert sampled.read == round(4 * PROMPTS * (length + len("Q: {prompt}")) / 5)
    hours = (sampled.read / 100 + sampled.written / 10) / 3600
    assert sampled.gpus["mine"].hours == pytest.approx(hours, rel=0.02)
    assert sampled.gpus["mine"].cost == pytest.approx(2 * hours, rel=0.02)
    # Two objectives, one control of both: three trainings and four students to ask.
    trained, asked = (
        works(found)["train", str(tmp_path / "student")],
        works(found)["profile", str(tmp_path / "student")],
    )
    assert (trained.stages, asked.stages) == (3, 4)
    assert trained.taught == pytest.approx(3 * PROMPTS * 2 * ((length + len("{prompt}")) / 5 + 24 / 4), abs=3)
    assert trained.gpus["mine"].hours == pytest.approx(trained.taught / (50 / 2) / 3600)  # twice the size, half as fast
    assert (asked.requests, asked.written) == (4 * 8, 4 * 8 * 12 / 4)
    assert found.gpus["mine"].hours == pytest.approx(sum(work.gpus["mine"].hours for work in found.works))


async def test_a_server_with_a_price_takes_money_and_no_hours(tmp_path: Path) -> None:
    path = written(tmp_path, teachers=[{"model": "m", "url": "http://127.0.0.1:9/v1", "price": [1.0, 2.0]}])
    done = await inherit("study", path, "--dry-run", "--json", "--assume", assumed(tmp_path))
    sampled = works(Forecast.model_validate(json.loads(done.out)["forecast"]))["sample", "m"]
    assert sampled.paid == pytest.approx((sampled.read + 2 * sampled.written) / 1e6, rel=0.02)
    assert not sampled.gpus


async def test_a_model_whose_size_nothing_tells_has_no_hours_and_is_named(tmp_path: Path) -> None:
    path = written(tmp_path, teachers=["m@http://127.0.0.1:9/v1"])
    done = await inherit("study", path, "--dry-run")
    assert "no hours, as their size is not known (`sizes` of the assumptions): m" in done.out
    other = tmp_path / "other.toml"
    other.write_text("[sizes]\nm = 7.0\n", "utf-8")
    assert "no hours" not in (await inherit("study", path, "--dry-run", "--assume", other)).out


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("wirtten = 0.5", "no assumption 'wirtten'; did you mean 'written'?"),
        ("written = 2.0", "`written`: expected at most 1"),
        ("[gpus.mine]\nprice = 1.0", "`gpus.mine.source`"),
    ],
)
async def test_assumptions_that_can_not_be_meant_are_refused(text: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text, "utf-8")
    done = await inherit("study", written(tmp_path), "--dry-run", "--assume", path)
    assert done.code == 2
    assert says in done.err


@pytest.mark.parametrize(
    ("name", "billions"),
    [
        ("meta-llama/Llama-2-7b-hf", 7),
        ("Qwen/Qwen2.5-1.5B", 1.5),
        ("google/gemma-3-270m", 0.27),
        ("mistralai/Mixtral-8x7B-Instruct-v0.1", 20),
        ("mistralai/Mixtral-8x22B", None),
        ("org/model-4bit", None),
        ("gpt2", None),
    ],
)
def test_a_models_size_is_read_from_its_name_where_the_assumptions_name_none(name: str, billions: float | None) -> None:
    assert read_assumptions().billions(name) == billions


async def test_the_papers_study_is_reckoned_where_nothing_of_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INHERIT_CACHE", str(tmp_path))
    monkeypatch.delenv("INHERIT_DATA", raising=False)
    done = await inherit("study", PAPER / "study.yaml", "--dry-run", "--json")
    assert done.code == 0, done.err
    made = json.loads(done.out)
    found = Forecast.model_validate(made["forecast"])
    assert made["steps"] is None
    assert "hub:tatsu-lab/alpaca" in found.away
    assert sum(work.requests for work in found.works if work.kind == "sample") == 3 * 52_002 * 10
    assert sum(work.stages for work in found.works if work.kind == "train") == 66
    assert all(found.gpus[name].hours > 0 for name in ("A100-80GB", "H100-80GB", "H200"))
    assert not (PAPER / "work" / "study").exists()


async def test_what_is_done_is_not_reckoned_again(tmp_path: Path) -> None:
    server = {"model": "wire", "url": "http://127.0.0.1:9/v1", "name": "one"}
    schedule = Schedule.of(plan.read_study(written(tmp_path, teachers=[server])))
    before = forecast(schedule.study, read_assumptions(), schedule)
    base = schedule.pupils[0].profile
    base.work = lambda key, say: schedule.workspace.folder
    schedule.workspace.do(base, lambda *_: None)
    after = forecast(schedule.study, read_assumptions(), schedule)
    model = schedule.study.students[0]
    assert works(before)["profile", model].stages - works(after)["profile", model].stages == 1


def test_the_tiny_twin_has_the_shape_of_the_papers_study() -> None:
    whole, tiny = (plan.read_study(PAPER / name) for name in ("study.yaml", "tiny.yaml"))
    for key in ("k", "arms", "seeds", "best_of", "best_of_arms"):
        assert getattr(whole, key) == getattr(tiny, key), key
    assert [teacher.name for teacher in whole.asked] == [teacher.name for teacher in tiny.asked]
    assert {name: aim.model_dump() for name, aim in whole.objectives.items()} == {
        name: aim.model_dump() for name, aim in tiny.objectives.items()
    }
    assert [ask.probe for ask in whole.profile] == [ask.probe for ask in tiny.profile]
    assert whole.recipe["method"] == tiny.recipe["method"]
    assert set(whole.allowed) == set(tiny.allowed)
    assert stages(whole) == stages(tiny)


def stages(study: plan.Study) -> list[tuple[str, str]]:
    """Kind and name of every stage, in order, whatever is read."""
    small = [ask.model_copy(update={"suite": "mini"}) for ask in study.profile]
    schedule = Schedule.of(study.model_copy(update={"prompts": "mini", "limit": 8, "profile": tuple(small)}))
    return [(stage.kind, stage.title) for stage in schedule.stages]
