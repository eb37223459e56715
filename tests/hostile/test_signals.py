"""Ctrl-C, a polite kill and a closed terminal: the first ends a command tidily and says how it goes on."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

import pytest

from bench.kills import WORKS
from tests.support.forked import forked
from tests.support.killing import COMMAND, ROOT
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


async def test_a_polite_kill_stops_what_a_script_started_in_the_background(tmp_path: Path) -> None:
    """There a shell has SIGINT ignored."""
    async with serving(Script(latency=0.05)) as wire:
        words = WORKS["profile"].words(tmp_path, wire.url)
        deaf = ("sh", "-c", 'trap "" INT; exec "$@"', "sh", sys.executable, *COMMAND, *words)
        running = await asyncio.create_subprocess_exec(*deaf, cwd=ROOT, stdout=-1, stderr=-1)
        while len(wire.units("question")) < 20:
            assert running.returncode is None
            await asyncio.sleep(0.01)
        running.send_signal(signal.SIGINT)
        await asyncio.sleep(0.3)
        assert running.returncode is None
        running.terminate()
        _, said = await asyncio.wait_for(running.communicate(), LONG)
    assert running.returncode == 130
    assert b"stopped; what was done is kept" in said


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
