"""A server is reached however it answers, and whatever goes wrong has one clear outcome."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from dataclasses import replace
from typing import TypeVar

import pytest

from profiler.endpoints.client import Client
from profiler.endpoints.openai.reply import boundary, spell
from profiler.endpoints.requests import Answer, Choose, Generate, Request, Weigh
from profiler.errors import EndpointDown, Refused
from profiler.records import Sampling
from tests.support.ask import HASTY, WARM, answers, client, one
from tests.support.wire import Fault, Script, serving, weighed, written

K = TypeVar("K")

SAY = Generate("Tell me of the sea", WARM, n=4)
PICK = Choose("The doctor said that", (" she", " he was late", " it"))


async def collect(model: Client, asked: Iterable[tuple[K, Request]], found: dict[K, Answer]) -> None:
    """Answers that came before the end, whatever the end was."""
    async for key, answer in model.answer(asked):
        found[key] = answer  # noqa: PERF403 - what came before an error must stay


def texts(script: Script, request: Generate) -> list[str]:
    """What the wire's weights say, one seed at a time."""
    seeds = range(request.sampling.seed, request.sampling.seed + request.n)
    return [written(script, request.filled(), seed, request.sampling.max_tokens)[0] for seed in seeds]


def total(script: Script, prefix: str, text: str) -> float:
    """What the wire's weights make of the tokens of `text` after a prefix."""
    rows = weighed(script, prefix + text)[len(weighed(script, prefix)) :]
    return sum(value for _, value in rows if value is not None)


async def test_samples_of_one_prompt_come_in_one_request() -> None:
    async with serving() as wire, client(wire) as model:
        answer = await one(model, SAY)
        assert [found.text for found in answer.generations] == texts(wire.script, SAY)
        assert [body.get("n") for body in wire.asked(SAY.prompt)] == [4]
        assert answer.usage.completion == sum(len(text.split()) for text in texts(wire.script, SAY))


@pytest.mark.parametrize("script", [Script(n=False), Script(copies=True), Script(faults=(Fault("400", '"n":'),))])
async def test_a_server_without_n_gives_the_same_samples_one_by_one(script: Script) -> None:
    async with serving(script) as wire, client(wire) as model:
        answer = await one(model, SAY)
        assert not (await model.capabilities()).n
        assert [found.text for found in answer.generations] == texts(script, SAY)
        assert len(wire.asked(SAY.prompt)) == 4


async def test_many_samples_are_split_into_several_requests() -> None:
    many = replace(SAY, n=40)
    async with serving() as wire, client(wire) as model:
        answer = await one(model, many)
        assert [found.text for found in answer.generations] == texts(wire.script, many)
        assert sorted(body["n"] for body in wire.asked(SAY.prompt)) == [8, 32]


async def test_greedy_samples_are_asked_one_by_one_since_servers_refuse_them_together() -> None:
    async with serving() as wire, client(wire) as model:
        answer = await one(model, Generate("Tell", Sampling(max_tokens=4), n=2))
        assert answer.error is None
        assert len({found.text for found in answer.generations}) == 1


async def test_one_choice_too_few_is_asked_again_alone_with_its_own_seed() -> None:
    async with serving(Script(faults=(Fault("short", "of the sea", times=1),))) as wire, client(wire) as model:
        answer = await one(model, SAY)
        assert [found.text for found in answer.generations] == texts(wire.script, SAY)
        assert [(body.get("n"), body["seed"]) for body in wire.asked(SAY.prompt)] == [(4, 7), (None, 10)]


async def test_a_server_that_sends_no_choice_even_alone_leaves_an_error() -> None:
    async with serving(Script(faults=(Fault("short", "of the sea"),))) as wire, client(wire) as model:
        answer = await one(model, replace(SAY, n=2))
        assert answer.error == "the server sent no choice"


async def test_choices_are_weighed_after_the_prompt_in_one_request() -> None:
    async with serving() as wire, client(wire) as model:
        answer = await one(model, PICK)
        assert answer.how == "loglikelihood"
        assert answer.choice is None, "mean or sum is for the probe to decide"
        expected = [total(wire.script, PICK.prompt, choice) for choice in PICK.choices]
        assert [found.total for found in answer.likelihoods] == pytest.approx(expected)
        assert [found.tokens for found in answer.likelihoods] == [1, 3, 1]
        assert len(wire.asked(PICK.prompt)) == 1


WAYS = [Script(lists=False), Script(zero=False), Script(zero=False, lists=False), Script(bills=True)]


@pytest.mark.parametrize("script", WAYS)
async def test_weighing_works_without_lists_where_a_token_must_be_drawn_and_where_one_is_billed_that_was_not(
    script: Script,
) -> None:
    async with serving(script) as wire, client(wire) as model:
        answer = await one(model, PICK)
        assert answer.likelihoods[1].total == pytest.approx(total(script, PICK.prompt, " he was late"))
        assert len(wire.asked(PICK.prompt)) == (1 if script.lists else 3)


@pytest.mark.parametrize(("bare", "asked"), [(True, 0), (False, 1)])
async def test_no_alternatives_are_asked_for_where_the_server_weighs_without(bare: bool, asked: int) -> None:
    async with serving(Script(bare=bare)) as wire, client(wire) as model:
        answer = await one(model, PICK)
        expected = [total(wire.script, PICK.prompt, choice) for choice in PICK.choices]
        assert [found.total for found in answer.likelihoods] == pytest.approx(expected)
        (body,) = wire.asked(PICK.prompt)
        assert body["logprobs"] == asked
        assert "echo" not in (await model.capabilities()).notes


@pytest.mark.parametrize("tokens", ["plain", "stripped", "broken", "ids"])
async def test_the_boundary_is_found_however_tokens_are_written(tokens: str) -> None:
    pick = Choose("Die Ärztin sagte über ihn:", (" schön", " né à Genève", " 東京"))
    async with serving(Script(tokens=tokens)) as wire, client(wire) as model:
        answer = await one(model, pick)
        expected = [total(wire.script, pick.prompt, choice) for choice in pick.choices]
        assert [found.total for found in answer.likelihoods] == pytest.approx(expected)


async def test_whole_texts_are_weighed_from_begin_of_text_on() -> None:
    text = "She was late again."
    async with serving() as wire, client(wire) as model:
        (found,) = (await one(model, Weigh((text,)))).likelihoods
        assert found.tokens == 5
        assert found.total == pytest.approx(total(wire.script, "", text))
    async with serving(Script(bos=False)) as wire, client(wire) as model:
        (found,) = (await one(model, Weigh((text,)))).likelihoods
        assert found.tokens == 4, "nothing stands before the first token, so it has no likelihood"


async def test_chat_is_asked_through_messages() -> None:
    async with serving() as wire, client(wire, chat=True) as model:
        answer = await one(model, replace(SAY, system="Be brief", prompt_template="Q: {prompt} A:"))
        assert answer.generations[0].text
        (body,) = wire.asked(SAY.prompt)
        assert body["messages"] == [
            {"role": "system", "content": "Be brief"},
            {"role": "user", "content": SAY.prompt},
        ]


async def test_an_empty_text_is_an_answer_and_null_is_an_error() -> None:
    async with serving(Script(faults=(Fault("empty", "lake"), Fault("null", "hill")))) as wire, client(wire) as model:
        found = await answers(model, [("lake", Generate("lake", WARM)), ("hill", Generate("hill", WARM))])
        assert found["lake"].error is None
        assert found["lake"].generations[0].text == ""
        assert "sent none" in str(found["hill"].error)


async def test_half_a_surrogate_pair_becomes_a_replacement_character() -> None:
    async with serving(Script(faults=(Fault("surrogate", "lake"),))) as wire, client(wire) as model:
        assert (await one(model, Generate("lake", WARM))).generations[0].text == "half \ufffd a pair"


async def test_a_prompt_that_can_not_be_sent_is_an_error_of_its_own() -> None:
    async with serving() as wire, client(wire) as model:
        found = await answers(model, [("bad", Generate("half \ud83d", WARM)), ("good", SAY)])
        assert "surrogate" in str(found["bad"].error)
        assert found["good"].error is None


@pytest.mark.parametrize("kind", ["500", "503", "429", "408", "truncate", "garbage", "reset"])
async def test_a_passing_failure_is_tried_again(kind: str) -> None:
    async with serving(Script(faults=(Fault(kind, "of the sea", times=2),))) as wire, client(wire) as model:
        answer = await one(model, SAY)
        assert [found.text for found in answer.generations] == texts(wire.script, SAY)
        assert len(wire.asked(SAY.prompt)) == 3


@pytest.mark.parametrize("status", ["400", "422", "413"])
async def test_a_refusal_is_not_tried_again_and_keeps_the_servers_words(status: str) -> None:
    fault = Fault(status, "of the sea", says="maximum context length is 1024 tokens")
    async with serving(Script(faults=(fault,))) as wire, client(wire) as model:
        found = await answers(model, [("sea", SAY), ("hill", Generate("hill", WARM))])
        assert "maximum context length is 1024 tokens" in str(found["sea"].error)
        assert found["hill"].error is None
        assert [body.get("n", 1) for body in wire.asked(SAY.prompt)] == [4, 1], "one alone tells"


async def test_one_prompt_that_always_fails_does_not_stop_the_others() -> None:
    async with serving(Script(faults=(Fault("500", "poison"),))) as wire, client(wire, concurrency=2) as model:
        asked = [(f"q{i}", Generate(f"poison {i}" if i % 4 == 0 else f"q {i}", WARM)) for i in range(40)]
        found = await answers(model, asked)
        assert len(found) == 40
        assert sorted(key for key, answer in found.items() if answer.error) == sorted(f"q{i}" for i in range(0, 40, 4))
        assert "500" in str(found["q0"].error)
        assert "tried 3 times" in str(found["q0"].error)


async def test_a_hanging_server_ends_as_an_error() -> None:
    patience = replace(HASTY, attempt=0.1, deadline=0.5)
    async with serving(Script(faults=(Fault("hang", "lake"),))) as wire, client(wire, patience=patience) as model:
        await model.fingerprint()
        started = time.monotonic()
        found = await answers(model, [("lake", Generate("lake", WARM)), ("hill", Generate("hill", WARM))])
        assert "no answer within" in str(found["lake"].error)
        assert found["hill"].error is None
        assert time.monotonic() - started < 2


@pytest.mark.parametrize("kind", ["500", "truncate", "reset"])
async def test_a_server_that_fails_for_good_stops_the_run_and_says_how_often_and_why(kind: str) -> None:
    async with serving() as wire, client(wire, concurrency=4) as model:
        await model.fingerprint()
        wire.script = Script(faults=(Fault(kind, "late"),))
        found: dict[str, Answer] = {}
        early = [(f"early {i}", Generate(f"early {i}", WARM)) for i in range(10)]
        late = [(f"late {i}", Generate(f"late {i}", WARM)) for i in range(1000)]
        with pytest.raises(EndpointDown, match=r"failed [4-7] requests in a row; the last: .*run again") as stop:
            await collect(model, early + late, found)
        assert sorted(found) == sorted(key for key, _ in early), "items are not to blame for a server that is down"
        assert len(wire.asked("late")) < 50
        if kind == "500":
            assert "500: the wire is told to fail" in str(stop.value)


async def test_a_server_that_is_not_there_is_told_at_once() -> None:
    async with serving() as wire:
        model = client(wire)
    started = time.monotonic()
    with pytest.raises(EndpointDown, match="is the server running"):
        await model.capabilities()
    assert time.monotonic() - started < 2
    await model.close()


async def test_a_server_that_dies_in_the_middle_keeps_what_it_answered() -> None:
    async with serving(Script(latency=0.02)) as wire:
        model = client(wire, concurrency=4)
        found: dict[int, Answer] = {}
        await model.fingerprint()
        asyncio.get_running_loop().call_later(0.3, wire.faults.append, Fault("reset"))
        with pytest.raises(EndpointDown):
            await collect(model, ((i, Generate(f"q {i}", WARM)) for i in range(10_000)), found)
        assert len(found) >= 10
        assert not any(answer.error for answer in found.values())
        await model.close()


async def test_a_wrong_key_is_told_with_the_variable_to_set_and_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-123")
    async with serving(Script(key="another")) as wire, client(wire) as model:
        with pytest.raises(Refused, match="OPENAI_API_KEY") as stop:
            await one(model, SAY)
        assert "sk-secret-123" not in str(stop.value)
        assert len(wire.bodies) <= 2, "a refusal is not tried again"
    fault = Fault("401", "of the sea", says="Incorrect API key provided: sk-secret-123")
    async with serving(Script(key="sk-secret-123", faults=(fault,))) as wire, client(wire) as model:
        answer = await one(model, SAY)
        assert "Incorrect API key" in str(answer.error)
        assert "sk-secret-123" not in repr(answer)


async def test_a_model_that_is_not_served_is_told_with_those_that_are() -> None:
    async with serving(Script(model="other")) as wire:
        wire.script = replace(wire.script, model="gemma")
        model = client(wire)
        wire.script = replace(wire.script, model="llama")
        with pytest.raises(Refused, match=r"no model 'gemma' .* it serves llama"):
            await model.capabilities()
        await model.close()


async def test_retry_after_is_heeded() -> None:
    fault = Fault("429", "of the sea", times=1, retry_after=0.4)
    async with serving(Script(faults=(fault,))) as wire, client(wire) as model:
        await model.fingerprint()
        started = time.monotonic()
        answer = await one(model, SAY)
        assert answer.error is None
        assert 0.4 <= time.monotonic() - started < 2


async def test_more_waiting_than_there_is_patience_for_is_an_error() -> None:
    fault = Fault("429", "of the sea", retry_after=3600)
    async with serving(Script(faults=(fault,))) as wire, client(wire) as model:
        answer = await one(model, SAY)
        assert "429: the wire is told to fail" in str(answer.error)
        assert len(wire.asked(SAY.prompt)) == 1


async def test_a_rate_limit_is_found_and_kept_to() -> None:
    patience = replace(HASTY, first=0.02, longest=0.1, deadline=30.0)
    async with serving(Script(latency=0.005, rate=4)) as wire, client(wire, concurrency=32, patience=patience) as model:
        found = await answers(model, [(i, Generate(f"q {i}", WARM)) for i in range(300)])
        assert not any(answer.error for answer in found.values())
        refused = len(wire.asked("q ")) - 300
        assert refused < 300, "being refused again and again would be more requests than answers"


async def test_no_more_requests_are_in_flight_than_asked_for() -> None:
    async with serving(Script(latency=0.01)) as wire, client(wire, concurrency=8) as model:
        await one(model, SAY)  # now it is known what the server can do
        wire.full = 8
        found = await answers(model, [(i, Generate(f"q {i}", WARM)) for i in range(60)])
        assert not any(answer.error for answer in found.values())
        assert wire.peak == 8


async def test_letters_come_from_the_first_tokens_alternatives_where_there_is_no_echo() -> None:
    async with serving(Script(echo=False)) as wire, client(wire) as model:
        answer = await one(model, PICK)
        assert answer.how == "top_logprobs"
        assert answer.choice is not None
        assert sum(answer.confidences) == pytest.approx(1)
        assert answer.confidences[answer.choice] == max(answer.confidences)
        (body,) = wire.asked("A. she")
        assert body["logprobs"] == 20
        assert body["prompt"].endswith("Answer:")


async def test_letters_are_read_in_chat_as_well() -> None:
    async with serving(Script(completions=False)) as wire, client(wire) as model:
        answer = await one(model, PICK)
        assert (answer.how, len(answer.confidences)) == ("top_logprobs", 3)
        assert wire.asked("A. she")[0]["top_logprobs"] == 20


@pytest.mark.parametrize(
    ("says", "choice"),
    [
        (" B", 1),
        ("(C).", 2),
        ("**A**", 0),
        ("The answer is B", 1),
        ("B. he was late", 1),
        ("A nurse", None),
        ("A. she\nB. he\nC. they", None),
        ("A. she was late\nB", None),
        ("B. he was late\n\nBecause the text says so.", 1),
        ("D", None),
    ],
)
async def test_a_written_letter_is_read_strictly_and_never_guessed(says: str, choice: int | None) -> None:
    async with serving(Script(echo=False, top=0, says={"A. she": says})) as wire, client(wire) as model:
        answer = await one(model, PICK)
        assert (answer.how, answer.choice, answer.error) == ("letter", choice, None)
        assert answer.generations[0].text == says


async def test_the_reading_can_be_forced() -> None:
    async with serving() as wire, client(wire, scoring_method="letter") as model:
        assert (await one(model, PICK)).how == "letter"
    async with serving(Script(echo=False)) as wire, client(wire, scoring_method="loglikelihood") as model:
        answer = await one(model, PICK)
        assert "echo" in str(answer.error)
        assert not wire.asked(PICK.prompt)


async def test_what_can_not_be_asked_is_told_with_the_reason_before_anything_is_sent() -> None:
    async with serving(Script(completions=False)) as wire, client(wire) as model:
        weigh = Weigh(("She was late.",))
        assert "echo" in str(await model.refusal(weigh))
        assert await model.refusal(SAY) is None
        assert "echo" in str((await one(model, weigh)).error)
        assert not wire.asked("late")


async def test_memory_is_bounded_on_an_endless_stream() -> None:
    taken = 0

    def endless() -> object:
        nonlocal taken
        while True:
            taken += 1
            yield taken, Generate(f"q {taken}", WARM)

    async with serving() as wire, client(wire, concurrency=8) as model:
        seen = 0
        async for _ in model.answer(endless()):  # type: ignore[arg-type]
            seen += 1
            if seen == 20:
                await asyncio.sleep(0.5)  # a slow taker holds up the asking
                held = taken
            if seen == 700:
                break
        assert held < 20 + 512 + 64 + 16
        assert len(wire.asked("q ")) < 700 + 512 + 64 + 16


def test_a_token_that_straddles_the_boundary_belongs_to_what_follows() -> None:
    assert boundary(["<s>", "The", " doc", "tors"], "The doctors", 10) == 3
    assert boundary(["<s>", "The", " doc", "tors"], "The doctors", 7) == 3
    assert boundary(["<s>", "The", " doc", "tors"], "The doctors", 3) == 2


def test_tokens_that_do_not_spell_the_text_are_not_trusted() -> None:
    assert spell(["<s>", "The", " nurse"], "The doctor") is None
    assert boundary(["<s>", "\ufffd", "\ufffd"], "éé", 1) is None, "which of the two is the second é?"
