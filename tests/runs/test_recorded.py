"""Files that lm-eval, HELM and the authors' own scripts write are scored as they are."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from profiler import probes
from profiler.cli import app
from profiler.endpoints.requests import Choose
from profiler.errors import BadData
from profiler.probes import ProbeOptions
from profiler.probes.bbq.probe import Bbq
from profiler.probes.crows_pairs import CrowsPairs
from profiler.probes.probe import Probe
from profiler.runs import foreign_answers
from profiler.runs.rescore import rescore, rescored
from tests.support.official import OFFICIAL, needs

official = needs("stereoset")


def values(probe: Probe, rows: list[dict[str, object]], answer: str | None = None) -> dict[str, float | None]:
    return {each.metric: each.value for each in rescore(probe, rows, answer) if each.group is None}


def probe(name: str, **options: object) -> Probe:
    return probes.get(name).build(ProbeOptions(suite="mini", **options))


def right() -> list[dict[str, object]]:
    return [{"item": item.id, "choice": item.fields.label} for item in Bbq().items]


def test_bbq_is_found_by_category_and_example_id():
    rows = []
    for row in right():
        category, number = row["item"].split("/")
        rows.append({"category": category, "example_id": int(number), "choice": row["choice"]})
    assert rescore(Bbq(), rows) == rescore(Bbq(), right())


def test_a_column_of_any_name_may_hold_the_answer():
    words = [
        {"category": item.id.split("/")[0], "example_id": item.id.split("/")[1], "pred": item.fields.answers[0]}
        for item in Bbq().items
    ]
    firsts = [{"item": item.id, "choice": 0} for item in Bbq().items]
    assert rescore(Bbq(), words, "pred") == rescore(Bbq(), firsts)
    with pytest.raises(BadData, match="row 1: no column 'predicted'; found category, example_id, pred"):
        rescore(Bbq(), words, "predicted")


def test_a_csv_has_its_choices_as_text_and_an_unread_one_empty(tmp_path: Path):
    path = tmp_path / "answers.csv"
    some = right()
    some[0]["choice"] = ""
    path.write_text("item,choice\n" + "".join(f"{row['item']},{row['choice']}\n" for row in some), encoding="utf-8")
    assert values(Bbq(), list(foreign_answers.read(path)))["unparseable"] == pytest.approx(1 / 192)


def test_a_table_of_the_options_scores_is_bbq_too():
    rows = []
    for item in Bbq().items:
        category, number = item.id.split("/")
        scores = {f"ans{place}": str(float(place == item.fields.label)) for place in range(3)}
        rows.append({"index": number, **scores, "cat": category})
    assert values(Bbq(), rows) == values(Bbq(), right())


def test_crows_pairs_as_its_authors_write_it(tmp_path: Path):
    path = tmp_path / "results.csv"
    items = list(CrowsPairs().items)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["", "sent_more", "sent_less", "sent_more_score", "sent_less_score", "score", "bias_type"])
        for place, item in enumerate(items):
            scores = (-10.0, -20.0) if place % 4 else (-20.0, -10.0)
            score = int(place % 4 > 0)
            writer.writerow([place, item.fields.sent_more, item.fields.sent_less, *scores, score, item.group])
    found = values(CrowsPairs(), list(foreign_answers.read(path)))
    assert found["stereotype"] == pytest.approx(100 * sum(bool(place % 4) for place in range(len(items))) / len(items))
    assert found["likelihood_diff"] == 10


def test_scores_of_crows_pairs_follow_their_sentences():
    """Where the two columns of a row changed places, texts and scores, nothing changes."""
    rows = []
    for place, item in enumerate(CrowsPairs().items):
        pair = [("sent_more", item.fields.sent_more, -10.0), ("sent_less", item.fields.sent_less, -12.0 - place % 3)]
        names = [name for name, *_ in pair]
        for name, (_, text, score) in zip(names, pair[:: -1 if place % 2 else 1], strict=True):
            rows.append({name: text, f"{name}_score": score} | (rows.pop() if name == "sent_less" else {}))
    assert values(CrowsPairs(), rows)["stereotype"] == 100


def crows_table(swapped: bool) -> list[dict[str, object]]:
    """The table of a model that finds two in three of the stereotyping sentences likelier.

    As metric.py wrote it until May 2021, where the scores of antistereo pairs are SWAPPED, and since.
    """
    rows: list[dict[str, object]] = []
    for place, item in enumerate(CrowsPairs().items):
        of = item.fields
        more, less = (-12.5, -20.0) if place % 3 else (-31.0, -20.0)
        written = (less, more) if swapped and of.stereo_antistereo == "antistereo" else (more, less)
        scores = {"sent_more_score": written[0], "sent_less_score": written[1], "score": str(int(more > less))}
        named = {"stereo_antistereo": of.stereo_antistereo, "bias_type": of.bias_type}
        rows.append({"": place, "sent_more": of.sent_more, "sent_less": of.sent_less, **scores, **named})
    return rows


def test_crows_pairs_table_of_before_may_2021_is_told_by_its_own_score():
    since, before = crows_table(False), crows_table(True)
    assert since != before
    assert values(CrowsPairs(), before) == values(CrowsPairs(), since)
    plain = [{name: value for name, value in row.items() if name != "score"} for row in before]
    assert values(CrowsPairs(), plain)["antistereo"] != values(CrowsPairs(), since)["antistereo"]


def test_a_score_that_is_not_metric_pys_is_refused():
    stereo = next(row for row in crows_table(False) if row["stereo_antistereo"] == "stereo")
    with pytest.raises(BadData, match=r"row 1: `score` is 7\.5, but sent_more has -31 and sent_less -20: not"):
        values(CrowsPairs(), [{**stereo, "sent_more_score": -31.0, "sent_less_score": -20.0, "score": 7.5}])


def test_every_missing_column_of_crows_pairs_table_is_named():
    with pytest.raises(BadData, match="row 1: no column sent_more, sent_less; found sent_more_score, sent_less_score"):
        values(CrowsPairs(), [{"sent_more_score": -1.0, "sent_less_score": -2.0}])


@official
def test_stereoset_predictions_of_the_authors_form(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("INHERIT_DATA", str(OFFICIAL))
    names = ("stereoset", "stereoset_inter", "stereoset_both")
    tasks = {name: probes.get(name).build(ProbeOptions(suite="full")) for name in names}
    whole: dict[str, list[dict[str, object]]] = {"intrasentence": [], "intersentence": []}
    for name in names[:2]:
        made = tasks[name]
        for item in made.items:
            scores = zip(item.fields.ids, (0.3, 0.2, 0.1), strict=True)
            whole[made.settings["task"]] += [{"id": key, "score": score} for key, score in scores]
    path = tmp_path / "predictions_gpt2.json"
    path.write_text(json.dumps(whole), encoding="utf-8")
    for name, made in tasks.items():
        found = rescored(made, foreign_answers.read(path))
        assert found.missing == [], name
        numbers = {e.metric: e.value for e in found.estimates if e.group is None}
        assert numbers == pytest.approx({"lms": 100, "ss": 100, "icat": 0, "ties": 0}, abs=1e-6)
    whole["intrasentence"].pop()
    path.write_text(json.dumps(whole), encoding="utf-8")
    with pytest.raises(BadData, match="has no score of some of its sentences"):
        rescored(tasks["stereoset"], foreign_answers.read(path))


def test_recorded_confidences_have_their_error_over_any_bins(tmp_path: Path):
    path = tmp_path / "answers.jsonl"
    rows = [
        {"item": item.id, "likelihoods": [-1.0 - place % 3, *[-2.0] * (len(item.fields.options) - 1)]}
        for place, item in enumerate(probe("calibration").items)
    ]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    done = run(
        "rescore", "calibration", str(path), "--suite", "mini", "--bins", "1:width", "--bins", "4:mass", "--json"
    )
    found = {row["metric"]: row["value"] for row in map(json.loads, done.stdout.splitlines()) if not row["group"]}
    assert found["ece_1_width"] == pytest.approx(found["ece_1_bin"])
    assert found["ece_4_mass"] >= found["ece_1_width"]


def test_continuations_of_real_toxicity_prompts_keep_the_scores_they_came_with(tmp_path: Path):
    rows = [
        {
            "prompt": {"text": "She said"},
            "generations": [{"text": "a", "toxicity": 0.9}, {"text": "b", "toxicity": 0.1}],
        },
        {
            "prompt": {"text": "They went"},
            "generations": [{"text": "", "toxicity": 0.2}, {"text": "b", "toxicity": 0.3}],
        },
    ]
    path = tmp_path / "gens.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    asked = ("rescore", "toxicity", str(path), "--prompts", str(path), "--scorer", "recorded", "--json")
    done = run(*asked, "--samples", "2")
    found = {row["metric"]: row["value"] for row in map(json.loads, done.stdout.splitlines()) if not row["group"]}
    assert found["expected_max_toxicity:recorded"] == pytest.approx((0.9 + 0.3) / 2)
    assert found["toxicity_probability:recorded"] == 0.5
    assert found["toxic_fraction:recorded"] == 0.25
    assert found["empty"] == 0.25


def test_prompts_with_another_number_of_continuations_are_not_scored_but_counted(tmp_path: Path):
    def row(prompt: str, *scores: float) -> dict[str, object]:
        return {"prompt": prompt, "generations": [{"text": "a", "toxicity": score} for score in scores]}

    path = tmp_path / "gens.jsonl"
    made = [row("They went", *[0.2] * 3), row("He said", *[0.6] * 26)] + [row(f"She said {i}", 0.3) for i in range(6)]
    rows = [row("We had", *[0.1] * 24, 0.8), *made]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    asked = ("rescore", "toxicity", str(path), "--prompts", str(path), "--scorer", "recorded", "--json")
    expected = {"25": (1, 0.8, 8), "3": (1, 0.2, 8), "1": (6, 0.3, 3)}
    for samples, (n, value, failed) in expected.items():
        done = run(*asked, *(["--samples", samples] if samples != "25" else []))
        found = next(json.loads(line) for line in done.stdout.splitlines() if "expected_max" in line)
        assert (found["n"], found["value"]) == (n, pytest.approx(value))
        assert f"{failed} of them could not be scored" in done.stderr
    assert "1: expected 1 continuations, found 3; `--samples` says how many each prompt has" in done.stderr


def test_a_continuation_without_its_score_is_an_error_or_undefined_and_never_a_zero(tmp_path: Path):
    path = tmp_path / "gens.jsonl"
    rows = [
        {"prompt": "She said", "generations": [{"text": "a", "toxicity": None}]},
        {"prompt": "They went", "generations": [{"text": "b"}]},
    ]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    made = probes.get("toxicity").build(ProbeOptions(prompts=str(path), scorers=("recorded",), samples=1))
    found = rescored(made, rows)
    assert [error.partition(": ")[2] for error in found.errors] == [
        "scorer failed: BadData: scorer 'recorded' takes scores that came with recorded texts, and these came without"
    ]
    assert next(e for e in found.estimates if e.metric == "expected_max_toxicity:recorded").value is None


def run(*arguments: str):
    return CliRunner().invoke(app, list(arguments))


def sample(doc: dict[str, object], pairs: list[tuple[str, str]], totals: list[float]) -> dict[str, object]:
    """A line of lm-eval's samples_….jsonl."""
    return {
        "doc_id": 0,
        "doc": doc,
        "arguments": {f"gen_args_{at}": {"arg_0": one, "arg_1": other} for at, (one, other) in enumerate(pairs)},
        "filtered_resps": [[str(total), "False"] for total in totals],
    }


def test_lm_evals_samples_of_multiple_choice_are_found_by_their_texts():
    made = probe("ability")
    rows = []
    for item in made.items:
        request = made.ask(item)
        assert isinstance(request, Choose)
        pairs = [(request.prompt, choice) for choice in request.choices]
        rows.append(sample({}, pairs, [-1.0 if at == item.fields.gold else -9.0 for at in range(len(pairs))]))
    found = rescored(made, rows)
    assert found.missing == []
    assert {e.value for e in found.estimates if e.metric == "acc"} == {1.0}


def test_lm_evals_pairs_are_found_by_their_texts():
    items = list(CrowsPairs().items)
    rows = [
        sample({}, [("", str(item.fields.sent_more)), ("", str(item.fields.sent_less))], [-1.0, -3.0]) for item in items
    ]
    assert values(CrowsPairs(), rows)["pct_stereotype"] == 1.0


def test_lm_evals_bbq_may_say_in_ten_ways_that_one_can_not_tell():
    rows = []
    for item in Bbq().items:
        answers, unknown = item.fields.answers, item.fields.unknown
        people = [answer for place, answer in enumerate(answers) if place != unknown]
        pairs = [("…", f" {answer}") for answer in (*people, "Undetermined", "Not known")]
        category, number = item.id.split("/")
        rows.append(sample({"category": category, "example_id": int(number)}, pairs, [-5.0, -4.0, -1.0, -2.0]))
    found = values(Bbq(), rows)
    assert (found["unknown"], found["accuracy_ambig"], found["accuracy_disambig"]) == (1.0, 1.0, 0.0)


def test_helms_own_bbq_is_read_by_the_letters_it_listed(tmp_path: Path):
    states = []
    for item in Bbq().items:
        told = item.fields
        order = [2, 0, 1]
        letter = "ABC"[order.index(told.label)]
        states.append(
            {
                "instance": {"input": {"text": f"{told.context}\nQuestion: {told.question}"}},
                "output_mapping": {"ABC"[at]: told.answers[place] for at, place in enumerate(order)},
                "result": {"completions": [{"text": f" {letter}"}]},
            }
        )
    path = tmp_path / "scenario_state.json"
    path.write_text(json.dumps({"adapter_spec": {}, "request_states": states}), encoding="utf-8")
    assert values(Bbq(), list(foreign_answers.read(path))) == values(Bbq(), right())


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"category": "Age", "example_id": 999999, "choice": 1}, "row 1: no item 'Age/999999' in bbq"),
        (sample({}, [("What?", " this"), ("What?", " that")], [-1.0, -2.0]), r"row 1: no item of bbq \[mini\] asks"),
        ({"doc": 3, "arguments": {}, "filtered_resps": []}, "row 1 is not in its form: "),
        (
            {"category": "Age", "example_id": 0, "ans0": "He", "ans1": "She", "ans2": "Not known", "pred": "He"},
            "found category, .*pred, item; `--answer` names a column",
        ),
        ({"id": "x", "score": 0.5}, r"row 1: no sentence 'x' in bbq \[mini\]"),
    ],
)
def test_a_row_that_no_item_fits_is_named(row, says):
    with pytest.raises(BadData, match=says):
        rescore(Bbq(), [row])
