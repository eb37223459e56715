"""Kill a real process at random moments of its work, and see what it asks for again."""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.support.wire import Wire

GRACE = 0.05
"""Seconds after which what the server has sent counts as received."""

ROOT = Path(__file__).parents[2]

COMMAND = ("-c", "from profiler.cli import main; main()")
"""The command, for a Python of its own."""


async def kill_in_the_middle(command: Sequence[str], wire: Wire, rng: random.Random, most: float = 0.5) -> float:
    """Run a command until up to `most` seconds after its first new answer, kill -9 it, and say when."""
    before = len(wire.sent)
    process = await asyncio.create_subprocess_exec(sys.executable, *command, cwd=ROOT)
    while len(wire.sent) == before:
        assert process.returncode is None, "it ended before it was answered anything"
        await asyncio.sleep(0.005)
    await asyncio.sleep(rng.uniform(0, most))
    now = time.time()
    process.kill()
    assert await process.wait() == -9, "it had finished: give it more to do"
    await asyncio.sleep(wire.script.latency + 0.1)
    # What the server sent to the dead was received by nobody.
    wire.sent[:] = [(unit, when) for unit, when in wire.sent if when <= now]
    return now


async def finish(command: Sequence[str]) -> None:
    """Run a command to its end."""
    process = await asyncio.create_subprocess_exec(sys.executable, *command, cwd=ROOT)
    assert await process.wait() == 0


def asked_again(wire: Wire, kills: Sequence[float], match: str) -> list[str]:
    """Units holding `match` that were answered, well before any kill, and then once more."""
    received: set[str] = set()
    again = []
    for unit, when in wire.sent:
        if match in unit and unit in received:
            again.append(unit)
        if not any(when <= kill <= when + GRACE for kill in kills):
            received.add(unit)
    return again
