"""`inherit agree`: files of other tools' verdicts, and the numbers that were published with them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from profiler.errors import BadData, WrongUse
from profiler.judging import FileForm, Jury, Pair, Ruling, compare_raters, parse_columns, parse_labels, read_labels
from profiler.judging import Judgement as Row
from tests.support.agreement import of, value
from tests.support.candidates import written
from tests.support.command import inherit
from tests.support.official import OFFICIAL, needs
from tests.support.places import GOLDEN as GOLDENS

GOLDEN = json.loads(GOLDENS.joinpath("judges.json").read_text("utf-8"))
WORD = {"1": 1, "2": 2, "0": 0, "x": None}


def told(
    *paths: Path, labels: list[str] | None = None, columns: str = "", preset: str | None = None, resamples: int = 20
) -> Jury:
    form = FileForm(preset, parse_columns([columns] if columns else []), parse_labels(labels or []))
    return compare_raters(read_labels(paths, form), resamples=resamples)


@pytest.mark.parametrize("name", GOLDEN["pandalm"]["judges"])
def test_pandalms_published_scores(tmp_path, name):
    golden, judge = GOLDEN["pandalm"], GOLDEN["pandalm"]["judges"][name]
    humans = zip(*golden["humans"], strict=True)
    gold = [{"idx": i} | {f"annotator{k}": int(x) for k, x in enumerate(said, 1)} for i, said in enumerate(humans)]
    given = [{"idx": i, "result": {"x": "garbage"}.get(x, x)} for i, x in enumerate(judge["verdicts"])]
    paths = written(tmp_path / "gold.jsonl", gold), written(tmp_path / "judge.jsonl", given)
    found = told(*paths, labels=["garbage=tie"])
    for metric in ("accuracy", "precision", "recall", "f1"):
        assert value(found, metric, against="majority") == pytest.approx(judge[metric], abs=5e-5)
    assert found.reference == "majority"


@pytest.mark.parametrize("subset", GOLDEN["llmbar"]["sets"])
def test_llmbars_published_scores(tmp_path, subset):
    golden = GOLDEN["llmbar"]["sets"][subset]
    judges = golden["judges"]
    rows = [
        {"id": i, "gold": int(gold), "verdicts": {name: [j["first"][i], j["swapped"][i]] for name, j in judges.items()}}
        for i, gold in enumerate(golden["gold"])
    ]
    found = told(written(tmp_path / "llmbar.jsonl", rows), labels=["x=tie"], resamples=2)
    for name, judge in judges.items():
        scores = {
            "correct_False": value(found, "accuracy", rater=name, against="gold"),
            "correct_True": value(found, "accuracy", "swapped", rater=name, against="gold"),
            "correct_average": value(found, "average_accuracy", "both", rater=name),
            "correct_both": value(found, "accuracy_in_both", "both", rater=name),
            "equal": value(found, "positional_agreement", None, rater=name),
        }
        assert {key: 100 * x for key, x in scores.items()} == pytest.approx({key: judge[key] for key in scores})


@needs("pandalm")
def test_pandalms_own_file_gives_the_human_ceiling():
    found = told(OFFICIAL / "pandalm" / "testset-v1.json.gz")
    assert (found.pairs, found.prompts, found.reference) == (999, 170, "majority")
    alike = value(found, "agreement", None, rater="annotator1", against="annotator2")
    assert alike == pytest.approx(912 / 999)  # counted by hand
    assert value(found, "alpha", None, rater="humans") == pytest.approx(0.864, abs=1e-3)
    ceiling = of(found, "agreement", None, rater="humans", against="the other humans")
    assert (ceiling.value, ceiling.n) == (pytest.approx(919 / 999), 999)  # each left out, ties shared


ONE = [
    {"gold": 1, "verdict": 1},
    {"gold": 2, "verdict": 1},
    {"gold": "tie", "verdict": "tie"},
    {"gold": 1, "verdict": 1},
]
TWO = [("a", "a"), ("b", "a"), ("a", "b"), ("b", "b")]
TEXTS = {"output_1": "x", "output_2": "y", "label": 1}
BOTH_ORDERS = {
    "suffix": ("", lambda x, y: {"gold": "a", "verdict": x, "verdict_swapped": y}),
    "list": ("", lambda x, y: {"gold": "a", "verdicts": [x, y]}),
    "object": ("", lambda x, y: {"gold": "a", "verdicts": {"ab": x, "ba": y}}),
    "named": ("", lambda x, y: {"gold": "a", "gpt4_verdict": x, "gpt4_verdict_swapped": y}),
    "judges": ("", lambda x, y: {"gold": "a", "verdicts": {"gpt-4": {"ab": x, "ba": y}}}),
    "llmbar": (
        "id=id",
        lambda x, y: TEXTS | {"input": "z", "results": [{"swap = False": {"winner": x}, "swap = True": {"winner": y}}]},
    ),
    "fastchat": (
        "id=id,gold=gold",
        lambda x, y: {
            "gold": "a",
            "question_id": 81,
            "model_1": "p",
            "model_2": "q",
            "g1_winner": {"a": "model_1"}.get(x, "model_2"),
            "g2_winner": y,
        },
    ),
    "numbered": (
        "gold=gold,verdict=winner_1,verdict_swapped=winner_2",
        lambda x, y: {"gold": "a", "winner_1": x, "winner_2": y},
    ),
    "bare": ("verdict=first,verdict_swapped=swapped", lambda x, y: {"gold": "a", "first": x, "swapped": y}),
    "nested": (
        "gold=people.0.says,verdict=said.first,verdict_swapped=said.then",
        lambda x, y: {"people": [{"says": "a"}], "said": {"first": x, "then": y}},
    ),
}


@pytest.mark.parametrize("form", BOTH_ORDERS)
def test_both_orders_are_found_in_many_forms(tmp_path, form):
    columns, row = BOTH_ORDERS[form]
    rows = [{"id": i, **row(*two)} for i, two in enumerate(TWO)]
    found = told(written(tmp_path / "file.jsonl", rows), columns=columns)
    assert value(found, "accuracy", "first", against=found.reference) == 0.5
    assert value(found, "accuracy", "swapped", against=found.reference) == 0.5
    assert value(found, "accuracy_in_both", "both") == 0.25
    assert value(found, "positional_agreement", None) == 0.5


def test_a_row_for_each_judge_and_order(tmp_path):
    rows = [
        {"id": i, "judge": judge, "swapped": swap, "winner": two[swap], "gold": "a"}
        for i, two in enumerate(TWO)
        for judge in ("gpt-4", "claude")
        for swap in (False, True)
    ]
    found = told(written(tmp_path / "long.jsonl", rows), columns="verdict=winner")
    assert value(found, "positional_agreement", None, rater="claude") == 0.5
    assert value(found, "agreement", "both", rater="gpt-4", against="claude") == 1.0


def test_judgebenchs_second_verdict_names_places(tmp_path):
    rows = [
        {"pair_id": str(i), "label": "A>B", "judgments": [{"decision": "A>B"}, {"decision": second}]}
        for i, second in enumerate(["B>A", "B>A", "A>B", "B>A"])
    ]
    found = told(written(tmp_path / "judgebench.jsonl", rows))
    assert value(found, "positional_agreement", None) == 0.75
    assert value(found, "accuracy_in_both", "both") == 0.75


def test_mt_bench_rows_are_joined_whichever_model_stands_first(tmp_path):
    turn = {"question_id": 81, "turn": 1}
    humans = [
        {**turn, "model_a": "alpaca", "model_b": "vicuna", "winner": "model_b", "judge": "expert_0"},
        {**turn, "model_a": "vicuna", "model_b": "alpaca", "winner": "model_a", "judge": "author_2"},
    ]
    judged = [{**turn, "model_1": "vicuna", "model_2": "alpaca", "g1_winner": "model_1", "g2_winner": "tie"}]
    judged[0]["judge"] = ["gpt-4", "pair-v2"]
    found = told(written(tmp_path / "human.jsonl", humans), written(tmp_path / "gpt-4_pair.jsonl", judged))
    assert found.pairs == 1
    assert {one.name: one.kind for one in found.raters} == {
        "expert_0": "human",
        "author_2": "human",
        "gpt-4 pair-v2": "judge",
        "majority": "reference",
    }
    assert value(found, "agreement", None, rater="humans", against="humans") == 1.0
    assert value(found, "accuracy", "first", against="majority") == 1.0
    assert value(found, "accuracy", "swapped", against="majority") == 0.0


def test_alpacaevals_preferences_are_read_as_shares(tmp_path):
    text = {"instruction": "Say hi.", "output_1": "Hi", "annotator": "weighted"}
    rows = [{**text, "output_2": str(i), "preference": p} for i, p in enumerate([1.0000002, 1.9, 1.5, 1.2])]
    labels = read_labels([written(tmp_path / "annotations.jsonl", rows)])
    votes = labels.raters["weighted"].votes[False]
    assert [vote.code for vote in votes.values()] == [0, 1, 2, 0]
    assert [*votes.values()][3].shares == pytest.approx((0.8, 0.2))


def test_our_own_verdict_file_is_read_back(tmp_path):
    pair = Pair(id="7", prompt="Say hi.", a="Hi.", b="No.", humans={"ann": "a"})
    rulings = (Ruling(order="ab", winner="a", shares=(0.9, 0.1)), Ruling(order="ba", winner="b", shares=(0.4, 0.6)))
    row = Row(pair=pair, judge="demo", how="loglikelihood", template="labels@1", rulings=rulings)
    found = told(written(tmp_path / "demo.jsonl", [row.model_dump(mode="json")]))
    assert value(found, "accuracy", "averaged", against="ann") == 1.0
    assert value(found, "agreement", "both", against="ann") == 0.0


def test_an_unreadable_verdict_is_counted_and_is_not_right(tmp_path):
    rows = [{"id": i, "gold": 1, "verdict": x} for i, x in enumerate([1, 1, 1, None, "I would say the first", 2, 1, 1])]
    found = told(written(tmp_path / "file.jsonl", rows))
    assert value(found, "accuracy", against="gold") == 5 / 8
    assert (value(found, "agreement", against="gold"), of(found, "agreement", against="gold").n) == (5 / 6, 6)
    assert next(one for one in found.raters if one.kind == "judge").unparseable == 2
    assert "'I would say the first'" in found.notes[0]


def test_two_unreadable_verdicts_are_no_agreement(tmp_path):
    rows = [{"id": i, "gold": 1, "verdict": x, "verdict_swapped": x} for i, x in enumerate([1, 2, None])]
    assert value(told(written(tmp_path / "file.jsonl", rows)), "positional_agreement", None) == 2 / 3


def test_ties_are_a_label_or_left_out_and_both_are_told(tmp_path):
    found = told(written(tmp_path / "file.jsonl", [{"id": i, **row} for i, row in enumerate(ONE)]))
    assert value(found, "agreement", against="gold") == 0.75
    assert value(found, "agreement_without_ties", against="gold") == 2 / 3
    assert of(found, "agreement_without_ties", against="gold").n == 3


def test_swapping_all_names_changes_no_number_but_the_sides(tmp_path):
    rows = [
        {"id": i, "gold": g, "verdict": v, "verdict_swapped": w} for i, (g, v, w) in enumerate([(1, 1, 2), (2, 1, 1)])
    ]
    turned = [{k: v if k == "id" else 3 - v for k, v in row.items()} for row in rows]
    one, other = (told(written(tmp_path / f"{i}.jsonl", table)) for i, table in enumerate((rows, turned)))
    ours = {(n.metric, n.reading): n.value for n in one.numbers if n.metric != "flips_to_first_shown"}
    theirs = {(n.metric, n.reading): n.value for n in other.numbers if n.metric != "flips_to_first_shown"}
    assert ours.keys() == theirs.keys()
    assert all(
        theirs[key] == (1 - x if key[0] == "first_shown_wins" and x is not None else x) for key, x in ours.items()
    )


def test_a_judge_that_takes_what_is_shown_first(tmp_path):
    rows = [{"id": i, "gold": 1 + i % 2, "verdict": 1, "verdict_swapped": 2} for i in range(10)]
    found = told(written(tmp_path / "file.jsonl", rows))
    assert value(found, "positional_agreement", None) == 0.0
    assert value(found, "first_shown_wins", None) == 1.0
    assert value(found, "flips_to_first_shown", None) == 1.0
    assert value(found, "average_accuracy", "both") == 0.5


def test_a_second_verdict_that_seems_to_name_places_is_pointed_out(tmp_path):
    rows = [{"id": i, "gold": 1, "verdict": 1 + i % 2, "verdict_swapped": 2 - i % 2} for i in range(30)]
    path = written(tmp_path / "file.jsonl", rows)
    assert "--swapped places" in told(path).notes[0]
    assert compare_raters(read_labels([path], second="places")).notes == ()


@pytest.mark.parametrize(
    ("first", "swapped", "warned"),
    [
        ("abt" * 12, "bat" * 12, "67%"),  # places, and a third are ties
        ("tatab" * 8, "atatb" * 8, "80%"),  # 0, 1, 2 (a tie) that were read as a tie, a, b
        ("t" * 95 + "a" * 25, "t" * 95 + "b" * 25, None),  # nearly all are ties, in both orders
        ("abt" * 12, "abt" * 12, None),
    ],
)
def test_ties_count_where_swapped_verdicts_may_name_places(tmp_path, first, swapped, warned):
    rows = [
        {"id": i, "gold": "a", "verdict": one, "verdict_swapped": other}
        for i, (one, other) in enumerate(zip(first, swapped, strict=True))
    ]
    notes = told(written(tmp_path / "file.jsonl", rows), labels=["t=tie"]).notes
    assert ["--swapped places" in note and f"on {warned} of the pairs, ties counted" in note for note in notes] == [
        True
    ] * bool(warned)


def test_a_judge_that_prefers_length(tmp_path):
    long, short = "word " * 40, "word " * 4
    rows = [
        {
            "id": i,
            "prompt": f"p{i}",
            "a": (long, short)[i % 2],
            "b": (short, long)[i % 2],
            "gold": 1,
            "verdict": 1 + i % 2,
        }
        for i in range(10)
    ]
    found = told(written(tmp_path / "file.jsonl", rows))
    assert value(found, "longer_wins", against=None) == 1.0
    assert value(found, "longer_wins", against="gold") == 0.5
    assert value(found, "longer_wins", group="101–300 characters") == 1.0


async def test_the_longer_answer_wins_where_there_are_no_human_labels(tmp_path):
    texts = {
        "instruction": "Say hi.",
        "output_1": "Hi",
        "annotator": "gpt-4",
        "generator_1": "ref",
        "generator_2": "me",
    }
    rows = [{**texts, "output_2": f"{i} {'word ' * 20}", "preference": 1.0 + (i > 2)} for i in range(10)]
    path = written(tmp_path / "annotations.jsonl", rows)
    found = Jury.model_validate_json((await inherit("agree", path, "--json")).out)
    assert found.reference is None
    assert (of(found, "longer_wins").value, of(found, "longer_wins").n) == (0.7, 10)
    table = (await inherit("agree", path)).out
    assert re.search(r"^ +the longer answer wins +0\.700", table, re.MULTILINE)


def test_a_judge_that_prefers_its_own_answers_and_those_of_its_kin(tmp_path):
    rows = [
        {
            "id": i,
            "model_a": ("me", "teacher")[i % 2],
            "model_b": "other",
            "gold": 1 + i // 4,
            "judge": "me",
            "winner": 1,
        }
        for i in range(8)
    ]
    form = FileForm(roles=parse_columns(["writer_a=model_a,writer_b=model_b,verdict=winner"]))
    labels = read_labels([written(tmp_path / "file.jsonl", rows)], form)
    alone = compare_raters(labels)
    assert (of(alone, "own_wins", against=None).n, value(alone, "self_preference")) == (4, 0.5)
    related = compare_raters(labels, {"me": frozenset({"teacher"})})
    assert of(related, "own_wins", against=None).n == 8
    assert related.raters[1].related == ("teacher",)


def test_groups_are_told_apart(tmp_path):
    rows = [{"id": i, "group": "xy"[i % 2], "gold": 1, "verdict": 1 + i % 2} for i in range(8)]
    found = told(written(tmp_path / "file.jsonl", rows))
    assert (value(found, "agreement", group="x"), value(found, "agreement", group="y")) == (1.0, 0.0)


async def test_both_orders_are_told_by_group(tmp_path):
    sets = GOLDEN["llmbar"]["sets"]
    judge = sorted(set.intersection(*({*one["judges"]} for one in sets.values())))[0]
    rows = [
        {"id": f"{name}{i}", "group": name, "gold": int(gold), "verdict": first, "verdict_swapped": swapped}
        for name, one in sets.items()
        for i, (gold, first, swapped) in enumerate(
            zip(one["gold"], one["judges"][judge]["first"], one["judges"][judge]["swapped"], strict=True)
        )
    ]
    path = written(tmp_path / "llmbar.jsonl", rows)
    found = Jury.model_validate_json((await inherit("agree", path, "--label", "x=tie", "--json")).out)
    for name, one in sets.items():
        published = one["judges"][judge]
        assert 100 * value(found, "average_accuracy", "both", group=name) == pytest.approx(published["correct_average"])
        assert 100 * value(found, "accuracy_in_both", "both", group=name) == pytest.approx(published["correct_both"])
        assert 100 * value(found, "positional_agreement", None, group=name) == pytest.approx(published["equal"])
    table = (await inherit("agree", path, "--label", "x=tie")).out
    assert f"{next(iter(sets))}: right in both orders" in table
    assert f"{next(iter(sets))}: same answer in both orders" in table


async def test_how_often_a_rater_gives_each_label_is_counted(tmp_path):
    rows = [
        {"id": i, "gold": gold, "verdict": one, "verdict_swapped": other}
        for i, (gold, one, other) in enumerate([(1, 1, 2), (2, 1, "tie"), ("tie", 2, None), (1, 1, 1)])
    ]
    path = written(tmp_path / "file.jsonl", rows)
    found = Jury.model_validate_json((await inherit("agree", path, "--json")).out)
    counts = {one.name: (one.labels, one.a, one.b, one.ties, one.unparseable) for one in found.raters}
    assert counts == {"gold": (4, 2, 1, 1, 0), "file": (7, 4, 2, 1, 1)}
    assert "7 verdicts read: 4 for a, 2 for b, 1 ties" in (await inherit("agree", path)).out.replace("\n", " ")


async def test_win_rates_are_alpacaevals_plain_and_weighted(tmp_path):
    preferences = np.random.default_rng(0).choice([1.0, 2.0, 1.5, 1.0003, 1.97, 1.62, 1.41], 400).tolist()
    texts = {
        "instruction": "Say hi.",
        "output_1": "Hi",
        "annotator": "gpt-4",
        "generator_1": "ref",
        "generator_2": "me",
    }
    rows = [
        texts | {"instruction": str(i), "output_2": "x" * (i % 9), "preference": p} for i, p in enumerate(preferences)
    ]
    path = written(tmp_path / "annotations.jsonl", rows)
    found = Jury.model_validate_json((await inherit("agree", path, "--json")).out)
    weighted, plain = of(found, "win_rate_weighted", group="me"), of(found, "win_rate", group="me")
    # metrics/helpers.py: predictions - 1, its mean and pandas' sem(); the discrete rate takes 0, ½ and 1 of them
    shares = np.array(preferences) - 1
    assert weighted.value == pytest.approx(shares.mean(), abs=1e-6)
    assert weighted.stderr == pytest.approx(shares.std(ddof=1) / 20, rel=0.1)
    wins = np.where(shares == 0.5, 0.5, shares > 0.5)
    assert (plain.value, plain.n) == (pytest.approx(wins.mean(), abs=1e-6), 400)
    assert plain.stderr == pytest.approx(wins.std(ddof=1) / 20, rel=0.1)
    assert value(found, "win_rate", group="ref") == pytest.approx(1 - wins.mean(), abs=1e-6)
    assert {one.name: (one.answers, one.characters) for one in found.writers} == {
        "me": (400, pytest.approx(np.mean([i % 9 for i in range(400)]))),
        "ref": (400, 2.0),
    }
    table = (await inherit("agree", path)).out
    assert f"me (4 characters) wins, by probability {weighted.value:.3f}" in " ".join(table.split())


def test_win_rates_stand_beside_those_of_the_humans_and_a_tie_is_half_a_win(tmp_path):
    rows = [
        {"id": i, "writer_a": one, "writer_b": other, "gold": gold, "verdict": said}
        for i, (one, other, gold, said) in enumerate(
            [("x", "y", 1, 1), ("y", "x", 1, "tie"), ("x", "z", 2, None), ("z", "y", "tie", 2), ("x", "x", 1, 1)]
        )
    ]
    found = told(written(tmp_path / "file.jsonl", rows))
    mine = {name: (of(found, "win_rate", against=None, group=name)) for name in "xyz"}
    assert {name: (one.value, one.n) for name, one in mine.items()} == {"x": (0.75, 2), "y": (0.5, 3), "z": (0.0, 1)}
    assert value(found, "win_rate", against="gold", group="x") == 0.5  # on the pairs that the judge could be read on
    assert not any(one.metric == "win_rate_weighted" for one in found.numbers)


def test_probabilities_change_sides_with_the_place_that_they_name(tmp_path):
    path = written(tmp_path / "file.jsonl", [{"id": 1, "verdict": 1.2, "verdict_swapped": 1.9}])
    votes = read_labels([path], second="places").raters["file"].votes
    assert votes[False]["1"].shares == pytest.approx((0.8, 0.2))
    assert votes[True]["1"] == (0, pytest.approx((0.9, 0.1)))


@pytest.mark.parametrize("seen", [(0, 1), (0, 1, 2), (0, 2), (0,), ("0", "1", "2"), (0.0, 1.0, 2.0)])
async def test_what_nought_means_is_not_guessed_at(tmp_path, seen):
    rows = [{"id": i, "gold": seen[i % len(seen)], "verdict": "ab"[i % 2]} for i in range(12)]
    path = written(tmp_path / "file.jsonl", rows)
    done = await inherit("agree", path)
    assert (done.code, done.out) == (2, "")
    assert "column 'gold' holds 0" in done.err.replace("\n", " ")
    assert "--label 0=tie" in done.err
    assert "--label 0=a --label 1=b --label 2=tie" in done.err.replace("\n", " ")
    forms = [FileForm(words=parse_labels(said)) for said in (["0=tie"], ["0=a", "1=b", "2=tie"])]
    by_one, by_nought = (read_labels([path], form).raters["gold"].votes[False].values() for form in forms)
    assert [vote.code for vote in by_one] == [{0: 2, 1: 0, 2: 1}[int(row["gold"])] for row in rows]
    assert [vote.code for vote in by_nought] == [int(row["gold"]) for row in rows]


def test_a_form_that_says_what_nought_means_needs_no_option(tmp_path):
    pandalm = [{"idx": i, "annotator1": i % 2, "result": "01"[i % 2]} for i in range(40)]
    assert value(told(written(tmp_path / "pandalm.jsonl", pandalm)), "accuracy", against="annotator1") == 1.0
    texts = {"instruction": "Say hi.", "output_1": "Hi", "annotator": "gpt-4"}
    farm = [{**texts, "output_2": str(i), "preference": i % 3} for i in range(3)]
    votes = read_labels([written(tmp_path / "farm.jsonl", farm)]).raters["gpt-4"].votes[False].values()
    assert [vote.code for vote in votes] == [2, 0, 1]


def test_a_column_that_a_user_names_is_not_read_by_the_forms_labels(tmp_path):
    rows = [{"idx": i, "annotator1": i % 3, "mine": i % 3} for i in range(6)]
    with pytest.raises(BadData, match="column 'mine' holds 0"):
        told(written(tmp_path / "file.jsonl", rows), columns="gold=mine")


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([{"id": 1, "gold": "maybe", "verdict": 1}], "row 1: column 'gold': 'maybe' is no label that is known"),
        ([{"id": 1, "gold": 1, "verdict": "who knows"}], "1 labels are not known, such as 'who knows'"),
        ([{"id": 1, "prompt": "x"}], "found neither human labels nor verdicts in file.jsonl"),
        ([{"id": 1, "text": "x"}], "name its columns with --columns, as in id=…,gold=…,verdict=…, or its form with"),
        ([{"id": 1, "swapped": "maybe", "verdict": 1}], "column 'swapped': expected true or false, found 'maybe'"),
        ([{"id": 1, "gold": 1, "verdict": 3.7}], "expected a preference from 1 to 2, found 3.7"),
        ([{"id": 1, "gold": 1, "verdict": 1}, {"id": 1, "gold": 1, "verdict": 2}], "rules on pair '1' twice"),
    ],
)
def test_a_file_that_can_not_be_meant_is_refused_in_one_sentence(tmp_path, rows, says):
    with pytest.raises(BadData) as refused:
        told(written(tmp_path / "file.jsonl", rows))
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


def test_files_without_ids_are_not_joined_by_position(tmp_path):
    one = written(tmp_path / "gold.jsonl", [{"gold": 1}])
    other = written(tmp_path / "judge.jsonl", [{"verdict": 1}])
    with pytest.raises(BadData, match=r"gold\.jsonl has no column of ids"):
        told(one, other)


def test_a_label_option_that_says_nothing_is_refused():
    with pytest.raises(WrongUse, match="WORD=MEANING"):
        parse_labels(["garbage"])


async def test_the_command_prints_a_table_and_the_record(tmp_path):
    path = written(tmp_path / "file.jsonl", [{"id": i, **row} for i, row in enumerate(ONE)])
    done = await inherit("agree", path)
    assert (done.code, done.err) == (0, "")
    assert "Cohen's kappa, ties left out" in done.out
    record = Jury.model_validate_json((await inherit("agree", path, "--json")).out)
    assert record.pairs == 4
    assert "macro F1" in (await inherit("agree", path, "-f", "md")).out


async def test_named_columns_win_over_found_ones(tmp_path):
    path = written(tmp_path / "file.jsonl", [{"id": i, "gold": 1, "mine": 2, "verdict": 1} for i in range(3)])
    done = await inherit("agree", path, "--gold", "mine", "--verdict", "gold", "--json")
    assert value(Jury.model_validate_json(done.out), "accuracy", against="mine") == 0.0
    wrong = await inherit("agree", path, "--gold", "theirs")
    assert wrong.code == 2
    assert "no column 'theirs'; found id, gold, mine, verdict" in wrong.err


async def test_a_file_of_an_unknown_form_is_read_by_the_preset_or_the_columns_that_are_named(tmp_path):
    texts = {"instruction": "Say hi.", "output_1": "Hi", "annotator": "gpt-4"}
    rows = [{**texts, "output_2": str(i), "preference": 1.0, "mine": i} for i in range(3)]
    path = written(tmp_path / "file.jsonl", rows)
    refused = await inherit("agree", path)
    assert (refused.code, refused.out) == (2, "")
    assert "name its columns with --columns" in refused.err
    assert "found instruction, output_1, annotator, output_2, preference, mine" in refused.err
    done = await inherit("agree", path, "--preset", "alpaca_eval", "--json")
    assert [one.name for one in Jury.model_validate_json(done.out).raters] == ["gpt-4"]
    done = await inherit("agree", path, "--columns", "id=mine,verdict=preference", "--json")
    assert [one.name for one in Jury.model_validate_json(done.out).raters] == ["gpt-4"]  # the rest is AlpacaEval's
    wrong = await inherit("agree", path, "--preset", "pandalm")
    assert "is not of the form 'pandalm', which needs the columns idx" in wrong.err
    assert "did you mean 'pandalm'" in (await inherit("agree", path, "--preset", "pandalma")).err


def test_a_file_that_may_be_of_two_forms_is_refused_until_it_is_said(tmp_path):
    row = {"input": "Say hi.", "instruction": "Be brief.", "output_1": "Hi", "output_2": "Ho", "said": 1}
    path = written(tmp_path / "file.jsonl", [row])
    with pytest.raises(BadData, match="may be of the forms llmbar and alpaca_eval; say which with --preset"):
        told(path, columns="prompt=instruction,verdict=said")
    assert told(path, columns="prompt=instruction,verdict=said", preset="llmbar").pairs == 1


def test_columns_are_named_for_the_files_that_have_them_and_what_is_not_read_is_told(tmp_path):
    gold = written(tmp_path / "gold.jsonl", [{"item": i, "expert": 1, "difficulty": 3} for i in range(4)])
    judge = written(tmp_path / "judge.jsonl", [{"item": i, "answer": 1 + i % 2} for i in range(4)])
    found = told(gold, judge, columns="id=item,gold=expert,verdict=answer")
    assert value(found, "accuracy", rater="answer", against="expert") == 0.5
    assert found.notes == ("gold.jsonl: only the columns that you name are read, not difficulty",)


def test_auto_js_labels_begin_at_nought(tmp_path):
    texts = {"scenario": "chat", "prompt": "Say hi.", "response 1": "Hi"}
    rows = [{**texts, "response 2": str(label), "label": label} for label in (0, 1, 2)]
    labels = read_labels([written(tmp_path / "testdata.jsonl", rows)])
    assert [vote.code for vote in labels.raters["gold"].votes[False].values()] == [0, 1, 2]


def test_annotators_in_one_column_are_told_apart(tmp_path):
    rows = [{"id": 1, "annotations": [1, 2, 1]}, {"id": 2, "annotations": {"ann": "a", "bob": "tie"}}]
    found = read_labels([written(tmp_path / "file.jsonl", rows)])
    assert [*found.raters] == ["annotator1", "annotator2", "annotator3", "ann", "bob"]


def test_a_column_that_is_named_for_one_role_has_no_other(tmp_path):
    rows = [{"id": i, "gpt_verdict": 1, "me_verdict": 1 + i % 2, "me_verdict_swapped": 1} for i in range(4)]
    found = told(written(tmp_path / "file.jsonl", rows), columns="gold=gpt_verdict")
    assert {one.name: (one.kind, one.orders) for one in found.raters} == {
        "gpt_verdict": ("human", 1),
        "me": ("judge", 2),
    }


def test_naming_some_columns_leaves_the_others_to_the_form(tmp_path):
    texts = {"instruction": "Say hi.", "response1": "Hi", "response2": "Ho"}
    rows = [{"idx": i, **texts, "annotator1": 1, "annotator2": 1 + i % 2} for i in range(4)]
    found = told(written(tmp_path / "file.jsonl", rows), columns="id=idx,gold=annotator1,verdict=annotator2")
    assert (found.pairs, found.prompts, found.notes) == (4, 1, ())


def test_a_verdict_on_swapped_answers_is_that_of_the_verdict_before_it(tmp_path):
    rows = [{"id": i, "x": 1, "y": 2, "y2": 1} for i in range(4)]
    found = told(written(tmp_path / "file.jsonl", rows), columns="verdict=x,verdict=y,verdict_swapped=y2")
    assert {one.name: one.orders for one in found.raters} == {"x": 1, "y": 2}
    with pytest.raises(WrongUse, match="expected --columns verdict=COLUMN before verdict_swapped=y2"):
        parse_columns(["verdict_swapped=y2,verdict=y"])


@pytest.mark.parametrize("given", ["gold", "golden=x", "gold="])
def test_a_columns_option_that_says_nothing_is_refused(given):
    with pytest.raises(WrongUse, match="expected --columns ROLE=COLUMN,… with the roles id, prompt, a, b"):
        parse_columns([given])
