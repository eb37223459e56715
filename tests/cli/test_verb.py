"""A verb's options come from one record: on the command line, or in a file."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.command import inherit


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "texts.txt.jsonl").write_text('{"text": "One. Two three."}\n{"text": "Four five six."}\n', "utf-8")


async def test_a_file_gives_options_and_the_command_line_overrides_them() -> None:
    Path("score.toml").write_text('file = "texts.txt.jsonl"\nmetrics = ["words"]\n', "utf-8")
    given = await inherit("score", "@score.toml", "--json")
    other = await inherit("score", "@score.toml", "-m", "sentences", "--json")
    assert [json.loads(line)["metric"] for line in given.out.splitlines()] == ["words"]
    assert [json.loads(line)["metric"] for line in other.out.splitlines()] == ["sentences"]


async def test_what_was_told_lies_beside_what_was_made_and_makes_it_again() -> None:
    first = await inherit("score", "texts.txt.jsonl", "-m", "words", "--save", "s.jsonl", "--json")
    again = await inherit("score", "@s.jsonl.options.json", "--json")
    assert json.loads(Path("s.jsonl.options.json").read_text("utf-8"))["metrics"] == ["words"]
    assert again.out == first.out


def test_the_list_of_commands_is_shown_before_what_only_their_work_needs_is_imported() -> None:
    script = """
import atexit, sys
from profiler.cli import app
atexit.register(lambda: print(*sys.modules))
app(["--help"])
"""
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    listed, loaded = said.rstrip().rsplit("\n", 1)
    assert "profile" in listed
    assert "profiler.cli.group" in loaded.split()
    assert not {"pydantic", "numpy", "rich", "asyncio", "profiler.records", "profiler.datasets"} & set(loaded.split())


async def test_an_option_that_nobody_knows_is_met_with_the_nearest() -> None:
    Path("score.toml").write_text('file = "texts.txt.jsonl"\nmetrcs = ["words"]\n', "utf-8")
    failed = await inherit("score", "@score.toml")
    assert failed.code == 2
    assert "did you mean 'metrics'" in failed.err
