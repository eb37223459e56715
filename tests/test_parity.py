"""Our text metrics and those of TextDescriptives and LexicalRichness, on every real answer there is."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.support.official import needs
from tests.support.places import ROOT


@pytest.mark.parity
@needs("candidate_pool")
def test_text_metrics_equal_their_peers_on_real_answers():
    python = os.environ.get("INHERIT_PARITY_PYTHON") or pytest.skip("INHERIT_PARITY_PYTHON does not name a Python")
    command = [sys.executable, "-m", "bench.text_parity", python]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
