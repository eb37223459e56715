"""The list of runs, and the profile of one."""

import re
import shutil
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from fastapi.testclient import TestClient

from profiler.runs.sample_store import read_profile
from profiler.service.index import FILE, Index
from tests.hostile import texts
from tests.service import looked
from tests.service.looked import BASE, HTML, OTHER, page


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return looked.folder(tmp_path)


@pytest.fixture
def service(out: Path) -> TestClient:
    return looked.client(out)


def test_an_empty_folder_offers_the_command_and_the_demo(tmp_path: Path) -> None:
    empty = page(looked.client(tmp_path), "/")
    assert "inherit profile demo" in empty
    assert "Run the demo" in empty


def test_the_button_of_an_empty_folder_leads_to_the_demos_job(tmp_path: Path) -> None:
    client = looked.client(tmp_path)
    form = page(client, "/").partition("<form")[2].partition("</form>")[0]
    action, *fields = re.findall(r'(?:action|name|value)="([^"]*)"', form)
    answer = client.post(action, data=dict(zip(fields[::2], fields[1::2], strict=True)), follow_redirects=False)
    assert answer.status_code == 303, answer.text
    assert client.get("/api" + answer.headers["location"]).json()["options"]["model"] == "demo"


def test_every_run_is_listed_with_its_state(service: TestClient) -> None:
    found = {run["id"]: run["state"] for run in service.get("/api/runs").json()["runs"]}
    assert found == {
        BASE: "done",
        OTHER: "done",
        "20261128-stopped-ab": "unfinished",
        "20261127-damaged-ab": "damaged",
    }
    assert "is damaged, or not what inherit writes there" in page(service, "/")


def test_runs_are_found_by_a_word_and_by_state(service: TestClient) -> None:
    assert [run["id"] for run in service.get("/api/runs?q=TEACHER").json()["runs"]] == [BASE]
    assert [run["id"] for run in service.get("/api/runs?state=damaged").json()["runs"]] == ["20261127-damaged-ab"]
    assert "No run fits" in page(service, "/?q=nothing-like-it")


@pytest.mark.parametrize("sort", ["started", "name", "items"])
@pytest.mark.parametrize("down", ["true", "false"])
def test_pages_of_runs_hold_each_run_once_in_order(tmp_path: Path, sort: str, down: str) -> None:
    for place in range(7):
        shutil.copytree(looked.EXAMPLES / "example" / "teacher", tmp_path / f"run-{place}")
        looked.renamed(tmp_path, f"run-{place}", name=f"name-{place // 2}")
    index = Index(tmp_path)
    seen: list[str] = []
    after = None
    while True:
        found = index.entries("run", sort=sort, down=down == "true", after=after, many=3)
        seen += [entry.id for entry in found.rows]
        after = found.after
        if after is None:
            break
    assert sorted(seen) == [f"run-{place}" for place in range(7)]
    if sort == "name":
        assert seen == sorted(seen, reverse=down == "true")


def test_what_changes_in_the_folder_is_seen_without_a_restart(out: Path, service: TestClient) -> None:
    assert len(service.get("/api/runs").json()["runs"]) == 4
    shutil.rmtree(out / OTHER)
    looked.renamed(out, BASE, name="another name")
    service.app.state.index.refresh()  # type: ignore[attr-defined]
    found = service.get("/api/runs").json()["runs"]
    assert [run["name"] for run in found if run["id"] == BASE] == ["another name"]
    assert OTHER not in [run["id"] for run in found]


def test_a_profile_is_read_once(out: Path) -> None:
    index = Index(out)
    assert index.refresh() == 4
    assert index.refresh() == 0
    assert Index(out).refresh() == 0


@pytest.mark.parametrize("content", [b"", b"no database at all" * 99])
def test_the_table_is_made_anew_where_it_is_damaged(out: Path, content: bytes) -> None:
    (out / FILE).write_bytes(content)
    assert len(looked.client(out).get("/api/runs").json()["runs"]) == 4


def test_a_profile_says_what_matters_first_and_links_each_number_to_its_samples(out: Path, service: TestClient) -> None:
    told = page(service, f"/runs/{BASE}")
    profile = read_profile(out / BASE / "profile.json")
    assert told.index("items asked") < told.index('id="numbers"')
    for estimate in profile.estimates:
        if estimate.group is None:
            assert f'href="/runs/{BASE}/samples/{estimate.probe}?sort={estimate.metric}"' in told
    assert "Reliability diagram of calibration" in told


def test_a_page_and_the_api_have_the_same_record(out: Path, service: TestClient) -> None:
    stored = read_profile(out / BASE / "profile.json").model_dump(mode="json")
    assert service.get(f"/runs/{BASE}.json").json()["profile"] == stored
    assert service.get(f"/api/runs/{BASE}").json() == stored


def test_charts_are_pictures_without_anything_that_a_page_forbids(service: TestClient) -> None:
    for address in (f"/runs/{BASE}/chart.svg", f"/runs/{BASE}/chart.svg?probe=calibration&theme=dark"):
        found = service.get(address)
        assert found.headers["content-type"] == "image/svg+xml"
        assert "<svg" in found.text
        assert "<style" not in found.text


def test_a_run_that_cannot_be_shown_is_a_sentence(out: Path, service: TestClient) -> None:
    looked.damaged(out, "20261126-newer-ab", b'{"schema_version": 99}')
    for run, words in (
        ("20261128-stopped-ab", "has no profile yet"),
        ("20261127-damaged-ab", "is damaged"),
        ("20261126-newer-ab", "upgrade inherit"),
        ("nope", "no run &#39;nope&#39;"),
        ("%252e%252e", "lies in the folder"),
        ("%2e%2e%2fetc", "nothing is at"),
    ):
        found = service.get(f"/runs/{run}", headers=HTML)
        assert found.status_code == 404, run
        assert words in found.text
    shutil.rmtree(out / BASE)
    found = service.get(f"/api/runs/{BASE}")
    assert found.status_code == 404


@pytest.mark.parametrize("text", texts.TEXTS)
def test_a_hostile_name_is_shown_and_never_obeyed(out: Path, text: str) -> None:
    looked.renamed(out, BASE, name=text)
    service = looked.client(out)
    for address in ("/", f"/runs/{BASE}"):
        told = page(service, address)
        for tag in texts.LIVE:
            assert tag not in told.lower()


def test_links_of_pages_lead_somewhere(service: TestClient) -> None:
    told = page(service, "/?sort=name&down=false")
    for link in (part.split('"')[0] for part in told.split('href="/?')[1:]):
        parse_qs(urlsplit(link).query)
        assert service.get("/?" + link.replace("&amp;", "&"), headers=HTML).status_code == 200
