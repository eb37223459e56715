"""A command that a worker of the service has started: it tells how far it is in a file, and ends with its worker."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from profiler.errors import StoreError
from profiler.files import awaited, disk

PAUSE = 0.2
"""Seconds between two lines on one task."""
PATIENCE = 60.0
"""Seconds that the process of a worker before may take to end."""
GRACE = 10.0
"""Seconds that this one may take, once its worker has died."""


@contextmanager
def at_work(folder: Path) -> Iterator[None]:
    """Inside, progress is a line in FOLDER, which no other process works at; without a worker, the work ends."""
    from profiler.reporting.progress import told_to

    signal.signal(signal.SIGINT, signal.default_int_handler)  # even where the worker was started deaf to Ctrl-C
    threading.Thread(target=_end_with_worker, daemon=True).start()
    path = folder / "lock"
    try:
        lock = awaited(path, PATIENCE)
    except BlockingIOError:
        raise StoreError(f"another process is at this job: {str(path)!r} is locked") from None
    try:
        with disk(folder), (folder / "progress.jsonl").open("ab+") as file:
            if file.seek(0, os.SEEK_END) and (file.seek(-1, os.SEEK_END), file.read())[1] != b"\n":
                file.write(b"\n")  # the one before was killed in the middle of a line
            last: dict[str, float] = {}

            def write(what: str, done: int, total: int | None, words: str) -> None:
                now = time.monotonic()
                if done == total or now - last.get(what, -PAUSE) >= PAUSE:
                    last[what] = now
                    line = {"what": what, "done": done, "total": total, "words": words, "at": round(time.time(), 3)}
                    file.write(json.dumps(line).encode() + b"\n")
                    file.flush()

            with told_to(write):
                yield
    finally:
        lock.release()


def _end_with_worker() -> None:
    """Wait until the other end of stdin is gone, which is the worker's; then stop as by Ctrl-C."""
    with open(sys.stdin.fileno(), "rb", buffering=0, closefd=False) as pipe:
        while pipe.read(1024):
            pass
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(GRACE)
    os._exit(130)
