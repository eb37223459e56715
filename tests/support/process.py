"""Ports and processes of this machine."""

from __future__ import annotations

import socket
from contextlib import suppress
from pathlib import Path


def running(pid: int) -> bool:
    """Whether a process is there and more than a zombie that nobody has buried."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()[0] != "Z"
    return False


def free() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
