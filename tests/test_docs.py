"""Pages that say what to do are carried out as they stand; links lead somewhere, on the site and in the description."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import typer

from profiler import cli
from tests.support.places import ROOT

FILE = re.compile(r"^`([\w/.]+)`\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
OWNER = re.compile(r"(?:uses: |github(?:usercontent)?\.com/)([^/\s]+)/inherit\b")
SHELL = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Copy:
    """The packages, their docs and golden values, where a page's files can be added."""

    def __init__(self, here: Path) -> None:
        self.here = here
        for name in ("inherit", "profiler", "selection", "training", "lm_eval_tasks", "docs", "tests"):
            shutil.copytree(ROOT / name, here / name, ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("pyproject.toml", "inheritance_profile_finder.py"):
            shutil.copy(ROOT / name, here / name)

    def follow(self, page: str) -> list[str]:
        """Write the files that a page shows, run what it says; what was printed by each command."""
        text = (ROOT / "docs" / page).read_text("utf-8")
        for path, content in FILE.findall(text):
            (self.here / path).write_text(content, "utf-8")
        return [self.run(*shlex.split(line)) for block in SHELL.findall(text) for line in block.splitlines()]

    def run(self, name: str, *arguments: str) -> str:
        command = {"python": [], "inherit": ["-c", "from profiler.cli import main; main()"]}[name]
        variables = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
        done = subprocess.run(
            [sys.executable, *command, *arguments],
            cwd=self.here,
            env=variables | {"PYTHONPATH": str(self.here)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    return Copy(tmp_path)


def test_a_metric_is_written_as_the_page_says(copy: Copy) -> None:
    copy.follow("write_a_metric.md")
    listed = (copy.here / "docs" / "metrics.md").read_text("utf-8")
    assert "| `questions` | Proportion of sentences that are questions. | proportion |" in listed
    copy.run("python", "-m", "pytest", "-q", "-n", "0", "tests/metrics/test_metrics.py", "-k", "golden or questions")
    (copy.here / "texts.jsonl").write_text('{"text": "Is it? It is."}\n', "utf-8")
    assert re.search(r"questions +0\.5", copy.run("inherit", "score", "texts.jsonl"))
    card = "from selection.score import cheap_metrics; assert 'questions' in cheap_metrics()"
    profile = "from profiler.probes import get; assert 'questions' in {one.name for one in get('attributes')().metrics}"
    copy.run("python", "-c", f"{card}; {profile}")


def test_a_probe_is_written_as_the_page_says(copy: Copy) -> None:
    _, probes, card = copy.follow("write_a_probe.md")
    assert "sycophancy" in probes
    assert "ten easy questions" in card
    assert (copy.here / "lm_eval_tasks/tasks/sycophancy.yaml").read_text("utf-8").endswith("probe: sycophancy\n")
    assert "sycophancy" not in (copy.here / "lm_eval_tasks/groups/inheritance_profile.yaml").read_text("utf-8")
    assert len((copy.here / "profiler/probes/sycophancy.py").read_text("utf-8").splitlines()) <= 60
    rows = [{"item": f"{name}/{told}", "choice": told} for name in ("capital", "moon") for told in (0, 1)]
    (copy.here / "answers.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    found = copy.run("inherit", "rescore", "sycophancy", "answers.jsonl")
    assert re.search(r"alone +1\b", found)
    assert re.search(r"told +0\b", found)


def tutorial() -> list[str]:
    """The commands of the tutorial."""
    text = (ROOT / "docs" / "tutorial.md").read_text("utf-8")
    return [line for block in SHELL.findall(text) for line in block.splitlines()]


def test_the_tutorials_commands_have_the_options_that_it_gives_them() -> None:
    group = typer.main.get_command(cli.app)
    for line in tutorial():
        name, verb, *arguments = shlex.split(line)
        assert name == "inherit"
        group.commands[verb].make_context(verb, arguments)  # type: ignore[attr-defined]


@pytest.mark.train
def test_the_tutorial_ends_in_a_student_that_writes_less(copy: Copy) -> None:
    text = (ROOT / "docs" / "tutorial.md").read_text("utf-8")
    for path, content in FILE.findall(text):
        (copy.here / path).write_text(content, "utf-8")
    script = "set -e\ninherit() { '" + sys.executable + "' -c 'from profiler.cli import main; main()' \"$@\"; }\n"
    done = subprocess.run(
        ["bash", "-c", script + "\n".join(tutorial())],
        cwd=copy.here,
        env=os.environ | {"PYTHONPATH": str(copy.here)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    runs = [str(next((copy.here / "runs" / name).glob("2*"))) for name in ("control", "steered")]
    changes = json.loads(copy.run("inherit", "compare", *runs, "--json"))["changes"]
    (words,) = [one for one in changes if one["metric"] == "words" and one["group"] is None]
    assert words["high"] < 0
    assert (copy.here / "compared.html").is_file()


def test_every_link_of_the_description_works_from_a_package_index() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    text = (ROOT / "README.md").read_text("utf-8")
    for each in project["tool"]["hatch"]["metadata"]["hooks"]["fancy-pypi-readme"]["substitutions"]:
        text = re.sub(each["pattern"], each["replacement"], text)
    links = LINK.findall(text)
    assert {urlsplit(link).scheme for link in links} == {"https"}
    assert "**Documentation**" in text


def test_no_placeholder_stands_for_the_repositorys_address() -> None:
    """GitHub has an account of nearly every name: what is a placeholder here must not be one there."""
    pages = [ROOT / "pyproject.toml", ROOT / "README.md", ROOT / "action.yml", *(ROOT / "docs").glob("*.md")]
    found = [owner for page in pages for owner in OWNER.findall(page.read_text("utf-8"))]
    assert {*found} <= {"<owner>"}


def test_every_page_is_on_the_site_and_its_links_lead_to_files() -> None:
    nav = (ROOT / "mkdocs.yml").read_text("utf-8").partition("\nnav:\n")[2]
    pages = {path.name: path.read_text("utf-8") for path in (ROOT / "docs").glob("*.md")}
    assert sorted(re.findall(r"[\w/]+\.md$", nav, re.MULTILINE)) == sorted(pages)
    made = {"sample_report.html"}  # by docs/site.py
    links = [(name, link.partition("#")[0]) for name, text in pages.items() for link in LINK.findall(text)]
    outside = [(name, link) for name, link in links if link and not urlsplit(link).scheme and link not in made]
    assert [(name, link) for name, link in outside if not (ROOT / "docs" / link).exists()] == []
