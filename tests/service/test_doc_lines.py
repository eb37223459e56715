"""The API docs' curl lines run as they stand against a service; only the address is another."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.service.test_follow import service
from tests.support.killing import ROOT

TEXT = (ROOT / "docs" / "service.md").read_text("utf-8").replace("\\\n", " ")
LINES = [found[1] for found in re.finditer(r"^(?:    |\$ )(curl .*)$", TEXT, re.MULTILINE)]


@pytest.mark.skipif(not shutil.which("curl"), reason="there is no curl")
@pytest.mark.slow
def test_every_curl_line_of_the_docs_is_answered(tmp_path: Path) -> None:
    assert len(LINES) >= 5
    job = "ID"
    with service(tmp_path / "runs") as address:
        for line in LINES:
            there = re.sub(r"(?:http://127\.0\.0\.1|localhost):8765", address, line).replace("/ID", f"/{job}")
            done = subprocess.run(["sh", "-c", there], capture_output=True, text=True, check=True, timeout=240)
            if "events" in line:
                assert '"state":"done"' in done.stdout, done.stdout
                continue
            told = json.loads(done.stdout)
            assert "detail" not in told, told
            job = told.get("id", job)
