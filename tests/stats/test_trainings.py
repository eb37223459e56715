"""A verdict over trainings: its interval, its p values, and how often it is wrong when only seeds differ."""

import numpy as np
import pytest
from scipy import stats

from profiler.stats.trainings import holm, over_trainings, two_sided


@pytest.mark.parametrize("degrees", [1, 2, 3, 4, 9, 10])
@pytest.mark.parametrize("t", [0.0, 0.5, 2.0, 12.7])
def test_p_is_students(t: float, degrees: int) -> None:
    assert two_sided(t, degrees) == pytest.approx(2 * stats.t.sf(t, degrees), abs=1e-12)


def test_without_error_of_prompts_the_interval_is_that_of_a_t_test() -> None:
    gains = [1.0, 2.5, 3.0, 1.5]
    test = stats.ttest_1samp(gains, 0)
    found = over_trainings(gains, [0.0] * 4)
    assert (found.low, found.high) == pytest.approx(tuple(test.confidence_interval()))
    assert found.p == pytest.approx(test.pvalue)


def test_more_trainings_do_not_average_away_the_error_of_the_prompts_they_share() -> None:
    found = over_trainings([1.0] * 50, [0.5] * 50)
    assert found.high - 1.0 > 0.5 * 1.96


@pytest.mark.parametrize("shared", [0.0, 1.0])
def test_where_only_seeds_differ_the_mean_of_three_trainings_is_told_from_0_in_one_of_20(shared: float) -> None:
    rng, error, seeds = np.random.default_rng(5), 0.02, (1000, 3)
    gains = rng.normal(0, error * shared**0.5, (1000, 1)) + rng.normal(0, error * (1 - shared) ** 0.5, seeds)
    found = [over_trainings(list(row), [error] * 3) for row in gains + rng.normal(0, 0.07, seeds)]
    assert np.mean([one.p < 0.05 for one in found]) < 0.06
    assert all((one.p < 0.05) is not (one.low <= 0 <= one.high) for one in found)


def test_a_family_is_corrected_by_holms_steps() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([]) == []
