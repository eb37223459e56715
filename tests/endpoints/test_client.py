"""Nothing is paid for twice, whatever happens in between, and nothing of two models is mixed."""

from __future__ import annotations

import asyncio
import json
import random
from dataclasses import replace
from pathlib import Path

import pytest

from profiler.endpoints import fingerprint
from profiler.endpoints.client import connect
from profiler.endpoints.requests import Answer, Choose, Generate, Request, Weigh
from profiler.errors import StoreError, WrongUse
from profiler.records import Endpoint, Fingerprint, Sampling, Usage
from tests.support.ask import WARM, answers, client, one
from tests.support.killing import asked_again, finish, kill_in_the_middle
from tests.support.wire import Fault, Script, serving

SAY = Generate("Tell me of the lake", WARM, n=4)
ALL: list[tuple[str, Request]] = [
    ("say", SAY),
    ("pick", Choose("The lake is", (" wide", " deep and cold"))),
    ("weigh", Weigh(("The lake froze.", "The lake did not freeze."))),
]


def contents(answer: Answer) -> tuple[list[str], list[float]]:
    return [part.text for part in answer.generations], [part.total for part in answer.likelihoods]


async def test_a_second_run_pays_nothing_and_answers_the_same(tmp_path: Path) -> None:
    async with serving() as wire:
        async with client(wire, tmp_path / "c") as model:
            first = await answers(model, ALL)
        before = len(wire.sent)
        async with client(wire, tmp_path / "c") as model:
            second = await answers(model, ALL)
        assert [unit for unit, _ in wire.sent[before:] if "lake" in unit] == []
        assert {key: contents(answer) for key, answer in first.items()} == {
            key: contents(answer) for key, answer in second.items()
        }
        assert first["say"].usage != Usage() == second["say"].usage
        assert all(part.cached for answer in second.values() for part in answer.generations)
        assert all(part.cached for answer in second.values() for part in answer.likelihoods)


async def test_only_the_missing_samples_are_asked_for_with_their_own_seeds(tmp_path: Path) -> None:
    async with serving() as wire:
        async with client(wire, tmp_path / "c") as model:
            await one(model, replace(SAY, n=2))
            answer = await one(model, replace(SAY, n=6))
        assert [(body["seed"], body.get("n")) for body in wire.asked("lake")] == [(7, 2), (9, 4)]
        assert [part.cached for part in answer.generations] == [True] * 2 + [False] * 4


async def test_a_hole_among_the_samples_is_filled_by_its_own_seed(tmp_path: Path) -> None:
    fault = Fault("400", '"seed": 9', says="refused by a filter")
    async with serving(Script(n=False, faults=(fault,))) as wire:
        async with client(wire, tmp_path / "c") as model:
            assert "refused by a filter" in str((await one(model, SAY)).error)
        wire.script = Script()
        wire.bodies.clear()
        async with client(wire, tmp_path / "c") as model:
            answer = await one(model, SAY)
        assert [(body["seed"], body.get("n")) for body in wire.asked("lake")] == [(9, None)]
        assert len({part.text for part in answer.generations}) == 4


async def test_the_same_question_asked_at_once_by_several_is_paid_for_once() -> None:
    async with serving(Script(latency=0.02)) as wire, client(wire) as model:
        found = await answers(model, [(key, SAY) for key in range(50)] + [(99, Weigh(("lake.", "lake.")))])
        assert len(wire.units("lake")) == 5
        assert len({tuple(contents(found[key])[0]) for key in range(50)}) == 1
        assert [found[key].usage.completion > 0 for key in range(50)].count(True) == 1
        assert found[99].likelihoods[0].total == found[99].likelihoods[1].total


async def test_errors_are_not_kept() -> None:
    async with serving(Script(faults=(Fault("null", "lake", times=1),))) as wire, client(wire) as model:
        assert (await one(model, Generate("lake", WARM))).error
        assert not (await one(model, Generate("lake", WARM))).error


async def test_settings_that_decide_an_answer_keep_answers_apart(tmp_path: Path) -> None:
    asked = [
        Generate("lake", WARM),
        Generate("lake", WARM.model_copy(update={"temperature": 0.5})),
        Generate("lake", WARM.model_copy(update={"max_tokens": 4})),
        Generate("lake", WARM.model_copy(update={"stop": ("x",)})),
        Generate("lake", WARM.model_copy(update={"top_p": 0.9})),
        Generate("lake", WARM.model_copy(update={"top_k": 50})),
        Generate("lake", WARM.model_copy(update={"repetition_penalty": 1.2})),
        Generate("lake", WARM, prompt_template="Q: {prompt}"),
    ]
    async with serving() as wire, client(wire, tmp_path / "c") as model:
        found = await answers(model, enumerate(asked))
        assert not any(part.cached for answer in found.values() for part in answer.generations)
        assert len(wire.units("lake")) == len(asked)


@pytest.mark.parametrize("chat", [False, True])
@pytest.mark.parametrize("setting", [{"top_k": 50}, {"repetition_penalty": 1.2}])
@pytest.mark.parametrize(("rarer", "says"), [("ignored", "draws as without it"), ("refused", "refuses .*unrecognized")])
async def test_a_server_without_a_decoding_setting_is_refused_in_one_sentence(
    rarer: str, says: str, setting: dict[str, float], chat: bool
) -> None:
    asked = Generate("lake", WARM.model_copy(update=setting))
    async with serving(Script(rarer=rarer)) as wire, client(wire, chat=chat) as model:
        with pytest.raises(WrongUse, match=says):
            await answers(model, [(0, asked)])
        assert not wire.units("lake")


def test_settings_left_alone_leave_no_trace_in_what_is_stored() -> None:
    assert set(Sampling().model_dump()) == {"temperature", "top_p", "max_tokens", "stop", "seed"}
    drawn = Sampling(temperature=1, top_k=50)
    assert Sampling.model_validate_json(drawn.model_dump_json()) == drawn


async def test_another_model_behind_the_same_name_is_noticed_and_not_mixed(tmp_path: Path) -> None:
    async with serving() as wire:
        async with client(wire, tmp_path / "c") as model:
            first, old = await answers(model, ALL), await model.fingerprint()
            assert model.notice is None
        wire.script = Script(weights="two")
        async with client(wire, tmp_path / "c") as model:
            second, new = await answers(model, ALL), await model.fingerprint()
            assert model.notice is not None
            assert "'wire' is not the model it was on 20" in model.notice
        assert old.id != new.id
        assert contents(first["pick"]) != contents(second["pick"])
        assert not any(part.cached for part in second["pick"].likelihoods)
        wire.script = Script()
        async with client(wire, tmp_path / "c") as model:
            assert (await model.fingerprint()).id == old.id, "the first is known again when it comes back"
            assert (await one(model, SAY)).usage == Usage()


@pytest.mark.parametrize("script", [Script(echo=False), Script(completions=False)])
async def test_a_swap_is_noticed_by_greedy_text_where_there_is_no_echo(tmp_path: Path, script: Script) -> None:
    async with serving(script) as wire:
        async with client(wire, tmp_path / "c") as model:
            old = (await model.fingerprint()).id
        async with client(wire, tmp_path / "c") as model:
            assert ((await model.fingerprint()).id, model.notice) == (old, None)
        wire.script = replace(script, weights="two")
        async with client(wire, tmp_path / "c") as model:
            assert (await model.fingerprint()).id != old


async def test_one_greedy_text_tipped_by_a_near_tie_is_still_the_same_model(tmp_path: Path) -> None:
    async with serving(Script(echo=False)) as wire:
        async with client(wire, tmp_path / "c") as model:
            old = (await model.fingerprint()).id
        wire.script = Script(echo=False, says={"cook rice": " tipped"})
        async with client(wire, tmp_path / "c") as model:
            assert (await model.fingerprint()).id == old


async def test_the_wobble_of_reduced_precision_is_not_another_model(tmp_path: Path) -> None:
    ids = set()
    async with serving(Script(wobble=0.03)) as wire:
        for _ in range(5):
            async with client(wire, tmp_path / "c") as model:
                ids.add((await model.fingerprint()).id)
                assert model.notice is None
    assert len(ids) == 1


async def test_the_same_model_at_another_address_is_known_again(tmp_path: Path) -> None:
    async with serving(Script(wobble=0.01)) as wire, client(wire, tmp_path / "c") as model:
        first = await one(model, SAY)
    async with serving(Script(wobble=0.01)) as wire, client(wire, tmp_path / "c") as model:
        assert (await one(model, SAY)).usage == Usage() != first.usage


async def test_without_a_path_nothing_is_kept() -> None:
    async with serving() as wire:
        for _ in range(2):
            async with connect(Endpoint(model="wire", url=wire.url), None) as model:
                assert not (await one(model, SAY)).generations[0].cached


async def test_a_disk_that_fills_up_stops_the_run_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving() as wire:
        model = client(wire, tmp_path / "c")
        await model.fingerprint()
        # SQLite's own limit on the file: it answers as it does when the disk has no page left.
        model._cache._db.execute("pragma max_page_count = 12")
        with pytest.raises(StoreError, match="make room on that disk and run again"):
            await answers(model, ((i, Generate(f"lake {i}", WARM, n=16)) for i in range(1000)))
        await model._engine.close()
        model._cache._db.close()
        assert len(wire.units("lake")) < 5000


async def test_leaving_in_the_middle_keeps_what_was_received(tmp_path: Path) -> None:
    async with serving(Script(latency=0.01)) as wire:
        async with client(wire, tmp_path / "c") as model:
            stream = model.answer((i, Generate(f"lake {i}", WARM)) for i in range(1000))
            for _ in range(30):
                await anext(stream)
            await stream.aclose()  # type: ignore[attr-defined]
            await asyncio.sleep(0.05)
        before = set(wire.units("lake"))
        assert 30 <= len(before) < 200
        async with client(wire, tmp_path / "c") as model:
            await answers(model, [(i, Generate(f"lake {i}", WARM)) for i in range(200)])
        assert len(wire.units("lake")) - len(before) <= 200 - len(before) + 8, (
            "at most what was in flight is asked again"
        )


async def test_an_empty_stream_ends() -> None:
    async with serving() as wire, client(wire) as model:
        assert await answers(model, []) == {}


@pytest.mark.parametrize("times", [3, pytest.param(10, marks=pytest.mark.slow)])
async def test_a_killed_process_loses_nothing_and_pays_nothing_twice(tmp_path: Path, times: int) -> None:
    rng, count = random.Random(times), str(100 * times)
    async with serving(Script(latency=0.02)) as wire:
        command = ["-m", "tests.support.kill_me", wire.url, str(tmp_path / "c"), str(tmp_path / "out.json"), count]
        kills = [await kill_in_the_middle(command, wire, rng) for _ in range(times)]
        await finish(command)
        assert asked_again(wire, kills, "item ") == []
        served = len(wire.units("item "))
        whole = ["-m", "tests.support.kill_me", wire.url, str(tmp_path / "c2"), str(tmp_path / "whole.json"), count]
        await finish(whole)
        needed = len(wire.units("item ")) - served
    # Whatever the clock says: four requests were in flight at each death, of five samples at most.
    assert served - needed <= times * 4 * 5
    assert json.loads((tmp_path / "out.json").read_text()) == json.loads((tmp_path / "whole.json").read_text())


def measured(*logprobs: float) -> Fingerprint:
    return fingerprint.fingerprint("m", "served", "", logprobs)


def test_noise_is_the_same_weights_and_training_is_not() -> None:
    base = [-1.0 - token / 10 for token in range(40)]
    noise = [value + (0.1 if token % 10 == 0 else 0.02) for token, value in enumerate(base)]
    trained = [value + 0.06 for value in base]
    one_token = [value + (0.75 if token == 7 else 0.0) for token, value in enumerate(base)]
    assert fingerprint.agree(measured(*base), measured(*noise))
    assert not fingerprint.agree(measured(*base), measured(*trained))
    assert not fingerprint.agree(measured(*base), measured(*one_token))
    assert not fingerprint.agree(measured(*base), measured(*base[1:])), "another tokenizer"
