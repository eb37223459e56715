"""Several servers of one model: the work is shared as there is room, and no answer depends on who gave it."""

from __future__ import annotations

from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from profiler.endpoints import Answer, Generate, connect
from profiler.errors import EndpointDown, WeightsChanged
from profiler.records import Endpoint, Sampling
from selection.teacher import read_teacher
from tests.support.command import inherit
from tests.support.wire import Fault, Script, Wire, serving

GONE = "http://127.0.0.1:9/v1"


async def asked(urls: list[str], cache: Path | None = None, count: int = 40, concurrency: int = 4) -> dict[int, Answer]:
    """What servers answer to so many prompts, together."""
    endpoint = Endpoint(model="wire", url=urls[0], replicas=tuple(urls[1:]))
    sampling = Sampling(temperature=1.0, max_tokens=12, seed=3)
    async with connect(endpoint, cache, concurrency=concurrency) as client:
        wanted = ((n, Generate(f"question {n} end", sampling, n=2)) for n in range(count))
        return {n: answer async for n, answer in client.answer(wanted)}


def texts(answers: dict[int, Answer]) -> dict[int, list[str]]:
    return {n: [one.text for one in answer.generations] for n, answer in answers.items()}


async def servers(stack: AsyncExitStack, *scripts: Script) -> list[Wire]:
    return [await stack.enter_async_context(serving(script)) for script in scripts]


def prompts_of(wire: Wire) -> Counter[int]:
    """How many requests were for a question."""
    return Counter("question" in str(body.get("prompt")) for body in wire.bodies)


async def test_an_answer_does_not_depend_on_which_replica_gave_it() -> None:
    async with AsyncExitStack() as stack:
        one, two = await servers(stack, Script(latency=0.01), Script(latency=0.01))
        alone = await asked([one.url])
        before = prompts_of(one)[True]
        both = await asked([one.url, two.url])
        assert texts(both) == texts(alone)
        assert prompts_of(two)[True] > 0
        assert prompts_of(one)[True] - before + prompts_of(two)[True] == 40, "each was asked once"


async def test_what_one_replica_answered_is_not_asked_of_another(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        one, two = await servers(stack, Script(), Script())
        first = await asked([one.url], tmp_path / "cache.sqlite")
        again = await asked([two.url, one.url], tmp_path / "cache.sqlite")
        assert texts(again) == texts(first)
        assert not prompts_of(two)[True]


async def test_a_replica_that_is_not_there_is_left_out() -> None:
    async with serving() as one:
        assert len(texts(await asked([GONE, one.url], count=3))) == 3


async def test_a_replica_that_dies_leaves_its_work_to_the_others() -> None:
    async with AsyncExitStack() as stack:
        one, two = await servers(stack, Script(latency=0.01), Script(latency=0.01))
        two.faults.append(Fault("reset", "question"))
        answers = await asked([one.url, two.url], count=12, concurrency=2)
        assert {answer.error for answer in answers.values()} == {None}
        assert len(answers) == 12


async def test_all_replicas_gone_is_an_endpoint_that_is_down() -> None:
    with pytest.raises(EndpointDown):
        await asked([GONE, "http://127.0.0.1:10/v1"], count=1)


async def test_another_model_among_the_replicas_is_refused() -> None:
    async with AsyncExitStack() as stack:
        one, two = await servers(stack, Script(), Script(weights="two"))
        with pytest.raises(WeightsChanged, match="are not the same model: leave one of them out"):
            await asked([one.url, two.url], count=1)


@pytest.mark.parametrize("said", ["m@http://a/v1,http://b/v1", {"model": "m", "url": ["http://a/v1", "http://b/v1"]}])
def test_a_teachers_addresses_may_be_several(said: object) -> None:
    endpoint = read_teacher(said, {}).endpoint  # type: ignore[arg-type]
    assert (endpoint.model, endpoint.url, endpoint.replicas) == ("m", "http://a/v1", ("http://b/v1",))


async def test_the_command_takes_further_addresses_and_wants_a_first() -> None:
    done = await inherit("profile", "m", "--replica", "http://a/v1")
    assert done.code == 2
    assert "--replica: expected the model's first address as --url" in done.err
