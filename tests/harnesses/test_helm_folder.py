"""What HELM carries of a probe, and what its folders give back; HELM itself is not needed."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from profiler import probes
from profiler.endpoints.requests import Answer, Generate
from profiler.errors import BadData, UnknownName, WrongUse
from profiler.harnesses.helm import folder, spec
from profiler.harnesses.helm.spec import DrawSettings, ProbeSpec, StoredAnswer
from profiler.probes import ProbeOptions
from profiler.records import Generation, Likelihood


@pytest.mark.parametrize("name", sorted(probes.served()))
def test_a_prompt_says_what_the_probe_asks(name: str) -> None:
    here = ProbeSpec.of(name, {"suite": "mini", "limit": 3})
    probe = here.built()
    for item in probe.items:
        request = probe.ask(item)
        assert spec.read(here.prompt(item, request), spec.drawing(probe)).request == request


def test_helms_words_for_sampling_are_heeded() -> None:
    here = ProbeSpec.of("attributes", {"suite": "mini", "limit": 1, "top_p": 0.9, "seed": 4})
    drawn = DrawSettings(0.7, 33, ("\n\n",), 5)
    (item,) = here.built().items
    request = spec.read(here.prompt(item, here.built().ask(item)), drawn).request
    assert isinstance(request, Generate)
    assert request.n == 5
    assert request.sampling.model_dump() == {
        "temperature": 0.7, "top_p": 0.9, "max_tokens": 33, "stop": ("\n\n",), "seed": 4,
    }  # fmt: skip


def test_sampling_means_nothing_to_a_probe_that_weighs() -> None:
    with pytest.raises(WrongUse, match="inherit_crows_pairs has nothing written"):
        ProbeSpec.of("crows_pairs", {"suite": "mini"}).built(DrawSettings(0.7))


def test_prompts_mean_nothing_to_a_probe_that_asks_a_set_of_its_own() -> None:
    with pytest.raises(WrongUse, match=r"--prompts is for .*attributes.*, and nothing but crows_pairs is asked"):
        ProbeSpec.of("crows_pairs", {"suite": "mini", "prompts": "mine.jsonl"}).built()


def test_a_prompt_says_by_which_instrument_and_whether_by_chat_it_is_asked() -> None:
    here = ProbeSpec.of("bbq", {"suite": "mini", "limit": 1, "scoring_method": "letter", "chat": "true"})
    (item,) = here.built().items
    prompt = here.prompt(item, here.built().ask(item))
    assert "\nB. " in prompt
    assert spec.read(prompt, DrawSettings()).way == spec.AskMode(chat=True, scoring_method="letter")


@pytest.mark.parametrize(("name", "value"), [("scoring_method", "letters"), ("chat", "yes")])
def test_an_instrument_that_does_not_exist_is_refused_before_asking(name: str, value: str) -> None:
    with pytest.raises(WrongUse, match=f"expected {name}="):
        ProbeSpec.of("bbq", {name: value})


def test_an_unknown_option_gets_a_suggestion() -> None:
    with pytest.raises(UnknownName, match="did you mean 'limit'"):
        ProbeSpec.of("bbq", {"limits": 3})


@pytest.mark.parametrize(
    "answer",
    [
        Answer("text", (Generation(text=" so", finish="stop"), Generation(text="", finish="length", seconds=0.2))),
        Answer("loglikelihood", likelihoods=(Likelihood(total=-7.25, tokens=3), Likelihood(total=-1e-9, tokens=1))),
        Answer("top_logprobs", (Generation(text=" B", top={" B": -0.1}),), choice=1, confidences=(0.25, 0.75)),
        Answer("letter", (Generation(text="who knows"),), choice=None),
    ],
)
def test_an_answer_comes_back_whole(answer: Answer) -> None:
    told = StoredAnswer.of(answer, "w", "http://x/v1").model_dump(mode="json", exclude_defaults=True)
    assert StoredAnswer.model_validate(told).answer([text.text for text in answer.generations] or ["shown"]) == answer


def test_a_folder_without_runs_of_ours_says_what_was_expected(tmp_path: Path) -> None:
    with pytest.raises(BadData, match="expected a folder such as benchmark_output/runs/SUITE"):
        folder.harvests(tmp_path)


def test_a_file_that_is_not_helms_is_named(tmp_path: Path) -> None:
    (tmp_path / "run_spec.json").write_text('{"name": "x"}', "utf-8")
    with pytest.raises(BadData, match=r"run_spec.json' is not as crfm-helm 0\.5\.16 writes it"):
        folder.harvests(tmp_path)


def test_a_run_is_ours_by_its_scenarios_class_in_whatever_module_that_lay(tmp_path: Path) -> None:
    scenario = {"class_name": "inherit.helm.scenarios.ProbeScenario", "args": {"probe": "bbq"}}
    (tmp_path / "run_spec.json").write_bytes(orjson.dumps({"name": "x", "scenario_spec": scenario}))
    with pytest.raises(BadData, match=r"scenario_state.json', found none: was HELM stopped\?"):
        folder.harvests(tmp_path)


def test_an_item_that_the_data_no_longer_holds_is_named() -> None:
    with pytest.raises(BadData, match="no item 'gone' in crows_pairs"):
        ProbeSpec.of("crows_pairs", {"suite": "mini"}).item("gone")


def test_options_that_run_specs_take_are_those_of_a_profile() -> None:
    assert ProbeSpec.of("bbq", {"suite": "mini", "limit": 5}).built() == probes.get("bbq").build(
        ProbeOptions(suite="mini", limit=5)
    )
