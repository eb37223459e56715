"""docs/python.md runs as it stands, but for its server."""

import re
from pathlib import Path

import pytest

from tests.support.elsewhere import served
from tests.support.places import ROOT


def test_every_line_of_the_page_on_python_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    page = (ROOT / "docs" / "python.md").read_text("utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    known: dict[str, object] = {}
    with served() as wire:
        for block in blocks:
            exec(block.replace("http://localhost:8000/v1", wire.url).replace('"my-model"', '"wire"'), known)
    assert len(blocks) == 3
    said = capsys.readouterr().out
    assert "student" in said
    assert said.splitlines()[-1] == "4.0"
