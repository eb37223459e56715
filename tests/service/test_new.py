"""The page of a new run: a form that works without JavaScript."""

from __future__ import annotations

from html import escape
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from profiler.endpoints import Generate
from profiler.runs import profile
from profiler.runs.options import ProfileOptions
from profiler.runs.workload import workload
from profiler.service import ServiceOptions, application
from profiler.service.verbs import VERBS
from tests.support.service import model_server


@pytest.fixture
def client(tmp_path: Path) -> TestClient:
    return TestClient(application(ServiceOptions(out=tmp_path)))


def test_each_probe_says_what_it_takes_before_anything_is_paid(client: TestClient) -> None:
    page = client.get("/new.json").json()
    cards = {card["probe"]: card for card in page["cards"]}
    assert cards["bbq"]["items"] == 192
    assert cards["bbq"]["requests"] == 3 * 192
    assert cards["bbq"]["read"] > 50 * 192
    assert cards["attributes"]["usual"]
    quick = {card["probe"]: card for card in client.get("/new.json?quick=true").json()["cards"]}
    assert quick["bbq"]["items"] == 12
    assert "what it asks" in client.get("/new").text


def test_a_price_says_what_each_probe_and_all_together_cost(client: TestClient) -> None:
    page = client.get("/new.json?quick=true&price=0.5/2").json()
    usual = [card for card in page["cards"] if card["usual"]]
    for card in usual:
        assert card["cost"] == pytest.approx((0.5 * card["read"] + 2 * card["written"]) / 1e6)
    assert page["total"]["cost"] == pytest.approx(sum(card["cost"] for card in usual))
    assert page["asked"] == [card["probe"] for card in usual]
    one = client.post("/new", data={"price": "1/1", "quick": "true", "probes": ["bbq"], "do": "estimate"})
    assert "together" in one.text
    wrong = client.post("/new", data={"price": "cheap", "do": "estimate"})
    assert (wrong.status_code, 'id="wrong-price"' in wrong.text) == (422, True)


def test_what_is_read_is_counted_by_the_texts_and_what_is_written_by_its_limit() -> None:
    built = profile.build_probe("attributes", ProfileOptions(model="demo", suite="mini", limit=5, max_tokens=7))
    asked = [built.ask(item) for item in built.items]
    texts = [one.filled() + one.system for one in asked if isinstance(one, Generate)]
    written = sum(7 * one.n for one in asked if isinstance(one, Generate))
    assert workload(built) == (5, 5, sum(map(len, texts)) // 4, written)


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
    assert 'id="wrong-limit"' in answer.text
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


@pytest.mark.parametrize("verb", list(VERBS))
def test_each_verb_has_a_form_that_says_what_it_can_be_told(client: TestClient, verb: str) -> None:
    options = {option["name"]: option for option in client.get(f"/new/{verb}.json").json()["options"]}
    assert {name for name, option in options.items() if option["needed"]} == {
        name for name, field in VERBS[verb].model_fields.items() if field.is_required()
    }
    assert f"<code>inherit {verb} @FILE</code>" in client.get(f"/new/{verb}").text


def test_options_in_toml_are_a_job(client: TestClient) -> None:
    text = 'pool = "pools/mine"\nobjective = ["max:mtld"]\nout = "chosen"\n'
    answer = client.post("/new/select", data={"options": text}, follow_redirects=False)
    assert answer.status_code == 303
    job = client.get("/api" + answer.headers["location"]).json()
    assert (job["verb"], job["options"]["objective"]) == ("select", ["max:mtld"])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('pool = "a"\nobjective = ["max:mtld"]\nout = "b"\ntop = 0', 'id="wrong-top">expected at least 1, found 0'),
        ('pool = "a"', 'id="wrong-objective">is needed'),
        ('pol = "a"', "inherit select takes no &#39;pol&#39;"),
        ("pool =", "what you wrote is not TOML"),
    ],
)
def test_what_is_wrong_with_options_stands_beside_each_and_what_was_written_stays(
    client: TestClient, text: str, words: str
) -> None:
    answer = client.post("/new/select", data={"options": text})
    assert answer.status_code == 422
    assert words in answer.text
    assert escape(text, quote=False).replace('"', "&#34;") in answer.text


def test_no_form_is_made_of_what_no_job_does(client: TestClient) -> None:
    assert client.get("/new/train", headers={"accept": "text/html"}).status_code == 404
    assert client.post("/new/train", data={"options": ""}, headers={"accept": "text/html"}).status_code == 404
