"""The list of runs, and the profile of one."""

import json
import re
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from fastapi.testclient import TestClient

from profiler.reporting.profile import run_report
from profiler.runs import Run
from profiler.runs.sample_store import read_profile
from profiler.service import tokens
from profiler.service.index import FILE, Entries, Index, Kind
from profiler.service.parts import PALETTES
from profiler.service.safety import needed
from tests.hostile import texts
from tests.service import looked
from tests.service.looked import BASE, HTML, OTHER, page
from tests.support import candidates


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


@pytest.mark.parametrize("address", ["/", "/index.json", "/api/runs"])
def test_a_list_of_runs_is_made_once_until_the_folder_changes(
    out: Path, service: TestClient, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    made: list[str] = []
    entries = Index.entries

    def counted(self: Index, kind: Kind, search: str = "", *others: Any, **more: Any) -> Entries:
        made.append(search)
        return entries(self, kind, search, *others, **more)

    monkeypatch.setattr(Index, "entries", counted)
    monkeypatch.setattr("profiler.service.index.PATIENCE", 0)
    first = [service.get(address, params={"q": "e"}, headers=HTML) for _ in range(3)]
    assert {(told.status_code, told.text, told.headers["content-type"]) for told in first} == {
        (200, first[0].text, first[0].headers["content-type"])
    }
    assert service.get(address, params={"q": "student"}).text != first[0].text
    assert made == ["e", "student"]
    shutil.copytree(out / BASE, out / "20261130-newest")
    assert "20261130-newest" in service.get(address, params={"q": "e"}).text
    shutil.rmtree(out / "20261130-newest")
    assert service.get(address, params={"q": "e"}).text == first[0].text
    assert service.get(address, params={"sort": "nothing"}).status_code == 422


def test_a_list_that_is_kept_tells_each_reader_who_they_are_and_nobody_else(out: Path) -> None:
    secrets = [tokens.add(out, name, "viewer") for name in ("eva", "otto")]
    for _ in range(2):
        for name, token, other in zip(("eva", "otto"), secrets, ("otto", "eva"), strict=True):
            service = looked.client(out)
            service.post("/login", data={"token": token})
            for _ in range(2):
                told = page(service, "/")
                assert f"{name} (viewer)" in told
                assert f"{other} (viewer)" not in told
    app = looked.client(out).app
    known, unknown = TestClient(app), TestClient(app)
    known.headers["Authorization"] = f"Bearer {secrets[0]}"
    assert [reader.get("/api/runs").status_code for reader in (known, unknown, known)] == [200, 401, 200]


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
    assert "How sure, how right: calibration" in told


def test_a_profile_has_the_reports_cards_and_each_of_their_numbers_leads_to_its_samples(
    out: Path, service: TestClient
) -> None:
    told, record = page(service, f"/runs/{BASE}"), service.get(f"/runs/{BASE}.json").json()
    report = run_report(Run(out / BASE))
    assert [card["theme"] for card in record["cards"]] == [card.theme for card in report.cards]
    assert told.index(report.cards[0].sentence) < told.index('id="numbers"')
    for card in report.cards:
        for number in card.numbers:
            address = f"/runs/{BASE}/samples/{number.probe}?sort={number.metric}"
            assert f'<a href="{address}"><code>{number.probe}.{number.metric}</code></a>' in told
            assert service.get(address, headers=HTML).status_code == 200


def test_a_profile_says_each_of_its_warnings_once(tmp_path: Path) -> None:
    numbers = read_profile(looked.folder(tmp_path) / BASE / "profile.json").model_dump(mode="json")["estimates"]
    cut = [each | ({"value": 0.4} if each["metric"] == "truncated" else {}) for each in numbers]
    looked.renamed(tmp_path, BASE, estimates=cut)
    told = page(looked.client(tmp_path), f"/runs/{BASE}").lower()
    for warning in ("of the answers were cut off at", "too few for", "do not publish these numbers"):
        assert told.count(warning) == 1, warning


def test_bbq_is_drawn_category_by_category(service: TestClient) -> None:
    assert "Group by group: bbq" in page(service, f"/runs/{BASE}")
    drawn = service.get(f"/runs/{BASE}/chart.svg?name=bbq-groups").text
    for words in ("Nationality: accuracy_disambig", "Religion: s_amb"):
        assert words in drawn


@pytest.mark.parametrize("theme", ["narrow", "narrow-dark"])
def test_a_telephone_gets_pictures_of_its_own_width(service: TestClient, theme: str) -> None:
    address = f"/runs/{BASE}/chart.svg?name=bbq-groups"
    assert f'srcset="{address}&amp;theme={theme}"' in page(service, f"/runs/{BASE}")
    widths = [
        float(service.get(address + more).text.split('width="')[1].split('"')[0]) for more in ("", f"&theme={theme}")
    ]
    assert widths[1] < 400 < widths[0]


def test_pages_and_pictures_have_the_same_colours(service: TestClient) -> None:
    style = service.get("/static/report.css").text
    for theme in ("light", "dark"):
        assert f"--moved: {PALETTES[theme].moved};" in style
        assert PALETTES[theme].moved in service.get(f"/runs/{BASE}/chart.svg?theme={theme}").text


def test_a_page_and_the_api_have_the_same_record(out: Path, service: TestClient) -> None:
    stored = read_profile(out / BASE / "profile.json").model_dump(mode="json")
    assert service.get(f"/runs/{BASE}.json").json()["profile"] == stored
    assert service.get(f"/api/runs/{BASE}").json() == stored


def test_charts_are_pictures_without_anything_that_a_page_forbids(service: TestClient) -> None:
    for address in (f"/runs/{BASE}/chart.svg", f"/runs/{BASE}/chart.svg?name=calibration&theme=dark"):
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


def test_tags_are_set_on_the_page_and_found_by_the_command(out: Path, service: TestClient) -> None:
    answer = service.post(f"/runs/{BASE}/tags", data={"tags": "baseline, paper"}, follow_redirects=False)
    assert answer.headers["location"] == f"/runs/{BASE}"
    assert 'value="baseline paper"' in page(service, f"/runs/{BASE}")
    listed = json.loads(candidates.run("ls", "--tag", "paper", "--out", out, "--json"))
    assert [row["tags"] for row in listed] == ["baseline paper"]
    assert [each["id"] for each in service.get("/api/runs?tag=paper").json()["runs"]] == [BASE]
    assert '<a href="/?tag=baseline">#baseline</a>' in page(service, "/?tag=paper")


def test_tags_of_the_command_are_seen_on_the_page(out: Path, service: TestClient) -> None:
    assert service.get("/api/runs").json()["tags"] == []
    assert candidates.run("tag", out / BASE, "old", "kept", "--out", out) == "kept\nold\n"
    assert candidates.run("tag", out / BASE, "old", "--remove", "--out", out) == "kept\n"
    service.app.state.index.refresh()  # type: ignore[attr-defined]
    assert service.get("/api/runs").json()["tags"] == ["kept"]
    assert "kept" in candidates.run("ls", "--out", out)


def test_a_tag_that_is_none_is_refused(service: TestClient) -> None:
    found = service.post(f"/api/runs/{BASE}/tags", json={"tags": ["<b>"]})
    assert (found.status_code, "expected a tag of letters" in found.json()["detail"]) == (422, True)


def test_a_viewer_sets_no_tags() -> None:
    assert needed("POST", f"/runs/{BASE}/tags") == needed("POST", f"/api/runs/{BASE}/tags") == "runner"
