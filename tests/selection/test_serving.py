"""A teacher's weights are served by vLLM servers that are started for it, found, replaced and stopped."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from profiler.errors import WrongUse
from selection import Pool, SampleOptions, TeacherProgress, read_teacher, sample, serving
from tests.support.command import asked
from tests.support.pool import rows
from tests.support.serving import FakeVllm, installed_fake
from tests.support.wire import Script
from tests.support.wire import serving as wired


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeVllm]:
    (tmp_path / "teacher").mkdir()
    (tmp_path / "teacher" / "config.json").write_text("{}", "utf-8")
    with installed_fake(tmp_path, monkeypatch) as made:
        yield made


async def drawn(out: Path, prompts: Path, **teacher: object) -> TeacherProgress:
    fields = {"model": "teacher", "name": "one", "max_tokens": 8, **teacher}
    asking = sample(SampleOptions(teachers=(fields,), prompts=str(prompts), k=2, out=str(out)))
    return [shares async for shares in asking][-1][0]


def told(out: Path) -> list[tuple[object, str, int | None]]:
    return sorted((key, row.text, row.seed) for key, row in rows(out).items())


async def test_two_servers_are_started_and_draw_what_one_would_have_drawn(tmp_path: Path, fake: FakeVllm) -> None:
    prompts = asked(tmp_path, 40)
    share = await drawn(tmp_path / "served", prompts, serve={"replicas": 2})
    assert (share.done, share.failed, share.error) == (40, 0, None)
    assert len(fake.starts()) == 2
    assert not fake.alive()
    assert not [*(tmp_path / "served").glob("serving/*")]
    async with wired(Script(model="teacher")) as wire:
        await drawn(tmp_path / "plain", prompts, url=wire.url)
    assert told(tmp_path / "served") == told(tmp_path / "plain")
    assert Pool(tmp_path / "served").about.teachers[0].endpoint.url is None


async def test_a_server_that_dies_is_started_again_and_every_prompt_is_answered(tmp_path: Path, fake: FakeVllm) -> None:
    fake.told(dies=0, asked=20, falls=2, exit=1, says="RuntimeError: gone", script={"latency": 0.05})
    share = await drawn(tmp_path / "pool", asked(tmp_path, 200), serve={"replicas": 2})
    assert (share.done, share.failed, share.error) == (200, 0, None)
    assert len(fake.starts()) > 2
    assert len(rows(tmp_path / "pool")) == 400


async def test_servers_that_can_not_start_are_a_sentence_of_that_teacher(tmp_path: Path, fake: FakeVllm) -> None:
    fake.told(says="ValueError: Model architectures ['Odd'] are not supported", exit=1)
    share = await drawn(tmp_path / "pool", asked(tmp_path), serve={"replicas": 2})
    assert share.error is not None
    assert "does not know the architecture" in share.error


def test_a_server_ends_where_nobody_says_any_more_that_it_is_wanted(
    tmp_path: Path, fake: FakeVllm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "SILENT", 2.0)
    (tmp_path / "wanted").write_bytes(b"once")
    keeping = threading.Thread(target=serving.keep_server, args=("teacher", 2, True, str(tmp_path), 0))
    keeping.start()
    keeping.join(60)
    assert not keeping.is_alive()
    assert fake.starts()[0]["argv"][-2:] == ["--tensor-parallel-size", "2"]
    assert not fake.alive()


def test_servers_of_ones_own_and_an_address_are_not_both_asked_for() -> None:
    with pytest.raises(WrongUse, match="`serve` starts servers of its own, and `url` names one"):
        read_teacher({"model": "one", "url": "http://127.0.0.1:9/v1", "serve": {"replicas": 2}}, {})
