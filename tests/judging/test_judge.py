"""`inherit judge`: what a model is asked, how its verdicts are read, and what is left of a failure."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from profiler.datasets import drawn
from profiler.endpoints.requests import Answer, Choose, Generate
from profiler.errors import BadData, EndpointError, UnknownName
from profiler.judging import (
    Judgement,
    Pair,
    ask_judge,
    compare_raters,
    load_pairs,
    load_template,
    pairs_between,
    read_labels,
)
from profiler.judging.judge import parse_template, read_verdict
from profiler.records import Generation, Likelihood
from tests.support.ask import client
from tests.support.command import inherit
from tests.support.official import OFFICIAL, needs
from tests.support.wire import Fault, Script, Wire, serving

PAIR = Pair(id="1", prompt="Say hi.", a="Hi there.", b="Go away {second}.", humans={"ann": "a"})


def pairs(count: int) -> list[Pair]:
    return [PAIR.model_copy(update={"id": str(i), "prompt": f"Say hi {i}."}) for i in range(count)]


async def judged(wire: Wire, prompt: str, count: int = 4, ties: bool = False, **how: object) -> list[Judgement]:
    async with client(wire, **how) as asked:
        shown = load_template(prompt)
        return [made async for made, _ in ask_judge(asked, "wire", pairs(count), shown, ties)]


def weighed(first: float, second: float, *tie: float) -> Answer:
    return Answer("loglikelihood", likelihoods=tuple(Likelihood(total=t, tokens=1) for t in (first, second, *tie)))


def wrote(text: str) -> Answer:
    return Answer("text", (Generation(text=text),))


def test_a_pair_is_asked_in_both_orders_and_an_answers_own_braces_stay():
    shown = load_template("labels")
    first, swapped = (shown.request(PAIR, order, False, 9) for order in ("ab", "ba"))
    assert isinstance(first, Choose)
    assert isinstance(swapped, Choose)
    assert first.prompt.index("Hi there.") < first.prompt.index("Go away {second}.")
    assert swapped.prompt.index("Hi there.") > swapped.prompt.index("Go away {second}.")
    assert (first.choices, first.prompt[-21:]) == ((" A", " B"), "Better answer: Answer")


def test_a_verdict_names_the_answer_wherever_it_was_shown():
    shown = load_template("labels")
    assert shown.ruling(weighed(-1, -2), "ab", False).winner == "a"
    swapped = shown.ruling(weighed(-1, -2), "ba", False)
    assert swapped.winner == "b"
    assert swapped.shares == pytest.approx((0.2689, 0.7311), abs=1e-4)


def test_labels_that_are_as_likely_are_a_tie_and_a_tie_may_be_offered():
    shown = load_template("labels")
    assert shown.ruling(weighed(-1, -1), "ab", False).winner == "tie"
    assert shown.ruling(weighed(-3, -2, -1), "ba", True).winner == "tie"
    request = shown.request(PAIR, "ab", True, 9)
    assert isinstance(request, Choose)
    assert request.choices == (" A", " B", " C")
    assert "say C" in request.prompt
    assert "say C" not in str(shown.request(PAIR, "ab", False, 9))


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("Both are fine, the first is shorter.\n[[A]]", 0),
        ("[[B]] because it answers.", 1),
        ("If I took [[A]] … no.\nMy read_verdict: [[B]]", 1),
        ("Either [[A]] or [[B]]", None),
        ("Answer A is better.", None),
        ("", None),
        ("Neither.\n[[C]]", 2),
    ],
)
def test_a_written_verdict_is_read_only_where_it_is_one(text, place):
    assert read_verdict(text) == place
    assert place != 2 or read_verdict(text, ties=False) is None


def test_an_unreadable_verdict_is_no_error_and_no_tie():
    ruling = load_template("reasons").ruling(wrote("I like both."), "ba", False)
    assert (ruling.winner, ruling.error, ruling.text) == (None, None, "I like both.")


async def test_reasons_are_kept_with_the_verdict():
    async with serving(Script(says={"Answer A": "The first is kind.\n[[A]]"})) as wire:
        (made,) = await judged(wire, "reasons", 1, chat=True)
    assert [(r.order, r.winner, r.text) for r in made.rulings] == [
        ("ab", "a", "The first is kind.\n[[A]]"),
        ("ba", "b", "The first is kind.\n[[A]]"),
    ]


@pytest.mark.parametrize(
    ("script", "how", "shares"),
    [
        (Script(), "loglikelihood", 2),
        (Script(echo=False), "top_logprobs", 2),
        (Script(echo=False, top=0), "letter", 0),
    ],
)
async def test_labels_are_read_by_the_best_instrument_that_there_is(script, how, shares):
    async with serving(script) as wire:
        made = await judged(wire, "labels", 3)
    assert {one.how for one in made} == {how}
    assert {len(r.shares) for one in made for r in one.rulings} == {shares}
    assert all(sum(r.shares) == pytest.approx(1) for one in made for r in one.rulings if shares)


async def test_answers_are_weighed_alone_and_have_no_order():
    async with serving() as wire:
        (made,) = await judged(wire, "answers", 1)
        assert [ruling.order for ruling in made.rulings] == [None]
    async with serving(Script(echo=False)) as wire:
        with pytest.raises(EndpointError, match="can't judge by 'answers'"):
            await judged(wire, "answers", 1)


async def test_a_failure_is_an_error_on_the_pair_and_not_a_tie(tmp_path):
    async with serving(Script(faults=(Fault("500", match="Say hi 2."),))) as wire:
        made = await judged(wire, "labels", 4)
    failed = {one.pair.id: [r.error for r in one.rulings] for one in made if any(r.error for r in one.rulings)}
    assert [*failed] == ["2"]
    assert all(r.winner is None for one in made if one.pair.id == "2" for r in one.rulings)
    path = tmp_path / "wire.jsonl"
    path.write_text("".join(one.model_dump_json() + "\n" for one in made), "utf-8")
    found = compare_raters(read_labels([path]), resamples=10)
    judge = next(one for one in found.raters if one.kind == "judge")
    assert (judge.failed, judge.unparseable, judge.labels) == (2, 0, 6)
    assert next(n.n for n in found.numbers if n.metric == "accuracy") == 3


async def test_what_was_answered_is_not_asked_again(tmp_path):
    async with serving() as wire:
        first = await judged(wire, "labels", 5, cache=tmp_path / "cache.sqlite")
        asked = len(wire.units("Say hi"))
        again = await judged(wire, "labels", 5, cache=tmp_path / "cache.sqlite")
        assert len(wire.units("Say hi")) == asked > 0
    assert sorted(one.model_dump_json() for one in first) == sorted(one.model_dump_json() for one in again)


def test_a_template_of_ones_own_needs_no_headings(tmp_path):
    path = tmp_path / "mine.txt"
    path.write_text("{prompt}\nFirst: {first}\nSecond: {second}\n", "utf-8")
    shown = load_template(str(path))
    assert (shown.name, shown.by, shown.tie) == ("mine", "labels", "")
    request = shown.request(PAIR, "ab", False, 9)
    assert isinstance(request, Choose)
    assert request.prompt == "Say hi.\nFirst: Hi there.\nSecond: Go away {second}.\n\nBetter answer:"


def test_a_templates_wording_is_part_of_its_name():
    one = parse_template("mine", "{prompt} {first} {second}")
    assert one.id == parse_template("mine", "{prompt} {first} {second}").id
    assert one.id != parse_template("mine", "{prompt} {first}, {second}").id


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{prompt} {first}", "no place for {second}"),
        ("by: magic\n---\n{prompt}", "expected `by:` labels, reasons, answers, found 'magic'"),
        ("buy: labels\n---\n{prompt}", "line 1: expected by, cue, tie and a colon, found 'buy: labels'"),
    ],
)
def test_a_template_that_can_not_be_meant_is_refused(text, says):
    with pytest.raises(BadData) as refused:
        parse_template("mine", text)
    assert says in str(refused.value)


def test_a_prompt_that_is_not_there_is_refused():
    with pytest.raises(UnknownName, match="did you mean 'reasons'"):
        load_template("reason")
    with pytest.raises(BadData, match="found no file at"):
        load_template("nowhere.txt")


def test_reasons_are_asked_as_a_text():
    request = load_template("reasons").request(PAIR, "ab", True, 77)
    assert isinstance(request, Generate)
    assert request.sampling.max_tokens == 77
    assert "[[C]]" in request.prompt


def test_the_shipped_pairs_favour_no_place_and_no_length():
    found = load_pairs(["mini"])
    gold = [pair.humans["author"] for pair in found]
    assert Counter(gold) == {"a": 12, "b": 12}
    longer = ["a" if len(pair.a) > len(pair.b) else "b" for pair in found]
    assert 10 <= sum(x == y for x, y in zip(gold, longer, strict=True)) <= 14
    assert len({pair.prompt for pair in found}) == len({pair.id for pair in found}) == 24


@needs("pandalm")
def test_pandalms_pairs_are_read_with_their_writers_and_humans(monkeypatch):
    monkeypatch.setenv("INHERIT_DATA", str(OFFICIAL))
    found = load_pairs(["pandalm"])
    assert len(found) == 999
    assert (found[0].writer_a, found[0].writer_b) == ("bloom-7b", "llama-7b")
    assert found[0].humans == {"annotator1": "b", "annotator2": "b", "annotator3": "b"}
    assert found[0].prompt.endswith("please let me know.")


@needs("llmbar")
def test_llmbars_pairs_are_read():
    found = load_pairs([str(OFFICIAL / "llmbar/Dataset/LLMBar/Natural/dataset.json")])
    assert len(found) == 100
    assert Counter(pair.humans["gold"] for pair in found) == {"a": 42, "b": 58}


@needs("candidate_pool")
def test_pairs_are_made_of_what_two_writers_wrote():
    path = OFFICIAL / "candidate_pool" / "alpaca_eval_answers.jsonl.gz"
    first, *_ = found = pairs_between([path], "Mixtral-8x7B-Instruct-v0.1", "alpaca-7b")
    assert len(found) > 700
    assert (first.writer_a, first.writer_b) == ("Mixtral-8x7B-Instruct-v0.1", "alpaca-7b")
    with pytest.raises(BadData, match="no text of 'gpt-9'; the writers are"):
        pairs_between([path], "gpt-9", "alpaca-7b")


def test_files_of_two_teachers_are_joined_by_the_prompt(tmp_path):
    for name, text in (("x", "one"), ("y", "two")):
        rows = [{"instruction": "Say", "input": f"{i}", "output": f"{text} {i}"} for i in range(3)]
        (tmp_path / f"{name}.json").write_text(json.dumps(rows), "utf-8")
    found = pairs_between([tmp_path / "x.json", tmp_path / "y.json"], "x", "y")
    assert (found[0].prompt, found[0].a, found[0].b) == ("Say\n\n0", "one 0", "two 0")


def test_a_limit_picks_the_same_pairs_again_and_keeps_them_when_it_grows():
    every = pairs(50)
    few, more = drawn(every, 10), drawn(every, 20)
    assert few == drawn(every, 10)
    assert {pair.id for pair in few} < {pair.id for pair in more}


def test_a_file_without_answers_is_refused(tmp_path):
    path = tmp_path / "file.jsonl"
    path.write_text('{"id": 1, "prompt": "Say hi.", "gold": 1}\n', "utf-8")
    with pytest.raises(BadData, match="expected a prompt and two answers"):
        load_pairs([str(path)])


def test_a_pair_of_which_an_answer_is_null_is_refused_and_an_empty_one_is_an_answer(tmp_path):
    path = tmp_path / "pairs.jsonl"
    path.write_text('{"id": 1, "prompt": "Why?", "a": "So.", "b": ""}\n', "utf-8")
    (pair,) = load_pairs([str(path)])
    assert (pair.a, pair.b) == ("So.", "")
    path.write_text(
        '{"id": 1, "prompt": "Why?", "a": "So.", "b": null}\n{"id": 2, "prompt": "?", "a": "x", "b": "y"}\n', "utf-8"
    )
    with pytest.raises(BadData, match=r"pair '1' of pairs\.jsonl: an answer is null"):
        load_pairs([str(path)])


async def test_the_command_leaves_a_verdict_file_that_agree_reads(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    async with serving() as wire:
        done = await inherit("judge", "wire", "--url", wire.url, "-n", "8", "--name", "me/it", "--save", "v.jsonl")
        assert done.code == 0, done.err
        assert "judging the MINI pairs" in done.err
        assert "me/it · both orders · 16 verdicts read" in done.out
        rows = [Judgement.model_validate_json(line) for line in Path("v.jsonl").read_text("utf-8").splitlines()]
        assert (len(rows), {row.judge for row in rows}) == (8, {"me/it"})
        other = await inherit("judge", "wire", "--url", wire.url, "-n", "8", "--prompt", "answers", "--name", "likely")
    assert other.code == 0, other.err
    (path,) = Path("runs/verdicts").glob("*.jsonl")
    assert path.name.startswith("likely-mini-answers@")
    both = await inherit("agree", "v.jsonl", path)
    assert "me/it and likely: agreement" in both.out


async def test_ties_need_a_prompt_that_knows_them(tmp_path):
    done = await inherit("judge", "wire", "--url", "http://127.0.0.1:9", "--prompt", "answers", "--ties")
    assert (done.code, done.out) == (2, "")
    assert "knows no ties" in done.err


def test_two_files_of_one_stem_are_two_writers(tmp_path: Path) -> None:
    for name, text in {"tiny.v1.jsonl": "one", "tiny.v2.jsonl": "two"}.items():
        (tmp_path / name).write_text(json.dumps({"prompt": "p", "text": text}) + "\n", "utf-8")
    paths = [tmp_path / "tiny.v1.jsonl", tmp_path / "tiny.v2.jsonl"]
    (pair,) = pairs_between(paths, "tiny.v1", "tiny.v2")
    assert (pair.a, pair.b) == ("one", "two")
