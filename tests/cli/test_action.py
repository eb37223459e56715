"""The GitHub Action: its steps, carried out as they stand with stand-ins for `inherit` and `gh`."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from tests.support.places import ROOT

TOLD = {"inputs.base": "runs/base; touch bad", "inputs.other": "latest\n$(touch bad)", "inputs.runs": "runs"}
TOLD |= {"inputs.fail-on": "worse\nbbq.s_amb>0.05\n", "inputs.junit": "inherit.xml", "inputs.token": "t"}
TOLD |= {"github.repository": "me/models", "github.event.pull_request.number": "7"}


class Job(NamedTuple):
    codes: dict[str, int]
    calls: list[list[str]]
    comment: str


def carried_out(folder: Path, code: int, known: str = "") -> Job:
    """The action's steps, where `inherit compare` ends with CODE and a comment is KNOWN already."""
    record = f'import json, sys\nopen("{folder}/calls", "a").write(json.dumps(sys.argv) + "\\n")\n'
    inherit = f'print("| words | +3 % |")\nprint("said", file=sys.stderr)\nsys.exit({code})\n'
    for name, does in (("inherit", inherit), ("gh", f'print("{known}") if "--paginate" in sys.argv else None\n')):
        (folder / name).write_text(f"#!/usr/bin/env python3\n{record}{does}", "utf-8")
        (folder / name).chmod(0o755)
    outputs, codes = folder / "outputs", {}
    outputs.touch()
    for step in yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))["runs"]["steps"][1:]:
        told = TOLD | {f"steps.compare.outputs.{key}": value for key, value in said(outputs).items()}
        env = {name: told[value.removeprefix("${{ ").removesuffix(" }}")] for name, value in step["env"].items()}
        env |= {"GITHUB_OUTPUT": str(outputs), "RUNNER_TEMP": str(folder)}
        env |= {"GITHUB_STEP_SUMMARY": str(folder / "summary")}
        line = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
        path = {"PATH": f"{folder}:{os.environ['PATH']}"}
        codes[step["name"]] = subprocess.run(line, cwd=folder, env=env | path, check=False).returncode
    calls = [json.loads(line) for line in (folder / "calls").read_text("utf-8").splitlines()]
    assert not (folder / "bad").exists()
    return Job(codes, calls, (folder / "summary").read_text("utf-8"))


def said(outputs: Path) -> dict[str, str]:
    return dict(line.split("=", 1) for line in outputs.read_text("utf-8").splitlines())


@pytest.mark.parametrize(("code", "heading"), [(0, "What changed"), (3, "A check failed"), (2, "Not compared")])
def test_the_check_ends_as_compare_does_and_says_so(code: int, heading: str, tmp_path: Path) -> None:
    job = carried_out(tmp_path, code)
    assert job.codes == {"Compare": 0, "Comment": 0, "Verdict": code}
    asked = ["compare", "runs/base; touch bad", "latest", "$(touch bad)", "--fail-on", "worse"]
    asked += ["--fail-on", "bbq.s_amb>0.05", "--junit", "inherit.xml", "--out", "runs", "--format", "md"]
    assert job.calls[0][1:] == asked
    assert heading in job.comment
    assert "| words | +3 % |" in job.comment
    assert job.calls[-1][2] == "repos/me/models/issues/7/comments"


def test_a_comment_that_is_there_is_brought_up_to_date(tmp_path: Path) -> None:
    job = carried_out(tmp_path, 0, known="41")
    assert job.calls[-1][1:5] == ["api", "--method", "PATCH", "repos/me/models/issues/comments/41"]
