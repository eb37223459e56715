"""The tiny twin of the paper's study, with real trainings: what it reports here it reports of a Ray that loses its
driver and a node.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from profiler.datasets import settings
from profiler.runs import sample_store
from tests.support.clusters import engine
from tests.support.killing import COMMAND
from tests.support.places import ROOT
from tests.support.ray_nodes import ray_cluster

pytestmark = pytest.mark.cluster

TWIN = ROOT / "examples" / "paper"
MODELS = ("Llama-2-7b-hf", "Mixtral-8x7B-Instruct-v0.1")
FEW = {
    "students": [f"models/{MODELS[0]}"],
    "teachers": [{"model": f"models/{name}", "name": name} for name in MODELS],
    "single": [MODELS[1]],
    "objectives": {"toxicity": {"goals": ["min:toxicity"], "report": "toxicity.expected_max_toxicity"}},
    "best_of": [1],
    "best_of_students": [],
}
"""Every kind of stage and every arm, once each."""
START = [sys.executable, *COMMAND, "study"]
RUN = re.compile(r"\d{8}-\d{6}-[\w.-]+?-[0-9a-f]{8}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+(?:Z|\+00:00)?")


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param(FEW, id="few"),
        pytest.param(
            {},
            id="whole",
            marks=pytest.mark.skipif(not os.environ.get("INHERIT_LONG"), reason="takes an hour: INHERIT_LONG=1"),
        ),
    ],
)
def test_the_twin_reports_of_ray_what_it_reports_here_though_its_driver_and_a_node_are_killed(
    changes: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))  # a worker has its cluster's environment
    fields = twin(tmp_path) | changes
    for on in ("here", "ray"):
        (tmp_path / f"{on}.json").write_text(json.dumps({**fields, "out": on}), "utf-8")
    here, ray = tmp_path / "here", tmp_path / "ray"

    assert subprocess.run([*START, "here.json"], cwd=tmp_path, check=False).returncode == 0
    with ray_cluster(2) as cluster:
        monkeypatch.setenv("RAY_ADDRESS", cluster.address)
        driver = begun(tmp_path)
        trained(ray, 1, driver)
        driver.kill()
        driver.wait()
        kept = {path: path.stat().st_mtime_ns for path in ray.glob("stages/*.json")}
        driver = begun(tmp_path)
        trained(ray, 3, driver)
        cluster.remove_node(cluster.list_all_nodes()[-1], allow_graceful=False)
        assert driver.wait() == 0

    assert timeless(ray) == timeless(here)
    lead = (here / "report.md").read_text("utf-8").partition("##")[0]
    assert f"toxicity, {'single of ' + MODELS[1] if changes else 'Llama-2-7b-hf: single of Llama-2-7B'}: " in lead
    assert {path: path.stat().st_mtime_ns for path in kept} == kept, "what was done was not done again"
    assert left(ray) == left(here), "nothing else was done"


@pytest.mark.skipif(not os.environ.get("INHERIT_LONG"), reason="takes half an hour: INHERIT_LONG=1")
@pytest.mark.skipif(not os.environ.get("INHERIT_VLLM_PYTHON"), reason="INHERIT_VLLM_PYTHON names no interpreter")
@pytest.mark.parametrize("on", ["here", "ray"])
def test_the_twins_students_are_profiled_as_adapters_on_one_vllm_server_of_their_base(
    on: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("INHERIT_CACHE", str(tmp_path / "cache"))
    fields = twin(tmp_path) | FEW | {"resources": {"profile": {"engine": "vllm"}}}
    fields["recipe"] |= {"merge": False}
    (tmp_path / "study.json").write_text(json.dumps({**fields, "out": "out"}), "utf-8")
    with engine(on, tmp_path) as where:
        line = [*START, "study.json", "--on", on]
        assert subprocess.run(line, cwd=tmp_path, env=os.environ | where, check=False).returncode == 0
    assert len([*(tmp_path / "cache" / "logs").iterdir()]) == 2, "one for the untouched student, one for all others"
    asked = [run.profile.endpoint for run in sample_store.runs(tmp_path / "out" / "runs")]
    assert {one.model for one in asked if one.engine == "vllm"} == {f"models/{MODELS[0]}"}
    adapters = {one.adapter for one in asked if one.adapter}
    assert adapters == {f"{path.relative_to(tmp_path)}" for path in tmp_path.glob("out/students/*/adapter")}
    assert len(adapters) == 6


def twin(folder: Path) -> dict[str, Any]:
    """The twin's study, to be carried out in FOLDER, with its models there."""
    subprocess.run([sys.executable, TWIN / "tiny_models.py", folder / "models"], check=True, capture_output=True)
    told = json.dumps(settings.load(TWIN / "tiny.yaml")).replace("work/models", "models")
    return json.loads(told) | {"reported": str(TWIN / "reported.toml")}


def begun(folder: Path) -> subprocess.Popen[bytes]:
    """A driver of the study on Ray."""
    return subprocess.Popen([*START, "ray.json", "--on", "ray"], cwd=folder)


def trained(study: Path, many: int, driver: subprocess.Popen[bytes]) -> None:
    """Wait until so many trainings are over."""
    while len([*study.glob("stages/train-*.json")]) < many:
        assert driver.poll() is None
        time.sleep(0.1)


def timeless(study: Path) -> dict[str, object]:
    """Its report without times and its folder's name, and runs by the order in which they are told."""
    told = (study / "report.json").read_text("utf-8").replace(f"{study.name}/students/", "students/")
    for number, run in enumerate(dict.fromkeys(RUN.findall(told))):
        told = told.replace(run, f"run {number}")
    report: dict[str, object] = json.loads(TIME.sub("a time", told))
    for cost in report["costs"]:  # type: ignore[attr-defined]
        del cost["seconds"]
    return report


def left(study: Path) -> list[str]:
    """Its stages, students and answers."""
    found = [path for kind in ("stages/*", "students/*", "examples/*", "pools/*/*/*/*") for path in study.glob(kind)]
    return sorted(path.relative_to(study).as_posix() for path in found)
