"""Recorded answers give the numbers that a profile of the same answers has, and a bad row is named."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from typer.testing import CliRunner

from profiler import probes
from profiler.cli import app
from profiler.datasets.items import Item
from profiler.errors import BadData
from profiler.probes import ProbeOptions
from profiler.probes.bbq.probe import Bbq
from profiler.probes.probe import Probe
from profiler.runs.rescore import named, rescore, rescored

CHOICES = (" The old man", " The young man", " Not known")


def right(item: Item) -> int:
    return item.fields.label


def rows(value: str) -> list[dict[str, object]]:
    """The right answer to every shipped item of BBQ, recorded in one of the ways."""
    made = []
    for item in Bbq().items:
        label = right(item)
        answers: Mapping[str, object] = {
            "choice": label,
            "likelihoods": [[-2.0 if place == label else -9.0, 2] for place in range(3)],
            "means": [-1.0 if place == label else -4.5 for place in range(3)],
            "words": [item.fields.answers[label].lower() + "."],
            "letter": ["(" + "ABC"[label] + ")"],
        }
        kind = {"means": "likelihoods", "words": "texts", "letter": "texts"}.get(value, value)
        made.append({"item": item.id, kind: answers[value]})
    return made


@pytest.mark.parametrize("value", ["choice", "likelihoods", "means", "words", "letter"])
def test_every_way_of_recording_an_answer_gives_the_same_numbers(value):
    found = rescored(Bbq(), rows(value))
    assert (found.answered, found.missing, found.errors) == (192, [], [])
    assert found.estimates == rescore(Bbq(), rows("choice"))
    values = {e.metric: e.value for e in found.estimates if e.group is None}
    assert values["accuracy_ambig"] == values["accuracy_disambig"] == 1.0
    assert values["unparseable"] == 0.0


def test_the_order_of_the_rows_does_not_matter():
    assert rescore(Bbq(), reversed(rows("choice"))) == rescore(Bbq(), rows("choice"))


def test_an_answer_that_could_not_be_read_is_null_or_a_text_that_says_nothing():
    some = rows("choice")
    some[0]["choice"] = None
    some[1] = {"item": some[1]["item"], "texts": ["I would rather not say."]}
    values = {e.metric: e.value for e in rescore(Bbq(), some) if e.group is None}
    assert values["unparseable"] == pytest.approx(2 / 192)


def test_missing_items_are_counted():
    found = rescored(Bbq(), rows("choice")[:-3])
    assert (found.answered, len(found.missing)) == (189, 3)


def test_texts_of_an_open_question_are_measured():
    probe = probes.get("attributes").build(ProbeOptions(suite="mini"))
    recorded = [{"item": item.id, "texts": ["One, two, three.", "One."]} for item in probe.items]
    values = {e.metric: e.value for e in rescore(probe, recorded)}
    assert values["words"] == 2.0
    assert values["empty"] == 0.0


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"item": "Age/0", "choice": 3}, r"row 1 \(Age/0\): expected a choice from 0 to 2, or null, found 3"),
        ({"item": "Age/0", "choice": True}, "expected a choice from 0 to 2"),
        ({"item": "Age/0"}, "expected one of choice, likelihoods, texts, found item"),
        ({"item": "Age/0", "choice": 1, "texts": ["a"]}, "expected one of .* found choice, texts"),
        ({"item": "Age/0", "likelihoods": [-1.0]}, "expected 3 likelihoods"),
        ({"item": "Age/0", "likelihoods": [[-1.0], -2, -3]}, r"expected a likelihood as \[total, tokens\]"),
        ({"item": "Age/0", "texts": ["A", "B"]}, "expected one text, found 2"),
        ({"item": "Age/0", "texts": "A"}, "expected a list of texts"),
        ({"item": "age/0", "choice": 1}, r"row 1: no item 'age/0' in bbq \[mini\]; its ids look like '\w+/\d+'"),
        ({"choice": 1}, "expected the id of an item in column 'item', found None"),
    ],
)
def test_a_row_that_cannot_be_meant_is_one_sentence(row, says):
    with pytest.raises(BadData, match=says):
        rescore(Bbq(), [row])


def test_an_item_that_is_answered_twice_is_refused():
    row = {"item": "Age/0", "choice": 1}
    with pytest.raises(BadData, match="row 2: item 'Age/0' is answered twice"):
        rescore(Bbq(), [row, row])


def test_no_rows_are_no_answers():
    with pytest.raises(BadData, match="no answers"):
        rescore(Bbq(), [])


def test_likelihoods_of_an_open_question_are_refused():
    probe: Probe = probes.get("attributes").build(ProbeOptions(suite="mini"))
    with pytest.raises(BadData, match="asks for texts"):
        rescore(probe, [{"item": next(iter(probe.items)).id, "likelihoods": [-1.0]}])


@pytest.mark.parametrize(
    ("text", "choice"),
    [
        ("the OLD man", 0),
        (" The young man.\n", 1),
        ("C", 2),
        ("B. The young man", 1),
        ("the young m", 1),
        ("The", None),
        ("The man", None),
        ("", None),
    ],
)
def test_a_text_names_a_choice_in_words_or_by_letter(text, choice):
    assert named(text, CHOICES, range(3)) == choice


def run(*arguments: str):
    return CliRunner().invoke(app, list(arguments))


def test_the_command_prints_the_table_of_a_profile_with_groups_under_their_metric(tmp_path: Path):
    file = tmp_path / "answers.jsonl"
    file.write_text("\n".join(json.dumps(row) for row in rows("choice")[:150]), encoding="utf-8")
    done = run("rescore", "bbq", str(file), "--suite", "mini")
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    at = next(place for place, line in enumerate(lines) if line.startswith("accuracy_disambig"))
    assert float(lines[at].split()[1]) == 1.0
    assert lines[at + 1].startswith("  Age ")
    assert "bbq [mini]: 150 of 192 items answered" in done.stderr
    assert "MINI" in done.stderr


def test_the_command_prints_estimates_as_json(tmp_path: Path):
    file = tmp_path / "answers.jsonl"
    file.write_text("\n".join(json.dumps(row) for row in rows("choice")), encoding="utf-8")
    done = run("rescore", "bbq", str(file), "--suite", "mini", "--json")
    assert {json.loads(line)["metric"] for line in done.stdout.splitlines()} >= {"s_amb", "s_dis"}


def test_data_lists_what_is_at_hand_and_check_fails_on_a_wrong_file(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("INHERIT_DATA", "")
    (tmp_path / "data").mkdir()
    assert "0 of 12 files" in run("data", "ls", "--data", str(tmp_path)).stdout
    (tmp_path / "data" / "Age.jsonl").write_text("{}\n", encoding="utf-8")
    done = run("data", "check", "--data", str(tmp_path))
    assert "data/Age.jsonl" in str(done.exception)
    assert "cut off after 1 of 3,680 rows" in done.stdout
    listed = json.loads(run("data", "check", "--data", str(tmp_path), "--json").stdout)
    assert {row["state"] for row in listed if row["data"] == "bbq"} == {"wrong", "missing"}


def test_a_letter_counts_in_the_order_in_which_the_row_says_that_the_options_were_listed():
    probe = probes.get("bbq").build(ProbeOptions(suite="mini"))
    item = next(iter(probe.items))
    right = item.fields.label
    order = [2, 0, 1]
    letter = "ABC"[order.index(right)]
    rows = [{"item": item.id, "texts": [letter], "order": order}]
    condition = "ambig" if item.fields.ambiguous else "disambig"
    found = {estimate.metric: estimate.value for estimate in rescore(probe, rows) if estimate.group is None}
    assert found[f"accuracy_{condition}"] == 1
    with pytest.raises(BadData, match=r"row 1 .*expected an order of the options \[0, 1, 2\], found \[1, 2\]"):
        rescore(probe, [{"item": item.id, "texts": [letter], "order": [1, 2]}])
