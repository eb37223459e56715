"""A service's jobs, waited for; and a model server in a process of its own for them to ask."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient

from tests.support.killing import ROOT

COMMAND = (sys.executable, "-c", "from profiler.cli import main; main()")
OVER = ("done", "failed", "cancelled")
PATIENCE = 240.0


@contextmanager
def model_server(**says: Any) -> Iterator[str]:
    """The address of a fake model server."""
    command = [sys.executable, "-m", "tests.support.wire", "--script", json.dumps(says)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            yield process.stdout.readline().strip()
        finally:
            process.kill()


@contextmanager
def service(out: Path, *others: str) -> Iterator[str]:
    """The address of `inherit ui` over a folder."""
    command = [*COMMAND, "ui", "--port", "0", "--no-browser", "--out", str(out), *others]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def ended(client: TestClient, job: str) -> dict[str, Any]:
    """The job, once it is over."""
    until = time.monotonic() + PATIENCE
    while (found := client.get(f"/api/jobs/{job}").json())["state"] not in OVER:
        assert time.monotonic() < until, found
        time.sleep(0.1)
    return dict(found)


def made_of(stream: str) -> list[dict[str, Any]]:
    """The events of a stream."""
    found = []
    for block in stream.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line and line[0] != ":")
        if "data" in fields:
            found.append({**fields, "data": json.loads(fields["data"])})
    return found
