"""`--on PLACE`: the command itself is done there, and ends here as it would have ended."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from profiler.cli import elsewhere
from profiler.places import ThisProcess
from tests.support.command import inherit


@pytest.fixture
def handed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What a cluster is handed, which says that it has done it."""
    seen: list[tuple[Any, ...]] = []

    def command(*given: Any) -> elsewhere.Said:
        seen.append(given)
        return elsewhere.Said(3, "the table\n", "a warning\n")

    monkeypatch.setattr(elsewhere, "command", command)
    monkeypatch.setattr("profiler.places.place_at", lambda on: None if on == "here" else ThisProcess())
    return seen


async def test_a_command_elsewhere_is_told_all_that_it_would_be_told_here(handed: list[tuple[Any, ...]]) -> None:
    done = await inherit("score", "file.jsonl", "-m", "mtld", "--json", "--on", "slurm:cpu")
    assert handed == [(("score", "--json"), handed[0][1], str(Path.cwd()))]
    assert handed[0][1].items() >= {"file": "file.jsonl", "metrics": ["mtld"]}.items()
    assert (done.code, done.out) == (3, "the table\n")
    assert "handed to slurm:cpu" in done.err
    assert "a warning" in done.err


async def test_a_training_elsewhere_keeps_its_changes(handed: list[tuple[Any, ...]]) -> None:
    words = ["--set", "epochs=2", "--set", "seed=3", "--processes", "2"]
    await inherit("train", "recipe.yaml", *words, "--on", "ray", "--gpus", "2")
    assert handed == [(("train", "recipe.yaml", *words), None, str(Path.cwd()))]


async def test_devices_without_a_cluster_are_refused() -> None:
    done = await inherit("profile", "demo", "--gpus", "1")
    assert done.code == 2
    assert "--gpus and --processors are for a cluster" in done.err


@pytest.mark.slow
def test_the_command_that_is_done_there_is_this_one(tmp_path: Path) -> None:
    (tmp_path / "texts.jsonl").write_text(json.dumps({"text": "A few words to count."}) + "\n", "utf-8")
    said = elsewhere.command(["score", "--json"], {"file": "texts.jsonl", "metrics": ["words"]}, str(tmp_path))
    assert said.code == 0, said.err
    assert "words" in said.out
