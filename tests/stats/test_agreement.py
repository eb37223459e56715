"""Agreement of raters: against scikit-learn and krippendorff, and what must hold whatever the labels are."""

from __future__ import annotations

import krippendorff
import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score, precision_recall_fscore_support

from profiler.stats import Count, count_intervals, kinds_of
from profiler.stats.raters import (
    ABSENT,
    TIE,
    UNPARSEABLE,
    A,
    B,
    agreement,
    alpha,
    alpha_of_two,
    coincidences,
    crossed,
    kappa,
    macro,
    majority,
    one_against_others,
    two_of_them,
)

SEEDS = range(5)


def labels(size: int, seed: int, weights: tuple[float, ...] = (0.45, 0.4, 0.15)) -> np.ndarray:
    return np.random.default_rng(seed).choice([A, B, TIE], size=size, p=weights).astype(np.int8)


def like(gold: np.ndarray, seed: int, right: float = 0.7) -> np.ndarray:
    """A rater who is of GOLD's mind for about RIGHT of the pairs."""
    rng = np.random.default_rng(seed + 1000)
    return np.where(rng.random(len(gold)) < right, gold, labels(len(gold), seed + 2000)).astype(np.int8)


def number(formula, gold, judged, ties: bool = True) -> float:
    return float(formula(crossed(gold, judged, ties).sum(axis=0)))


@pytest.mark.parametrize("seed", SEEDS)
def test_kappa_is_scikit_learns(seed):
    gold = labels(200, seed)
    judged = like(gold, seed)
    assert number(kappa, gold, judged) == pytest.approx(cohen_kappa_score(gold, judged), abs=1e-12)
    both = (gold != TIE) & (judged != TIE)
    assert number(kappa, gold, judged, ties=False) == pytest.approx(cohen_kappa_score(gold[both], judged[both]))


@pytest.mark.parametrize("weights", [(0.45, 0.4, 0.15), (0.9, 0.1, 0.0), (1.0, 0.0, 0.0)])
@pytest.mark.parametrize("seed", SEEDS)
def test_macro_averages_are_scikit_learns(seed, weights):
    gold = labels(60, seed, weights)
    judged = labels(60, seed + 1, (0.2, 0.8, 0.0))
    expected = precision_recall_fscore_support(gold, judged, average="macro", zero_division=0)
    found = [number(macro(part), gold, judged) for part in ("precision", "recall", "f1")]
    assert found == pytest.approx(expected[:3], abs=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_alpha_is_krippendorffs_with_votes_missing(seed):
    rng = np.random.default_rng(seed)
    gold = labels(80, seed)
    raters = np.stack([like(gold, seed + i) for i in range(4)]).astype(float)
    raters[rng.random(raters.shape) < 0.3] = np.nan
    votes = np.stack([(raters == label).sum(0) for label in (A, B, TIE)], axis=1).astype(float)
    expected = krippendorff.alpha(reliability_data=raters, level_of_measurement="nominal")
    assert float(alpha(coincidences(votes).sum(0))) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_alpha_of_two_raters_is_krippendorffs(seed):
    gold = labels(50, seed)
    judged = like(gold, seed)
    expected = krippendorff.alpha(reliability_data=[gold.tolist(), judged.tolist()], level_of_measurement="nominal")
    assert number(alpha_of_two, gold, judged) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("formula", [agreement, kappa, alpha_of_two, macro("f1")])
def test_a_judge_agrees_wholly_with_itself(formula):
    gold = labels(50, 3)
    assert number(formula, gold, gold) == pytest.approx(1.0)


@pytest.mark.parametrize("formula", [agreement, kappa, alpha_of_two, macro("precision"), macro("f1")])
def test_naming_the_answers_the_other_way_round_changes_no_number(formula):
    gold, judged = labels(90, 1), like(labels(90, 1), 2)
    turn = np.array([B, A, TIE], np.int8)
    assert number(formula, turn[gold], turn[judged]) == pytest.approx(number(formula, gold, judged), abs=1e-12)


@pytest.mark.parametrize("formula", [agreement, kappa, alpha_of_two])
def test_agreement_is_mutual(formula):
    gold, judged = labels(90, 1), like(labels(90, 1), 2)
    assert number(formula, gold, judged) == pytest.approx(number(formula, judged, gold), abs=1e-12)


def test_raters_who_know_nothing_of_each_other_agree_by_chance_only():
    found = estimate(labels(2000, 11), labels(2000, 12), {"kappa": kappa, "alpha": alpha_of_two})
    for metric in ("kappa", "alpha"):
        value, low, high, *_ = found[metric]
        assert low < 0 < high
        assert abs(value) < 0.05


def test_a_rater_of_one_label_has_no_kappa_rather_than_a_zero():
    same = np.zeros(20, np.int8)
    assert np.isnan(_value(kappa, same, same))
    assert np.isnan(_value(alpha_of_two, same, same))


def _value(formula, gold, judged) -> float:
    with np.errstate(invalid="ignore"):
        return number(formula, gold, judged)


def test_unreadable_and_absent_labels_are_no_labels():
    gold = np.array([A, B, A, ABSENT, A], np.int8)
    judged = np.array([A, UNPARSEABLE, B, A, ABSENT], np.int8)
    assert crossed(gold, judged).sum() == 2
    assert number(agreement, gold, judged) == 0.5


def test_the_majority_needs_more_votes_than_any_other_label():
    votes = np.array([[2, 1, 0], [1, 1, 1], [0, 0, 0], [1, 1, 0], [0, 0, 2]], float)
    assert majority(votes).tolist() == [A, ABSENT, ABSENT, ABSENT, TIE]


def test_two_humans_taken_at_random():
    votes = np.array([[3, 0, 0], [2, 1, 0], [1, 0, 0]], float)
    parts = two_of_them(votes)
    assert parts.tolist() == [[1, 1], [pytest.approx(1 / 3), 1], [0, 0]]


def test_a_human_is_held_against_the_majority_of_the_others_who_share_it_where_they_are_at_odds():
    # Of a, a, b each a sees others at odds, and is half right; b faces two a and is wrong.
    table = one_against_others(np.array([[2, 1, 0]], float)).reshape(3, 3)
    assert table.tolist() == [[pytest.approx(1 / 3), pytest.approx(1 / 3), 0], [pytest.approx(1 / 3), 0, 0], [0, 0, 0]]
    sixty, forty = np.array([[3, 0, 0]] * 60, float), np.array([[2, 1, 0]] * 40, float)
    assert agreement(one_against_others(np.vstack([sixty, forty])).sum(axis=0)) == pytest.approx(0.6 + 0.4 / 3)


@pytest.mark.parametrize("humans", [2, 3, 4, 5])
def test_the_human_ceiling_is_leaving_each_out_by_hand(humans):
    said = np.random.default_rng(humans).choice([A, B, TIE, ABSENT], size=(200, humans))
    votes = (said[:, :, np.newaxis] == np.arange(3)).sum(axis=1).astype(float)
    expected = []
    for row in said.tolist():
        known = [label for label in row if label != ABSENT]
        rights = []
        for place, mine in enumerate(known):
            others = known[:place] + known[place + 1 :]
            top = [label for label in {*others} if others.count(label) == max(map(others.count, others))]
            rights.append((mine in top) / max(len(top), 1))
        if len(known) > 1:
            expected.append(sum(rights) / len(rights))
    table = one_against_others(votes)
    assert agreement(table.sum(axis=0)) == pytest.approx(sum(expected) / len(expected))
    assert (table.sum(axis=1) > 0).sum() == len(expected)


def estimate(gold, judged, formulas, clusters=None, seed=0, resamples=1000):
    kinds, one = kinds_of([gold.astype(np.int64), judged.astype(np.int64)])
    count = Count(crossed(gold, judged)[one], formulas)
    return count_intervals([count], kinds, clusters, seed=seed, resamples=resamples)[0]


def test_an_interval_drawn_by_kinds_is_that_of_drawing_pairs():
    gold = labels(300, 4)
    judged = like(gold, 4)
    by_kind = estimate(gold, judged, {"kappa": kappa}, resamples=4000)["kappa"]
    one_each = np.arange(300)
    by_pair = estimate(gold, judged, {"kappa": kappa}, clusters=one_each, resamples=4000)["kappa"]
    assert by_kind.value == pytest.approx(by_pair.value)
    assert by_kind.low == pytest.approx(by_pair.low, abs=0.012)
    assert by_kind.high == pytest.approx(by_pair.high, abs=0.012)


def test_pairs_of_one_prompt_are_resampled_together():
    gold = np.repeat(labels(60, 5), 10)
    judged = np.repeat(like(labels(60, 5), 6), 10)
    alone = estimate(gold, judged, {"agreement": agreement})["agreement"]
    together = estimate(gold, judged, {"agreement": agreement}, clusters=np.repeat(np.arange(60), 10))["agreement"]
    assert together.high - together.low > 2 * (alone.high - alone.low)


def test_an_interval_covers_the_truth_about_as_often_as_it_says():
    hits = 0
    for seed in range(120):
        gold = labels(150, seed)
        found = estimate(gold, like(gold, seed, right=0.6), {"agreement": agreement}, resamples=300)["agreement"]
        hits += found.low <= 0.6 + 0.4 * (0.45**2 + 0.4**2 + 0.15**2) <= found.high
    assert 105 <= hits <= 119


def test_the_same_labels_give_the_same_interval_again():
    gold, judged = labels(90, 1), like(labels(90, 1), 2)
    assert estimate(gold, judged, {"k": kappa}) == estimate(gold, judged, {"k": kappa})


def test_an_agreement_without_exception_has_wilsons_interval():
    gold = labels(40, 2)
    found = estimate(gold, gold, {"agreement": agreement})["agreement"]
    assert (found.value, found.high) == (1.0, 1.0)
    assert found.low == pytest.approx(40 / (40 + 1.959964**2))  # Wilson 1927 where none are missed
