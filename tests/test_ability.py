"""What a server can do is found by asking it, and what it can't is told in its own words."""

from __future__ import annotations

import pytest

from profiler.probe import Choose, Generate
from tests.asking import WARM, client, one
from tests.wire import Fault, Script, serving

SAY = Generate("Tell me of the sea", WARM, n=4)
PICK = Choose("The doctor said that", (" she", " he was late", " it"))


async def test_capabilities_are_found_by_asking() -> None:
    async with serving() as wire, client(wire) as model:
        found = await model.capabilities()
        assert (found.completions, found.chat, found.echo, found.n, found.prompt_lists) == (True,) * 5
        assert (found.top_logprobs, found.seed, found.bos, found.notes) == (20, True, True, {})
        before = len(wire.bodies)
        await model.capabilities()
        assert len(wire.bodies) == before, "asked once"


@pytest.mark.parametrize(
    ("script", "field", "value", "note"),
    [
        (Script(completions=False), "completions", False, "404"),
        (Script(chat=False), "chat", False, "404"),
        (Script(echo=False), "echo", False, "to be echoed"),
        (Script(faults=(Fault("400", "echo", says="echo is not supported"),)), "echo", False, "echo is not supported"),
        (Script(n=False), "n", False, "asked for 4 samples, got 1"),
        (Script(copies=True), "n", False, "4 times the same"),
        (Script(lists=False), "prompt_lists", False, "prompt must be a string"),
        (Script(top=0), "top_logprobs", 0, "got none"),
        (Script(seed=False), "seed", False, "two different samples"),
        (Script(bos=False), "bos", False, "expects it (<bos>"),
    ],
)
async def test_what_is_missing_is_noted_in_the_servers_words(
    script: Script, field: str, value: object, note: str
) -> None:
    async with serving(script) as wire, client(wire) as model:
        found = await model.capabilities()
        assert getattr(found, field) == value
        assert note in found.notes[field]


async def test_fewer_alternatives_are_taken_where_twenty_are_too_many() -> None:
    async with serving(Script(top=5, echo=False)) as wire, client(wire) as model:
        found = await model.capabilities()
        assert (found.top_logprobs, "top_logprobs" in found.notes) == (5, False)
        assert (await one(model, PICK)).how == "top_logprobs"


async def test_a_seed_that_is_refused_is_not_sent() -> None:
    script = Script(faults=(Fault("400", '"seed"', says="Unknown parameter: seed"),))
    async with serving(script) as wire, client(wire) as model:
        answer = await one(model, SAY)
        assert answer.error is None
        assert not (await model.capabilities()).seed
        assert len({found.text for found in answer.generations}) == 4


async def test_a_model_that_only_knows_max_completion_tokens_is_asked_so() -> None:
    fault = Fault("400", '"max_tokens"', says="Unsupported parameter: use 'max_completion_tokens' instead")
    async with serving(Script(completions=False, faults=(fault,))) as wire, client(wire) as model:
        answer = await one(model, SAY)
        assert answer.error is None
        assert wire.asked(SAY.prompt)[0]["max_completion_tokens"] == 8
