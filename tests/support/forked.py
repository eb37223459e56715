"""The command as processes that start at once: each is forked from one that has imported what it needs."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from importlib import import_module

from tests.support.killing import ROOT

NEEDED = (
    "profiler.cli",
    "profiler.runs.profile",
    "profiler.endpoints.openai",
    "profiler.reporting.profile",
    "profiler.judging",
    "profiler.study",
    "selection",
    "spacy",
    "pyarrow.parquet",
    "aiohttp",
    "altair",
)
TRAINING = ("torch", "transformers", "trl", "training.sft", "training.trainer")


class Forked:
    """Starts the command, one at a time."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.pid = 0

    async def start(self, words: Sequence[str]) -> asyncio.Task[int]:
        """Start it; the task gives its exit code, or the negative number of the signal that it died of."""
        assert self.process.stdin
        self.process.stdin.write(json.dumps([*words]).encode() + b"\n")
        self.pid = int(await self._line())
        return asyncio.create_task(self._ended())

    async def finish(self, words: Sequence[str]) -> None:
        """Run it to its end."""
        code = await (await self.start(words))
        assert code == 0, f"{words} ended with {code}"

    def send(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Send it a signal, if it is still there."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    async def _ended(self) -> int:
        return int(await self._line())

    async def _line(self) -> bytes:
        assert self.process.stdout
        return await self.process.stdout.readline()


@asynccontextmanager
async def forked(log: str = os.devnull) -> AsyncIterator[Forked]:
    """What starts commands while the block runs; what they say goes to LOG."""
    words = (sys.executable, "-m", "tests.support.forked", log)
    process = await asyncio.create_subprocess_exec(*words, cwd=ROOT, stdin=-1, stdout=-1)
    try:
        yield Forked(process)
    finally:
        process.kill()
        await process.wait()


def main() -> None:
    for name in (*NEEDED, *TRAINING):
        with suppress(ImportError):
            import_module(name)
    from profiler import cli

    for line in sys.stdin:
        if not (child := os.fork()):
            log = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
            for stream in (1, 2):
                os.dup2(log, stream)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            sys.argv = ["inherit", *json.loads(line)]
            try:
                cli.main()
            except SystemExit as end:
                os._exit(end.code if isinstance(end.code, int) else 0)
            os._exit(0)
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    main()
