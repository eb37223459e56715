"""The page of a new run: a form that works without JavaScript."""

from __future__ import annotations

from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from profiler.service import ServiceOptions, application
from tests.support.service import model_server


@pytest.fixture
def client(tmp_path: Path) -> TestClient:
    return TestClient(application(ServiceOptions(out=tmp_path)))


def test_each_probe_says_what_it_takes_before_anything_is_paid(client: TestClient) -> None:
    page = client.get("/new.json").json()
    cards = {card["probe"]: card for card in page["cards"]}
    assert cards["bbq"]["items"] == 192
    assert cards["bbq"]["tokens"] > 192
    assert cards["attributes"]["usual"]
    quick = {card["probe"]: card for card in client.get("/new.json?quick=true").json()["cards"]}
    assert quick["bbq"]["items"] == 12
    assert "what it asks" in client.get("/new").text


def test_a_form_is_a_job(client: TestClient) -> None:
    form = {"model": "wire", "url": "http://127.0.0.1:9/v1", "suite": "mini", "limit": "5", "probes": ["bbq"]}
    answer = client.post("/new", data={**form, "do": "start"}, follow_redirects=False)
    assert answer.status_code == 303
    job = client.get("/api" + answer.headers["location"]).json()
    assert (job["verb"], job["options"]["limit"], job["options"]["probes"]) == ("profile", 5, ["bbq"])
    shown = client.get(answer.headers["location"]).text
    assert "Queued" in shown
    assert "Cancel" in shown
    assert job["id"] in client.get("/jobs").text


def test_the_demo_is_one_button(client: TestClient) -> None:
    answer = client.post("/new", data={"do": "demo"}, follow_redirects=False)
    options = client.get("/api" + answer.headers["location"]).json()["options"]
    assert (options["model"], options["suite"], options["quick"]) == ("demo", "mini", True)


def test_what_is_wrong_with_a_form_is_said_on_it_and_what_was_filled_in_stays(client: TestClient) -> None:
    answer = client.post("/new", data={"model": "<b>", "limit": "none", "do": "start"})
    assert answer.status_code == 422
    assert "`limit`: expected a whole number" in answer.text
    assert 'value="&lt;b&gt;"' in answer.text


def test_a_server_is_asked_for_its_models_and_checked(client: TestClient) -> None:
    with model_server(echo=False) as url:
        assert client.get("/api/models", params={"url": url, "model": ""}).json() == ["wire"]
        assert "wire" in client.post("/new", data={"url": url, "do": "models"}).text
        told = client.get("/api/check", params={"url": url, "model": "wire"}).json()
        assert told["capabilities"]["chat"]
        assert "crows_pairs" in told["refused"]
        page = client.post("/new", data={"url": url, "model": "wire", "do": "check"}).text
        assert "crows_pairs can&#39;t be asked" in page or "crows_pairs can't be asked" in page


def test_only_allowed_addresses_are_asked(client: TestClient) -> None:
    answer = client.get("/api/check", params={"url": "http://169.254.169.254/v1", "model": "m"})
    assert answer.status_code == 422
    assert "no address that this service may call" in answer.json()["detail"]
