"""Ports and processes of this machine."""

from __future__ import annotations

import os
import random
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen


def running(pid: int) -> bool:
    """Whether a process is there and more than a zombie that nobody has buried."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()[0] != "Z"
    return False


def free() -> int:
    """A port that nobody has, below those that the system gives away itself between this look and its use."""
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@contextmanager
def started(command: list[str | Path], health: str, log: Path, env: Mapping[str, str] | None = None) -> Iterator[None]:
    """A server while the block runs, which begins once HEALTH answers."""
    with log.open("wb") as words:
        server = subprocess.Popen(command, stdout=words, stderr=words, env={**os.environ, **(env or {})})
    try:
        for _ in range(240):
            with suppress(URLError, TimeoutError, ConnectionError):
                urlopen(health, timeout=5).close()
                break
            assert server.poll() is None, log.read_text("utf-8", "replace")[-2000:]
            time.sleep(0.5)
        yield
    finally:
        server.kill()
        server.wait()
