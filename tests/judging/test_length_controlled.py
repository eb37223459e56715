"""Win rates at equal length: known truths, another implementation of AlpacaEval's regression, and what is not told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from profiler import stats
from profiler.judging import Jury, compare_raters, read_labels
from tests.support.agreement import of
from tests.support.candidates import written
from tests.support.command import inherit

METRIC = "lc_win_rate"


def annotated(path: Path, gaps: np.ndarray, wins: np.ndarray) -> Path:
    """AlpacaEval's file: answers that are GAPS characters longer than the baseline's, with preferences of 1 to 2."""
    return written(
        path,
        [
            {
                "instruction": str(i),
                "output_1": "x" * 3000,
                "output_2": "y" * (3000 + int(gap)),
                "generator_1": "baseline",
                "generator_2": "me",
                "annotator": "judge",
                "preference": 1 + float(won),
            }
            for i, (gap, won) in enumerate(zip(gaps, wins, strict=True))
        ],
    )


def told(path: Path) -> Jury:
    return compare_raters(read_labels([path]), resamples=2)


def answers(seed: int, size: int, odds: float, slope: float, longer: float = 400) -> tuple[np.ndarray, np.ndarray]:
    """Differences in length, and labels of a judge with the log ODDS of a win at equal length and a SLOPE by length."""
    rng = np.random.default_rng(seed)
    gaps = np.round(rng.normal(longer, 800, size)).clip(-2999)
    return gaps, (rng.random(size) < stats.logistic(odds + slope * np.tanh(gaps / 800))).astype(float)


async def test_a_win_rate_that_length_alone_makes_is_even_at_equal_length(tmp_path):
    path = annotated(tmp_path / "annotations.jsonl", *answers(seed=1, size=3000, odds=0.0, slope=2.0))
    found = Jury.model_validate_json((await inherit("agree", path, "--json")).out)
    plain, controlled = of(found, "win_rate", group="me"), of(found, METRIC, group="me")
    assert plain.low > 0.58
    assert controlled.low < 0.5 < controlled.high
    assert (controlled.value, controlled.n) == (pytest.approx(0.5, abs=0.03), 3000)
    other = of(found, METRIC, group="baseline")
    assert (other.value, other.stderr) == pytest.approx((1 - controlled.value, controlled.stderr))
    table = " ".join((await inherit("agree", path)).out.split())
    assert f"wins at equal length {controlled.value:.3f}" in table
    assert "without instruction difficulty" in table


@pytest.mark.parametrize("soft", [False, True])
def test_it_is_scikit_learns_fit_of_alpacaevals_minimal_formula(tmp_path, soft):
    gaps, wins = answers(seed=2, size=400, odds=-1.0, slope=1.5)
    if soft:
        wins = np.round(np.random.default_rng(3).uniform(0.001, 0.999, 400) * 0.4 + 0.5 * wins, 6)
    # metrics/glm_winrate.py: each row twice, as a win and as a loss, weighted by the preference; no other intercept
    length = np.tanh(-gaps / np.std(-gaps, ddof=1))
    twice = np.tile(np.column_stack([length, np.ones(400)]), (2, 1))
    model = LogisticRegression(C=1e10, fit_intercept=False, tol=1e-10, max_iter=1000)
    model.fit(twice, np.repeat([1, 0], 400), sample_weight=np.concatenate([wins, 1 - wins]))
    expected = model.predict_proba([[0.0, 1.0]])[0, 1]
    found = of(told(annotated(tmp_path / "annotations.jsonl", gaps, wins)), METRIC, group="me")
    assert found.value == pytest.approx(expected, abs=1e-6)


def test_its_standard_error_is_that_of_resampled_pairs(tmp_path):
    gaps, wins = answers(seed=4, size=500, odds=-1.0, slope=1.5)
    found = of(told(annotated(tmp_path / "annotations.jsonl", gaps, wins)), METRIC, group="me")

    def refitted(columns: stats.Columns) -> float:
        length = np.tanh(columns["gap"] / columns["gap"].std(ddof=1))
        fit = stats.logistic_fit(np.column_stack([np.ones(500), length]), columns["win"])
        return float(stats.logistic(fit.coefficients[0]))

    drawn = stats.draws([stats.OfRows(refitted, ["gap", "win"])], {"gap": gaps, "win": wins})
    assert found.stderr == pytest.approx(drawn.std(ddof=1), rel=0.08)


TIES = np.full(40, 0.5)
HALF = np.tile([0.0, 1.0], 20)
AROUND = np.linspace(-500, 600, 40).round()


@pytest.mark.parametrize(
    ("gaps", "wins", "reason"),
    [
        (np.full(40, -3000), HALF, "equal length is not seen"),
        (np.full(40, 0), HALF, "equal length is not seen"),
        (AROUND + 700, HALF, "equal length is not seen"),
        (AROUND, HALF * (np.arange(40) < 19), "fewer than 10 wins or losses"),
        (AROUND, AROUND > 0, "length tells all wins from all losses"),
        (AROUND, TIES, None),
    ],
)
async def test_where_it_can_not_be_told_it_says_why_and_is_not_shown(tmp_path, gaps, wins, reason):
    path = annotated(tmp_path / "annotations.jsonl", gaps, wins)
    found = of(told(path), METRIC, group="me")
    table = (await inherit("agree", path)).out
    if reason is None:
        assert found.value == pytest.approx(0.5)
        assert "at equal length" in table
        return
    assert (found.value, found.low, found.stderr) == (None, None, None)
    assert reason in found.reason
    assert "equal length" not in table


def test_without_texts_or_with_several_opponents_it_is_not_told(tmp_path):
    rows = [{"id": i, "writer_a": "x", "writer_b": "y", "verdict": 1 + i % 2} for i in range(40)]
    found = of(told(written(tmp_path / "plain.jsonl", rows)), METRIC, group="x")
    assert (found.value, found.reason) == (None, "no pair has both a verdict and its answers' texts")
    rows = [
        row | {"prompt": str(i), "a": "x" * (i % 7 + 1), "b": "y" * 4, "writer_b": "yz"[i // 2 % 2]}
        for i, row in enumerate(rows)
    ]
    several = told(written(tmp_path / "several.jsonl", rows))
    assert of(several, METRIC, group="x").reason == "its answers meet those of several writers"
    assert of(several, METRIC, group="y").n == 20


def test_of_few_prompts_it_has_no_interval(tmp_path):
    rows = [
        {"id": i, "prompt": str(i % 4), "a": "x" * (i % 7 + 1), "b": "y" * 4, "writer_a": "x", "writer_b": "y"}
        | {"verdict": 1 + i % 2}
        for i in range(40)
    ]
    found = of(told(written(tmp_path / "few.jsonl", rows)), METRIC, group="x")
    assert found.value is not None
    assert (found.low, found.stderr, found.reason) == (None, None, "no interval from fewer than 10 prompts")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("size", "odds", "slope", "each"), [(60, 0.0, 1.0, 1), (200, -1.5, 1.5, 1), (200, 0.5, 1.0, 2), (805, -2.0, 2.0, 1)]
)
def test_its_interval_holds_the_truth_in_95_of_100(size, odds, slope, each):
    rng, held, asked = np.random.default_rng(5), 0, 0
    clusters = np.arange(size) // each
    for seed in range(1000):
        gaps = answers(seed, size, odds, slope)[0]
        shared = np.where(rng.random(size) < 0.5, rng.random(size)[clusters], rng.random(size))
        wins = (shared < stats.logistic(odds + slope * np.tanh(gaps / 800))).astype(float)
        columns = np.column_stack([np.ones(size), np.tanh(gaps / gaps.std(ddof=1))])
        if (fit := stats.logistic_fit(columns, wins, clusters)) is not None:
            reach = stats.student(size // each - 1) * np.sqrt(fit.covariance[0, 0])
            held, asked = held + (abs(fit.coefficients[0] - odds) <= reach), asked + 1
    assert asked > 990
    assert 0.93 < held / asked < 0.97
