"""Calibration: HELM's numbers, properties that hold for any answers, and the probe on answers made by hand."""

from __future__ import annotations

import json
import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from profiler import probes
from profiler.datasets.items import Item
from profiler.endpoints.requests import Answer
from profiler.errors import BadData, WrongUse
from profiler.probes import ProbeOptions
from profiler.probes.calibration import METRICS, Calibration
from profiler.probes.multiple_choice import Question
from profiler.records import Likelihood
from profiler.reporting.profile import estimates_text
from profiler.runs.compare import compare
from profiler.runs.estimates import estimates
from profiler.stats import calibration, draws, intervals, percentiles
from tests.support import builders
from tests.support.official import OFFICIAL, needs
from tests.support.places import GOLDEN as GOLDENS

GOLDEN = json.loads((GOLDENS / "calibration.json").read_text("utf-8"))


def case(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The answers that a golden case is about: every third has ties, every fifth has confidences of 1."""
    rng = np.random.RandomState(seed)
    size = (7, 40, 313, 1000)[seed % 4]
    confidence = rng.uniform(0.25, 1.0, size)
    if seed % 3 == 0:
        confidence = np.round(confidence, 2)
    if seed % 5 == 0:
        confidence[: size // 10] = 1.0
    return confidence, (rng.uniform(size=size) < confidence * 0.8).astype(int)


def thousand() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.RandomState(0)
    shares = np.exp(1.5 * rng.normal(size=(1000, 4)))
    shares /= shares.sum(1, keepdims=True)
    truth = np.array([rng.choice(4, p=np.ones(4) / 4 * 0.3 + 0.7 * row) for row in shares])
    return shares.max(1), (shares.argmax(1) == truth).astype(int)


@pytest.mark.parametrize("golden", GOLDEN["cases"], ids=lambda golden: f"seed{golden['seed']}")
def test_every_number_is_helms(golden):
    confidence, correct = case(golden["seed"])
    assert calibration.ece_equal_mass(confidence, correct, 10) == pytest.approx(golden["ece_10_bin"], abs=1e-12)
    assert calibration.ece_equal_mass(confidence, correct, 1) == pytest.approx(golden["ece_1_bin"], abs=1e-12)
    width = calibration.ece(confidence, correct, calibration.equal_width(15))
    assert width == pytest.approx(golden["ece_15_width"], abs=1e-12)
    if "selective_area" in golden:
        area, top = calibration.selective(confidence, correct)
        assert area == pytest.approx(golden["selective_area"], abs=1e-12)
        assert top == pytest.approx(golden["selective_acc_10"], abs=1e-12)
    if "platt_ece_10_bin" in golden:  # scikit-learn stops its search early: it is right to about 1e-4
        assert calibration.ece_platt(confidence, correct, 10) == pytest.approx(golden["platt_ece_10_bin"], abs=5e-4)


@pytest.mark.parametrize(
    "golden", [case for case in GOLDEN["cases"] if "ece_10_debiased" in case], ids=lambda case: case["n"]
)
def test_the_debiased_error_is_that_of_helms_library(golden):
    confidence, correct = case(golden["seed"])
    found = estimated(confidence, correct)["ece_10_debiased"]
    assert found.value == pytest.approx(golden["ece_10_debiased"], abs=3e-4)  # theirs is drawn
    assert found.low <= found.value <= found.high


def test_a_bin_of_one_answer_leaves_the_debiased_error_undefined():
    found = estimated(*case(0))["ece_10_debiased"]
    assert (found.value, found.reason) == (None, "a bin has one item")


def test_an_error_over_bins_that_chance_may_have_made_is_marked():
    """300 answers of a model as sure as it is right, and of one that is surer by a third."""
    rng = np.random.default_rng(18)
    confidence = rng.uniform(0.4, 0.9, 300)
    for lean, marked in ((0.0, True), (0.3, False)):
        found = estimated(confidence, (rng.random(300) < confidence - lean).astype(int))["ece_10_bin"]
        assert bool(found.reason and "noisy: chance alone makes about 0.0" in found.reason) == marked


def test_a_thousand_answers_give_helms_numbers():
    (confidence, correct), golden = thousand(), GOLDEN["thousand"]
    assert correct.mean() == golden["accuracy"]
    assert confidence.mean() == pytest.approx(golden["confidence"], abs=1e-12)
    assert calibration.ece_equal_mass(confidence, correct, 10) == pytest.approx(golden["ece_10_bin"], abs=1e-12)
    assert calibration.ece_equal_mass(confidence, correct, 1) == pytest.approx(golden["ece_1_bin"], abs=1e-12)
    width = calibration.ece(confidence, correct, calibration.equal_width(10))
    assert width == pytest.approx(golden["ece_10_width"], abs=1e-12)
    assert calibration.selective(confidence, correct) == pytest.approx(
        (golden["selective_area"], golden["selective_acc_10"]), abs=1e-12
    )
    assert calibration.ece_platt(confidence, correct, 10) == pytest.approx(golden["platt_ece_10_bin"], abs=1e-5)


def test_ten_answers_give_helms_numbers():
    golden = GOLDEN["ten"]
    answers = golden["confidence"], golden["correct"]
    for bins in (1, 5, 10):
        assert calibration.ece_equal_mass(*answers, bins) == pytest.approx(golden[f"ece_{bins}_bin"], abs=1e-12)
    expected = golden["selective_area"], golden["selective_acc_10"]
    assert calibration.selective(*answers) == pytest.approx(expected, abs=1e-12)


def test_ten_answers_by_hand():
    # two bins: {.2, .4} with one right, {.6, .8} with both: |.3 - .5| / 2 + |.7 - 1| / 2
    assert calibration.ece_equal_mass([0.2, 0.4, 0.6, 0.8], [0, 1, 1, 1], 2) == pytest.approx(0.25)


ANSWERS = st.lists(st.tuples(st.integers(25, 100), st.booleans()), min_size=1, max_size=60)


def split(answers: list[tuple[int, bool]]) -> tuple[np.ndarray, np.ndarray]:
    table = np.array(answers, np.float64)
    return table[:, 0] / 100, table[:, 1]


@settings(max_examples=60)
@given(ANSWERS, st.randoms(use_true_random=False), st.sampled_from([1, 5, 10]))
def test_the_order_of_items_never_matters(answers, random, bins):
    mixed = random.sample(answers, len(answers))
    for measure in (
        lambda c, y: calibration.ece_equal_mass(c, y, bins),
        lambda c, y: calibration.ece_platt(c, y, bins),
        lambda c, y: calibration.ece(c, y, calibration.equal_width(15)),
        lambda c, y: calibration.selective(c, y).area,
        lambda c, y: calibration.selective(c, y).top,
    ):
        assert measure(*split(mixed)) == pytest.approx(measure(*split(answers)), abs=1e-9, nan_ok=True)


@settings(max_examples=60)
@given(ANSWERS)
def test_selective_numbers_are_the_mean_over_orders_of_tied_answers(answers):
    confidence, correct = split(answers)
    rng, areas, tops = np.random.default_rng(0), [], []
    for _ in range(400):
        order = np.lexsort((rng.random(len(confidence)), -confidence))
        accuracies = np.cumsum(correct[order]) / np.arange(1, len(order) + 1)
        areas.append(accuracies.mean())
        tops.append(accuracies[int(0.1 * len(order))])
    area, top = calibration.selective(confidence, correct)
    assert area == pytest.approx(np.mean(areas), abs=5 * np.std(areas) / 20 + 1e-9)
    assert top == pytest.approx(np.mean(tops), abs=5 * np.std(tops) / 20 + 1e-9)


@settings(max_examples=60)
@given(ANSWERS)
def test_the_bins_of_a_diagram_add_up_to_the_error(answers):
    confidence, correct = split(answers)
    for edges in (calibration.equal_mass(confidence, 10), calibration.equal_width(15)):
        bins = calibration.reliability(confidence, correct, edges)
        assert sum(one.items for one in bins) == len(confidence)
        error = sum(one.items * abs(one.confidence - one.accuracy) for one in bins if one.items) / len(confidence)
        assert error == pytest.approx(calibration.ece(confidence, correct, edges), abs=1e-12)
        assert all((one.confidence is None) == (one.items == 0) for one in bins)
        assert all(one.low < one.confidence <= one.high + 1e-12 for one in bins if one.items)  # a mean is rounded


def test_platt_scaling_finds_the_curve_that_made_the_answers():
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.05, 0.95, 200_000)
    truth = 1 / (1 + np.exp(-(0.5 * np.log(confidence / (1 - confidence)) - 0.3)))
    scaled = calibration.platt(confidence, rng.random(len(truth)) < truth)
    assert np.abs(scaled - truth).max() < 0.01


def test_after_platt_scaling_confidence_is_accuracy_on_average():
    confidence, correct = thousand()
    assert calibration.platt(confidence, correct).mean() == pytest.approx(correct.mean(), abs=1e-9)


@pytest.mark.parametrize("outcome", [0, 1])
def test_all_right_or_all_wrong_can_not_be_scaled(outcome):
    assert math.isnan(calibration.ece_platt([0.2, 0.5, 0.9], [outcome] * 3, 10))


def test_confidence_that_parts_right_from_wrong_is_scaled_to_certainty():
    scaled = calibration.platt([0.1, 0.2, 0.3, 0.7, 0.8, 0.9], [0, 0, 0, 1, 1, 1])
    assert scaled == pytest.approx([0, 0, 0, 1, 1, 1], abs=1e-3)


def test_an_item_without_confidence_is_left_out():
    whole = calibration.ece_equal_mass([0.2, 0.4, 0.6, 0.8], [0, 1, 1, 1], 2)
    assert calibration.ece_equal_mass([0.2, np.nan, 0.4, 0.6, 0.8, 0.9], [0, 1, 1, 1, 1, np.nan], 2) == whole
    assert math.isnan(calibration.ece_equal_mass([np.nan], [1], 10))


# --- the probe


def likely(*means: float, tokens: int = 2) -> Answer:
    return Answer("loglikelihood", likelihoods=tuple(Likelihood(total=m * tokens, tokens=tokens) for m in means))


@pytest.fixture
def probe() -> Calibration:
    return Calibration.build(ProbeOptions(suite="mini"))


def question(gold: int, count: int = 3) -> Item:
    options = tuple(f"option {place}" for place in range(count))
    return Item("q", Question("Which?", options, gold, "Which?", tuple(f" {o}" for o in options)))


def test_confidence_is_the_softmax_of_the_options_mean_log_probabilities(probe):
    # shares 1/2, 1/4, 1/4 from means of log .4, log .2, log .2
    means = [math.log(0.4), math.log(0.2), math.log(0.2)]
    scores = probe.score(question(gold=1), likely(*means))
    assert scores == pytest.approx(
        {"confidence": 0.5, "correct": 0, "brier": 0.25 + 0.5625 + 0.0625, "nll": math.log(4), "unparseable": 0}
    )


def test_the_likelier_option_per_token_is_taken_not_the_shorter_one(probe):
    answer = Answer("loglikelihood", likelihoods=(Likelihood(total=-3.0, tokens=1), Likelihood(total=-4.0, tokens=4)))
    assert probe.score(question(gold=1, count=2), answer)["correct"] == 1


def test_of_options_that_tie_the_first_is_taken(probe):
    assert probe.score(question(gold=0), likely(-1.0, -1.0, -1.0))["correct"] == 1


def test_a_hopeless_option_has_a_finite_surprise(probe):
    scores = probe.score(question(gold=1, count=2), likely(-1.0, -2001.0))
    assert scores["nll"] == pytest.approx(2000)


def test_an_option_of_no_tokens_leaves_the_item_undefined(probe):
    answer = Answer("loglikelihood", likelihoods=(Likelihood(total=-3.0, tokens=1), Likelihood(total=0.0, tokens=0)))
    scores = probe.score(question(gold=0, count=2), answer)
    assert scores["correct"] is None
    assert scores["confidence"] is None


def test_letters_with_alternatives_carry_confidence(probe):
    answer = Answer("top_logprobs", choice=2, confidences=(0.2, 0.0, 0.8))
    scores = probe.score(question(gold=2), answer)
    assert scores == pytest.approx(
        {"confidence": 0.8, "correct": 1, "brier": 0.08, "nll": -math.log(0.8), "unparseable": 0}
    )
    assert probe.score(question(gold=1), answer)["nll"] is None


def test_a_bare_letter_has_no_confidence(probe):
    scores = probe.score(question(gold=2), Answer("letter", choice=2))
    assert scores["correct"] == 1
    assert scores["confidence"] is None


def test_an_answer_that_names_no_option_is_wrong_and_counted(probe):
    scores = probe.score(question(gold=2), Answer("letter", choice=None))
    assert (scores["correct"], scores["unparseable"]) == (0, 1)


def columns(confidence, correct):
    size = len(confidence)
    return builders.samples(
        {
            "confidence": confidence,
            "correct": correct,
            "brier": [0.5] * size,
            "nll": [1.0] * size,
            "unparseable": [0.0] * size,
        }
    )


def estimated(confidence, correct, resamples=50, bins=()):
    metrics = probes.get("calibration").build(ProbeOptions(suite="mini", bins=bins)).metrics
    found = estimates("calibration", metrics, columns(confidence, correct), resamples=resamples)
    return {one.metric: one for one in found}


@pytest.mark.parametrize("golden", GOLDEN["cases"], ids=lambda golden: f"seed{golden['seed']}")
def test_an_error_over_any_bins_is_that_of_helms_library(golden):
    found = estimated(*case(golden["seed"]), bins=tuple(golden["bins"]))
    for bins, value in golden["bins"].items():
        assert found[f"ece_{bins.replace(':', '_')}"].value == pytest.approx(value, abs=1e-12)
    assert found["ece_10_width"].low <= found["ece_10_width"].value <= found["ece_10_width"].high


@pytest.mark.parametrize("kind", ["calibration", "calibration_verbal", "calibration_sampled"])
def test_bins_can_be_asked_for_wherever_a_confidence_is_known(kind):
    probe = probes.get(kind).build(ProbeOptions(suite="mini", bins=("20:mass", "15:width", "20:mass")))
    names = [metric.name for metric in probe.metrics]
    assert names == [*(metric.name for metric in probes.get(kind)().metrics), "ece_20_mass"]  # 15 of a width are there
    assert probes.get(kind).metric("ece_7_width").ideal == "low"  # of a stored profile
    assert probes.get(kind).metric("ece_7_depth") is None


@pytest.mark.parametrize("bins", ["20", "mass:20", "0:mass", "1001:width", "5:equal", "-3:mass", ""])
def test_bins_that_are_none_are_refused(bins):
    with pytest.raises(WrongUse, match="expected bins such as 20:mass or 15:width, at most 1,000, found"):
        Calibration.build(ProbeOptions(suite="mini", bins=(bins,)))


def test_runs_are_compared_by_an_error_over_bins_that_was_asked_for():
    confidence, correct = thousand()
    other = np.clip(confidence + 0.2, 0, 1)
    metrics = {"calibration": [Calibration.metric("ece_20_width")]}
    runs = [
        builders.run({"calibration": columns(sure, correct)}, metrics, name="ab"[sure is other])
        for sure in (confidence, other)
    ]
    (change,) = [one for one in compare(*runs).changes if one.group is None]
    assert (change.metric, change.verdict) == ("ece_20_width", "worse")


def test_the_probes_estimates_are_the_golden_numbers():
    found, golden = estimated(*thousand()), GOLDEN["thousand"]
    for metric in ("accuracy", "confidence", "ece_10_bin", "ece_1_bin", "selective_area", "selective_acc_10"):
        assert found[metric].value == pytest.approx(golden[metric], abs=1e-12)
    confidence, correct = thousand()
    assert found["overconfidence"].value == pytest.approx(confidence.mean() - correct.mean())
    fifteen = calibration.ece(confidence, correct, calibration.equal_width(15))
    assert found["ece_15_width"].value == pytest.approx(fifteen, abs=1e-12)


def test_numbers_that_do_not_show_their_own_noise_are_marked_below_300_items():
    few, enough = (estimated(*(part[:size] for part in thousand())) for size in (299, 300))
    told = {name for name, one in few.items() if one.reason and "fewer than 300 items" in one.reason}
    assert told == {"platt_ece_10_bin", "selective_acc_10"}
    assert all(enough[name].reason is None for name in told)


def test_the_intervals_of_errors_hold_the_errors():
    """Resampling pushes an error over bins up: read off the draws as they are, some intervals would lie above it."""
    errors = [metric.statistic for metric in METRICS if "ece" in metric.name]
    above = 0
    for seed in range(8):
        rng = np.random.default_rng(seed)
        confidence = rng.uniform(0.3, 0.9, 100)
        columns = {"confidence": confidence, "correct": (rng.random(100) < confidence).astype(float)}
        raw = draws(errors, columns, resamples=200)
        for found, drawn in zip(intervals(errors, columns, resamples=200), raw.T, strict=True):
            assert 0 <= found.low <= found.value <= found.high
            above += percentiles(drawn)[0] > found.value
    assert above


@pytest.mark.slow
@pytest.mark.parametrize("size", [60, 300])
@pytest.mark.parametrize("lean", [0.0, 0.1])
def test_the_interval_of_the_error_over_bins_holds_the_truth(size, lean):
    """Of a model that is as sure as it is right, too, whose error over bins is never 0."""
    error = next(metric.statistic for metric in METRICS if metric.name == "ece_10_bin")
    rng, hits, rounds = np.random.default_rng(17), 0, 150
    for seed in range(rounds):
        confidence = rng.uniform(0.4, 0.9, size)
        columns = {"confidence": confidence, "correct": (rng.random(size) < confidence - lean).astype(float)}
        found = intervals([error], columns, resamples=300, seed=seed)[0]
        hits += found.low <= lean <= found.high
    assert hits / rounds >= 0.9


def test_the_mark_stands_beside_the_interval_in_the_table():
    table = estimates_text([estimated(*(part[:100] for part in thousand()))["platt_ece_10_bin"]])
    assert re.search(r"\[0\.\d+, 0\.\d+\] – from fewer than 300 items: noisy", table)


def test_all_right_leaves_the_scaled_error_undefined():
    found = estimated([0.5, 0.6, 0.7], [1, 1, 1])["platt_ece_10_bin"]
    assert found.value is None
    assert found.reason


def test_the_shipped_questions_are_many_different_and_fair():
    items = list(Calibration.build(ProbeOptions(suite="mini")).items)
    assert len({item.fields.prompt for item in items}) >= 79  # a question may begin like another
    assert len({item.id for item in items}) == len(items) >= 80
    assert all(len(set(item.fields.options)) == 4 for item in items)
    places = np.bincount([item.fields.gold for item in items])
    assert places.max() - places.min() <= 1


def test_a_limit_takes_as_many_of_each_set():
    probe = Calibration.build(ProbeOptions(suite="mini", limit=21))
    groups = [item.group for item in probe.items]
    assert (groups.count("knowledge"), groups.count("sense"), probe.count) == (11, 10, 21)


@pytest.mark.parametrize("name", ["sense.v1.jsonl", "sense.v2.jsonl"])
def test_a_file_is_known_by_its_name_but_for_the_last_ending(tmp_path, name):
    path = tmp_path / name
    path.write_text(json.dumps({"question": "Is ice cold?", "choices": ["yes", "no"], "answer": 0}) + "\n", "utf-8")
    asked = Calibration.build(ProbeOptions(prompts=str(path)))
    assert [item.id for item in asked.items] == [f"{name.removesuffix('.jsonl')}/0"]


def test_a_file_of_ones_own_is_asked(tmp_path):
    path = tmp_path / "quiz.jsonl"
    path.write_text(json.dumps({"question": "Which?", "choices": ["this", "that"], "answer": 1}) + "\n", "utf-8")
    probe = Calibration.build(ProbeOptions(prompts=str(path)))
    (item,) = probe.items
    assert (item.id, item.group, probe.suite) == ("quiz/0", "quiz", "quiz.jsonl")
    assert probe.ask(item).choices == (" this", " that")


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"question": "Which?", "choices": ["a", "b"]}, "no column answer"),
        ({"question": "Which?", "choices": ["a", "b"], "answer": 2}, "expected a number from 0 to 1 in `answer`"),
        ({"question": "Which?", "choices": ["a"], "answer": 0}, "at least two texts in `choices`"),
    ],
)
def test_a_bad_row_of_ones_own_is_named(tmp_path, row, says):
    path = tmp_path / "quiz.jsonl"
    path.write_text(json.dumps(row) + "\n", "utf-8")
    with pytest.raises(BadData, match=f"quiz.jsonl row 1: .*{says}"):
        Calibration.build(ProbeOptions(prompts=str(path)))


@needs()
def test_the_official_sets_are_asked_as_the_paper_does(monkeypatch):
    monkeypatch.setenv("INHERIT_DATA", str(OFFICIAL))
    probe = Calibration.build(ProbeOptions())
    assert (probe.suite, probe.count) == ("paper", 10_542)
    items = {item.id: item for item in probe.items}
    first = probe.ask(items["hellaswag/0"])
    assert first.prompt == "A man is sitting on a roof. he"
    assert first.choices[3] == " starts pulling up roofing on a roof."
    assert items["hellaswag/0"].fields.gold == 3
    book = probe.ask(items["openbookqa/0"])
    assert book.prompt.endswith("the best way to save money is to")
    assert book.choices[1] == " quit eating lunch out"
    assert items["openbookqa/0"].fields.gold == 1


def test_an_error_over_one_bin_is_covered_as_overconfidence_is():
    """It is overconfidence without its sign: where that may be either, from nought to its farther end."""
    rng = np.random.default_rng(16)
    confidence = rng.uniform(0.3, 1, 200)
    for excess in (0.0, 0.2):
        columns = {"confidence": confidence, "correct": (rng.random(200) < confidence - excess).astype(float)}
        known = {metric.name: metric.reduction() for metric in METRICS}
        signed, plain = intervals([known["overconfidence"], known["ece_1_bin"]], columns)
        ends = sorted(abs(end) for end in (signed.low, signed.high))
        assert plain.high == pytest.approx(ends[1])
        assert plain.low == pytest.approx(0.0 if signed.low < 0 < signed.high else ends[0])
