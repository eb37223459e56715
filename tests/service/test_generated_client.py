"""A client that another's generator makes of the OpenAPI document does what the docs say, word by word."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import orjson
import pytest

from profiler.runs import Run
from tests.support.killing import ROOT
from tests.support.service import model_server, service

PYTHON = os.environ.get("INHERIT_CLIENT_PYTHON")

pytestmark = [
    pytest.mark.servers,
    pytest.mark.skipif(not PYTHON, reason="INHERIT_CLIENT_PYTHON names no interpreter with openapi-python-client"),
]

TEXT = (ROOT / "docs" / "service.md").read_text("utf-8")
ADDRESS, ASKED = "http://127.0.0.1:8765", '{"model": "demo", "suite": "mini", "quick": True}'
REFUSED = """
refused = submit_profile.sync(client=service, body=ProfileOptions.from_dict({"model": "wire", "probes": ["bbw"]}))
print(refused.status, refused.detail)
"""


def test_a_generated_client_makes_a_profile_reads_its_numbers_and_scores_texts(tmp_path: Path) -> None:
    [command] = re.findall(r"^\$ openapi-python-client (generate .*)$", TEXT, re.MULTILINE)
    [script] = [
        found[1] for found in re.finditer(r"```python\n(.*?)```", TEXT, re.DOTALL) if "inherit_client" in found[1]
    ]
    assert (ADDRESS in command, ADDRESS in script, ASKED in script) == (True, True, True)
    with model_server() as url, service(tmp_path / "runs") as address:

        def said(*words: str) -> str:
            told = [str(PYTHON), *words]
            done = subprocess.run(told, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300)
            assert done.returncode == 0, done.stdout + done.stderr
            return done.stdout

        made = said("-m", "openapi_python_client", *command.replace(ADDRESS, address).split())
        assert "Unable" not in made, made
        asked = ASKED.replace("demo", "wire").replace("}", f', "url": "{url}", "probes": ["bbq"]}}')
        lines = said("-c", script.replace(ADDRESS, address).replace(ASKED, asked) + REFUSED).splitlines()
    profile = Run(next((tmp_path / "runs").glob("*/profile.json")).parent).profile
    assert lines[:-2] == [f"bbq {each.metric} {each.value}" for each in profile.estimates]
    assert orjson.loads(lines[-2].replace("'", '"')) == {"words": [2.0, 3.0]}
    assert lines[-1].startswith("422 no probe 'bbw'; did you mean 'bbq'?"), lines[-1]
