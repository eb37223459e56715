"""docs/paper.md names what there is."""

from __future__ import annotations

import json
import re
from pathlib import Path

import typer

from profiler import cli, probes
from profiler.metrics.parsed import NUMBERS, SENTENCES
from profiler.probes import ProbeOptions
from profiler.study.plan import Study
from tests.support.places import ROOT

PAGE = (ROOT / "docs" / "paper.md").read_text("utf-8")


def test_every_number_that_the_page_names_exists():
    named = re.findall(r"`([a-z_]+)\.([a-z0-9_]+)`", PAGE)
    found = {
        (probe, metric.name)
        for probe in {probe for probe, _ in named}
        for metric in probes.get(probe).build(ProbeOptions(suite="mini")).metrics
    }
    assert named
    assert set(named) <= found
    parsed = set(re.findall(r"`parsed:(\w+)`", PAGE))
    assert parsed
    assert parsed <= {*NUMBERS, *SENTENCES}


def test_every_command_and_file_that_the_page_names_exists():
    verbs = set(re.findall(r"(?:`|^    )inherit (\w+)", PAGE, re.MULTILINE))
    assert verbs <= set(typer.main.get_command(cli.app).commands)  # type: ignore[attr-defined]
    told = (ROOT / "docs" / "cli.md").read_text("utf-8")
    assert all(f"{option} " in told for option in re.findall(r"(?<![\w-])--[a-z][a-z-]+", PAGE))
    keys = set(re.findall(r"`(\w+): \[", PAGE))
    assert keys
    assert keys <= set(Study.model_fields)
    files = set(re.findall(r"\]\((\w+\.md)", PAGE))
    assert files
    assert all((ROOT / "docs" / file).is_file() for file in files)


def test_strategyqa_is_asked_from_the_authors_file_as_the_page_says(tmp_path: Path):
    asked = ["Could a heron stand in a bathtub?", "Would a violin fit into a post box?"]
    rest = {"qid": "1", "term": "Heron", "description": "a bird", "answer": True, "facts": ["One."], "evidence": [[[]]]}
    rows = [{**rest, "question": question} for question in asked]
    (tmp_path / "strategyqa_100.json").write_text(json.dumps(rows), "utf-8")
    attributes = probes.get("attributes").build(ProbeOptions(prompts=str(tmp_path / "strategyqa_100.json")))
    assert [item.fields.prompt for item in attributes.items] == asked
