"""General ability: the requests are lm-eval's own, and so is what is made of the answers."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence

import pytest

from profiler.datasets.items import Item
from profiler.endpoints.answer_reader import AnswerReader
from profiler.endpoints.engine import ScoreCall
from profiler.endpoints.requests import Answer, Choose
from profiler.errors import BadData
from profiler.probes import ProbeOptions
from profiler.probes.ability import SETS, Ability, boolq, rte, winogrande
from profiler.probes.multiple_choice import Question, QuestionSet
from profiler.records import Capabilities, Generation, Likelihood, Usage
from profiler.runs.estimates import estimates
from tests.support import builders
from tests.support.official import OFFICIAL, needs
from tests.support.places import ROOT

HERE = ROOT / "tests"
here = needs()
COUNT = 200


@pytest.fixture
def probe() -> Ability:
    return Ability.build(ProbeOptions(suite="mini"))


@pytest.fixture
def official(monkeypatch: pytest.MonkeyPatch) -> Ability:
    monkeypatch.setenv("INHERIT_DATA", str(OFFICIAL))
    return Ability.build(ProbeOptions())


def pairs(request: Choose) -> list[list[str]]:
    """Each choice as lm-eval has it: what is given, and what is weighed."""
    given = request.given or ("",) * len(request.choices)
    return [
        [request.prompt + part, choice.removeprefix(part)] for part, choice in zip(given, request.choices, strict=True)
    ]


def likely(*totals: float) -> Answer:
    return Answer("loglikelihood", likelihoods=tuple(Likelihood(total=total, tokens=1) for total in totals))


def question(*options: str, gold: int = 0, group: str = "knowledge") -> Item:
    return Item("q", Question("", options, gold, "", ()), group=group)


def test_a_question_is_asked_with_its_options_as_continuations(probe):
    first = probe.ask(next(iter(probe.items)))
    assert first.prompt == "Question: What is the capital of Japan?\nAnswer:"
    assert " Tokyo" in first.choices


def test_an_endpoint_without_likelihoods_is_asked_for_a_letter(probe):
    asked = probe.ask(next(iter(probe.items))).lettered()
    assert asked.startswith("What is the capital of Japan?\n\nA. Seoul\nB. Beijing\nC. Tokyo\nD. Bangkok\n\n")


def test_the_largest_sum_is_taken_and_normed_by_characters(probe):
    # sums -4 and -6; per character -4/2 and -6/6: the longer option wins once its length is taken out
    scores = probe.score(question("ab", "abcdef", gold=1), likely(-4.0, -6.0))
    assert (scores["acc"], scores["acc_norm"]) == (0, 1)


def test_length_is_counted_in_characters_not_bytes(probe):
    # "éé" is two characters and four bytes: -3/2 loses to -4/3, -3/4 would not
    assert probe.score(question("éé", "abc", gold=1), likely(-3.0, -4.0))["acc_norm"] == 1


def test_of_options_that_tie_the_first_is_taken(probe):
    assert probe.score(question("a", "b", gold=0), likely(-1.0, -1.0))["acc"] == 1


def test_a_letter_has_no_normed_accuracy(probe):
    scores = probe.score(question("a", "b", gold=1), Answer("letter", choice=1))
    assert (scores["acc"], scores["acc_norm"], scores["unparseable"]) == (1, None, 0)


def test_an_answer_that_names_no_option_is_wrong_and_counted(probe):
    scores = probe.score(question("a", "b"), Answer("letter", choice=None))
    assert (scores["acc"], scores["unparseable"]) == (0, 1)


def test_the_mean_counts_every_set_alike_however_large():
    table = builders.samples(
        {"acc": [1, 1, 1, 1, 0, 1], "set": [0, 0, 0, 0, 2, 2], "acc_norm": [1] * 6, "unparseable": [0] * 6},
        groups=["big"] * 4 + ["small"] * 2,
    )
    found = {(one.metric, one.group): one.value for one in estimates("ability", Ability.metrics, table, resamples=10)}
    assert found["acc_mean", None] == pytest.approx(0.75)
    assert found["acc", None] == pytest.approx(5 / 6)
    assert found["acc_mean", "small"] == found["acc", "small"] == 0.5


def test_what_a_choice_begins_with_is_not_weighed():
    reader = AnswerReader(Capabilities(completions=True, echo=True), chat=False)
    request = Choose("It rained, so", (" Ann slept.", " Bob slept."), given=(" Ann", " Bob"))
    call = reader.call(request)
    assert isinstance(call, ScoreCall)
    assert [call.texts[index] for index in call.indices] == [" Ann slept.", " Bob slept.", " Ann", " Bob"]
    paid = Usage(prompt=3)
    parts = [Likelihood(total=t, tokens=n, usage=paid) for t, n in ((-9.0, 3), (-8.0, 3), (-4.0, 1), (-1.0, 1))]
    parts[2] = parts[2].model_copy(update={"cached": True})
    answer = reader.answer(request, parts)
    assert [(found.total, found.tokens) for found in answer.likelihoods] == [(-5.0, 2), (-7.0, 2)]
    assert answer.usage == Usage(prompt=9)


def test_a_sentence_with_a_blank_can_be_answered_by_letter():
    reader = AnswerReader(Capabilities(chat=True), chat=True)
    row = {"sentence": "It rained, so _ slept.", "option1": "Ann", "option2": "Bob", "answer": "2"}
    request = Choose("It rained, so ", winogrande(row).choices, given=("Ann", "Bob"))
    answer = reader.answer(request, [Generation(text="B")])
    assert (reader.how(request), answer.choice, answer.likelihoods) == ("letter", 1, ())


def test_a_missing_file_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("INHERIT_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert Ability.build(ProbeOptions()).suite == "mini"
    with pytest.raises(BadData, match=r"ARC-Challenge/test-.* of arc is unavailable, .*`inherit data fetch arc`"):
        Ability.build(ProbeOptions(suite="paper"))


@here
def test_the_official_sets_are_all_there_but_rte(official):
    sizes: dict[str | None, int] = {}
    for item in official.items:
        sizes[item.group] = sizes.get(item.group, 0) + 1
    assert sizes == {
        "arc_challenge": 1172,
        "arc_easy": 2376,
        "boolq": 3270,
        "hellaswag": 10042,
        "openbookqa": 500,
        "winogrande": 1267,
    }
    assert (official.suite, official.settings["missing"]) == ("paper", "rte")
    assert official.settings["boolq"] == "without titles, unlike lm-eval's"


ENTAILED = {
    "sentence1": "No Weapons of Mass Destruction Found in Iraq Yet.",
    "sentence2": "Weapons of Mass Destruction Found in Iraq.",
    "label": 1,
    "idx": 0,
}


def test_entailment_is_asked_as_lm_eval_asks_it():
    asked = rte(ENTAILED)
    assert asked.prompt == (
        "No Weapons of Mass Destruction Found in Iraq Yet.\n"
        "Question: Weapons of Mass Destruction Found in Iraq. True or False?\nAnswer:"
    )
    assert (asked.choices, asked.gold) == ((" True", " False"), 1)
    assert rte(ENTAILED | {"label": 0}).gold == 0


def test_entailment_has_no_normed_accuracy():
    probe = Ability("paper", sets=(QuestionSet("rte", "rows", "", list, rte),))
    scores = probe.score(question("True", "False", gold=1, group="rte"), likely(-2.0, -1.0))
    assert (scores["acc"], scores["acc_norm"]) == (1, None)


def test_a_title_stands_before_the_passage_wherever_it_is_written():
    asked = "is it", "It is."
    superglue = {"question": asked[0], "passage": f"Being -- {asked[1]}", "idx": 0, "label": True}
    authors = {"question": asked[0], "passage": asked[1], "title": "Being", "answer": True}
    hub = {"question": asked[0], "passage": asked[1], "answer": True}
    assert boolq(superglue) == boolq(authors)
    assert boolq(superglue).prompt == "Being -- It is.\nQuestion: is it?\nAnswer:"
    assert boolq(hub).prompt == "It is.\nQuestion: is it?\nAnswer:"
    assert boolq(superglue).gold == boolq(hub).gold == 1


@here
def test_an_option_stands_in_the_blank_and_the_rest_is_weighed(official):
    item = next(item for item in official.items if item.id == "winogrande/0")
    assert pairs(official.ask(item)) == [
        ["Sarah was a much better surgeon than Maria so Sarah", " always got the easier cases."],
        ["Sarah was a much better surgeon than Maria so Maria", " always got the easier cases."],
    ]
    assert "so _ always got the easier cases.\n\nA. Sarah\nB. Maria" in official.ask(item).lettered()


@pytest.mark.parity
@here
def test_every_request_is_lm_evals(official):
    found = asked_of_lm_eval([part.name for part in official.sets], COUNT)
    items = {item.id: item for item in official.items}
    for name, theirs in found.items():
        assert len(theirs) >= COUNT
        for number, their in enumerate(theirs):
            item = items[f"{name}/{number}"]
            assert pairs(official.ask(item)) == their["pairs"], item.id
            assert item.fields.gold == their["gold"], item.id
            # The same likelihoods give the same scores, and the same metrics are defined.
            totals = [result[0] for result in their["results"]]
            scores = official.score(item, likely(*totals))
            for metric in ("acc", "acc_norm"):
                assert scores[metric] == their["scores"].get(metric), (item.id, metric)
    assert set(found) == {part.name for part in SETS} - {"rte"}


@pytest.mark.parity
def test_the_request_for_entailment_is_lm_evals(tmp_path, monkeypatch):
    # The official rows are on the hub only; what is asked of a row does not depend on which it is.
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(ENTAILED | {"label": label, "idx": label}) + "\n" for label in (0, 1)), "utf-8")
    (their, other) = lm_eval([{"set": "rte", "path": str(path), "count": 2}])["rte"]
    for label, asked in enumerate((their, other)):
        mine = rte(ENTAILED | {"label": label})
        assert [[mine.prompt, f" {option}"] for option in mine.options] == asked["pairs"]
        assert mine.gold == asked["gold"]
        assert "acc_norm" not in asked["scores"]


def asked_of_lm_eval(names: Sequence[str], count: int) -> Mapping[str, Sequence[Mapping[str, list]]]:
    paths = {part.name: str(part.source.find(part.file)) for part in SETS if part.name in names}
    return lm_eval([{"set": name, "path": path, "count": count} for name, path in paths.items()])


def lm_eval(asked: Sequence[Mapping[str, object]]) -> Mapping[str, Sequence[Mapping[str, list]]]:
    python = os.environ.get("INHERIT_LMEVAL_PYTHON") or pytest.skip("INHERIT_LMEVAL_PYTHON does not name a Python")
    done = subprocess.run(
        [python, str(HERE / "support" / "peers" / "ability.py")],
        input="\n".join(map(json.dumps, asked)),
        env={**os.environ, "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"set"')]
    return {line["set"]: line["items"] for line in lines}
