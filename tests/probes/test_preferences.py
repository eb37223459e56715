"""The probe of preferences: its numbers are those of `inherit agree` on the same verdicts."""

from __future__ import annotations

import numpy as np
import pytest

from profiler.endpoints.requests import Answer, Choose
from profiler.judging import Judgement, compare_raters, load_pairs, read_labels
from profiler.probes import ProbeOptions
from profiler.probes.preferences import PROMPT, Preferences
from profiler.records import Endpoint, Estimate, Generation, Likelihood, Profile
from profiler.runs.estimates import estimates
from profiler.runs.run import run
from profiler.runs.sample_store import SampleColumns
from tests.support.ask import client
from tests.support.candidates import written
from tests.support.official import OFFICIAL, needs
from tests.support.wire import Script, serving

official = needs("pandalm")
PROBE = Preferences()


def weighed(rng: np.random.Generator) -> Answer:
    """A judge that likes the first place, and now and then finds both as likely."""
    first, second = (-1.0, -1.0) if rng.random() < 0.1 else (rng.normal(-0.5), rng.normal(-1.0))
    return Answer("loglikelihood", likelihoods=tuple(Likelihood(total=t, tokens=1) for t in (first, second)))


def lettered(rng: np.random.Generator) -> Answer:
    place = rng.choice([0, 0, 1, 2])
    return Answer("letter", (Generation(text="ABx"[place]),), choice=None if place == 2 else int(place))


def answers(probe: Preferences, draw) -> list[Answer]:
    rng = np.random.default_rng(5)
    return [draw(rng) for _ in probe.items]


def numbers(probe: Preferences, given: list[Answer]) -> dict[str, Estimate]:
    items = list(probe.items)
    scores = [probe.score(item, answer) for item, answer in zip(items, given, strict=True)]
    columns = {
        name: np.array([np.nan if row[name] is None else row[name] for row in scores], float) for name in scores[0]
    }
    table = SampleColumns([i.id for i in items], [i.group for i in items], [i.cluster for i in items], columns)
    return {found.metric: found for found in estimates("preferences", probe.metrics, table) if found.group is None}


def rows(probe: Preferences, given: list[Answer]) -> list[dict]:
    """The same answers as a verdict file."""
    orders = PROMPT.orders()
    made = []
    for place, pair in enumerate(probe.pairs):
        said = given[len(orders) * place :]
        rulings = tuple(PROMPT.ruling(said[i], order, False) for i, order in enumerate(orders))
        one = Judgement(pair=pair, judge="judge", how=said[0].how, template=PROMPT.id, rulings=rulings)
        made.append(one.model_dump(mode="json"))
    return made


@pytest.mark.parametrize(("draw", "reading"), [(weighed, "averaged"), (lettered, "both")])
@pytest.mark.parametrize("suite", ["mini", pytest.param("paper", marks=official)])
def test_the_numbers_are_those_of_agree_on_the_same_verdicts(tmp_path, monkeypatch, draw, reading, suite):
    monkeypatch.setenv("INHERIT_DATA", str(OFFICIAL))
    probe = Preferences(suite, None if suite == "mini" else 120)
    given = answers(probe, draw)
    told = compare_raters(read_labels([written(tmp_path / "v.jsonl", rows(probe, given))]), resamples=2)
    of_judge = {
        n.metric: n.value
        for n in told.numbers
        if n.rater == "judge"
        and not n.group
        and n.reading in (None, reading)
        and n.against in (None, told.reference)
        and not (n.metric == "longer_wins" and n.against)
    }
    found = numbers(probe, given)
    for metric in ("agreement", "agreement_without_ties", "kappa", "kappa_without_ties", "positional_agreement"):
        assert found[metric].value == pytest.approx(of_judge[metric], abs=1e-12), metric
    assert found["first_shown_wins"].value == pytest.approx(of_judge["first_shown_wins"], abs=1e-12)
    if suite == "paper":  # the reference's own row is left out of the mini set's, whose humans are one
        assert found["longer_wins"].value == pytest.approx(of_judge["longer_wins"], abs=1e-12)


def test_each_pair_is_asked_in_both_orders_and_counts_once():
    items = list(PROBE.items)
    assert len(items) == PROBE.count == 48
    assert numbers(PROBE, answers(PROBE, weighed))["agreement"].n == 24
    first, swapped = (PROBE.ask(item) for item in items[:2])
    assert isinstance(first, Choose)
    one = load_pairs(["mini"])[0]
    assert first.prompt.index(one.a) < first.prompt.index(one.b)
    assert swapped.prompt.index(one.a) > swapped.prompt.index(one.b)


def test_a_limit_counts_pairs():
    assert Preferences(limit=5).count == 10


def test_an_unreadable_verdict_is_counted_and_is_no_tie():
    given = [Answer("letter", (Generation(text="hm"),))] * PROBE.count
    found = numbers(PROBE, given)
    assert (found["unparseable"].value, found["positional_agreement"].value) == (1, 0)
    assert (found["agreement"].value, found["agreement"].n) == (None, 0)


def test_a_judge_that_knows_agrees_wholly():
    given = []
    for pair in load_pairs(["mini"]):
        right = 0 if next(iter(pair.humans.values())) == "a" else 1
        given += [
            Answer("loglikelihood", likelihoods=tuple(Likelihood(total=-float(i != place), tokens=1) for i in (0, 1)))
            for place in (right, 1 - right)
        ]
    found = numbers(PROBE, given)
    assert (found["agreement"].value, found["kappa"].value, found["positional_agreement"].value) == (1, 1, 1)
    assert found["first_shown_wins"].value == 0.5


@official
def test_pandalms_pairs_of_one_prompt_are_resampled_together(monkeypatch):
    monkeypatch.setenv("INHERIT_DATA", str(OFFICIAL))
    probe = Preferences.build(ProbeOptions(suite="paper"))
    items = list(probe.items)
    assert probe.count == len(items) == 2 * 999
    assert len({item.cluster for item in items}) == len({item.fields.prompt for item in items}) < 500


@pytest.mark.parametrize("script", [Script(), Script(echo=False), Script(top=0, echo=False)])
async def test_a_profile_holds_preferences_by_whichever_instrument(tmp_path, script):
    async with serving(script) as wire, client(wire) as asked:
        endpoint = Endpoint(model="wire", url=wire.url)
        *_, profile = [step async for step in run(asked, [Preferences(limit=6)], endpoint, tmp_path)]
    assert isinstance(profile, Profile)
    assert profile.sections[0].items == 12
    assert profile.errors == 0
    assert {"agreement", "positional_agreement"} <= {e.metric for e in profile.estimates}
