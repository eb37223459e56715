"""Intervals and corrections, against closed forms and simulation."""

import tracemalloc

import numpy as np
import pytest

from profiler.stats import Mean, OfRows, OfSums, ShareOf, change_of_shares, draws, intervals, logistic_fit, simultaneous

MANY = np.full(20, 1e9)
"""So many items that the correction for few of them vanishes."""


def ratio() -> OfSums:
    return OfSums(lambda c: np.column_stack([c["x"], c["y"]]), lambda s: s[..., 0] / s[..., 1], ("x", "y"))


def column(*values: float | None) -> np.ndarray:
    return np.array([np.nan if value is None else value for value in values])


def test_mean_interval_matches_the_normal_theory():
    x = np.random.default_rng(1).normal(50, 12, 400)
    found = intervals([Mean("x")], {"x": x}, resamples=20_000)[0]
    error = x.std() / np.sqrt(400)
    assert found.value == pytest.approx(x.mean())
    assert found.low == pytest.approx(x.mean() - 1.96 * error, abs=0.05 * error)
    assert found.high == pytest.approx(x.mean() + 1.96 * error, abs=0.05 * error)


def test_ratio_spread_matches_the_delta_method():
    rng = np.random.default_rng(2)
    y = rng.uniform(1, 3, 1000)
    x = 0.4 * y + rng.normal(0, 0.3, 1000)
    found = draws([ratio()], {"x": x, "y": y}, resamples=10_000)[:, 0]
    r = x.sum() / y.sum()
    assert found.std() == pytest.approx((x - r * y).std() / y.mean() / np.sqrt(1000), rel=0.03)


def test_two_items_resample_as_two_coins():
    found = draws([Mean("x")], {"x": column(0, 1)}, resamples=20_000)[:, 0]
    assert [np.mean(found == value) for value in (0, 0.5, 1)] == pytest.approx([0.25, 0.5, 0.25], abs=0.01)


def test_weighting_sums_gives_the_same_draws_as_copying_rows():
    rng = np.random.default_rng(3)
    columns = {"x": rng.normal(size=60), "y": rng.uniform(1, 2, 60)}
    clusters = rng.integers(0, 9, 60)
    rows = OfRows(lambda c: float(c["x"].sum() / c["y"].sum()))
    for which in (None, clusters):
        found = draws([ratio(), Mean("x"), rows, OfRows(lambda c: float(c["x"].mean()))], columns, which, 50, seed=4)
        assert np.allclose(found[:, :2], found[:, 2:])


def test_draws_do_not_depend_on_what_else_is_asked_for():
    columns = {"x": np.arange(30.0), "y": np.arange(30.0) ** 2}
    together = draws([Mean("y"), Mean("x")], columns, seed=7)[:, 1]
    assert np.allclose(together, draws([Mean("x")], columns, seed=7)[:, 0], rtol=1e-12)


def test_same_seed_same_draws_and_another_seed_others():
    columns = {"x": np.arange(30.0)}
    first, again, other = (draws([Mean("x")], columns, seed=seed) for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()


def test_items_of_a_cluster_go_together():
    x = np.repeat(np.random.default_rng(5).normal(size=40), 25)
    alone = intervals([Mean("x")], {"x": x})[0]
    together = intervals([Mean("x")], {"x": x}, np.arange(1000) // 25)[0]
    assert (together.high - together.low) / (alone.high - alone.low) == pytest.approx(5, rel=0.15)


def test_undefined_scores_are_left_out_and_counted():
    found = intervals([Mean("x")], {"x": column(1, None, 3, None, 5)})[0]
    assert (found.value, found.n, found.undefined) == (3, 3, 2)
    assert found.low < 3 < found.high


@pytest.mark.parametrize("values", [(), (None, None)])
def test_nothing_to_average_is_none_and_not_zero(values):
    found = intervals([Mean("x")], {"x": column(*values)})[0]
    assert found[:3] == (None, None, None)
    assert found.reason == "no item has a score"


def test_division_by_nothing_is_undefined():
    found = intervals([ratio()], {"x": column(1, 2), "y": column(0, 0)})[0]
    assert (found.value, found.n, found.reason) == (None, 2, "nothing to divide by")


def test_one_item_has_a_value_but_no_interval():
    found = intervals([Mean("x")], {"x": column(4, None)})[0]
    assert (found.value, found.low, found.high) == (4, None, None)
    assert found.reason == "no interval from one item"


def test_one_cluster_has_no_interval():
    found = intervals([Mean("x")], {"x": column(4, 5)}, np.array([0, 0]))[0]
    assert (found.value, found.low, found.reason) == (4.5, None, "no interval from one cluster of items")


def test_items_all_alike_claim_no_certainty():
    found = intervals([Mean("x")], {"x": np.full(37, 0.1)})[0]
    assert (found.value, found.low) == (pytest.approx(0.1), None)
    assert found.reason == "no interval: all items alike"


def test_a_value_that_one_item_alone_makes_has_no_interval():
    found = intervals([ratio()], {"x": column(1, 0, 0, 0), "y": column(1, 0, 0, 0)})[0]
    assert (found.value, found.low, found.reason) == (1, None, "no interval from one item")


def test_a_value_that_most_resamples_can_not_compute_has_no_interval():
    rows = OfRows(lambda c: float(c["x"].sum() / c["y"].sum()) if c["y"].sum() else np.nan)
    found = intervals([rows], {"x": column(1, 0, 0, 0), "y": column(1, 0, 0, 0)})[0]
    assert (found.value, found.low, found.reason) == (1, None, "no interval: undefined in too many resamples")


def test_a_share_of_none_or_all_has_wilsons_interval():
    none, every = (intervals([Mean("x", whole=1)], {"x": np.full(40, value)})[0] for value in (0.0, 1.0))
    assert none[:3] == pytest.approx((0, 0, 0.0876), abs=5e-5)  # 1.96² / (40 + 1.96²)
    assert every[:3] == pytest.approx((1, 1 - 0.0876, 1), abs=5e-5)


def test_a_share_of_clusters_is_worth_as_many_items_as_tell_as_much():
    """Ten clusters, each of ten equal answers, tell what ten answers would."""
    x, clusters = np.repeat([1.0] * 3 + [0.0] * 7, 10), np.repeat(np.arange(10), 10)
    found = intervals([Mean("x", whole=1)], {"x": x}, clusters)[0]
    t, n = 2.2622, 100 * (0.21 / 100) / (10 / 9 * 0.021)
    middle, reach = (0.3 + t**2 / (2 * n)) / (1 + t**2 / n), t / (1 + t**2 / n) * (0.21 / n + (t / (2 * n)) ** 2) ** 0.5
    assert found[:3] == pytest.approx((0.3, middle - reach, middle + reach), abs=1e-4)
    assert found.reason == "from 10 clusters: few"


def test_a_mean_that_few_items_decide_has_no_interval():
    found = intervals([Mean("x")], {"x": np.array([7.0, 3.0, *[0.0] * 18])})[0]
    assert (found.value, found.low, found.reason) == (0.5, None, "no interval: all items but 2 are alike")


def test_an_interval_of_skewed_items_is_halls():
    """Hall 1992 by hand: the studentised mean T with T + g/3 T² + g²/27 T³ + g/6 = ±t, where g = skewness / √n."""
    x = np.random.default_rng(14).lognormal(0, 0.8, 50)
    found = intervals([Mean("x")], {"x": x})[0]
    n, error = 50, x.std(ddof=1) / np.sqrt(50)
    g = ((x - x.mean()) ** 3).mean() / x.std() ** 3 * np.sqrt(n * (n - 1)) / (n - 2) / np.sqrt(n)
    for end, t in ((found.high, -2.0096), (found.low, 2.0096)):
        studentised = (x.mean() - end) / error
        moved = studentised + g / 3 * studentised**2 + g**2 / 27 * studentised**3 + g / 6
        assert moved == pytest.approx(t, abs=1e-4)
    assert found.stderr == pytest.approx(error)


def test_an_item_with_an_undefined_part_is_left_out_of_a_ratio_whole():
    found = intervals([ratio()], {"x": column(1, None, 3), "y": column(2, 100, 4)})[0]
    assert (found.value, found.n, found.undefined) == (pytest.approx(4 / 6), 2, 1)


def test_thirty_metrics_of_a_large_probe_take_little_memory():
    rng = np.random.default_rng(6)
    columns = {f"m{i}": rng.normal(size=58_492) for i in range(30)}
    tracemalloc.start()
    found = intervals([Mean(name) for name in columns], columns)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(found) == 30
    assert peak < 200 * 2**20


def test_a_change_in_every_item_alike_is_as_sure_as_resampling_can_say():
    deltas = np.column_stack([np.full(999, 3.0), np.zeros(999)])
    assert simultaneous(deltas, np.array([3.0, 0.0]), MANY[:2]).p.tolist() == [1 / 1000, 1]


def test_an_undefined_change_has_no_p():
    rng = np.random.default_rng(7)
    deltas = np.column_stack([rng.normal(5, 1, 999), np.full(999, np.nan)])
    p = simultaneous(deltas, np.array([5.0, np.nan]), MANY[:2]).p
    assert p[0] == 1 / 1000
    assert np.isnan(p[1])
    assert np.isnan(simultaneous(np.full((9, 1), np.nan), np.array([np.nan]), MANY[:1]).p).all()


def test_p_does_not_depend_on_units():
    rng = np.random.default_rng(8)
    deltas, changes = rng.normal(1, 1, (999, 6)), rng.normal(1, 1, 6)
    scale = 10.0 ** np.arange(-6, 6, 2)
    assert (
        simultaneous(deltas, changes, MANY[:6]).p == simultaneous(deltas * scale, changes * scale, MANY[:6]).p
    ).all()


def test_looking_at_more_metrics_makes_each_less_certain_but_not_when_they_are_copies():
    rng = np.random.default_rng(9)
    one = rng.normal(2.5, 1, (9999, 1))
    change = np.array([2.5])
    alone = simultaneous(one, change, MANY[:1]).p[0]
    copies = simultaneous(np.repeat(one, 20, axis=1), np.repeat(change, 20), MANY[:20]).p[0]
    others = simultaneous(np.hstack([one, rng.normal(0, 1, (9999, 19))]), np.append(change, np.zeros(19)), MANY[:20]).p[
        0
    ]
    assert alone == pytest.approx(0.0124, abs=0.003)
    assert copies == alone
    assert others == pytest.approx(1 - (1 - 0.0124) ** 20, abs=0.03)


def test_a_change_is_significant_exactly_where_the_interval_that_holds_with_all_others_leaves_out_0():
    rng = np.random.default_rng(10)
    changes = np.linspace(0.5, 20, 40)
    for units in (6, 30, 1000):
        found = simultaneous(rng.normal(changes, 1, (1000, 40)), changes, np.full(40, units))
        apart = changes - found.reach * found.errors > 0
        assert (apart == (found.p < 0.05)).all()
        assert 0 < apart.sum() < 40
        assert (found.closer < found.reach).all()
        assert (found.reach < found.seen).all()


def test_of_one_number_among_many_items_the_interval_is_the_normal_one():
    rng = np.random.default_rng(11)
    found = simultaneous(rng.normal(0, 2, (99_999, 1)), np.array([0.0]), np.array([1e9]))
    assert found.errors[0] == pytest.approx(2, rel=0.01)
    assert found.reach[0] == pytest.approx(1.96, abs=0.02)
    assert found.closer[0] == pytest.approx(1.645, abs=0.02)
    assert found.seen[0] == pytest.approx(1.96 + 0.84, abs=0.02)
    ten = simultaneous(rng.normal(0, 2, (99_999, 1)), np.array([0.0]), np.array([10.0]))
    assert ten.reach[0] == pytest.approx(2.262 * np.sqrt(10 / 9), abs=0.05)  # Student's t with nine degrees of freedom


def test_draws_that_lie_closer_together_than_normal_ones_make_no_change_surer():
    drawn = np.random.default_rng(0).uniform(-1, 1, (9999, 1))
    error = drawn.std(ddof=1)
    found = simultaneous(drawn + 1.8 * error, np.array([1.8 * error]), MANY[:1])
    assert found.p[0] == pytest.approx(0.072, abs=0.01), (
        "no draw lies beyond 1.74 of its errors, and 7 % of normal ones do"
    )


def test_errors_that_few_resamples_make_too_small_do_not_decide_among_a_hundred_numbers():
    rng = np.random.default_rng(16)
    wolf = 0
    for _ in range(500):
        changes = rng.normal(size=100)
        found = simultaneous(rng.normal(changes, 1, (100, 100)), changes, np.full(100, 1e9))
        wolf += (found.p < 0.05).any()
    assert wolf / 500 < 0.065


@pytest.mark.slow
def test_all_intervals_of_a_comparison_hold_together_in_95_of_100():
    rng = np.random.default_rng(14)
    names = [f"m{i}" for i in range(20)]
    true, held = np.linspace(0, 1, 20), 0
    for seed in range(1000):
        shared = rng.normal(size=(60, 1)) * np.sqrt(0.5)
        change = true + shared + rng.normal(size=(60, 20)) * np.sqrt(0.5)
        columns = dict(zip(names, change.T, strict=True))
        deltas = draws([Mean(name) for name in names], columns, resamples=500, seed=seed)
        found = simultaneous(deltas, change.mean(axis=0), np.full(20, 60))
        held += (np.abs(change.mean(axis=0) - true) <= found.reach * found.errors).all()
    assert 0.93 <= held / 1000 <= 0.97


@pytest.mark.slow
@pytest.mark.parametrize(
    ("statistic", "truth"), [(Mean("x"), 1.0), (ratio(), 0.5)], ids=["mean of skewed scores", "ratio"]
)
def test_intervals_cover_the_truth_about_as_often_as_they_say(statistic, truth):
    rng = np.random.default_rng(11)
    hits = 0
    for seed in range(1500):
        x, noise = rng.gamma(2, 0.5, 100), rng.gamma(4, 0.25, 100)
        found = intervals([statistic], {"x": x, "y": x + noise}, resamples=1000, seed=seed)[0]
        hits += found.low <= truth <= found.high
    assert 0.925 <= hits / 1500 <= 0.965


def covered(drawn, statistic, truth, clusters=None, rounds=600):
    """How often the interval of a statistic of drawn columns holds the truth."""
    rng = np.random.default_rng(15)
    found = [intervals([statistic], drawn(rng), clusters, seed=seed)[0] for seed in range(rounds)]
    known = [each for each in found if each.low is not None]
    assert len(known) > 0.9 * rounds
    return sum(each.low <= truth <= each.high for each in known) / len(known)


@pytest.mark.slow
@pytest.mark.parametrize("size", [20, 60])
def test_skewed_means_of_few_items_are_covered(size):
    found = covered(lambda rng: {"x": rng.lognormal(0, 0.8, size)}, Mean("x"), np.exp(0.32), rounds=2000)
    assert 0.905 <= found <= 0.97


@pytest.mark.slow
@pytest.mark.parametrize("clusters", [3, 4, 8, 25])
def test_ratios_of_few_clusters_are_covered(clusters):
    def drawn(rng):
        ease = np.repeat(rng.normal(0, 1, clusters), 10)
        return {"x": ease + rng.normal(0, 1, clusters * 10) + 5, "y": rng.uniform(1, 3, clusters * 10)}

    assert 0.92 <= covered(drawn, ratio(), 2.5, np.repeat(np.arange(clusters), 10)) <= 0.98


@pytest.mark.slow
@pytest.mark.parametrize(("size", "correlation"), [(100, 0.0), (100, 0.8), (30, 0.0)])
def test_a_comparison_of_twenty_unchanged_metrics_cries_wolf_one_time_in_twenty(size, correlation):
    rng = np.random.default_rng(12)
    names = [f"m{i}" for i in range(20)]
    wolf, rounds = 0, 1000
    for seed in range(rounds):
        shared = rng.normal(size=(size, 1)) * np.sqrt(correlation)
        change = shared + rng.normal(size=(size, 20)) * np.sqrt(1 - correlation)
        columns = dict(zip(names, change.T, strict=True))
        deltas = draws([Mean(name) for name in names], columns, resamples=500, seed=seed)
        p = simultaneous(deltas, change.mean(axis=0), np.full(20, size)).p
        wolf += p.min() < 0.05
    assert 0.03 <= wolf / rounds <= 0.075


@pytest.mark.slow
def test_real_changes_are_found_among_many():
    rng = np.random.default_rng(13)
    names = [f"m{i}" for i in range(30)]
    found = np.zeros(30)
    for seed in range(100):
        change = rng.normal(size=(100, 30))
        change[:, :5] += 0.5
        columns = dict(zip(names, change.T, strict=True))
        deltas = draws([Mean(name) for name in names], columns, seed=seed)
        found += simultaneous(deltas, change.mean(axis=0), np.full(30, 100)).p < 0.05
    assert (found[:5] > 90).all()
    assert found[5:].sum() < 10


def test_items_that_a_statistic_is_not_about_are_neither_counted_nor_undefined():
    columns = {
        "value": np.array([1.0, 0.0, np.nan, 5.0, np.nan]),
        "about": np.array([1.0, 1.0, 1.0, 0.0, np.nan]),
    }
    mean = intervals([Mean("value", over=("about",))], columns)[0]
    assert (mean.value, mean.n, mean.undefined) == (0.5, 2, 1)
    ratio = OfSums(
        lambda c: np.column_stack([c["value"], np.ones(5)]), lambda s: s[..., 0] / s[..., 1], over=("about",)
    )
    assert intervals([ratio], columns)[0][:5] == mean[:5]


def test_a_change_between_shares_is_newcombes():
    """Newcombe 1998, method 10 (its phi not corrected), by hand from a table of pairs: both, base, other, neither."""
    both, one, two, neither = 21, 9, 3, 67
    n = both + one + two + neither
    base = np.repeat([1.0, 1.0, 0.0, 0.0], [both, one, two, neither])
    other = np.repeat([1.0, 0.0, 1.0, 0.0], [both, one, two, neither])
    sides = ({"x": base}, {"x": other})
    drawn = tuple(draws([Mean("x")], side, resamples=20_000)[:, 0] for side in sides)
    phi = (both * neither - one * two) / np.sqrt((both + one) * (two + neither) * (both + two) * (one + neither))

    def wilson(share: float) -> tuple[float, float]:
        z = 1.959964
        middle, reach = share + z**2 / (2 * n), z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
        return (middle - reach) / (1 + z**2 / n), (middle + reach) / (1 + z**2 / n)

    was, now = (both + one) / n, (both + two) / n
    (b_low, b_high), (o_low, o_high) = wilson(was), wilson(now)
    down, up = (now - o_low, b_high - was), (o_high - now, was - b_low)
    reaches = [np.sqrt(x**2 - 2 * phi * x * y + y**2) for x, y in (down, up)]
    found = change_of_shares(Mean("x", whole=1), sides, drawn, None)
    assert found == pytest.approx((now - was - reaches[0], now - was + reaches[1]), abs=5e-4)


def test_a_share_that_is_none_on_both_sides_may_yet_have_changed():
    side = {"x": np.zeros(40)}
    found = change_of_shares(Mean("x", whole=1), (side, side), (np.zeros(9), np.zeros(9)), None)
    assert found == pytest.approx((-0.0876, 0.0876), abs=5e-5)  # none of 40 is at most 0.0876


def test_a_percentage_of_parts_stays_within_its_bounds():
    """Terms whose scores are all but whole: a mean's interval would reach beyond 100."""
    statistic = OfSums(lambda c: np.column_stack([c["x"], np.ones(8)]), ShareOf(np.asarray, 100), ("x",))
    found = intervals([statistic], {"x": np.array([1, 1, 1, 1, 1, 1, 0.9, 0.8])})[0]
    assert found.value == pytest.approx(96.25)
    assert 50 < found.low < 96.25 < found.high <= 100


@pytest.mark.parametrize("columns", [[1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 2.0, 3.0], [0.0, 0.0, 0.0, 0.0]])
def test_a_logistic_curve_that_runs_off_or_has_nothing_to_go_by_is_not_fitted(columns):
    assert logistic_fit(np.column_stack([np.ones(4), columns]), np.array([0.0, 0.0, 1.0, 1.0])) is None
