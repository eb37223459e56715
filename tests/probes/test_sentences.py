"""A choice between two sentences in both orders: what answerers of known habits get, and what is left open."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from profiler.datasets.items import Item
from profiler.endpoints.answer_reader import read_letter
from profiler.endpoints.requests import LETTERS, Answer
from profiler.probes.crows_pairs import CrowsPairsChat
from profiler.probes.probe import Probe
from profiler.probes.stereoset import StereoSetChat, StereoSetInterChat
from profiler.records import Estimate, Generation
from profiler.runs.estimates import estimates
from profiler.runs.rescore import rescore
from profiler.runs.sample_store import SampleColumns

PROBES: tuple[Probe, ...] = (CrowsPairsChat(), StereoSetChat(), StereoSetInterChat())
each = pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.name)
Answerer = Callable[[Probe, Item], str]
SHARE = {"crows_pairs_chat": "stereotype"}


def listed(probe: Probe, item: Item) -> list[str]:
    """The sentences as the question lists them."""
    lines = probe.ask(item).lettered().splitlines()  # type: ignore[union-attr]
    return [line[3:] for line in lines if line[1:3] == ". " and line[0] in LETTERS]


def taking(wanted: Callable[[Probe, Item], Sequence[str]]) -> Answerer:
    """Answers the letter of the first of the WANTED sentences that is listed."""

    def answer(probe: Probe, item: Item) -> str:
        options = listed(probe, item)
        return LETTERS[next(options.index(sentence) for sentence in wanted(probe, item) if sentence in options)]

    return answer


def by_stereotype(probe: Probe, item: Item) -> Sequence[str]:
    """Sentences, the most stereotyping first."""
    of = item.fields
    return [of.sent_more, of.sent_less] if probe.name == "crows_pairs_chat" else of.sentences


def scored(
    probe: Probe, answerer: Answerer, items: Sequence[Item] | None = None
) -> dict[tuple[str, str | None], Estimate]:
    asked = list(probe.items) if items is None else list(items)
    rows = []
    for item in asked:
        text = answerer(probe, item)
        request = probe.ask(item)
        letter = read_letter(text, 2)
        choice = None if letter is None else request.places[letter]  # type: ignore[union-attr]
        rows.append(probe.score(item, Answer("letter", (Generation(text=text),), choice=choice)))
    columns = {name: np.array([np.nan if row[name] is None else row[name] for row in rows], float) for name in rows[0]}
    table = SampleColumns(
        [item.id for item in asked], [item.group for item in asked], [item.cluster for item in asked], columns
    )
    found = estimates(probe.name, probe.metrics, table, resamples=300)
    return {(estimate.metric, estimate.group): estimate for estimate in found}


def whole(found: dict[tuple[str, str | None], Estimate]) -> dict[str, float | None]:
    return {metric: estimate.value for (metric, group), estimate in found.items() if group is None}


@each
@pytest.mark.parametrize("letter", ["A", "B"])
def test_a_model_that_always_names_one_letter_has_no_preference(probe, letter):
    found = whole(scored(probe, lambda probe, item: letter))
    assert found[SHARE.get(probe.name, "ss")] == 50
    assert found["consistent"] == 0
    assert found["first"] == (100 if letter == "A" else 0)
    if probe.name == "crows_pairs_chat":
        assert found["stereotype_decided"] is None
    else:
        assert (found["lms"], found["icat"]) == (50, 50)


@each
def test_a_model_that_always_takes_the_stereotype_gets_100_in_every_group(probe):
    found = scored(probe, taking(by_stereotype))
    share = SHARE.get(probe.name, "ss")
    assert {estimate.value for (metric, _), estimate in found.items() if metric == share} == {100}
    assert (found["consistent", None].value, found["first", None].value) == (100, 50)
    if probe.name == "crows_pairs_chat":
        assert found["stereotype_decided", None].value == 100
    else:
        assert (found["lms", None].value, found["icat", None].value) == (100, 0)


@each
def test_a_model_that_never_takes_the_stereotype_gets_0(probe):
    found = whole(scored(probe, taking(lambda probe, item: list(by_stereotype(probe, item))[::-1])))
    assert found[SHARE.get(probe.name, "ss")] == 0
    if probe.name != "crows_pairs_chat":
        assert found["lms"] == 0  # it takes the unrelated sentence over both others


@each
def test_intervals_of_answers_drawn_by_lot_cover_50(probe):
    rng = np.random.default_rng(7)
    found = scored(probe, lambda probe, item: "AB"[rng.integers(2)])
    for metric in (SHARE.get(probe.name, "ss"), "first", "consistent"):
        estimate = found[metric, None]
        assert estimate.low < 50 < estimate.high, metric


@each
def test_an_answer_that_names_no_sentence_takes_its_pair_out_and_is_counted(probe):
    asked = list(probe.items)
    mute = asked[0].id
    found = scored(probe, lambda probe, item: "Neither." if item.id == mute else "A")
    main = found[SHARE.get(probe.name, "ss"), None]
    heads = sum(probe.score(item, Answer("letter", choice=0))["head"] == 1 for item in asked)
    assert (main.n, main.undefined) == (heads - 1, 1)
    assert found["unparseable", None].value == pytest.approx(1 / len(asked))


@each
def test_every_item_is_asked_in_both_orders_and_known_by_an_id_of_its_own(probe):
    asked = list(probe.items)
    assert len({item.id for item in asked}) == len(asked) == probe.count
    for one, other in zip(asked[::2], asked[1::2], strict=True):
        assert listed(probe, one) == listed(probe, other)[::-1]
        assert one.cluster == other.cluster
    assert all(probe.ask(item).ways == ("top_logprobs", "letter") for item in asked)


@each
def test_the_order_of_items_does_not_matter(probe):
    asked = list(probe.items)
    shuffled = [asked[place] for place in np.random.default_rng(3).permutation(len(asked))]

    def answerer(probe, item):
        return "AB"[sum(map(ord, item.id)) % 2]

    assert whole(scored(probe, answerer, shuffled)) == whole(scored(probe, answerer))


def test_a_cluster_that_lacks_one_of_its_six_answers_is_in_no_score():
    probe = StereoSetChat()
    asked = list(probe.items)
    lost = f"{asked[0].id.split('/')[0]}/au/1"
    found = scored(probe, taking(by_stereotype), [item for item in asked if item.id != lost])
    assert (found["lms", None].undefined, found["lms", None].n) == (1, len(asked) // 6 - 1)


@each
def test_recorded_letters_count_in_the_order_of_their_own_question(probe):
    rows = [{"item": item.id, "texts": [taking(by_stereotype)(probe, item)]} for item in probe.items]
    found = {estimate.metric: estimate.value for estimate in rescore(probe, rows) if estimate.group is None}
    assert found[SHARE.get(probe.name, "ss")] == 100
    words = [{"item": item.id, "texts": [by_stereotype(probe, item)[0]]} for item in probe.items]
    if probe.name == "crows_pairs_chat":
        found = {estimate.metric: estimate.value for estimate in rescore(probe, words) if estimate.group is None}
        assert found["stereotype"] == 100
