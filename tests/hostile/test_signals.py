"""Ctrl-C, a polite kill and a closed terminal: the first ends a command tidily and says how it goes on."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest

from bench.kills import WORKS
from tests.support.forked import forked
from tests.support.wire import Script, serving

pytestmark = pytest.mark.slow
LONG = 30.0


async def test_who_is_stopped_says_how_it_goes_on_and_pays_for_nothing_twice(tmp_path: Path) -> None:
    log = tmp_path / "log"
    async with serving(Script(latency=0.05)) as wire, forked(str(log)) as command:
        for name, number in (("profile", signal.SIGINT), ("sample", signal.SIGTERM), ("select", signal.SIGHUP)):
            (at := tmp_path / name).mkdir()
            log.write_text("", "utf-8")
            wire.sent.clear()
            words = WORKS[name].words(at, wire.url)
            running = await command.start(words)
            while len(wire.units(WORKS[name].paid)) < 20:
                assert not running.done()
                await asyncio.sleep(0.01)
            command.send(number)
            assert await running == 130, name
            assert "stopped; what was done is kept: run the same command again to resume" in log.read_text("utf-8")
            await command.finish(words)
            units = wire.units(WORKS[name].paid)
            assert len(units) - len({*units}) <= 64 * WORKS[name].each, "no more than was in flight"
            assert WORKS[name].numbers(at)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_the_second_signal_ends_a_command_that_waits(number: signal.Signals, tmp_path: Path) -> None:
    async with serving(Script(latency=0.02)) as wire, forked() as command:
        running = await command.start(WORKS["profile"].words(tmp_path, wire.url))
        while not wire.units("question"):
            assert not running.done()
            await asyncio.sleep(0.01)
        wire.script = Script(latency=10 * LONG)
        for _ in range(2):
            command.send(number)
            await asyncio.sleep(0.1)
        assert await asyncio.wait_for(running, LONG) == 130
