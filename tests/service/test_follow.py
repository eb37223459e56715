"""`inherit … --service URL`: a service does the command, which shows how it goes and ends as the job does."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest

from profiler.cli.verb import SERVED
from profiler.service import tokens, verbs
from tests.support.killing import ROOT
from tests.support.service import COMMAND, model_server, service

ASKED = ("--suite", "mini", "--quick", "--probe", "bbq")


def inherit(folder: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    told: dict[str, Any] = {"cwd": folder, "env": os.environ | {"PYTHONPATH": str(ROOT)} | variables}
    return subprocess.run([*COMMAND, *words], capture_output=True, text=True, check=False, **told)


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """Where the command is given, which is not where the service's runs lie."""
    folder = tmp_path / "here"
    folder.mkdir()
    return folder


def test_there_is_an_option_where_there_is_a_job() -> None:
    assert set(SERVED) == set(verbs.VERBS)


def test_a_service_does_the_command_and_its_steps_are_shown(tmp_path: Path, here: Path) -> None:
    with model_server() as url, service(tmp_path / "runs") as address:
        done = inherit(here, "profile", "wire", "--url", url, *ASKED, "--service", address)
        assert (done.returncode, done.stderr.count("bbq 12/12")) == (0, 1), done.stderr
        page, run = done.stdout.split()
        assert httpx.get(page).status_code == 200
        assert (tmp_path / "runs" / run / "profile.json").is_file()
        assert [*here.iterdir()] == []
        failed = inherit(here, "compare", "latest", "nobody", "--service", f"{address}/")
        assert (failed.returncode, "no run 'nobody'" in failed.stderr) == (1, True), failed.stderr
        assert "Traceback" not in failed.stderr


def test_a_study_is_read_here_and_done_there(tmp_path: Path, here: Path) -> None:
    (here / "study.toml").write_text('prompts = "mini"\nteachers = ["demo"]\n')
    with service(tmp_path / "runs", "--jobs", "0") as address:
        wrong = inherit(here, "study", "study.toml", "--service", address)
    assert (wrong.returncode, "`objectives`: is needed" in wrong.stderr) == (2, True), wrong.stderr


def test_ctrl_c_leaves_the_job_to_the_service(tmp_path: Path, here: Path) -> None:
    with service(tmp_path / "runs", "--jobs", "0") as address:
        command = [*COMMAND, "profile", "demo", *ASKED, "--service", address]
        with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr
            page = process.stderr.readline().strip().removeprefix("the job: ")
            process.send_signal(signal.SIGINT)
            said = process.stderr.read()
        assert process.returncode == 130
        assert f"the job goes on, and can be cancelled on its page: {page}" in said
        assert httpx.get(f"{page}.json").json()["job"]["state"] == "queued"


def test_a_token_comes_from_a_variable_and_is_never_said(tmp_path: Path, here: Path) -> None:
    token = tokens.add(tmp_path / "runs", "eva", "runner")
    words = ("compare", "latest", "nobody", "--service")
    with service(tmp_path / "runs") as address:
        without = inherit(here, *words, address, INHERIT_TOKEN="")
        assert (without.returncode, "INHERIT_TOKEN" in without.stderr) == (2, True)
        done = inherit(here, *words, address, INHERIT_TOKEN=token)
        assert (done.returncode, "no run" in done.stderr) == (1, True), done.stderr
        assert token not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--service", "localhost:8765"), "expected --service http://HOST"),
        (("--service", "http://me:secret@127.0.0.1:9"), "put the token into INHERIT_TOKEN"),
        (("--service", "http://127.0.0.1:9"), "the service can't be asked"),
        (("--service", "http://127.0.0.1:9", "--save", "x.md"), "--save can't be asked of a service"),
    ],
)
def test_what_no_service_can_do_is_one_sentence(here: Path, words: tuple[str, ...], says: str) -> None:
    done = inherit(here, "compare", "a", "b", *words)
    assert says in done.stderr
    assert "Traceback" not in done.stderr
