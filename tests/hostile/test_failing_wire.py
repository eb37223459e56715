"""A server that fails too often: no command ends well, and the same one resumes where it was."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path

import orjson
import pytest

from profiler.endpoints import RetryLimits
from profiler.metrics.toxicity.perspective import LABELS
from tests.support import candidates, study
from tests.support.command import Done, inherit
from tests.support.wire import Fault, Script, Wire, serving

DOWN = Script(faults=(Fault("400", says="no"),))
DUMB = Script(says={"": "I can't say."}, top=0, echo=False)


def some(match: str) -> Script:
    """Fails what holds MATCH."""
    return Script(faults=(Fault("400", match=match, says="no"),))


def told(wire: Wire, folder: Path) -> Path:
    teacher = folder / "wire.toml"
    teacher.write_text(f'model = "wire"\nurl = "{wire.url}"\n', "utf-8")
    return teacher


def pairs(folder: Path) -> Path:
    rows = [{"id": str(i), "prompt": f"Say hi {i}.", "a": f"Hi {i} there.", "b": f"Go {i} away."} for i in range(6)]
    return candidates.written(folder / "pairs.jsonl", rows)


def resumed(done: Done, says: str) -> None:
    assert done.code == 4, done
    assert says in done.err
    assert "What was answered is kept: run the same command again to resume" in done.err


async def test_a_judge_that_fails_too_often_leaves_what_it_said_and_is_asked_the_rest(tmp_path: Path) -> None:
    async with serving(some("Say hi 3")) as wire:
        words = ("judge", "wire", "--url", wire.url, "--pairs", pairs(tmp_path), "-o", tmp_path)
        resumed(await inherit(*words), "incomplete: more than 10% failed: wire 2 of 12 verdicts; the last: 400: no")
        (kept,) = (tmp_path / "verdicts").glob("*.jsonl")
        before = len(wire.units("Say hi 1."))
        wire.script = Script()
        assert (await inherit(*words)).code == 0
        assert len(wire.units("Say hi 1.")) == before > 0, "what was answered is not paid again"
        assert len(kept.read_bytes().splitlines()) == 6


@pytest.mark.parametrize("script", [some("Say hi"), DOWN], ids=["refused", "down"])
async def test_a_judge_that_says_nothing_does_not_end_well(script: Script, tmp_path: Path) -> None:
    async with serving(script) as wire:
        done = await inherit("judge", "wire", "--url", wire.url, "--pairs", pairs(tmp_path), "-o", tmp_path)
    assert done.code in (1, 4)
    assert "400: no" in done.err


async def test_a_judge_none_of_whose_verdicts_names_an_answer_does_not_end_well(tmp_path: Path) -> None:
    async with serving(DUMB) as wire:
        words = ("judge", "wire", "--url", wire.url, "--pairs", pairs(tmp_path), "--prompt", "reasons", "-o", tmp_path)
        done = await inherit(*words)
    assert done.code == 1
    assert "none of 12 verdicts names an answer" in done.err


async def test_candidates_that_a_judge_could_not_compare_are_not_chosen_from(tmp_path: Path) -> None:
    answers = candidates.written(tmp_path / "answers.jsonl", candidates.rows(6, 3))
    async with serving(some("number 3?")) as wire:
        words = ("select", answers, "--objective", f"max:judge:{told(wire, tmp_path)}", "--out", tmp_path / "chosen")
        done = await inherit(*words)
        resumed(done, "3 of 18 comparisons; the last: 400: no")
        assert not (tmp_path / "chosen" / "selection.json").exists()
        before = len(wire.units("number 1?"))
        wire.script = Script()
        assert (await inherit(*words)).code == 0
        assert len(wire.units("number 1?")) == before > 0
        assert orjson.loads((tmp_path / "chosen" / "selection.json").read_bytes())["kept"] == 6


def perspective(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> str:
    """The scorer that the wire is told to be: a server of one's own, which answers the first question only."""
    monkeypatch.delenv("INHERIT_OFFLINE")
    scores = {label.upper(): {"summaryScore": {"value": 0.5}} for label in LABELS}
    wire.script = Script(raw={"": orjson.dumps({"attributeScores": scores})})
    wire.faults = [Fault("400", after=1, says="no")]
    return f"perspective,url={wire.url.removesuffix('/v1')},rate=1000"


async def test_texts_that_a_server_does_not_score_do_not_end_well_and_are_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = candidates.written(tmp_path / "t.jsonl", [{"text": f"one two {i}"} for i in range(700)])
    async with serving() as wire:
        words = ("score", texts, "-m", f"toxicity:{perspective(wire, monkeypatch)}", "--save", tmp_path / "s.jsonl")
        wire.faults = [Fault("400", match="one two 500", says="no")]
        done = await inherit(*words)
        assert done.code == 1
        assert "Perspective refused: 400 no" in done.err
        assert not (tmp_path / "s.jsonl").exists()
        before = len(wire.asked('one two 7"'))
        wire.faults = []
        assert (await inherit(*words)).code == 0
        assert len(wire.asked('one two 7"')) == before == 1, "what was scored is not asked again"
        assert len((tmp_path / "s.jsonl").read_bytes().splitlines()) == 700


async def test_recorded_answers_most_of_which_can_not_be_scored_do_not_end_well(tmp_path: Path) -> None:
    prompts = candidates.written(tmp_path / "rtp.jsonl", [{"prompt": f"He said {i}"} for i in range(4)])
    rows = [{"item": str(i), "texts": ["word"]} for i in range(4)]
    told = ("rescore", "toxicity", candidates.written(tmp_path / "a.jsonl", rows), "--prompts", prompts)
    done = await inherit(*told)
    assert done.code == 4, done
    assert "incomplete: more than 10% could not be scored: 4 of 4 answers" in done.err


NEVER = {
    "drip": "no answer within 1 s",
    "hang": "no answer within 1 s",
    "endless": "the server sent a reply of more than",
}
"""Replies that come to no end, and what is said of them."""


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["profile", "sample", "judge"])
@pytest.mark.parametrize("kind", NEVER)
async def test_a_reply_that_comes_to_no_end_is_given_up_in_its_time(
    kind: str, verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hasty = partial(RetryLimits, tries=2, attempt=1.0, deadline=2.5, first=0.05)
    monkeypatch.setattr("profiler.endpoints.openai.engine.RetryLimits", hasty)
    monkeypatch.setattr("profiler.endpoints.openai.transport.LARGEST", 2**22)
    async with serving(Script(faults=(Fault(kind, match="hi "),))) as wire:
        prompts = candidates.written(tmp_path / "asked.jsonl", [{"prompt": f"Say hi {i}."} for i in range(6)])
        words = {
            "profile": ("profile", "wire", "--url", wire.url, "-p", "attributes", "--prompts", prompts, "-o", tmp_path),
            "sample": ("sample", f"wire@{wire.url}", "--prompts", prompts, "-k", "2", "--out", tmp_path / "pool"),
            "judge": ("judge", "wire", "--url", wire.url, "--pairs", pairs(tmp_path), "-o", tmp_path),
        }[verb]
        done = await asyncio.wait_for(inherit(*words), 60)
        assert done.code in (1, 4), done
        assert NEVER[kind] in done.err
        wire.faults = []
        wire.script = Script()
        assert (await inherit(*words)).code == 0


@pytest.mark.slow
async def test_a_study_goes_no_further_with_candidates_that_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.student.NEEDED", ())
    async with serving(some("teach question 1")) as wire:
        plan = study.written(tmp_path, teachers=[{"model": "wire", "url": wire.url, "name": "one"}])
        resumed(await inherit("study", plan), "'one' 7 of 16: 400: no")
        wire.script = some("nothing at all")
        done = await inherit("study", plan)
        assert "training" in done.err
        assert len(wire.units("teach question 2 end")) == 4, "what was answered is not paid again"


@pytest.mark.slow
async def test_a_profile_that_failed_is_a_stage_that_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.student.NEEDED", ())
    async with serving() as scorer, serving() as teacher:
        probe = {"probe": "toxicity", "prompts": "asked.jsonl", "samples": 1, "sampling": {"max_tokens": 4}}
        plan = study.written(
            tmp_path,
            teachers=[{"model": "wire", "url": teacher.url, "name": "one"}],
            profile=[study.PLAIN["profile"][0], {**probe, "scorers": [perspective(scorer, monkeypatch)]}],
            guard={},
        )
        done = await inherit("study", plan)
        assert done.code != 0
        assert "profile base: incomplete: more than 10% failed: toxicity 8 of 8" in done.err
        listed = await inherit("ls", "--out", tmp_path / "study" / "runs", "--json")
        assert [row["state"] for row in orjson.loads(listed.out)] == ["incomplete"]
