"""A folder with runs to look at."""

import shutil
from pathlib import Path

import orjson
from fastapi.testclient import TestClient

from profiler.runs.sample_store import EXAMPLES
from profiler.service import ServiceOptions, application
from tests.support import candidates

BASE, OTHER = "20261129-teacher", "20261129-student"
RESULTS = Path(__file__).parents[2] / "examples" / "steer_length" / "results"
HTML = {"accept": "text/html"}


def folder(out: Path) -> Path:
    """The two runs that ship, beside a run that was stopped and one that is damaged."""
    for name, example in ((BASE, "teacher"), (OTHER, "student")):
        shutil.copytree(EXAMPLES / "example" / example, out / name)
    (out / "20261128-stopped-ab" / "samples").mkdir(parents=True)
    damaged(out, "20261127-damaged-ab", b"{")
    return out


def reports(out: Path) -> Path:
    """A selection, a file of verdicts and one of something else, a study and one that has not ended."""
    rows = candidates.written(out / "answers.json.txt", candidates.rows()).rename(out.parent / "answers.jsonl")
    candidates.run("select", rows, "-O", "max:words", "-o", out / "chosen")
    (out / "study").mkdir()
    shutil.copy(RESULTS / "report.json", out / "study")
    (out / "begun" / "stages").mkdir(parents=True)
    (out / "begun" / "settings.json").write_text("{}")
    labels = ({"id": place, "gold": 1 + place % 2, "verdict": 1 + place % 3 % 2} for place in range(12))
    candidates.written(out / "verdicts.jsonl", labels)
    (out / "odd.jsonl").write_text('{"a": 1}\n')
    return out


def damaged(out: Path, name: str, content: bytes) -> None:
    (out / name).mkdir(parents=True)
    (out / name / "profile.json").write_bytes(content)


def renamed(out: Path, run: str, **fields: object) -> None:
    """Write other FIELDS into a run's profile."""
    path = out / run / "profile.json"
    path.write_bytes(orjson.dumps(orjson.loads(path.read_bytes()) | fields))


def client(out: Path) -> TestClient:
    return TestClient(application(ServiceOptions(out=out)), raise_server_exceptions=False)


def page(service: TestClient, address: str) -> str:
    found = service.get(address, headers=HTML)
    assert found.status_code == 200, found.text
    return found.text
