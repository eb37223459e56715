"""Pools, judges and studies: told as their commands tell them."""

import shutil
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from profiler.study import Findings
from tests.hostile import texts
from tests.service import looked
from tests.service.looked import HTML, page
from tests.support import candidates

RESULTS = Path(__file__).parents[2] / "examples" / "steer_length" / "results"


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a selection, a file of verdicts, a study and one that has not ended."""
    out = tmp_path_factory.mktemp("runs")
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


@pytest.fixture
def service(out: Path) -> TestClient:
    return looked.client(out)


@pytest.mark.parametrize(
    ("place", "ids"),
    [("pools", {"chosen"}), ("judges", {"verdicts.jsonl", "odd.jsonl"}), ("studies", {"study", "begun"})],
)
def test_each_kind_has_its_list(service: TestClient, place: str, ids: set[str]) -> None:
    found = service.get(f"/{place}.json").json()
    assert {row["id"] for row in found["rows"]} == ids
    for id in ids:
        assert f'href="/{place}/{id}"' in page(service, f"/{place}")


def test_an_empty_list_says_which_command_fills_it(tmp_path: Path) -> None:
    empty = looked.client(tmp_path)
    assert "inherit sample" in page(empty, "/pools")
    assert "inherit judge" in page(empty, "/judges")
    assert "inherit study" in page(empty, "/studies")


def test_a_selection_is_told_as_its_card_and_can_be_downloaded(out: Path, service: TestClient) -> None:
    told = page(service, "/pools/chosen")
    assert "Headroom of words" in told
    for name in service.get("/pools/chosen.json").json()["files"]:
        assert service.get(f"/pools/chosen/files/{name}").content == (out / "chosen" / name).read_bytes()
    assert "single.jsonl" in told or "chosen.jsonl" in told


@pytest.mark.parametrize("name", ["../answers.jsonl", "..%2f..%2fanswers.jsonl", "options.toml", "nope"])
def test_nothing_else_can_be_downloaded(service: TestClient, name: str) -> None:
    assert service.get(f"/pools/chosen/files/{name}").status_code == 404


def test_verdicts_are_told_as_agree_tells_them(service: TestClient) -> None:
    assert "as a judge" in page(service, "/judges/verdicts.jsonl")
    assert "<svg" in service.get("/judges/verdicts.jsonl/chart.svg").text
    found = service.get("/judges/odd.jsonl", headers=HTML)
    assert found.status_code == 404
    assert "no" in found.text


def test_a_study_is_told_by_its_report(out: Path, service: TestClient) -> None:
    findings = Findings.model_validate_json((out / "study" / "report.json").read_bytes())
    told = page(service, "/studies/study")
    assert findings.name in told
    assert "<svg" in service.get("/studies/study/chart.svg?name=aims&theme=dark").text
    assert service.get("/studies/study/chart.svg?name=nope").status_code == 404


def test_a_study_that_has_not_ended_says_so(service: TestClient) -> None:
    assert "resumes it" in page(service, "/studies/begun")


def test_what_is_of_another_kind_or_not_there_is_a_sentence(service: TestClient) -> None:
    for address in ("/pools/study", "/judges/chosen", "/studies/nope"):
        assert service.get(address, headers=HTML).status_code == 404


@pytest.mark.parametrize("text", texts.TEXTS[:5])
def test_a_hostile_study_is_shown_and_never_obeyed(tmp_path: Path, text: str) -> None:
    findings = Findings.model_validate_json((RESULTS / "report.json").read_bytes())
    (tmp_path / "study").mkdir()
    hostile = findings.model_copy(update={"name": text, "warnings": (text,)})
    (tmp_path / "study" / "report.json").write_text(hostile.model_dump_json())
    told = page(looked.client(tmp_path), "/studies/study")
    assert not [tag for tag in texts.LIVE if tag in told.lower()]
