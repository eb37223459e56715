"""The heatmap of who agrees with whom, and the page and pictures that `inherit agree` writes."""

from __future__ import annotations

import json
import re
from typing import NamedTuple

import pytest

from profiler.judging import compare_raters, read_labels
from profiler.reporting.charts.rater_matrix import rater_matrix_chart
from profiler.reporting.charts.theme import LIGHT, svg
from profiler.reporting.numbers import number
from tests.support.agreement import value
from tests.support.browser import opened
from tests.support.candidates import written
from tests.support.command import inherit
from tests.support.svg import Drawing, Mark

SAID = {"x": "aabbab", "y": "aabbba", "ann": "aabbab", "bob": "abbbab", "cy": "aabaab"}


@pytest.fixture
def verdicts(tmp_path):
    """Two judges and three humans on six pairs."""
    place = {"a": 1, "b": 2}
    rows = [
        {
            "id": i,
            "prompt": f"Say {i}.",
            "verdicts": {judge: place[SAID[judge][i]] for judge in ("x", "y")},
            **{f"annotator{k}": place[SAID[name][i]] for k, name in enumerate(("ann", "bob", "cy"), 1)},
        }
        for i in range(6)
    ]
    return written(tmp_path / "verdicts.jsonl", rows)


def shown(path):
    """The heatmap, and each of its cells with what is written in it, by its two raters."""
    panel = Drawing(svg(rater_matrix_chart(compare_raters(read_labels([path]), resamples=20)))).panel(
        "Who agrees with whom"
    )
    side = panel.width / len(panel.names)
    names = [words.text for words in panel.names]
    found = {}
    for i, one in enumerate(names):
        for k, other in enumerate(names):
            inside = [w.text for w in panel.words if (w.x // side, w.y // side) == (k, i) and w.text]
            cells = [m for m in panel.of("rect mark") if (round(m.left / side), round(m.top / side)) == (k, i)]
            found[one, other] = Cell(inside, *cells)
    assert names == [words.text for words in sorted(panel.heads, key=lambda words: words.x)]
    return found


class Cell(NamedTuple):
    words: list[str]
    mark: Mark | None = None


def test_every_two_raters_meet_in_a_cell_with_the_numbers_of_the_table(verdicts):
    found, told = shown(verdicts), compare_raters(read_labels([verdicts]), resamples=20)
    assert found["x", "y"].words[0] == number(value(told, "kappa", against="y", rater="x"), 2) == "0.33"
    assert value(told, "kappa", against="majority", rater="x") == 1
    assert found["x", "majority"].words == ["1.00", "100 %"]
    assert found["x", "annotator2"].words[1] == "83 %"
    assert found["annotator1", "annotator3"].words[0] == "0.67"
    assert found["x", "majority"].mark.label.startswith("x and majority: kappa 1.00")
    assert found["x", "majority"].mark.strength > found["x", "y"].mark.strength


def test_it_reads_the_same_along_and_across(verdicts):
    found = shown(verdicts)
    assert len(found) == 36
    for (one, other), cell in found.items():
        assert cell.words == found[other, one].words
    assert any(cell.words for cell in found.values())


def test_oneself_and_a_humans_own_majority_are_left_empty(verdicts):
    found = shown(verdicts)
    assert found["x", "x"] == found["annotator1", "majority"] == Cell([])
    assert found["x", "y"].mark


def test_judges_come_first_then_the_majority_then_humans(verdicts):
    names = list(dict.fromkeys(one for one, _ in shown(verdicts)))
    assert names == ["x", "y", "majority", "annotator1", "annotator2", "annotator3"]


def test_agreement_below_chance_has_a_colour_of_its_own(verdicts, tmp_path):
    rows = [{"id": i, "verdicts": {"x": 1 + i % 2, "y": 2 - i % 2}} for i in range(6)]
    cell = shown(written(tmp_path / "v.jsonl", rows))["x", "y"]
    assert (cell.words, cell.mark.colour) == (["−1.00", "0 %"], LIGHT.worse)
    assert shown(verdicts)["x", "y"].mark.colour == LIGHT.moved


def test_an_undefined_kappa_is_a_dash_and_no_zero(tmp_path):
    rows = [{"id": i, "verdicts": {"x": 1, "y": 1}} for i in range(6)]
    assert shown(written(tmp_path / "v.jsonl", rows))["x", "y"].words == ["–", "100 %"]


def test_a_judge_in_two_orders_is_shown_by_the_reading_that_is_compared(tmp_path):
    rows = [{"id": i, "gold": 1, "verdict": 1, "verdict_swapped": 1 + i % 2} for i in range(6)]
    assert shown(written(tmp_path / "v.jsonl", rows))["v", "gold"].words[1] == "50 %"


async def test_the_picture_holds_the_numbers(verdicts, tmp_path):
    assert (await inherit("agree", verdicts, "--save", tmp_path / "m.svg")).code == 0
    text = Drawing((tmp_path / "m.svg").read_text("utf-8")).text
    assert "annotator3" in text
    assert "83 %" in text
    await inherit("agree", verdicts, "--save", tmp_path / "m.png")
    assert (tmp_path / "m.png").read_bytes().startswith(b"\x89PNG")


async def test_the_page_has_matrix_table_and_record(verdicts, tmp_path):
    await inherit("agree", verdicts, "--save", tmp_path / "m.html")
    page = (tmp_path / "m.html").read_text("utf-8")
    record = json.loads(re.search(r'id="record">(.*?)</script>', page)[1])
    assert record["pairs"] == 6
    assert "Who agrees with whom" in page
    assert "the ceiling" in page


async def test_an_ending_that_says_nothing_is_refused(verdicts, tmp_path):
    done = await inherit("agree", verdicts, "--save", tmp_path / "m.doc")
    assert done.code == 2
    assert ".html" in done.err


def test_a_hostile_judges_name_does_not_enter_the_picture(tmp_path):
    rows = [{"id": i, "verdicts": {"<script>alert(1)</script>\x1b": 1 + i % 2, "y": 1 + i % 2}} for i in range(6)]
    drawn = svg(rater_matrix_chart(compare_raters(read_labels([written(tmp_path / "v.jsonl", rows)]), resamples=20)))
    assert "<script" not in drawn
    assert "\x1b" not in drawn


@pytest.mark.browser
async def test_the_page_opens_silently(verdicts, tmp_path):
    await inherit("agree", verdicts, "--save", tmp_path / "m.html")
    document, console = opened(tmp_path / "m.html", tmp_path)
    assert console == []
    assert "annotator3</text>" in document
