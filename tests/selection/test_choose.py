"""Choosing: what is best of a prompt's candidates, and what may never be chosen."""

from __future__ import annotations

from collections.abc import Iterable
from math import comb
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiler.errors import BadData, WrongUse
from selection.candidate_grid import CandidateGrid, candidate_grid
from selection.choose import (
    MetricSpread,
    best_weights,
    choose,
    expected_best,
    first_answers,
    random_answers,
    ranked_places,
    utilities,
    values_at,
)
from selection.objective import objective_words, read_objective
from selection.records import Goal, Objective


def pool(*prompts: dict[str, list[float]], seed: int = 0, sources: tuple[str, ...] = ("a",)) -> CandidateGrid:
    """Candidates with these scores, prompt by prompt; with several SOURCES they take turns."""
    sizes = [len(next(iter(columns.values()))) for columns in prompts]
    prompt = np.repeat(np.arange(len(prompts)), sizes)
    places = np.concatenate([np.arange(size) for size in sizes])
    scores = {name: np.concatenate([np.array(columns[name], np.float64) for columns in prompts]) for name in prompts[0]}
    names = [f"p{number}" for number in range(len(prompts))]
    return candidate_grid(names, prompt, sources, places % len(sources), places // len(sources), scores, seed=seed)


def deviations(found: CandidateGrid, goals: Iterable[Goal]) -> dict[Goal, float]:
    spread = MetricSpread()
    spread.add(found, goals)
    return spread.deviations()


def picked(found: CandidateGrid, wanted: Objective, top: int = 1) -> list[list[int]]:
    return choose(found, wanted, deviations(found, wanted.goals), top).tolist()


def test_the_most_the_least_and_the_nearest() -> None:
    found = pool({"words": [10.0, 40, 25]}, {"words": [7.0, 3, 5]})
    assert picked(found, read_objective(["max:words"])) == [[1], [0]]
    assert picked(found, read_objective(["min:words"])) == [[0], [1]]
    assert picked(found, read_objective(["near:words=24"])) == [[2], [0]]


def test_several_answers_a_prompt_come_best_first() -> None:
    assert picked(pool({"words": [10.0, 40, 25]}), read_objective(["max:words"]), top=2) == [[1, 2]]


def test_a_weighted_sum_counts_in_standard_deviations() -> None:
    # The second metric is the first in thousandths: equal weights must see them as equals.
    found = pool({"big": [0.0, 1000, 2000, 1100], "small": [2.0, 1, 0, 1]})
    assert picked(found, read_objective(["max:big", "max:small"])) == [[3]]
    assert picked(found, read_objective(["3*max:big", "max:small"])) == [[2]]


def test_lexicographic_lets_the_next_goal_break_ties_only() -> None:
    found = pool({"grade": [1.0, 2, 2], "words": [9.0, 1, 5]})
    assert picked(found, read_objective(["max:grade", "max:words"], "lexicographic")) == [[2]]


def test_pareto_takes_the_balanced_one_that_nothing_beats() -> None:
    found = pool({"a": [10.0, 6, 0, 5], "b": [0.0, 6, 10, 5]})
    assert picked(found, read_objective(["max:a", "max:b"], "pareto")) == [[1]]
    assert picked(found, read_objective(["max:a", "max:b"], "pareto"), top=4)[0][-1] == 3, "the beaten one comes last"


def test_a_candidate_without_a_score_is_never_chosen() -> None:
    found = pool({"mtld": [float("nan"), 3, float("nan")]}, {"mtld": [float("nan")] * 3})
    assert picked(found, read_objective(["max:mtld"])) == [[1], [-1]]


def test_ties_go_by_the_seed_and_not_by_the_order() -> None:
    found = pool(*[{"words": [1.0] * 4} for _ in range(400)])
    places = choose(found, read_objective(["max:words"]), {})[:, 0]
    assert np.bincount(places, minlength=4).min() > 60


def test_the_same_seed_chooses_the_same_and_another_seed_another() -> None:
    same, again, other = (pool(*[{"words": [1.0] * 8}] * 50, seed=seed) for seed in (3, 3, 4))
    assert np.array_equal(random_answers(same, same.passed), random_answers(again, again.passed))
    assert not np.array_equal(random_answers(same, same.passed), random_answers(other, other.passed))


def test_a_candidates_luck_does_not_depend_on_who_else_is_in_the_pool() -> None:
    alone, among = pool({"words": [1.0] * 6}), pool({"words": [1.0] * 6}, {"words": [2.0] * 9})
    assert random_answers(alone, alone.passed)[0] == random_answers(among, among.passed)[0]


def test_a_soft_choice_draws_by_weight() -> None:
    found = pool(*[{"words": [0.0, 1.0]} for _ in range(4000)])
    wanted = read_objective(["max:words"], temperature=1.0)
    share = choose(found, wanted, {wanted.goals[0]: 1.0})[:, 0].mean()
    assert share == pytest.approx(np.e / (1 + np.e), abs=0.03)


def test_a_cold_soft_choice_is_the_best() -> None:
    found = pool({"words": [10.0, 40, 25]}, {"words": [7.0, 3, 5]})
    assert picked(found, read_objective(["max:words"], temperature=1e-6)) == [[1], [0]]


def test_a_held_metric_stays_near_the_middle_candidate() -> None:
    found = pool({"mtld": [200.0, 90, 80, 10], "words": [400.0, 110, 100, 5]})
    assert picked(found, read_objective(["max:mtld"])) == [[0]]
    assert picked(found, read_objective(["max:mtld"], hold=["words=0.25"])) == [[1]]


def test_the_middle_of_an_even_number_lies_between_the_two() -> None:
    # The middle of 80, 100, 120 and 140 is 110: 80 is 27 % below it, 140 as far above.
    some = {"mtld": [90.0, 1, 1, 80], "words": [80.0, 100, 120, 140]}
    assert picked(pool(some), read_objective(["max:mtld"], hold=["words=0.28"])) == [[0]]
    assert picked(pool({**some, "mtld": [80.0, 1, 1, 90]}), read_objective(["max:mtld"], hold=["words=0.28"])) == [[3]]
    assert picked(pool(some), read_objective(["max:mtld"], hold=["words=0.2"]))[0][0] in (1, 2)
    apart = pool({"mtld": [1.0, 2], "words": [100.0, 200]})
    assert picked(apart, read_objective(["max:mtld"], hold=["words=0.1"])) == [[1]], "the nearest may always be chosen"


def test_a_goal_near_a_value_counts_in_standard_deviations_of_the_distance() -> None:
    found = pool({"x": [0.0, 4, 10, 16], "y": [1.0, 2, 3, 5]}, {"x": [8.0, 12, 30, 5], "y": [4.0, 1, 1, 2]})
    near, most = read_objective(["near:x=10", "max:y"]).goals
    distances = np.array([[10.0, 6, 0, 6], [2.0, 2, 20, 5]])
    pooled = np.sqrt(((distances - distances.mean(1, keepdims=True)) ** 2).sum() / 6)
    assert deviations(found, [near, most])[near] == pytest.approx(pooled)
    assert utilities(found, [near], deviations(found, [near]))[0] == pytest.approx(-distances / pooled)


@pytest.mark.parametrize("combine", ["pareto", "lexicographic"])
def test_a_weight_that_would_be_ignored_is_refused(combine: Literal["pareto", "lexicographic"]) -> None:
    with pytest.raises(WrongUse, match=f"the weight 2 of mtld means nothing to --combine {combine}; leave it out"):
        read_objective(["2*max:mtld", "min:words"], combine)
    assert len(read_objective(["1*max:mtld", "min:words"], combine).goals) == 2


def test_with_one_source_the_first_answer_is_index_nought() -> None:
    found = pool({"words": [5.0, 6, 7]})
    assert first_answers(found, found.passed).tolist() == [[0]]


def test_the_first_k_places_are_shared_fairly_among_sources() -> None:
    found = pool(*[{"words": [1.0] * 9} for _ in range(300)], sources=("a", "b", "c"))
    assert all(sorted(row) == [0, 1, 2] for row in found.first(3).source.tolist())
    assert np.bincount(found.first(1).source[:, 0], minlength=3).min() > 60


def test_one_source_alone_keeps_its_order() -> None:
    found = pool({"words": [0.0, 10, 1, 11, 2, 12]}, sources=("a", "b"))
    assert found.only(["b"]).scores["words"].tolist() == [[10, 11, 12]]


def test_two_candidates_of_one_key_are_refused() -> None:
    with pytest.raises(BadData, match="two candidates of source 'a' with index 3"):
        candidate_grid(["p"], np.array([0, 0]), ["a"], np.array([0, 0]), np.array([3, 3]), {})


numbers = st.floats(-1e3, 1e3) | st.just(float("nan"))
slates = st.lists(st.lists(st.tuples(numbers, numbers), min_size=1, max_size=7), min_size=1, max_size=6).map(
    lambda rows: pool(*[{"x": [x for x, _ in row], "y": [y for _, y in row]} for row in rows])
)
wishes = st.sampled_from(
    [["max:x"], ["min:x"], ["near:x=3"], ["max:x", "2*min:y"]],
).map(read_objective)


@given(slates, wishes)
def test_the_best_is_never_worse_than_a_random_one(found: CandidateGrid, wanted: Objective) -> None:
    scale = deviations(found, wanted.goals)
    total = utilities(found, wanted.goals, scale).sum(0)
    places = choose(found, wanted, scale), random_answers(found, found.passed)
    best, drawn = (values_at(total, place) for place in places)
    assert ((best >= drawn) | np.isnan(drawn)).all()


@given(slates, wishes)
def test_the_best_of_one_is_the_first(found: CandidateGrid, wanted: Objective) -> None:
    one = found.first(1)
    best = choose(one, wanted, deviations(found, wanted.goals))
    assert ((best == first_answers(one, one.passed)) | (best == -1)).all()
    assert np.array_equal(random_answers(one, one.passed), first_answers(one, one.passed))


@given(slates, wishes, st.floats(-100, 100))
def test_a_requirement_is_never_broken_and_met_wherever_it_can_be(
    found: CandidateGrid, wanted: Objective, least: float
) -> None:
    strict = wanted.model_copy(update={"require": read_objective(["max:x"], require=[f"y>={least}"]).require})
    best = choose(found, strict, deviations(found, strict.goals))
    y = values_at(found.scores["y"], best)
    assert (y[best >= 0] >= least).all()
    able = (found.scores["y"] >= least) & ~np.isnan(found.scores["x"])
    assert np.array_equal(able.any(1), best[:, 0] >= 0)


@given(slates, wishes)
def test_more_candidates_never_make_the_best_worse(found: CandidateGrid, wanted: Objective) -> None:
    scale = deviations(found, wanted.goals)
    last = np.full(len(found.prompts), np.nan)
    for k in range(1, found.row.shape[1] + 1):
        some = found.first(k)
        best = values_at(utilities(some, wanted.goals, scale).sum(0), choose(some, wanted, scale))[:, 0]
        assert ((best >= last) | np.isnan(last)).all()
        last = best


def test_the_expected_best_of_k_is_the_mean_over_all_subsets() -> None:
    found = pool({"words": [10.0, 40, 25, 31]})
    order = ranked_places(found, read_objective(["max:words"]), {})
    assert expected_best(found, order, "words")[0].tolist() == pytest.approx([26.5, 34.5, 37.75, 40])
    assert best_weights(9)[3] == pytest.approx([comb(8 - i, 3) / comb(9, 4) for i in range(9)])


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["mtld"], "expected a goal such as max:mtld"),
        (["near:words"], "expected a goal"),
        (["max:words=3"], "expected a goal"),
        (["near:words=many"], "expected a number, found 'many'"),
        (["-1*max:words"], "above 0"),
        (["max:words", "nan*max:mtld"], "finite"),
        ([], "at least one goal"),
    ],
)
def test_a_goal_that_is_none_is_named(words: list[str], says: str) -> None:
    with pytest.raises(WrongUse, match=says):
        read_objective(words)


def test_a_metric_made_to_order_may_have_options() -> None:
    made = read_objective(["min:toxicity:tox-block,label=insult", "near:judge:demo,rounds=3=0.5"]).goals
    assert [(goal.metric, goal.value) for goal in made] == [
        ("toxicity:tox-block,label=insult", None),
        ("judge:demo,rounds=3", 0.5),
    ]


def test_an_objective_is_said_as_it_is_written() -> None:
    wanted = read_objective(["2*max:mtld", "near:words=150"], require=["toxicity<=0.2"], hold=["words=0.25"])
    assert objective_words(wanted) == "2*max:mtld + near:words=150, with toxicity<=0.2, words within 25% of the middle"
