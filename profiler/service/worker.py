"""A worker takes jobs from the queue, and does each in a process of its own: the command itself."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, NamedTuple

from profiler.errors import InheritError, StoreError, visible
from profiler.files import write_whole
from profiler.places import COMMAND
from profiler.service.queue import LEASE, Job, Queue

LOOK = 0.25
"""Seconds between two looks at what runs."""
BEAT = 2.0
"""Seconds between two words to the queue that this worker lives; so soon does it hear of a job that is cancelled."""
GRACE = 15.0
"""Seconds that a process may take to end before it is killed."""
MOST_TURNS = 10
"""How often a job is taken up whose process is killed."""
TAIL = 65_536
"""Bytes of what a command said that are looked through for why it failed."""

NAMES = {"profile": "id"}
"""Verb → the key of the record that it prints under which stands what it left; of the others, an option says that."""


def folder_of(out: Path, job: str) -> Path:
    """Where a job's own files lie."""
    return out / "jobs" / job


class Child(NamedTuple):
    """The process that does a job."""

    job: Job
    process: subprocess.Popen[bytes]
    folder: Path
    said: int
    """Bytes that stood in the log before."""


@dataclass
class Worker:
    """Does jobs, so many at once, until it is stopped; what it has not ended by then, others take up."""

    queue: Queue
    out: Path
    most: int = 2
    """Jobs at once."""
    an_endpoint: int = 1
    """Jobs of all workers that may ask one server at once."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """What its processes find there beside what this one does."""

    def __post_init__(self) -> None:
        self.name = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(3)}"
        self.wake = threading.Event()
        """Something was put into the queue."""
        self._stop = False
        self._children: dict[str, Child] = {}
        self._ending: dict[str, float] = {}
        """Job → when its process is killed, which was asked to end."""
        self._cancelled: set[str] = set()
        self._beaten = time.monotonic()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Work beside what this process does."""
        self._thread = threading.Thread(target=self.work, name="worker", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Let the processes end, and leave their jobs to be taken up again."""
        self._stop = True
        self.wake.set()
        if self._thread and self._thread is not threading.current_thread():
            self._thread.join()

    def work(self) -> None:
        """Take jobs until `stop`."""
        told = ""
        try:
            while not self._stop:
                self.wake.clear()
                try:
                    self._round()
                    told = ""
                except InheritError as error:
                    if (words := str(error)) != told:
                        sys.stderr.write(f"worker: {visible(words)}; tried again as long as it takes\n")
                    told = words
                self.wake.wait(LOOK if self._children else 4 * LOOK)
        finally:
            self._leave()

    def _round(self) -> None:
        if not self._children and not self._ending:
            self._take_over()
        elif time.monotonic() - self._beaten > LEASE:  # others may have them by now
            self._end(self._children)
        self._reap()
        if time.monotonic() - self._beaten > BEAT or not self._children:
            mine = self.queue.beat(self.name)
            self._beaten = time.monotonic()
            self._end(id for id, child in self._children.items() if id not in mine or mine[id].turn != child.job.turn)
            self._cancelled |= (stopped := {id for id, job in mine.items() if job.stopping})
            self._end(stopped)
        while len(self._children) < self.most and not self._stop:
            if not (job := self.queue.take(self.name, self.an_endpoint)):
                break
            try:
                self._children[job.id] = self._started(job)
            except (OSError, StoreError) as error:
                self.queue.finish(job, "failed", f"it could not be started: {error}")

    def _take_over(self) -> None:
        """Let workers' jobs be had that ended on this machine, without waiting until their leases end."""
        for name in self.queue.workers():
            host, pid, _ = name.rsplit(":", 2)
            if host == socket.gethostname() and name != self.name and not _lives(int(pid)):
                self.queue.give_back(name)

    def _started(self, job: Job) -> Child:
        folder, options = folder_of(self.out, job.id), dict(job.options)
        if job.verb == "study":  # whose paths are seen from where its file lies
            options["out"] = str(self.out.resolve() / str(options["out"]))
        write_whole(folder / "options.json", json.dumps(options, indent=1).encode() + b"\n")
        place = str((folder / "options.json").resolve())
        words = [job.verb, place if job.verb == "study" else f"@{place}", "--json"]
        with (folder / "log.txt").open("ab") as log, (folder / "result.json").open("wb") as result:
            return Child(
                job,
                subprocess.Popen(  # noqa: S603 - our own command; what it is told lies in a file
                    [*COMMAND, "--job", str(folder.resolve()), *words],
                    stdin=subprocess.PIPE,  # closed when we die, by which the process knows
                    stdout=result,
                    stderr=log,
                    cwd=self.out,
                    env={**os.environ, **self.environment},
                    start_new_session=True,
                ),
                folder,
                log.tell(),
            )

    def _end(self, jobs: Iterable[str]) -> None:
        """Ask processes to end; those that were asked long ago are killed."""
        for id in [*jobs]:
            if child := self._children.get(id):
                if id not in self._ending:
                    self._ending[id] = time.monotonic() + GRACE
                    _signal(child, signal.SIGTERM)
                elif time.monotonic() > self._ending[id]:
                    _signal(child, KILL)

    def _reap(self) -> None:
        self._end([*self._ending])
        for id, child in [*self._children.items()]:
            if (code := child.process.poll()) is not None:
                self._finish(child, code)
                del self._children[id]
                self._ending.pop(id, None)
                self._cancelled.discard(id)

    def _finish(self, child: Child, code: int) -> None:
        """Tell the queue how a process ended."""
        _close(child.process.stdin)
        left = _left(child)
        if code == 0:
            self.queue.finish(child.job, "done", None, left)
        elif child.job.id in self._cancelled:
            self.queue.finish(child.job, "cancelled")
        elif self._stop or child.job.id in self._ending:
            self.queue.finish(child.job, "interrupted", "its worker was stopped")
        elif code < 0 and child.job.turn < MOST_TURNS:
            self.queue.finish(child.job, "interrupted", f"its process was killed (signal {-code})")
        elif code < 0:
            self.queue.finish(child.job, "failed", f"its process was killed {MOST_TURNS} times (signal {-code})")
        else:
            self.queue.finish(child.job, "failed", _why(child, code), left)

    def _leave(self) -> None:
        """End what runs; the jobs can be taken up again at once."""
        for child in self._children.values():
            _signal(child, signal.SIGTERM)
        until = time.monotonic() + GRACE
        for child in self._children.values():
            try:
                child.process.wait(max(0.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                _signal(child, KILL)
                child.process.wait()
            with suppress(InheritError):
                self._finish(child, child.process.returncode)


KILL = getattr(signal, "SIGKILL", signal.SIGTERM)


def _signal(child: Child, what: int) -> None:
    """Tell the process and all that it has started."""
    with suppress(ProcessLookupError):
        if hasattr(os, "killpg"):
            os.killpg(child.process.pid, what)
        else:
            child.process.terminate()


def _close(pipe: IO[bytes] | None) -> None:
    if pipe:
        with suppress(OSError):
            pipe.close()


def _lives(pid: int) -> bool:
    """Whether a process of this machine is there, as far as can be told."""
    if pid == os.getpid():
        return False  # one before us had our number
    if os.name == "nt":
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _left(child: Child) -> str | None:
    """What a job has left, in the service's folder."""
    if not (key := NAMES.get(child.job.verb)):
        place = child.job.options.get("save") or child.job.options.get("out")
        return str(place) if place not in (None, ".") else None
    try:
        return str(json.loads((child.folder / "result.json").read_bytes())[key])
    except (OSError, ValueError, LookupError, TypeError):
        return None


def _why(child: Child, code: int) -> str:
    """The sentence that the command ended with."""
    with (child.folder / "log.txt").open("rb") as file:
        file.seek(max(child.said, file.seek(0, os.SEEK_END) - TAIL))
        lines = [line for line in file.read().decode("utf-8", "replace").splitlines() if line.strip()]
    ours = [line.removeprefix("inherit: ") for line in lines if line.startswith("inherit: ")]
    return (ours or lines or [f"it ended with code {code} and said nothing"])[-1][:2000]
