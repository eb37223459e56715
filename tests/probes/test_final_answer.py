"""The probe of final answers: what it asks, what it makes of texts, new and recorded, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from profiler.datasets.items import Item
from profiler.endpoints.requests import Answer
from profiler.errors import BadData, WrongUse
from profiler.probes import ProbeOptions
from profiler.probes.final_answer import FinalAnswer, Problem
from profiler.records import Generation
from profiler.runs import sample_store
from tests.support.command import inherit
from tests.support.official import OFFICIAL, needs
from tests.support.wire import Script, serving

MINI = FinalAnswer.build(ProbeOptions(suite="mini"))
ROWS = (
    {"question": "How many eggs?", "answer": "She has 9 * 2 = 18.\n#### 18", "completion": "It makes $18.00 a day."},
    {"question": "How many bolts?", "answer": "#### 3", "completion": "2 + 1 = 3\n#### 3"},
    {"question": "How much?", "answer": "#### 70,000", "completion": "#### 65,000"},
    {"question": "How far?", "answer": "#### 540", "completion": "I can't say."},
)


def file(path: Path, *rows: Mapping[str, object]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def scores(gold: str, *texts: str, finish: str | None = "stop") -> Mapping[str, float | None]:
    written = tuple(Generation(text=text, finish=finish) for text in texts)
    return MINI.score(Item("0", Problem("How many?", gold)), Answer("text", written))


def estimated(out: str) -> dict[str, float | None]:
    return {row["metric"]: row["value"] for row in map(json.loads, out.splitlines())}


def test_an_answer_without_a_number_is_wrong_as_gsm8ks_authors_have_it():
    right = {"exact_match": 1, "exact_match_strict": 1, "unparseable": 0, "truncated": 0}
    assert scores("18", "#### 18") == right
    assert scores("18", "I can't say.") == {"exact_match": 0, "exact_match_strict": 0, "unparseable": 1, "truncated": 0}


def test_an_items_score_is_the_share_of_its_samples():
    assert scores("18", "#### 18", "It is 18.", "17", "…")["exact_match"] == 0.5
    assert scores("18", "#### 18", "It is 18.", "17", "…")["exact_match_strict"] == 0.25
    assert scores("Paris", "Paris.")["exact_match_strict"] is None
    assert scores("18", "18", finish=None)["truncated"] is None


async def test_a_model_is_asked_and_its_final_answers_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    said = {str(row["question"]): str(row["completion"]) for row in ROWS}
    questions = file(tmp_path / "questions.jsonl", *({**row, "completion": ""} for row in ROWS))
    async with serving(Script(says=said)) as wire:
        asked = ("profile", "wire", "--url", wire.url, "-p", "final_answer", "--prompts", questions, "--out", "runs")
        done = await inherit(*asked)
        assert wire.asked("Question: How many eggs?\\nAnswer:")
    assert done.code == 0, done.err
    profile = sample_store.load("latest", tmp_path / "runs").profile
    found = {one.metric: one.value for one in profile.estimates}
    assert (found["exact_match"], found["exact_match_strict"], found["unparseable"]) == (0.5, 0.25, 0.25)


async def test_recorded_answers_count_as_new_ones(tmp_path: Path):
    questions = file(tmp_path / "questions.jsonl", *ROWS)
    answers = file(
        tmp_path / "answers.jsonl", *({"item": str(i), "said": row["completion"]} for i, row in enumerate(ROWS))
    )
    asked = (
        "rescore",
        "final_answer",
        answers,
        "--prompts",
        questions,
        "--gold",
        "answer",
        "--answer",
        "said",
        "--json",
    )
    found = estimated((await inherit(*asked)).out)
    assert (found["exact_match"], found["exact_match_strict"], found["unparseable"]) == (0.5, 0.25, 0.25)


async def test_an_answer_that_is_a_bare_number_is_a_text(tmp_path: Path):
    questions = file(
        tmp_path / "questions.jsonl", {"question": "6 * 7?", "answer": 42}, {"question": "1 + 1?", "answer": 2}
    )
    answers = file(tmp_path / "answers.jsonl", {"item": "0", "said": "42"}, {"item": "1", "said": 3})
    done = await inherit("rescore", "final_answer", answers, "--prompts", questions, "--answer", "said", "--json")
    assert estimated(done.out)["exact_match"] == 0.5, done.err


async def test_texts_are_held_against_a_column_of_their_file(tmp_path: Path):
    path, saved = file(tmp_path / "answers.jsonl", *ROWS), tmp_path / "scores.jsonl"
    done = await inherit("score", path, "--gold", "answer", "--json", "--save", saved)
    assert estimated(done.out) == {"exact_match": 0.5, "exact_match_strict": 0.25, "unparseable": 0.25}, done.err
    kept = [json.loads(line) for line in saved.read_text("utf-8").splitlines()]
    assert kept[0] == {"row": 0, "exact_match": 1.0, "exact_match_strict": 0.0, "unparseable": 0.0}
    both = await inherit("score", path, "--gold", "answer", "--metric", "words", "--json", "--workers", "2")
    assert [*estimated(both.out)] == ["exact_match", "exact_match_strict", "unparseable", "words"]
    missing = await inherit("score", path, "--gold", "truth")
    assert "row 1: expected the right answer in column 'truth', found None" in missing.err


def test_a_column_of_right_answers_is_found_or_asked_for(tmp_path: Path):
    two = file(tmp_path / "two.jsonl", {"question": "6 * 7?", "answer": "6 times 7\n#### 42", "target": "43"})
    with pytest.raises(BadData, match=r"two\.jsonl row 1: .* either of answer and target: name its column with --gold"):
        _ = FinalAnswer.build(ProbeOptions(prompts=str(two))).items
    (item,) = FinalAnswer.build(ProbeOptions(prompts=str(two), gold="answer")).items
    assert item.fields == ("6 * 7?", "42")
    none = file(tmp_path / "none.jsonl", {"question": "6 * 7?", "truth": 42})
    with pytest.raises(BadData, match=r"none of its columns \(question, truth\): name its column with --gold"):
        _ = FinalAnswer.build(ProbeOptions(prompts=str(none))).items
    assert FinalAnswer.build(ProbeOptions(prompts=str(none), gold="truth")).items[0].fields.gold == "42"


def test_a_column_of_right_answers_without_a_file_is_refused():
    with pytest.raises(WrongUse, match="--gold truth names a column of --prompts, and none are given"):
        FinalAnswer.build(ProbeOptions(suite="mini", gold="truth"))


def test_runs_on_other_right_answers_are_other_data(tmp_path: Path):
    found = []
    for gold in ("42", "43"):
        path = file(tmp_path / "q.jsonl", {"question": "6 * 7?", "answer": gold})
        found.append(FinalAnswer.build(ProbeOptions(prompts=str(path))).data)
    assert found[0] != found[1]


@needs("gsm8k")
def test_gsm8k_is_read_whole_where_it_can_be_had(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("INHERIT_DATA", str(OFFICIAL))
    probe = FinalAnswer.build(ProbeOptions())
    assert (probe.suite, len(probe.items), [*probe.data]) == ("full", 1319, ["test.jsonl"])
    assert probe.items[0].fields.gold == "18"
    assert probe.ask(probe.items[0]).filled().startswith("Question: Janet")
    assert len(FinalAnswer.build(ProbeOptions(limit=50)).items) == 50


def test_the_mini_problems_are_read():
    golds = [item.fields.gold for item in MINI.items]
    assert (len(golds), len({item.fields.prompt for item in MINI.items})) == (20, 20)
    assert {"-5", "4.50", "7000", "Anna"} <= {*golds}
