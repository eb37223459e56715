"""Folders that can't be written to: a sentence and an exit code before anything is paid; full disks: gone on with."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bench.kills import FLIGHT, WORKS
from tests.support import candidates, study
from tests.support.command import asked, inherit
from tests.support.wire import Script, serving


@contextmanager
def mounted(folder: Path, told: str) -> Iterator[Path]:
    """A disk of its own at a folder, where we may have one."""
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", told, "tmpfs", str(folder)], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"needs a disk of its own, which only root may have, and not everywhere: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def closed(tmp_path: Path) -> Iterator[Path]:
    """A folder that can't be written to."""
    if os.getuid():
        (folder := tmp_path / "closed").mkdir(mode=0o555)
        yield folder
    else:  # whom modes don't bind
        with mounted(tmp_path / "closed", "ro") as folder:
            yield folder


def commands(folder: Path, url: str, out: Path) -> dict[str, list[str | Path]]:
    """A command for each way to say where its results go: all below OUT."""
    prompts, rows = asked(folder), candidates.written(folder / "answers.jsonl", candidates.rows(6, 3))
    pair = {"id": "1", "prompt": "question 1", "a": "Say.", "b": "Don't."}
    pairs = candidates.written(folder / "pairs.jsonl", [pair])
    profile = ["profile", "wire", "--url", url, "-p", "attributes", "--prompts", prompts]
    sample = ["sample", f"wire@{url}", "--prompts", prompts, "-k", "2"]
    judge = ["judge", "wire", "--url", url, "--pairs", pairs]
    select = ["select", rows, "-O", f"max:judge:wire@{url}", "--skip-filter", "all"]
    return {
        "profile --out": [*profile, "--out", out],
        "profile --out deeper": [*profile, "--out", out / "runs"],
        "sample --out": [*sample, "--out", out],
        "sample --out deeper": [*sample, "--out", out / "pool"],
        "judge --out": [*judge, "--out", out],
        "judge --save": [*judge, "--out", folder / "open", "--save", out / "verdicts.jsonl"],
        "judge --save a folder": [*judge, "--out", folder / "open", "--save", folder],
        "judge --save under a file": [*judge, "--out", folder / "open", "--save", rows / "verdicts.jsonl"],
        "score --save": ["score", rows, "-m", "words", "--save", out / "scores.jsonl"],
        "select --out": [*select, "--out", out],
        "select --out deeper": [*select, "--out", out / "chosen"],
        "export --save": ["export", "example/student", "attributes", "--save", out / "samples.csv"],
        "show --save": ["show", "example/student", "--save", out / "report.html"],
        "compare --save": ["compare", "example/teacher", "example/student", "--save", out / "report.html"],
        "card --save": ["card", "example/student", "--save", out / "card.md"],
        "profile demo": ["profile", "demo", "--out", folder / "open"],
    }


@pytest.mark.slow
async def test_a_folder_that_can_not_be_written_to_is_said_before_anything_is_paid(
    tmp_path: Path, closed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INHERIT_CACHE", str(closed))
    monkeypatch.setenv("HOME", str(closed))
    wrong = []
    async with serving() as wire:
        for name, words in commands(tmp_path, wire.url, closed).items():
            wire.sent.clear()
            done = await inherit(*words)
            paid = [unit for unit, _ in wire.sent if "question" in unit or "number" in unit]
            told = done.err.strip().splitlines()[-1]
            if done.code not in (1, 2) or "write" not in told or paid:
                wrong.append(f"{name}: exit {done.code}, paid {len(paid)}, {told}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.slow
async def test_a_study_that_can_not_be_kept_asks_nobody(
    tmp_path: Path, closed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.student.NEEDED", ())
    async with serving() as wire:
        teacher = {"model": "wire", "url": wire.url, "name": "one"}
        done = await inherit("study", study.written(tmp_path, teachers=[teacher], guard={}, out=str(closed / "study")))
    assert done.code == 1
    assert "the folder can't be written to" in done.err
    assert not wire.units("teach")


LEFT = 200_000
"""Bytes that the small disk has room for, at first."""


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["profile", "sample", "judge", "score", "select"])
async def test_a_disk_that_is_full_is_said_and_the_same_command_goes_on_once_there_is_room(
    verb: str, tmp_path: Path
) -> None:
    work = WORKS[verb]
    with mounted(tmp_path / "small", "size=16m") as small:
        async with serving(Script(latency=0.01)) as wire:
            words = work.words(small, wire.url)
            filler = small / "filler"
            filler.write_bytes(bytes(shutil.disk_usage(small).free - LEFT))
            done = await inherit(*words)
            assert done.code == 1, done
            told = done.err.strip().splitlines()[-1]
            assert told.startswith(("inherit: could not write", "inherit: can't write"))
            assert "make room" in told
            assert wire.sent or not work.paid, "it was full in the middle"
            filler.unlink()
            done = await inherit(*words)
            assert done.code == 0, done
            units = wire.units(work.paid) if work.paid else []
        assert work.numbers(small)
        flight = 64 if verb == "select" else FLIGHT
        assert len(units) - len({*units}) <= 4 * flight, "no more than was in flight or being written, two in a request"
