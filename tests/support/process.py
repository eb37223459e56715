"""Ports and processes of this machine."""

from __future__ import annotations

import random
import socket
from contextlib import suppress
from pathlib import Path


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
