"""In which form an endpoint is asked what it can't be asked by likelihood."""

from __future__ import annotations

from pathlib import Path

import pytest

from profiler import probes
from profiler.endpoints.answer_reader import ScoringMethod
from profiler.probes import ProbeOptions, forms
from profiler.probes.probe import Probe
from profiler.records import Profile
from profiler.runs import sample_store
from profiler.runs.run import run
from tests.support.ask import client
from tests.support.wire import Script, serving

MUTE = Script(completions=False, echo=False, top=0)
"""A chat endpoint that writes and does no more."""


def build(name: str) -> Probe:
    return probes.get(name).build(ProbeOptions(suite="mini", limit=6, samples=3 if name.endswith("sampled") else None))


def built() -> list[Probe]:
    return [build(name) for name in forms.default()]


@pytest.mark.parametrize(
    ("script", "scoring_method", "words"),
    [
        (Script(), "auto", set()),
        (Script(echo=False), "auto", {"crows_pairs_chat", "stereoset_chat", "stereoset_inter_chat"}),
        (
            MUTE,
            "auto",
            {"crows_pairs_chat", "stereoset_chat", "stereoset_inter_chat", "calibration_verbal"},
        ),
        (
            Script(),
            "letter",
            {"crows_pairs_chat", "stereoset_chat", "stereoset_inter_chat", "calibration_verbal"},
        ),
    ],
    ids=["likelihoods", "alternatives", "mute", "by letter"],
)
async def test_a_form_in_words_stands_in_for_what_can_not_be_weighed(
    script: Script, scoring_method: ScoringMethod, words: set[str]
) -> None:
    async with (
        serving(script) as wire,
        client(wire, chat=not script.completions, scoring_method=scoring_method) as model,
    ):
        fitting = await forms.fit(model, built(), build)
    asked = {probe.name for probe in fitting.probes}
    stood_for = {name for name in forms.default() if words & {*probes.get(name).in_words[:1]}}
    assert asked == set(forms.default()) - stood_for | words
    assert len(fitting.notes) == len(words)


async def test_what_has_no_form_for_an_endpoint_is_left_out_with_the_reason() -> None:
    async with serving(MUTE) as wire, client(wire, chat=True, scoring_method="loglikelihood") as model:
        fitting = await forms.fit(model, built(), build)
    assert "bbq: left out" in "\n".join(fitting.notes)
    assert {probe.name for probe in fitting.probes} == {"attributes", "toxicity"}  # what is written is read as it is


async def test_a_chat_endpoint_that_only_writes_is_asked_every_probe(tmp_path: Path) -> None:
    async with serving(MUTE) as wire, client(wire, chat=True) as model:
        asked = [*(await forms.fit(model, built(), build)).probes, build("calibration_sampled")]
        *_, profile = [event async for event in run(model, asked, model.endpoint, tmp_path)]
        assert isinstance(profile, Profile)
    assert profile.errors == 0
    how = {section.probe: section.how for section in profile.sections}
    assert how.pop("calibration_verbal") == "verbal"
    assert how.pop("calibration_sampled") == "sampled"
    assert {how.pop("attributes"), how.pop("toxicity")} == {"text"}
    assert set(how.values()) == {"letter"}
    saved = sample_store.Run(tmp_path / profile.id)
    for probe in how:
        assert all(sample.order for sample in saved.samples(probe)), probe
    first, second = list(saved.samples("crows_pairs_chat"))[:2]
    assert (first.order, second.order) == ((0, 1), (1, 0))
    assert first.prompt.splitlines()[2][3:] == second.prompt.splitlines()[3][3:]
    drawn = next(saved.samples("calibration_sampled"))
    assert len(drawn.answers) == 3
