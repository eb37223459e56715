"""The reliability diagram: what its dots and bars stand on, and where it is not drawn."""

from __future__ import annotations

import re

import numpy as np
import pytest
import vl_convert

from profiler import probes
from profiler.reporting.charts.reliability import answers, diagram, reliability_chart
from profiler.reporting.charts.theme import svg
from profiler.reporting.profile import diagrams, profile_report, run_report
from profiler.reporting.report import render
from profiler.stats import calibration, share_interval
from tests.support import builders
from tests.support.svg import Drawing


def answered(size, groups=("one",), seed=0):
    rng = np.random.default_rng(seed)
    sure = np.clip(rng.beta(5, 2, size), 0, 1)
    right = (rng.random(size) < sure).astype(float)
    return builders.samples(
        {"confidence": sure, "correct": right}, groups=[groups[i % len(groups)] for i in range(size)]
    )


def run(table):
    metrics = {"calibration": probes.get("calibration")().metrics}
    built = builders.run({"calibration": table}, metrics, sections={"calibration": {"how": "loglikelihood"}})
    return builders.Read(built.profile, built.probes)


def drawn(table):
    return Drawing(svg(reliability_chart(diagram(table), "calibration")))


def test_dots_and_bars_are_the_bins_of_the_answers():
    table = answered(400)
    square, tally = drawn(table).panels
    bins = calibration.reliability(table.columns["confidence"], table.columns["correct"], calibration.equal_width(10))
    filled = [part for part in bins if part.items]
    assert sum(part.items for part in bins) == 400
    dots, whiskers = square.of("point"), square.of("line")[1:]
    assert [dot.left / square.width for dot in dots] == pytest.approx([part.confidence for part in filled])
    assert [1 - dot.middle / square.height for dot in dots] == pytest.approx([part.accuracy for part in filled])
    for dot, whisker, part in zip(dots, whiskers, filled, strict=True):
        assert whisker.left == pytest.approx(dot.left)
        ends = (1 - whisker.bottom / square.height, 1 - whisker.top / square.height)
        assert ends == pytest.approx(share_interval(part.accuracy, part.items))
        assert ends[0] <= part.accuracy <= ends[1]
    bars = tally.of("bar")
    assert [bar.label for bar in bars] == [
        f"confidence {part.low:.1f} to {part.high:.1f}: {part.items} answers" for part in bins
    ]
    most = max(part.items for part in bins)
    heights = [(bar.bottom - bar.top) / max(bar.bottom - bar.top for bar in bars) for bar in bars]
    assert heights == pytest.approx([part.items / most for part in bins])
    assert [words.text for words in tally.words] == [str(part.items) for part in filled]


def test_an_empty_bin_has_no_dot():
    square, tally = drawn(builders.samples({"confidence": [0.95, 0.92], "correct": [1, 0]})).panels
    (dot,) = square.of("point")
    assert dot.left / square.width == pytest.approx(0.935)
    assert [words.text for words in tally.words] == ["2"]


def test_an_answer_without_a_confidence_is_in_no_bin():
    table = builders.samples({"confidence": [0.95, np.nan], "correct": [1, 0]})
    assert answers(diagram(table)) == 1
    assert [words.text for words in drawn(table).panels[1].words] == ["1"]


@pytest.mark.parametrize(
    ("groups", "titles"), [(["a"], ["all"]), (["a", "b"], ["all", "a", "b"]), ([*"abcd"], ["all"])], ids=len
)
def test_each_set_is_drawn_where_there_are_few(groups, titles):
    assert [panel.title for panel in drawn(answered(80, groups)).panels if panel.title] == titles


def test_a_probe_that_knows_no_confidence_has_no_diagram():
    assert diagram(builders.samples({"acc": [1.0, 0.0]})) is None
    assert diagram(builders.samples({"confidence": [np.nan], "correct": [1.0]})) is None


@pytest.mark.parametrize(
    ("right", "n", "low", "high"),
    # Newcombe 1998, Two-sided confidence intervals for the single proportion, table I, method 3.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_the_interval_of_a_share_is_wilsons(right, n, low, high):
    assert share_interval(right / n, n) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize("size", [80, 300])
def test_the_page_draws_it_and_warns_below_300_answers(size):
    found = run(answered(size, ("hellaswag", "openbookqa")))
    page = render(run_report(found), "html")
    assert "How sure, how right: calibration" in page
    assert "openbookqa" in page
    assert ("too few to read" in page) == (size < 300)
    assert re.search(r"[01]\.\d+ right \[[^\]]*\], \d+ answers", page)
    spec = re.search(r'id="chart-calibration">(.*?)</script>', page)[1]
    assert Drawing(vl_convert.vegalite_to_svg(spec)).panel("openbookqa").of("point")


def test_the_table_warns_below_300_items():
    few, enough = (render(profile_report(run(answered(size)).profile), "table") for size in (299, 300))
    assert "calibration: fewer than 300 items, too few for platt_ece_10_bin, selective_acc_10" in few
    assert "too few for" not in enough


def test_a_profile_without_confidences_has_no_diagram():
    base = builders.attributes("base", 105)
    assert diagrams(base) == {}
    assert "How sure, how right" not in render(run_report(base), "html")
