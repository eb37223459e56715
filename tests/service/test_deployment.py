"""The files of examples/service say what is there: paths, options, and how the container is made and started."""

from __future__ import annotations

import configparser
import json
import re
import shlex
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from profiler.service import ServiceOptions, application, tokens
from profiler.service.safety import LARGEST
from tests.support.command import inherit
from tests.support.places import ROOT

HERE = ROOT / "examples" / "service"


def instructions() -> list[tuple[str, str]]:
    lines = (HERE / "Containerfile").read_text("utf-8").splitlines()
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in lines if line and line[0] != "#")]


def options(words: list[str]) -> ServiceOptions:
    """What `inherit ui` makes of WORDS."""
    from typer.main import get_command

    from profiler import cli

    command = get_command(cli.app).commands["ui"]  # type: ignore[attr-defined]
    given = command.make_context("ui", words).params
    fields = {name: value for name, value in given.items() if name in ServiceOptions.model_fields and value is not None}
    return ServiceOptions.model_validate(fields)


async def test_the_container_starts_as_its_lines_say_and_not_without_a_token(tmp_path: Path) -> None:
    entry = json.loads(next(rest for word, rest in instructions() if word == "ENTRYPOINT"))
    words = json.loads(next(rest for word, rest in instructions() if word == "CMD"))
    assert entry == ["/opt/inherit/bin/inherit"]
    assert words[0] == "ui"
    placed = [word.replace("/data", str(tmp_path)) for word in words]
    refused = await inherit(*placed)
    assert refused.code == 2
    assert "inherit token add" in refused.err
    tokens.add(tmp_path / "runs", "eva", "admin")
    application(options(placed[1:]))


def test_the_container_installs_what_is_in_the_repository() -> None:
    (install,) = [rest for word, rest in instructions() if word == "RUN" and "pip install" in rest]
    words = shlex.split(install)
    assert (ROOT / words[words.index("-c") + 1].removeprefix("/src/")).is_file()
    assert "/src[service]" in words
    assert not [word for word, rest in instructions() if word == "USER" and rest in ("0", "root")]


@pytest.mark.slow
def test_what_the_container_installs_starts(tmp_path: Path) -> None:
    """The wheel that its pip makes holds the service's pages; its dependencies are those of this environment."""
    (install,) = [rest for word, rest in instructions() if word == "RUN" and "pip install" in rest]
    source = next(word for word in shlex.split(install) if word.startswith("/src[")).replace("/src", str(ROOT))
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", str(tmp_path), source]
    subprocess.run(pip, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    held = zipfile.ZipFile(wheel).namelist()
    for name in ("templates/login.html", "templates/layout.html", "static/service.css", "safety.py"):
        assert f"profiler/service/{name}" in held


def test_the_unit_starts_a_service_that_is_reached_through_tls(tmp_path: Path) -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read(HERE / "inherit.service", "utf-8")
    words = shlex.split(unit["Service"]["ExecStart"])
    assert words[1] == "ui"
    told = options(words[2:])
    assert told.public == ("https://profiler.example.org",)
    assert told.host == "127.0.0.1"
    tokens.add(tmp_path, "eva", "admin")
    made = application(told.model_copy(update={"out": tmp_path}))
    assert made.state.doors.secure("profiler.example.org")


@pytest.mark.parametrize("name", ["nginx.conf", "Caddyfile"])
def test_a_proxy_lets_no_browser_say_who_it_is_and_no_more_through_than_the_service_takes(name: str) -> None:
    text = (HERE / name).read_text("utf-8")
    assert "127.0.0.1:8765" in text
    assert re.search(r"X-Forwarded-User", text)
    assert re.search(rf"{LARGEST // 2**20}\s?(m|MB)", text)


def test_every_file_that_the_docs_name_is_there() -> None:
    named = set(re.findall(r"examples/service/[\w.]+", (ROOT / "docs" / "service.md").read_text("utf-8")))
    assert len(named) >= 3
    assert [name for name in named if not (ROOT / name.rstrip(".")).is_file()] == []
