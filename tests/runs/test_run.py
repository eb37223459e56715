"""A run ends in a profile: what is in it, what failed, what was paid, and how it resumes after being stopped."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple

import pytest

from profiler.datasets import prompts
from profiler.datasets.items import Item
from profiler.endpoints.requests import Answer, Weigh
from profiler.errors import EndpointDown, EndpointError
from profiler.probes.attributes import Attributes
from profiler.probes.probe import Probe, ProbeOptions
from profiler.records import Estimate, Profile, Sampling
from profiler.runs import sample_store
from profiler.runs.run import Progress, run
from tests.support.ask import client
from tests.support.wire import Fault, Script, Wire, serving


def questions(folder: Path, count: int) -> Path:
    path = folder / "questions.jsonl"
    path.write_text("".join(json.dumps({"prompt": f"question {i} end"}) + "\n" for i in range(count)), "utf-8")
    return path


def probe(folder: Path, count: int = 8, **options: object) -> Attributes:
    return Attributes(prompts=prompts(str(questions(folder, count))), **options)  # type: ignore[arg-type]


async def profiled(wire: Wire, folder: Path, probe: Probe, chat: bool = False) -> Profile:
    async with client(wire, folder / "runs" / "cache.sqlite", chat=chat, concurrency=32) as asked:
        events = [event async for event in run(asked, [probe], asked.endpoint, folder / "runs")]
    assert all(isinstance(event, Progress) for event in events[:-1])
    assert isinstance(events[-1], Profile)
    return events[-1]


def estimate(profile: Profile, metric: str) -> Estimate:
    return next(found for found in profile.estimates if found.metric == metric)


def saved(folder: Path, profile: Profile) -> sample_store.Run:
    return sample_store.load(profile.id, folder / "runs")


async def test_a_profile_holds_what_is_needed_to_get_it_again(tmp_path: Path) -> None:
    async with serving() as wire:
        sampling = Sampling(temperature=0.7, seed=3)
        profile = await profiled(wire, tmp_path, probe(tmp_path, sampling=sampling, samples=2))
    (section,) = profile.sections
    assert saved(tmp_path, profile).profile == profile
    assert (section.probe, section.items, section.errors, section.how) == ("attributes", 8, 0, "text")
    assert section.sampling == sampling
    assert section.settings["samples"] == 2
    assert section.suite == "questions.jsonl"
    assert section.data == {"questions.jsonl": prompts(str(tmp_path / "questions.jsonl")).summary().sha256}
    assert section.scorers["mtld"]
    assert profile.fingerprint.id
    assert profile.versions["inheritance-profiler"]


async def test_a_completions_endpoint_is_given_a_prompt_template(tmp_path: Path) -> None:
    async with serving() as wire:
        await profiled(wire, tmp_path, probe(tmp_path, 1))
        assert wire.asked("### Question: question 0 end\\n### Answer:")


@pytest.mark.parametrize(
    ("said", "stops"),
    [
        ({}, ["\n### Question:", "\n### Answer:"]),
        ({"prompt_template": "Q: {prompt}\nA:"}, ["\nQ:", "\nA:"]),
        ({"prompt_template": "# {prompt}"}, None),
        ({"stop": ("END",)}, ["END"]),
        ({"decoding": "paper"}, None),
    ],
)
async def test_an_answer_ends_where_the_template_begins_again(
    tmp_path: Path, said: Mapping[str, object], stops: list[str] | None
) -> None:
    options = ProbeOptions.model_validate({"prompts": str(questions(tmp_path, 1)), **said})
    async with serving() as wire:
        await profiled(wire, tmp_path, Attributes.build(options))
        (body,) = wire.asked("question 0 end")
    assert body.get("stop") == stops


async def test_a_templates_headings_end_nothing_where_there_is_no_template(tmp_path: Path) -> None:
    for said, stops in (({}, None), ({"stop": ("END",)}, ["END"])):
        options = ProbeOptions.model_validate({"prompts": str(questions(tmp_path, 1)), **said})
        async with serving() as wire:
            await profiled(wire, tmp_path, Attributes.build(options), chat=True)
            (body,) = wire.asked("question 0 end")
        assert body.get("stop") == stops


async def test_a_chat_endpoint_is_given_the_prompt_alone(tmp_path: Path) -> None:
    async with serving() as wire:
        await profiled(wire, tmp_path, probe(tmp_path, 1, system="Be brief."), chat=True)
        (body,) = wire.asked("question 0 end")
    assert body["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "question 0 end"},
    ]


async def test_an_items_score_is_the_mean_of_its_answers(tmp_path: Path) -> None:
    async with serving() as wire:
        options = {"sampling": Sampling(temperature=1.0), "samples": 3}
        profile = await profiled(wire, tmp_path, probe(tmp_path, 4, **options))
    for sample in saved(tmp_path, profile).samples("attributes"):
        each = [answer.scores["words"] for answer in sample.answers]
        assert len({answer.text for answer in sample.answers}) == 3
        assert sample.scores["words"] == pytest.approx(sum(each) / 3)  # type: ignore[arg-type]


async def test_a_failed_request_is_an_error_on_its_sample_and_no_score(tmp_path: Path) -> None:
    script = Script(faults=(Fault("400", match="question 2 end", says="not this one"),))
    async with serving(script) as wire:
        profile = await profiled(wire, tmp_path, probe(tmp_path))
    failed = [sample for sample in saved(tmp_path, profile).samples("attributes") if sample.error]
    assert [sample.prompt for sample in failed] == ["question 2 end"]
    assert "not this one" in str(failed[0].error)
    assert failed[0].scores == {}
    assert (profile.errors, estimate(profile, "words").n) == (1, 7)


async def test_an_empty_answer_is_an_answer(tmp_path: Path) -> None:
    async with serving(Script(faults=(Fault("empty", match="question 1 end"),))) as wire:
        profile = await profiled(wire, tmp_path, probe(tmp_path, 4))
    assert profile.errors == 0
    assert estimate(profile, "empty").value == 0.25
    assert estimate(profile, "words").n == 4
    assert estimate(profile, "mtld").undefined == 1


async def test_answers_cut_by_the_token_limit_are_counted(tmp_path: Path) -> None:
    async with serving() as wire:
        profile = await profiled(wire, tmp_path, probe(tmp_path, sampling=Sampling(max_tokens=2)))
    assert estimate(profile, "truncated").value == 1.0


async def test_readability_of_another_language_is_undefined_with_a_reason(tmp_path: Path) -> None:
    async with serving() as wire:
        german = Attributes(prompts=prompts(str(questions(tmp_path, 4)), lang="de"))
        profile = await profiled(wire, tmp_path, german)
    fog = estimate(profile, "gunning_fog")
    assert (fog.value, fog.undefined) == (None, 4)
    assert "defined for en; these texts are 'de'" in str(fog.reason)
    assert estimate(profile, "words").value is not None
    assert estimate(profile, "mtld").value is not None


async def test_it_is_told_that_work_goes_on_while_no_answer_has_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("profiler.runs.run.PATIENCE", 0.01)
    async with serving(Script(latency=0.5)) as wire, client(wire, tmp_path / "cache.sqlite") as asked:
        events = run(asked, [probe(tmp_path, 2)], asked.endpoint, tmp_path / "runs")
        told = [(event.done, event.seconds) async for event in events if isinstance(event, Progress)]
    waiting = [seconds for done, seconds in told if not done]
    assert len(waiting) > 3
    assert waiting == sorted(waiting)
    assert told[-1][0] == 2


async def test_the_same_run_again_pays_nothing_and_gives_the_same_numbers(tmp_path: Path) -> None:
    async with serving() as wire:
        first = await profiled(wire, tmp_path, probe(tmp_path))
        before = len(wire.units("question"))
        second = await profiled(wire, tmp_path, probe(tmp_path))
        assert len(wire.units("question")) == before == 8
    assert second.estimates == first.estimates
    assert first.usage.completion > 0 == second.usage.completion
    assert second.id != first.id


async def test_a_run_whose_endpoint_goes_down_goes_on_where_it_was(tmp_path: Path) -> None:
    asked = probe(tmp_path, 300)
    script = Script(faults=(Fault("500", match="question", after=120, says="out of memory"),))
    async with serving(script) as wire:
        with pytest.raises(EndpointDown, match="out of memory"):
            await profiled(wire, tmp_path, asked)
        paid = set(wire.units("question"))
    (left,) = sample_store.stopped(tmp_path / "runs")
    async with serving() as wire:  # at another port, with the same weights
        profile = await profiled(wire, tmp_path, asked)
        assert not paid & set(wire.units("question"))
    assert (profile.id, profile.errors) == (left.name, 0)


async def test_a_model_swapped_behind_the_same_name_is_asked_anew(tmp_path: Path) -> None:
    async with serving() as wire:
        first = await profiled(wire, tmp_path, probe(tmp_path))
    async with serving(Script(weights="two")) as wire:
        second = await profiled(wire, tmp_path, probe(tmp_path))
        assert len(wire.units("question")) == 8
    assert first.fingerprint.id != second.fingerprint.id
    assert second.usage.completion > 0


async def test_what_an_endpoint_can_not_do_is_said_before_anything_is_paid(tmp_path: Path) -> None:
    async with serving(Script(echo=False)) as wire:
        with pytest.raises(EndpointError, match=r"weights can't be asked here: .*echo"):
            await profiled(wire, tmp_path, Weights())
        assert not wire.units("a text to weigh")


async def test_a_scorer_that_fails_marks_its_sample_only(tmp_path: Path) -> None:
    async with serving() as wire:
        profile = await profiled(wire, tmp_path, Weights(broken="2"))
    errors = {sample.item: sample.error for sample in saved(tmp_path, profile).samples("weights")}
    assert errors == {"0": None, "1": None, "2": "scorer failed: ZeroDivisionError: float division by zero", "3": None}


class Text(NamedTuple):
    """What is weighed."""

    text: str


@dataclass(frozen=True)
class Weights(Probe[Text]):
    """A probe that weighs four texts."""

    broken: str = ""

    name = "weights"
    metrics = ()
    data: ClassVar[Mapping[str, str]] = {}

    @property
    def items(self) -> list[Item[Text]]:
        return [Item(str(i), Text(f"a text to weigh, number {i}")) for i in range(4)]

    def ask(self, item: Item[Text]) -> Weigh:
        return Weigh((item.fields.text,))

    def score(self, item: Item[Text], answer: Answer) -> Mapping[str, float | None]:
        return {"weight": answer.likelihoods[0].total / (item.id != self.broken)}
