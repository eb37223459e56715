"""Runs compared on a page: what the command says, kept by the address."""

import sqlite3
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from profiler.runs import Run
from profiler.runs import compare as command
from profiler.service import compare as module
from profiler.service.index import FILE
from tests.hostile import texts
from tests.service import looked
from tests.service.looked import BASE, HTML, OTHER, page

ADDRESS = f"/compare?base={BASE}&with={OTHER}"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return looked.folder(tmp_path)


@pytest.fixture
def service(out: Path) -> TestClient:
    return looked.client(out)


def test_a_comparison_is_the_commands(out: Path, service: TestClient) -> None:
    told = command.compare(Run(out / BASE), Run(out / OTHER)).model_dump(mode="json")
    assert service.get(f"/api/compare?base={BASE}&with={OTHER}").json() == [told]
    assert service.get(f"/compare.json?base={BASE}&with={OTHER}").json()["comparisons"] == [told]
    assert "student differs significantly from teacher" in page(service, ADDRESS)


def test_a_comparison_has_a_card_a_theme_whose_numbers_lead_to_the_samples_of_both(service: TestClient) -> None:
    told, record = page(service, ADDRESS), service.get(f"/compare.json?base={BASE}&with={OTHER}").json()
    assert [card["theme"] for card in record["cards"]][:2] == ["length and reading", "diversity"]
    assert record["cards"][0]["sentence"] in told
    for card in record["cards"]:
        for number in card["numbers"]:
            assert f'href="/runs/{OTHER}/samples/{number["probe"]}?base={BASE}&amp;sort={number["metric"]}"' in told


def test_only_rows_of_the_verdict_that_is_asked_for_are_shown(service: TestClient) -> None:
    record = service.get(f"/compare.json?base={BASE}&with={OTHER}&only=significant").json()
    rows = [row for block in record["blocks"] for row in block["rows"]]
    assert rows
    for row in rows:
        shown = [row, *row["groups"]]
        assert any(c["verdict"] in ("better", "worse", "higher", "lower") for each in shown for c in each["changes"])
    whole = service.get(f"/compare.json?base={BASE}&with={OTHER}").json()
    assert len(rows) < sum(len(block["rows"]) for block in whole["blocks"])
    assert "No number has this verdict" in page(service, ADDRESS + "&only=better") or record["counts"].get("better")


def test_the_base_is_changed_by_a_link(service: TestClient) -> None:
    assert f'href="/compare?base={OTHER}&amp;with={BASE}"' in page(service, ADDRESS)


def test_runs_chosen_in_the_list_are_compared_with_the_last_of_them(service: TestClient) -> None:
    record = service.get(f"/compare.json?run={OTHER}&run={BASE}").json()
    assert (record["base"]["id"], [other["id"] for other in record["others"]]) == (BASE, [OTHER])


def test_a_base_alone_asks_for_a_run_to_compare_with_it(service: TestClient) -> None:
    assert "Add a run" in page(service, f"/compare?base={BASE}&with=&only=")


def test_a_comparison_is_made_once(service: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    page(service, ADDRESS)
    monkeypatch.setattr(module.compared, "compare", None)
    page(service, ADDRESS)


def test_a_service_that_is_started_again_knows_what_it_compared(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = looked.client(out).get(f"/api/compare?base={BASE}&with={OTHER}").json()
    monkeypatch.setattr(module.compared, "compare", None)
    assert looked.client(out).get(f"/api/compare?base={BASE}&with={OTHER}").json() == told


@pytest.mark.parametrize("changed", ["run", "code"])
def test_what_was_compared_is_compared_anew_where_a_run_or_the_code_changed(
    out: Path, monkeypatch: pytest.MonkeyPatch, changed: str
) -> None:
    page(looked.client(out), ADDRESS)
    if changed == "run":
        looked.renamed(out, OTHER, name="another")
    else:
        monkeypatch.setattr(module, "_code", lambda: "newer")
    made: list[Run] = []
    whole = command.compare
    monkeypatch.setattr(module.compared, "compare", lambda *sides: made.extend(sides) or whole(*sides))
    page(looked.client(out), ADDRESS)
    assert [run.folder.name for run in made] == [BASE, OTHER]


def test_a_comparison_that_cannot_be_kept_is_shown_all_the_same(service: TestClient, out: Path) -> None:
    service.get("/")
    with sqlite3.connect(out / FILE) as rows:
        rows.execute("DROP TABLE kept")
    assert "student differs significantly from teacher" in page(service, ADDRESS)


def test_only_so_many_comparisons_are_kept(service: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    index = service.app.state.index
    monkeypatch.setattr("profiler.service.index.COMPARED", 2)
    for key in ("first", "second", "third"):
        index.keep(key, key.encode())
    assert [index.kept(key) for key in ("first", "second", "third")] == [None, b"second", b"third"]


def test_runs_that_have_nothing_in_common_say_why(out: Path) -> None:
    looked.renamed(out, OTHER, sections=[])
    told = page(looked.client(out), ADDRESS)
    assert "have nothing that can be compared" in told
    assert looked.client(out).get(f"/api/compare?base={BASE}&with={OTHER}").status_code == 422


def test_what_is_not_there_is_a_sentence(service: TestClient) -> None:
    for address in ("/compare?base=nope&with=x", f"/compare?base={BASE}&with=20261127-damaged-ab"):
        assert service.get(address, headers=HTML).status_code == 404
    assert service.get(f"/api/compare?base={BASE}").status_code == 422


@pytest.mark.parametrize("text", texts.TEXTS[:6])
def test_a_hostile_name_is_shown_and_never_obeyed(out: Path, text: str) -> None:
    looked.renamed(out, BASE, name=text)
    told = page(looked.client(out), ADDRESS)
    assert not [tag for tag in texts.LIVE if tag in told.lower()]
