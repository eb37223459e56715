"""A user's own folders may be called as our packages are: they are noticed, and never run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from profiler.cli import ours
from training import Recipe, several, train_together
from training.several import environment

CANARY = "from pathlib import Path; Path(__file__).with_name('canary').touch()\n"
COMMAND = "from profiler.cli import main; main()"


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """A folder with packages that bear the names of ours, and leave a file where they are run."""
    for name in ours.PACKAGES:
        (tmp_path / name).mkdir()
        for module in ("__init__.py", "__main__.py"):
            (tmp_path / name / module).write_text(CANARY, "utf-8")
    return tmp_path


def python(theirs: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        [sys.executable, *words], env=kept | environment, cwd=theirs, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("words", [["train", "--show"], ["tasks-path"], ["select", "nowhere", "max:ttr", "-o", "out"]])
@pytest.mark.parametrize("on_path", [False, True], ids=["working directory", "PYTHONPATH"])
def test_a_users_packages_are_named_and_never_run(theirs, words, on_path):
    path = os.pathsep.join([str(theirs)] * on_path + [str(ours.ROOT)])
    # -c puts the working directory before all else, as `python -m` does; the command's own script does not.
    done = python(theirs, "-c", COMMAND, *words, PYTHONPATH=path, PYTHONSAFEPATH="1" * on_path)
    said = done.stderr.splitlines()
    assert [line for line in said if "leaves that one alone" in line] == said[:1]
    assert all(str(theirs / name / "__init__.py") in said[0] for name in ours.PACKAGES)
    assert "Traceback" not in done.stderr
    assert not list(theirs.rglob("canary"))


def test_where_nobody_else_has_our_names_nothing_is_said(tmp_path):
    done = python(tmp_path, "-c", COMMAND, "train", "--show", PYTHONPATH=str(ours.ROOT))
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("on_path", [False, True], ids=["working directory", "PYTHONPATH"])
def test_a_process_of_ours_runs_our_training(theirs, monkeypatch, on_path):
    if on_path:
        monkeypatch.setenv("PYTHONPATH", str(theirs))
    done = python(theirs, "-m", "training", "nothing.yaml", **environment(2))
    assert "inherit: " in done.stderr, "our own training says what is wrong with the recipe"
    assert not list(theirs.rglob("canary"))


def test_processes_that_train_together_are_ours(theirs, monkeypatch):
    ran: list[dict[str, str]] = []

    def begun(line: list[str], env: dict[str, str], **_: object) -> subprocess.Popen[bytes]:
        assert line[-3:-1] == ["-m", "training"]
        ran.append(env)
        return started([sys.executable, "-c", ""])

    started = subprocess.Popen
    monkeypatch.setattr(several, "check", lambda recipe: None)
    monkeypatch.setattr(several, "finished_training", lambda recipe: True)
    with monkeypatch.context() as patched:
        patched.setattr(subprocess, "Popen", begun)
        train_together(Recipe(student="nobody", data="nothing", out="out", batch=2), 2)
    done = python(theirs, "-m", "training", "nothing.yaml", **ran[0])
    assert "inherit: " in done.stderr
    assert not list(theirs.rglob("canary"))


@pytest.mark.slow
def test_accelerates_launcher_runs_our_training(theirs):
    pytest.importorskip("accelerate")
    words = [
        "--cpu",
        "--num_processes",
        "2",
        "--num_machines",
        "1",
        "--mixed_precision",
        "no",
        "--dynamo_backend",
        "no",
    ]
    line = ["-m", "accelerate.commands.launch", *words, "--main_process_port", "0", "-m", "training", "nothing.yaml"]
    done = python(theirs, *line, **environment(2))
    assert "inherit: can't read 'nothing.yaml'" in done.stderr
    assert not list(theirs.rglob("canary"))


def test_our_packages_are_typed_for_others():
    for name in ("profiler", *ours.PACKAGES):
        assert (ours.ROOT / name / "py.typed").is_file()
