"""What a comparison says, refuses and admits not to know."""

import numpy as np
import pytest

from profiler.errors import NotComparable, WrongUse
from profiler.metrics.metric import Metric
from profiler.records import Endpoint, Fingerprint, Sampling
from profiler.runs import sample_store
from profiler.runs.compare import compare
from profiler.stats import OfRows, OfSums, ShareOf
from tests.support import builders

WORDS = Metric("words", about="Words in an answer.", unit="words")
ACCURACY = Metric("accuracy", about="Proportion of right answers.", ideal="high")
ERROR = Metric("error", about="Proportion of wrong answers.", ideal="low")
BIAS = Metric("bias", about="0 when no group is preferred.", ideal=0.0)
RATIO = Metric(
    "ratio",
    about="Sum of hits over sum of chances.",
    ideal="high",
    statistic=OfSums(
        lambda c: np.column_stack([c["hits"], c["chances"]]), lambda s: s[..., 0] / s[..., 1], ("hits", "chances")
    ),
)
LARGEST = Metric("largest", about="The most words.", statistic=OfRows(lambda c: c["words"].max(), ("words",)))
METRICS = (WORDS, ACCURACY, ERROR, BIAS, RATIO, LARGEST)


def find(probe, name):
    return next((metric for metric in METRICS if metric.name == name), None)


def side(
    name="base", metrics=(WORDS,), special=None, items=None, groups=None, clusters=None, probe="attributes", **columns
):
    fields = {key: columns.pop(key) for key in ("endpoint", "fingerprint", "versions") if key in columns}
    table = builders.samples(columns, items, groups, clusters)
    return builders.run({probe: table}, {probe: metrics}, name, {probe: special or {}}, **fields)


def compared(base, other, **options):
    return compare(base, other, find=find, **options)


def only(comparison):
    (change,) = comparison.changes
    return change


BASE = builders.normal(100, 80, 30, 1)
NOISE = builders.normal(100, 0, 5, 2)


def test_a_clear_change_is_told_in_percent_with_a_paired_interval():
    change = only(compared(side(words=BASE), side("other", words=1.5 * BASE + NOISE)))
    assert (change.base, change.other) == (pytest.approx(BASE.mean()), pytest.approx((1.5 * BASE + NOISE).mean()))
    assert change.absolute == pytest.approx(change.other - change.base)
    assert change.low < change.absolute < change.high
    assert change.percent == pytest.approx(100 * change.absolute / change.base)
    assert 47 < change.percent_low < change.percent < change.percent_high < 53
    assert (change.n, change.verdict) == (100, "higher")
    assert change.p < 0.01


def test_items_are_paired_by_key_whatever_their_order():
    base, shift = side(words=BASE), side("other", words=BASE + 1 + NOISE / 10)
    order = np.random.default_rng(3).permutation(100)
    shuffled = side("other", words=(BASE + 1 + NOISE / 10)[order], items=[f"q{i:05}" for i in order])
    assert compared(base, shuffled).changes == compared(base, shift).changes
    assert only(compared(base, shift)).verdict == "higher"  # the spread between items would hide it if they were not


def test_a_run_against_itself_shows_nothing():
    change = only(compared(side(words=BASE), side(words=BASE)))
    assert (change.absolute, change.percent, change.low, change.high) == (0, 0, 0, 0)
    assert (change.verdict, change.p) == ("not significant", 1)


def test_noise_is_the_same():
    other = builders.normal(100, 80, 30, 4)
    change = only(compared(side(words=BASE), side("other", words=other)))
    assert change.verdict == "not significant"
    assert change.low < 0 < change.high


@pytest.mark.parametrize(
    ("metric", "up", "down"), [(WORDS, "higher", "lower"), (ACCURACY, "better", "worse"), (ERROR, "worse", "better")]
)
def test_better_is_where_the_metric_wants_to_be(metric, up, down):
    low, high = (side(metrics=[metric], **{metric.name: level + NOISE / 100}) for level in (0.4, 0.7))
    assert only(compared(low, high)).verdict == up
    assert only(compared(high, low)).verdict == down


@pytest.mark.parametrize(("base", "other", "verdict"), [(10, 2, "better"), (2, -9, "worse"), (10, -10, "lower")])
def test_nearer_to_the_ideal_is_better_and_crossing_it_is_only_a_move(base, other, verdict):
    left, right = (side(metrics=[BIAS], bias=level + builders.normal(100, 0, 5, level + 50)) for level in (base, other))
    change = only(compared(left, right))
    assert change.verdict == verdict
    assert change.percent is None  # the distance to an ideal counts, a ratio to the base does not


def test_no_percentage_of_a_base_near_zero():
    change = only(compared(side(words=NOISE), side("other", words=NOISE + 20)))
    assert (change.percent, change.percent_low, change.percent_high) == (None, None, None)
    assert change.absolute == pytest.approx(20)
    assert change.verdict == "higher"


@pytest.mark.parametrize(
    "statistic",
    [None, OfSums(lambda c: np.column_stack([c["wrong"], 1 + 0 * c["wrong"]]), ShareOf(np.asarray), ("wrong",))],
)
def test_a_proportion_loses_no_more_than_all_of_it(statistic):
    base, other = np.repeat([1.0, 0.0], [33, 67]), np.repeat([1.0, 0.0], [1, 99])
    unit = Metric("wrong", about="Proportion of wrong answers.", unit="proportion", ideal="low", statistic=statistic)
    both = side(metrics=(unit,), wrong=base), side("other", metrics=(unit,), wrong=other)
    change = only(compare(*both, find=lambda probe, name: unit))
    assert change.percent == pytest.approx(-96.97, abs=0.01)
    assert min(change.percent_low, change.joint_percent_low) >= -100
    assert max(change.percent_high, change.joint_percent_high) < 0


def test_a_count_of_few_items_is_never_below_nothing():
    few = np.array([3.0, 1.0, 2.0, 1.0, 40.0, 2.0, 1.0, 3.0])
    change = only(compared(side(words=40 + few), side("other", words=few)))
    assert min(change.percent_low, change.joint_percent_low) >= -100


def test_a_resample_whose_base_is_zero_has_no_percentage():
    rare = np.array([1.0] * 5 + [0.0] * 15)  # in a few of a thousand resamples there is none
    change = only(compared(side(metrics=[LARGEST], words=rare), side("other", metrics=[LARGEST], words=rare + 1)))
    assert (change.percent, change.percent_low, change.percent_high) == (100, 100, 100)


def test_ratios_are_paired_too():
    chances = np.random.default_rng(5).integers(1, 9, 200).astype(float)
    hits = np.floor(chances / 2)
    base = side(metrics=[RATIO], hits=hits, chances=chances)
    other = side("other", metrics=[RATIO], hits=np.minimum(hits + 1, chances), chances=chances)
    change = only(compared(base, other))
    assert change.base == pytest.approx(hits.sum() / chances.sum())
    assert (change.verdict, change.n) == ("better", 200)


def test_items_of_one_side_only_are_left_out_and_that_is_said():
    base = side(words=BASE, special={"items": 100, "errors": 0})
    other = side("other", words=BASE[:90] + 9 + NOISE[:90], special={"items": 100, "errors": 10})
    comparison = compared(base, other)
    assert only(comparison).n == 90
    assert only(comparison).base == pytest.approx(BASE[:90].mean())
    assert comparison.differs == ("attributes: compared on the 90 items answered on both sides (of 100 and 100)",)


def test_too_little_overlap_is_refused():
    other = side("other", words=BASE, items=[f"q{i:05}" for i in range(60, 160)])
    with pytest.raises(NotComparable, match=r"only 40 items were answered on both sides \(of 100 and 100\)"):
        compared(side(words=BASE), other)


def test_a_limited_run_is_compared_on_what_it_asked():
    assert only(compared(side(words=BASE), side("other", words=BASE[:30]))).n == 30


def test_undefined_on_one_side_has_no_verdict_and_says_why():
    change = only(compared(side(words=BASE), side("other", words=np.full(100, np.nan))))
    assert (change.other, change.absolute, change.percent, change.low, change.p, change.verdict) == (None,) * 6
    assert change.reason == "no item has a value on both sides"


def test_a_mean_does_not_move_because_other_items_have_a_value():
    """A score that long answers have and short ones lack is compared on the items that have it on both sides."""
    gaps = np.where(np.argsort(np.argsort(BASE)) < 30, np.nan, BASE)
    change = only(compared(side(words=gaps), side("other", words=BASE)))
    assert (change.absolute, change.verdict, change.n) == (0, "not significant", 70)
    assert change.base == pytest.approx(np.nanmean(gaps))


def test_an_undefined_ratio_has_no_verdict():
    chances = np.ones(50)
    base = side(metrics=[RATIO], hits=chances, chances=chances)
    other = side("other", metrics=[RATIO], hits=0 * chances, chances=0 * chances)
    change = only(compared(base, other))
    assert (change.base, change.other, change.verdict, change.reason) == (1, None, None, "undefined on one side")


def test_too_few_items_get_no_verdict():
    change = only(compared(side(words=BASE[:5]), side("other", words=BASE[:5] + 50)))
    assert (change.verdict, change.reason) == (None, "too few items for a verdict (5)")
    assert change.absolute == pytest.approx(50)


def test_clusters_are_the_items_that_count():
    names = [f"c{i // 25}" for i in range(100)]
    change = only(compared(side(words=BASE, clusters=names), side("other", words=BASE + 50, clusters=names)))
    assert change.reason == "too few items for a verdict (4)"


def test_groups_follow_the_whole_and_do_not_make_it_less_sure():
    groups = [f"g{i % 4}" for i in range(100)]
    other = BASE + np.where(np.arange(100) % 4 == 0, 40, 0) + NOISE
    plain = compared(side(words=BASE), side("other", words=other))
    grouped = compared(side(words=BASE, groups=groups), side("other", words=other, groups=groups))
    assert [change.group for change in grouped.changes] == [None, "g0", "g1", "g2", "g3"]
    assert grouped.changes[0] == plain.changes[0]
    assert [change.verdict for change in grouped.changes] == ["higher", "higher", *["not significant"] * 3]
    assert {change.n for change in grouped.changes[1:]} == {25}


def test_groups_whose_items_look_alike_are_chance_twice():
    words, moved, names = (np.tile(each, 2) for each in (BASE, BASE + NOISE - NOISE.mean() + 1.1, ["g"] * 100))
    names[100:] = "h"

    def p(size):
        left, right = (side(words=each[:size], groups=names[:size].tolist()) for each in (words, moved))
        return [change.p for change in compared(left, right, resamples=9999).changes if change.group]

    (alone,) = p(100)
    assert p(200) == pytest.approx([1 - (1 - alone) ** 2] * 2, abs=0.005)


def test_looking_at_many_metrics_raises_the_bar():
    """A change that is just sure alone is not when forty others were looked at."""
    metrics = [Metric(f"m{i}", about="") for i in range(40)]
    zero, noise = np.zeros(100), {f"m{i}": builders.normal(100, 50, 5, i) for i in range(40)}
    noise["m0"] = noise["m0"] - noise["m0"].mean() + 50 + 1.15

    def lookup(probe, name):
        return next(metric for metric in metrics if metric.name == name)

    def first(names):
        left = side(metrics=[m for m in metrics if m.name in names], **dict.fromkeys(names, zero + 50))
        right = side(metrics=[m for m in metrics if m.name in names], **{name: noise[name] for name in names})
        return compare(left, right, find=lookup).changes[0]

    assert first(["m0"]).verdict == "higher"
    assert first(list(noise)).verdict == "not significant"
    assert first(["m0"]).absolute == first(list(noise)).absolute


@pytest.mark.parametrize(
    ("special", "said"),
    [
        ({"version": 2}, "probe version: 1 → 2"),
        ({"how": "letter"}, "read by: text → letter"),
        ({"suite": "mini"}, "suite: paper → mini"),
        ({"data": {"prompts.jsonl": "ab" * 32}}, "data prompts.jsonl: 9f2c9f2c9f2c → abababababab"),
        ({"data": {"other.jsonl": "9f2c" * 16}}, "data prompts.jsonl: 9f2c9f2c9f2c → none"),
        (
            {"settings": {"prompt_template": "{prompt}"}},
            r"setting prompt_template: '### Question: {prompt}\n ### Answer: ' → {prompt}",
        ),
        ({"settings": {"samples": 4}}, "setting samples: 1 → 4"),
    ],
)
def test_what_was_not_asked_alike_is_refused_and_the_difference_named(special, said):
    special = {**special}
    if "settings" in special:
        special["settings"] = builders.section().settings | special["settings"]
    with pytest.raises(NotComparable) as refused:
        compared(side(words=BASE), side("other", words=BASE, special=special))
    assert f"attributes: {said}" in str(refused.value)
    assert "'base' and 'other' have nothing that can be compared" in str(refused.value)


def test_chat_and_completion_are_two_ways_of_asking():
    chat = side("other", words=BASE, endpoint=Endpoint(model="m", chat=True))
    with pytest.raises(NotComparable, match="attributes: asked: by completion → by chat"):
        compared(side(words=BASE), chat)


def test_one_probe_refused_leaves_the_others():
    scores = {"attributes": builders.samples({"words": BASE}), "bbq": builders.samples({"bias": NOISE})}
    metrics = {"attributes": (WORDS,), "bbq": (BIAS,)}
    base = builders.run(scores, metrics)
    other = builders.run(scores, metrics, "other", {"bbq": {"how": "letter"}})
    comparison = compared(base, other)
    assert [change.probe for change in comparison.changes] == ["attributes"]
    assert comparison.refused == {"bbq": "read by: text → letter"}


def test_a_probe_that_one_side_lacks_is_named():
    scores = {"attributes": builders.samples({"words": BASE}), "bbq": builders.samples({"bias": NOISE})}
    metrics = {"attributes": (WORDS,), "bbq": (BIAS,)}
    assert compared(builders.run(scores, metrics), side(words=BASE)).refused == {"bbq": "only the base was asked it"}
    assert compared(side(words=BASE), builders.run(scores, metrics)).refused == {"bbq": "only the other was asked it"}


def test_another_scorer_is_another_metric():
    left = side(metrics=(WORDS, ACCURACY), words=BASE, accuracy=BASE, special={"scorers": {"words": "spacy 3.8"}})
    right = side(metrics=(WORDS, ACCURACY), words=BASE, accuracy=BASE, special={"scorers": {"words": "spacy 4.0"}})
    changes = {change.metric: change for change in compared(left, right).changes}
    assert (changes["words"].verdict, changes["words"].absolute) == (None, None)
    assert changes["words"].reason == "made by spacy 3.8 and by spacy 4.0: two different metrics"
    assert changes["accuracy"].verdict == "not significant"


def test_a_stored_metric_that_no_longer_exists_is_skipped_with_a_note():
    gone = Metric("gone", about="")
    change = only(compared(side(metrics=[gone], gone=BASE), side(metrics=[gone], gone=BASE)))
    assert (change.verdict, change.reason) == (None, "this version of inherit no longer knows it")


def test_sampling_and_weights_are_what_one_compares_so_they_are_listed():
    hot = Sampling(temperature=0.2, top_p=0.95, max_tokens=256, seed=7)
    other = side("other", words=BASE, special={"sampling": hot}, fingerprint=Fingerprint(id="c0ffee"))
    assert compared(side(words=BASE), other).differs == (
        "weights: models/base (b1946ac9) → models/other (c0ffee)",
        "attributes temperature: 1 → 0.2",
    )


def test_one_sampling_setting_is_the_one_difference_shown():
    hot = Sampling(temperature=0.2, top_p=0.95, max_tokens=256, seed=7)
    same = {"endpoint": Endpoint(model="demo")}
    comparison = compared(side(words=BASE, **same), side("cool", words=BASE, special={"sampling": hot}, **same))
    assert comparison.differs == ("attributes temperature: 1 → 0.2",)


def test_the_same_seed_gives_the_same_comparison():
    base, other = side(words=BASE), side("other", words=BASE + NOISE)
    assert compared(base, other, seed=3) == compared(base, other, seed=3)
    assert compared(base, other, seed=3).changes != compared(base, other, seed=4).changes


def test_runs_are_compared_from_their_folders(tmp_path):
    """Through the files: scores as Parquet, undefined as null, items in the order of their keys."""
    sides = []
    for run in (builders.attributes("short", 100), builders.attributes("long", 190, seed=1)):
        folder = tmp_path / run.profile.id
        journal = sample_store.Journal(folder, "attributes")
        journal.append(reversed(run.samples("attributes")))
        journal.seal()
        sample_store.save_profile(folder, run.profile)
        sides.append((run, sample_store.load(str(folder))))
    (short, short_file), (long, long_file) = sides
    read = compare(short_file, long_file)
    assert read == compare(short, long)
    assert {change.metric for change in read.changes if change.significant} >= {"words", "characters"}


def test_nothing_significant_says_how_large_a_change_would_have_been_seen():
    """Power of 8 in 10 at the change that is said: of two-sided tests at 5 %, by simulation."""
    comparison = compared(side(words=BASE), side("other", words=builders.normal(100, 80, 30, 4)))
    smallest = only(comparison).detectable
    found = []
    for seed in range(200):
        other = builders.normal(100, 80 + smallest, 30, 1000 + seed)
        found.append(only(compared(side(words=builders.normal(100, 80, 30, seed)), side("other", words=other))).verdict)
    assert 0.7 < found.count("higher") / 200 < 0.9


@pytest.mark.parametrize(
    ("margin", "shift", "verdict"),
    [("3", 0, "equivalent"), ("1%", 0, "not significant"), ("10%", 0, "equivalent"), ("10%", 3, "higher")],
)
def test_equivalent_is_what_lies_within_a_margin_by_two_one_sided_tests(margin, shift, verdict):
    other = side("other", words=BASE + NOISE - NOISE.mean() + shift)
    change = only(compared(side(words=BASE), other, margins={"words": margin}))
    assert (change.verdict, change.margin) == (verdict, margin)


def test_two_one_sided_tests_err_in_one_case_of_twenty_at_the_margin():
    found = []
    for seed in range(400):
        words = builders.normal(60, 80, 30, seed)
        other = words + builders.normal(60, 2, 5, 1000 + seed)  # as much more as the margin: not within it
        change = only(compared(side(words=words), side("other", words=other), margins={"words": "2"}, resamples=500))
        found.append(change.verdict)
    assert found.count("equivalent") / 400 < 0.08
    assert found.count("higher") > 200


def test_items_that_are_all_alike_are_not_called_equivalent():
    change = only(compared(side(words=BASE), side(words=BASE), margins={"words": "1"}))
    assert (change.verdict, change.detectable) == ("not significant", None)


def test_a_metric_brings_its_own_margin_and_the_user_another():
    tight = Metric("tight", about="", margin="50%")

    def verdict(**options):
        sides = (side(metrics=[tight], tight=values) for values in (BASE, BASE + NOISE))
        return only(compare(*sides, find=lambda *_: tight, **options)).verdict

    assert verdict() == "equivalent"
    assert verdict(margins={"attributes.tight": "0.001"}) == "not significant"


def test_primary_numbers_are_corrected_among_themselves_and_the_rest_is_exploratory():
    metrics = [Metric(f"m{i}", about="") for i in range(40)]
    noise = {f"m{i}": builders.normal(100, 50, 5, i) for i in range(40)}
    noise["m0"] = noise["m0"] - noise["m0"].mean() + 50 + 1.15

    def lookup(probe, name):
        return next(metric for metric in metrics if metric.name == name)

    left, right = side(metrics=metrics, **dict.fromkeys(noise, np.full(100, 50.0))), side(metrics=metrics, **noise)
    whole = compare(left, right, find=lookup).changes
    named = compare(left, right, find=lookup, primary=["attributes.m0"]).changes
    assert [(c.metric, c.verdict, c.exploratory) for c in named if not c.exploratory] == [("m0", "higher", False)]
    assert next(c for c in whole if c.metric == "m0").verdict == "not significant"
    assert sum(c.exploratory for c in named) == 39


@pytest.mark.parametrize("option", ["primary", "margins"])
def test_a_number_that_was_not_compared_is_refused_by_name(option):
    given = {"primary": ["attributes.word"]} if option == "primary" else {"margins": {"attributes.word": "1"}}
    with pytest.raises(WrongUse, match=r"'attributes\.word', which was not compared; did you mean attributes\.words"):
        compared(side(words=BASE), side("other", words=BASE + NOISE), **given)


def test_the_percentage_is_significant_where_the_change_is():
    """Fieller's interval of a ratio holds 0 exactly where that of the difference does."""
    for seed in range(60):
        other = BASE + builders.normal(100, 1.0, 5, seed)
        change = only(compared(side(words=BASE), side("other", words=other)))
        assert (change.joint_low > 0) == (change.joint_percent_low > 0) == (change.verdict == "higher")
        assert change.joint_percent_low < change.percent < change.joint_percent_high


def test_a_number_that_few_resamples_have_is_given_no_verdict_and_moves_no_other():
    """Its resamples say nothing of how far chance takes it: most of them are undefined, the others alike."""
    rare = np.array([1.0] * 2 + [np.nan] * 98)
    seldom = Metric("seldom", about="", statistic=OfRows(lambda c: c["rare"][:2].mean(), ("words",)))
    sides = [
        side(name, metrics=[WORDS, seldom], words=words, rare=rare + extra)
        for name, words, extra in (("base", BASE, 0), ("other", BASE + NOISE + 2, 5))
    ]
    found = {c.metric: c for c in compare(*sides, find=lambda _, name: seldom if name == "seldom" else WORDS).changes}
    assert (found["seldom"].verdict, found["seldom"].low, found["seldom"].p) == (None, None, None)
    assert found["seldom"].reason == "undefined in too many resamples"
    alone = only(compared(side(words=BASE), side("other", words=BASE + NOISE + 2)))
    assert (found["words"].p, found["words"].joint_low) == (alone.p, pytest.approx(alone.joint_low))
