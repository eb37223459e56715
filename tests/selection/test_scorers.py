"""Choosing by more than text metrics: a judge's preference, a reward model, a scorer to order, a user's function."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from profiler.errors import BadData, Incomplete, UnknownName, WrongUse
from profiler.judging import Judgement, Pair, Ruling
from profiler.text.counting import Text
from selection import Pool, judge_score, score, select
from selection.import_file import import_file
from selection.score import FILTERS, ScoreProgress, by_scorer, refuse_unknown_scores, score_metric
from tests.selection.test_selection import told
from tests.support.candidates import lines, rows, text_of, written
from tests.support.wire import Fault, Script, Wire, serving

LIKES = {
    "### Answer A\nGood": "It follows. [[A]]",
    "### Answer B\nGood": "It follows. [[B]]",
    "### Answer A": "The first, as ever. [[A]]",
}
"""A judge that likes what begins with Good, and else whatever is shown first."""


def good_and_bad(prompts: int = 3, k: int = 6) -> list[dict[str, object]]:
    return [
        {
            "prompt": f"What is it, number {p}?",
            "index": index,
            "text": f"{'Good' if index == p else 'Bad'} answer {p} {index}.",
        }
        for p in range(prompts)
        for index in range(k)
    ]


def scored(folder: Path, some: Sequence[dict[str, object]], *names: str) -> Pool:
    pool = import_file(written(folder / "a.jsonl", some), folder / "pool")
    for _ in score(pool, names):
        pass
    return pool


def judge(wire: Wire, more: str = ",prompt=reasons") -> str:
    return f"judge:wire@{wire.url}{more}"


async def in_thread(work: object, *words: object) -> object:
    """Scoring has an event loop of its own; the wire's is here."""
    import asyncio

    return await asyncio.to_thread(work, *words)  # type: ignore[arg-type]


async def test_the_answer_that_a_judge_prefers_is_chosen(tmp_path: Path) -> None:
    async with serving(Script(says=LIKES)) as wire:
        name = judge(wire)
        pool = await in_thread(scored, tmp_path, good_and_bad(), name, "words")
        compared = [body for body in wire.bodies if "number" in body.get("prompt", "")]
        assert len(compared) == 3 * 6 * judge_score.ROUNDS * 2, "two opponents ahead on the ring, in both orders"
    assert isinstance(pool, Pool)
    select(told(pool, f"max:{name}", tmp_path / "out", skip_filter=["all"]))
    assert {text_of(row) for row in lines(tmp_path / "out" / "chosen.jsonl")} == {
        f"Good answer {p} {p}." for p in range(3)
    }
    found = {row.text: row.scores[name] for row in pool.rows()}
    assert found["Good answer 1 1."] == 1
    assert set(found.values()) == {1, 0.5, 0.375}, "always the first shown is no preference; four lost to the good one"


async def test_a_verdict_that_is_there_is_not_asked_for_again(tmp_path: Path) -> None:
    async with serving(Script(says=LIKES)) as wire:
        name = judge(wire)
        pool = await in_thread(scored, tmp_path, good_and_bad(), name)
        asked = len(wire.bodies)
        assert await in_thread(lambda: list(score(pool, [name]))) == []  # type: ignore[arg-type]
        assert len(wire.bodies) == asked
        more = await in_thread(lambda: list(score(pool, [f"{name},rounds=3"])))  # type: ignore[arg-type]
        assert len(more) == 1  # type: ignore[arg-type]
        compared = [body for body in wire.bodies if "number" in body.get("prompt", "")]
        assert len(compared) == 3 * 15 * 2, "every pair once, and those of two rounds from the journal"


async def test_a_comparison_that_fails_is_no_score_and_is_asked_again(tmp_path: Path) -> None:
    async with serving(Script(says=LIKES)) as wire:
        wire.faults.append(Fault("400", match="number 1", says="too long"))
        name = judge(wire)
        pool = import_file(written(tmp_path / "a.jsonl", good_and_bad()), tmp_path / "pool")
        steps: list[ScoreProgress] = []
        with pytest.raises(Incomplete, match="12 of 36 comparisons; the last: 400: too long"):
            await in_thread(lambda: steps.extend(score(pool, [name])))
        assert [step.judge.failed for step in steps if step.judge] == [12]
        found = {row.text: row.scores[name] for row in pool.rows()}
        assert [text for text, value in found.items() if value is None] == [
            row["text"] for row in good_and_bad() if "number 1" in str(row["prompt"])
        ]
        wire.faults.clear()
        await in_thread(lambda: list(score(pool, [name])))
        assert all(row.scores[name] is not None for row in pool.rows())


def test_a_preference_needs_a_verdict_in_both_orders() -> None:
    def said(*rulings: Ruling) -> float | None:
        return judge_score.preference(
            Judgement(pair=Pair(id="1"), judge="j", how="text", template="t", rulings=rulings)
        )

    assert said(Ruling(order="ab", winner="a"), Ruling(order="ba", winner="b")) == 0.5
    assert said(Ruling(order="ab", winner="a"), Ruling(order="ba", winner="tie")) == 0.75
    shares = [Ruling(order="ab", winner="a", shares=(0.9, 0.1)), Ruling(order="ba", winner="b", shares=(0.4, 0.6))]
    assert said(*shares) == pytest.approx(0.65)
    assert said(Ruling(order="ab", winner="a"), Ruling(order="ba", error="500")) is None
    assert said(Ruling(order="ab", winner="a"), Ruling(order="ba")) is None


def test_candidates_that_join_later_are_judged_beside_the_others(tmp_path: Path) -> None:
    pool = scored(tmp_path, good_and_bad(), "words")
    (segment,) = pool.segments()
    held = judge_score.read_judge("judge:demo")
    before = judge_score._version(pool, [segment], held)
    other = pool.candidates(segment).slice(0, 6)
    pool.write(segment, other)
    assert judge_score._version(pool, [segment], held) != before


@pytest.mark.parametrize(
    ("name", "error", "says"),
    [
        ("judge:", WrongUse, "expected a judge such as judge:demo"),
        ("judge:demo,rounds=none", WrongUse, "expected rounds=1 or more"),
        ("judge:demo,round=1", UnknownName, "did you mean 'rounds'"),
        ("judge:demo,prompt=lables", UnknownName, "no judge prompt 'lables'; did you mean 'labels'"),
    ],
)
def test_a_judge_that_can_not_be_meant_is_refused_before_anything_is_scored(
    name: str, error: type[Exception], says: str, tmp_path: Path
) -> None:
    pool = import_file(written(tmp_path / "a.jsonl", good_and_bad()), tmp_path / "pool")
    with pytest.raises(error, match=says):
        refuse_unknown_scores(pool, [name])
    assert score_metric("judge:demo").version.startswith("labels@")


def shortness(texts: Sequence[Text]) -> list[float | None]:
    """Fewer letters, undefined for one letter."""
    return [-float(len(text)) if len(text) > 1 else None for text in texts]


def test_a_users_function_chooses(tmp_path: Path) -> None:
    name = "tests.selection.test_scorers:shortness"
    some = [*rows(5, 4), {"prompt": "What is it about, number 0?", "source": "a", "index": 4, "text": "A"}]
    found = select(told(scored(tmp_path, some, name), f"max:{name}", tmp_path / "out", metric=[]))
    assert found.undefined == {name: 1}
    shortest = {
        prompt: min(len(str(row["text"])) for row in some if row["prompt"] == prompt and row["text"] != "A")
        for prompt in {row["prompt"] for row in some}
    }
    for row in lines(tmp_path / "out" / "chosen.jsonl"):
        assert len(str(text_of(row))) == shortest[row["messages"][0]["content"]]  # type: ignore[index]


def test_a_reward_model_chooses(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    from tests.support.bert import bert

    name = f"reward:{bert(tmp_path / 'reward', labels=1)}"
    pool = scored(tmp_path, rows(4, 5), name)
    found = select(told(pool, f"max:{name}", tmp_path / "out", metric=[]))
    assert found.shifts[0].gain is not None
    assert found.shifts[0].gain > 0
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "reward")
    model = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path / "reward").eval()
    best: dict[str, tuple[float, str]] = {}
    with torch.inference_mode():
        for row in pool.rows():
            points = float(model(**tokenizer(row.prompt, row.text, return_tensors="pt")).logits[0, 0])
            assert row.scores[name] == pytest.approx(points, abs=1e-4)
            best[row.prompt] = max(best.get(row.prompt, (-np.inf, "")), (points, row.text))
    for row in lines(tmp_path / "out" / "chosen.jsonl"):
        assert text_of(row) == best[row["messages"][0]["content"]][1]  # type: ignore[index]


def test_a_classifier_of_several_labels_is_no_reward_model(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from tests.support.bert import bert

    with pytest.raises(BadData, match="gives 6 numbers an answer: expected a reward model"):
        scored(tmp_path, rows(1, 2), f"reward:{bert(tmp_path / 'tox')}")


def test_another_label_of_a_toxicity_scorer_chooses(tmp_path: Path) -> None:
    some = [{"prompt": "What now?", "text": text} for text in ("You stupid idiot, go away.", "Let us have some tea.")]
    name = "toxicity:tox-block,label=insult"
    more = {"require": [f"{name}<=0.5"], "metric": []}
    found = select(told(scored(tmp_path, some, name), f"min:{name}", tmp_path / "out", **more))
    assert found.shifts[0].metric == name
    assert text_of(lines(tmp_path / "out" / "chosen.jsonl")[0]) == "Let us have some tea."


def test_only_scorers_that_take_long_to_load_have_a_task_and_a_file_of_their_own() -> None:
    own = "tests.support.scorers_elsewhere:vowels"
    light = ["words", "toxicity", "toxicity:tox-block,label=insult", FILTERS]
    assert by_scorer([*light, own]) == {"": light, own: [own]}
