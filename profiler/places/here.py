"""Tasks in processes of this machine, so many at once as there are places for."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, nullcontext, suppress
from contextvars import copy_context
from math import ceil
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import NamedTuple, Self

from profiler.errors import WrongUse
from profiler.http import STOP, Stop
from profiler.places.place import TRIES, Failure, Finished, Task, attempted, lost

COMMAND = (sys.executable, "-P", "-c", "from profiler.cli import main; main()")
"""`inherit` in a process of its own, by this Python."""
PAUSE = 1.0
"""Seconds to wait for a task to end, before whoever waits is asked whether there is more to do."""
GRACE = 15.0
"""Seconds that a process may take to end before it is killed."""


class ThisProcess:
    """One task after the other in this process; those that only wait for servers at once, in threads."""

    most = 2**31

    def __init__(self) -> None:
        self._waiting: list[Task] = []

    def open(self) -> AbstractContextManager[Self]:
        return nullcontext(self)

    def begin(self, tasks: Sequence[Task]) -> None:
        self._waiting += tasks

    def ended(self) -> Sequence[Finished]:
        first, *others = self._waiting
        some = [first, *(task for task in others if not (first.processors or task.processors))]
        self._waiting = [task for task in others if task not in some]
        if len(some) == 1:
            return [Finished(first, attempted(first))]
        stop, outer = Stop(), STOP.get()
        ways = [] if outer is None else outer.ways
        ways.append(stop)
        token = STOP.set(stop)
        try:
            with ThreadPoolExecutor(len(some)) as threads:
                try:
                    begun = [threads.submit(copy_context().run, attempted, task) for task in some]
                    return [Finished(task, done.result()) for task, done in zip(some, begun, strict=True)]
                except BaseException:
                    stop()
                    raise
        finally:
            STOP.reset(token)
            ways.remove(stop)


class Processes:
    """Each task in a process of its own, which goes on where this one is killed."""

    def __init__(self, places: int, gpus: float = 0) -> None:
        self.places = places
        refuse_lack(gpus)

    def open(self) -> AbstractContextManager[HereSite]:
        return closing(HereSite(self.places))


class _Running(NamedTuple):
    """A task, the process that does it, the devices that it has, and how often it was begun."""

    task: Task
    process: BaseProcess
    gpus: tuple[str, ...]
    tries: int


class HereSite:
    """The tasks that wait for a place and those that run."""

    most = 2**31

    def __init__(self, places: int) -> None:
        self._places = places
        # "forkserver" where there is one; on Windows each process starts from nothing.
        several = sys.platform != "win32"
        self._processes = multiprocessing.get_context("forkserver") if several else multiprocessing.get_context("spawn")
        self._free = devices()
        self._waiting: list[tuple[Task, int]] = []
        self._running: dict[Connection, _Running] = {}

    def begin(self, tasks: Sequence[Task]) -> None:
        # One server imports what tasks need, and each starts as a copy of it.
        self._processes.set_forkserver_preload(sorted({task.work.__module__ for task in tasks}))
        self._waiting += [(task, 1) for task in tasks]
        self._start()

    def _start(self) -> None:
        """Start what there is room for, in the order in which it came: what wants much is not passed for ever."""
        blocked, left = False, []
        for task, tries in self._waiting:
            busy = sum(1 for running in self._running.values() if running.task.processors)
            fits = busy < self._places and ceil(task.gpus) <= len(self._free)
            if task.processors and (blocked := blocked or not fits):
                left.append((task, tries))
                continue
            mine = tuple(self._free[: ceil(task.gpus)])
            del self._free[: len(mine)]
            ours, theirs = self._processes.Pipe(duplex=False)
            process = self._processes.Process(target=_alone, args=(task, theirs, mine, dict(os.environ)))
            process.start()
            theirs.close()
            self._running[ours] = _Running(task, process, mine, tries)
        self._waiting = left

    def ended(self) -> Sequence[Finished]:
        if not self._running:
            time.sleep(PAUSE)
        over = []
        waited = wait([*self._running], PAUSE)
        for pipe in [pipe for pipe in self._running if pipe in waited]:
            one = self._running.pop(pipe)
            told = _received(pipe)
            one.process.join()
            self._free += one.gpus
            if told is None and one.tries < TRIES:
                self._waiting.insert(0, (one.task, one.tries + 1))
            else:
                why = f"the last with {one.process.exitcode}"
                over.append(Finished(one.task, lost(one.task, why) if told is None else told[0]))
        self._start()
        return over

    def close(self) -> None:
        """End what runs; all of it can be taken up again."""
        for one in self._running.values():
            one.process.terminate()
        until = time.monotonic() + GRACE
        for one in self._running.values():
            one.process.join(max(0.0, until - time.monotonic()))
            one.process.kill()
            one.process.join()


def refuse_lack(gpus: float) -> None:
    """Refuse a task that wants more GPUs than there are here."""
    if (wants := ceil(gpus)) > (there := len(devices())):
        raise WrongUse(f"a task wants {wants} GPU{'s' * (wants > 1)}, and this machine has {there}")


def _received(pipe: Connection) -> tuple[object] | None:
    """What a process told; None where it died without a word."""
    try:
        return (pipe.recv(),)
    except (EOFError, OSError):
        return None
    finally:
        pipe.close()


def _alone(task: Task, pipe: Connection, gpus: Sequence[str], environment: Mapping[str, str]) -> None:
    """Do a task as the whole work of this process, in the environment of the one that began it."""
    os.environ.clear()
    os.environ.update(environment)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # even where whoever began it is deaf to Ctrl-C
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    if gpus:
        os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(gpus)
    try:
        told = attempted(task)
    except KeyboardInterrupt:
        told = Failure(f"{task.name}: stopped", 130)
    with suppress(OSError):  # whoever began it may be gone; what was done lies where it belongs
        pipe.send(told)


def devices() -> list[str]:
    """The GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them."""
    if (told := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        return [name for name in told.split(",") if name.strip() not in ("", "-1")]
    try:
        asked = ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"]
        said = subprocess.run(asked, capture_output=True, text=True, check=False)  # noqa: S603
    except OSError:
        return []
    return [] if said.returncode else said.stdout.split()
