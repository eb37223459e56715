"""Calibration in words: what is read of a stated confidence, what is never guessed, and known answerers' numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiler.datasets.items import Item
from profiler.endpoints.requests import LETTERS, Answer
from profiler.probes import ProbeOptions
from profiler.probes.calibration import CalibrationSampled, CalibrationVerbal, stated
from profiler.probes.multiple_choice import Question
from profiler.records import Generation
from profiler.runs.estimates import estimates
from profiler.runs.rescore import rescore
from profiler.runs.sample_store import SampleColumns

VERBAL = CalibrationVerbal.build(ProbeOptions(suite="mini"))
SAMPLED = CalibrationSampled.build(ProbeOptions(suite="mini"))


def question(gold: int = 1, options: tuple[str, ...] = ("5 km", "50%", "half a day")) -> Item:
    return Item("q", Question("How?", options, gold, "How?", ()))


def verbal(*texts: str) -> Answer:
    return Answer("verbal", tuple(Generation(text=text) for text in texts))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("85%", 0.85),
        ("0.85", 0.85),
        ("I am about 85 % sure", 0.85),
        ("Answer: B\nConfidence: 85%", 0.85),
        ("Answer: B\nConfidence: 85", 0.85),
        ("**Answer:** B\n**Confidence:** 85%", 0.85),
        ("Confidence: <85>%", 0.85),
        ("Confidence level: 0.9", 0.9),
        ("Probability that it is right: 85 percent.", 0.85),
        ("85/100", 0.85),
        ("I'd say 8 out of 10", 0.8),
        ("B\n85", 0.85),
        ("I have 85% confidence", 0.85),
        ("Confidence: 85%\nOf 200 people 30% would disagree.", 0.85),
        ("Confidence: 0", 0.0),
        ("Confidence: 100", 1.0),
        ("Confidence: 1.0", 1.0),
        ("Confidence: 1%", 0.01),
    ],
)
def test_a_stated_confidence_is_read(text, value):
    assert stated(text) == pytest.approx(value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "very sure",
        "Confidence: high",
        "Confidence: 1",  # one percent, or certainty?
        "80-90%",
        "between 80% and 90%",
        "Confidence: 80 to 90",
        "120%",
        "-5%",
        "85% for B, 10% for C",
        "There are 50 states.",
        "Confidence: 1,000",
        "Answer: <letter>\nConfidence: <from 0 to 100>%",
    ],
)
def test_what_is_no_one_probability_is_not_guessed(text):
    assert stated(text) is None


@given(st.integers(min_value=2, max_value=99))
def test_the_same_confidence_is_read_in_every_way_of_saying_it(percent):
    ways = [f"{percent}%", f"{percent / 100:.2f}", f"I am about {percent} % sure", f"Confidence: {percent}"]
    assert {stated(way) for way in ways} == {percent / 100}


@given(st.text(alphabet="0123456789.%,-/ abABC:\n<>", max_size=60))
def test_whatever_is_written_a_confidence_is_a_probability_or_nothing(text):
    found = stated(text)
    assert found is None or 0 <= found <= 1


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("Answer: B\nConfidence: 80%", {"correct": 1, "confidence": 0.8, "unparseable": 0, "unstated": 0, "choice": 1}),
        (" A\nConfidence: 80%", {"correct": 0, "confidence": 0.8, "unparseable": 0, "unstated": 0, "choice": 0}),
        ("Answer: B. 50%", {"correct": 1, "confidence": None, "unparseable": 0, "unstated": 1, "choice": 1}),
        (
            "Answer: B. 50%\nConfidence: 90%",
            {"correct": 1, "confidence": 0.9, "unparseable": 0, "unstated": 0, "choice": 1},
        ),
        ("I can't say. 80%", {"correct": 0, "confidence": None, "unparseable": 1, "unstated": 0, "choice": None}),
    ],
)
def test_an_answer_is_a_letter_and_a_confidence(text, columns):
    scores = VERBAL.score(question(), verbal(text))
    assert {name: scores[name] for name in columns} == pytest.approx(columns)
    sure = columns["confidence"]
    assert scores["brier_top"] == (None if sure is None else pytest.approx((sure - columns["correct"]) ** 2))


def test_sampled_confidence_is_the_share_of_the_commonest_answer():
    scores = SAMPLED.score(question(gold=2), verbal(*["C"] * 6, *["A"] * 3, "Who knows?"))
    assert (scores["correct"], scores["confidence"], scores["unparseable"]) == (1, 0.6, 0.1)
    nothing = SAMPLED.score(question(), verbal(*["?"] * 10))
    assert (nothing["correct"], nothing["confidence"], nothing["unparseable"]) == (0, None, 1)
    tie = SAMPLED.score(question(), verbal("C", "A", "A", "C"))
    assert (tie["choice"], tie["confidence"]) == (2, 0.5)


def numbers(probe, answerer):
    rows = [(item, probe.score(item, answerer(item))) for item in probe.items]
    columns = {
        name: np.array([np.nan if row[name] is None else row[name] for _, row in rows], float) for name in rows[0][1]
    }
    items, groups = [item.id for item, _ in rows], [item.group for item, _ in rows]
    table = SampleColumns(items, groups, [None] * len(rows), columns)
    return {e.metric: e for e in estimates(probe.name, probe.metrics, table, resamples=300) if e.group is None}


def test_who_always_says_a_with_certainty_is_overconfident_by_what_is_missing():
    found = numbers(VERBAL, lambda item: verbal("Answer: A\nConfidence: 100%"))
    right = found["accuracy"].value
    assert found["overconfidence"].value == pytest.approx(1 - right)
    assert found["ece_1_bin"].value == found["ece_10_bin"].value == pytest.approx(1 - right)


def test_intervals_of_random_answers_cover_chance():
    rng = np.random.default_rng(5)
    found = [
        numbers(SAMPLED, lambda item: verbal(*(LETTERS[place] for place in rng.integers(4, size=10)))) for _ in range(5)
    ]
    assert sum(each["accuracy"].low < 0.25 < each["accuracy"].high for each in found) >= 4
    # The commonest of ten random letters is named more often than 1 in 4.
    assert np.mean([each["overconfidence"].value for each in found]) > 0.05


def test_the_question_is_put_once_and_the_letter_drawn_several_times():
    item = next(iter(SAMPLED.items))
    request = SAMPLED.ask(item)
    assert (request.n, request.how, request.order) == (10, "sampled", (0, 1, 2, 3))
    assert "A. Seoul" in request.prompt
    assert (SAMPLED.sampling.temperature, SAMPLED.settings["samples"]) == (1.0, 10)
    asked = VERBAL.ask(item)
    assert (asked.n, asked.how) == (1, "verbal")
    assert "Confidence: <from 0 to 100>%" in asked.prompt


def test_samples_and_temperature_can_be_set_and_the_length_of_other_texts_does_not_matter():
    probe = CalibrationSampled.build(ProbeOptions(suite="mini", samples=4, temperature=0.5, max_tokens=900))
    assert (probe.samples, probe.sampling.temperature, probe.sampling.max_tokens) == (4, 0.5, 16)


@pytest.mark.parametrize("probe", [VERBAL, SAMPLED], ids=lambda probe: probe.name)
def test_recorded_texts_can_be_scored(probe):
    rows = [
        {"item": item.id, "texts": [f"Answer: {LETTERS[item.fields.gold]}\nConfidence: 70%"]} for item in probe.items
    ]
    found = {estimate.metric: estimate.value for estimate in rescore(probe, rows) if estimate.group is None}
    assert found["accuracy"] == 1
    assert found["confidence"] == pytest.approx(0.7 if probe is VERBAL else 1)
