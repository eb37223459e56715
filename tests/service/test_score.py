"""Texts measured by the service: as the metrics measure them, and nothing else than these."""

from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from profiler import metrics
from profiler.text import Text, marks
from tests.hostile import texts
from tests.service import looked
from tests.service.looked import HTML

SAID = ["The cat sat. It was a remarkable afternoon!", "", "One two three four five."]


@pytest.fixture
def service(tmp_path: Path) -> TestClient:
    return looked.client(tmp_path)


def test_texts_have_the_numbers_that_the_metrics_give_them(service: TestClient) -> None:
    found = service.post("/api/score", json={"texts": SAID}).json()
    plain = metrics.default()
    columns = metrics.measure([Text(text) for text in SAID], [*plain.values()])
    assert found["scores"].keys() == plain.keys()
    for name, column in columns.items():
        assert found["scores"][name] == [None if value != value else value for value in column.tolist()]
    assert found["versions"]["words"] == plain["words"].version


def test_an_objective_is_its_goals_by_their_weights(service: TestClient) -> None:
    told = {"objective": ["2*max:words", "near:sentences=3"], "texts": ["One two.", "One two. Three."]}
    assert service.post("/api/score", json=told).json()["objective"] == [2 * 2 - 2, 2 * 3 - 1]
    told = {"objective": "min:words", "texts": ["One two."], "prompts": ["Why?"]}
    assert service.post("/api/score", json=told).json()["objective"] == [-2]


def test_an_undefined_score_leaves_the_objective_undefined(service: TestClient) -> None:
    found = service.post("/api/score", json={"objective": "max:mtld", "texts": [""]}).json()
    assert found["scores"] == {"mtld": [None]}
    assert found["objective"] == [None]


@pytest.mark.parametrize(
    "metric", ["os:system", "subprocess:run", "toxicity:hf:evil/model", "toxicity:perspective", "parsed:x", "nope", ""]
)
def test_no_metric_brings_code_a_file_or_a_server_of_the_askers_choice(service: TestClient, metric: str) -> None:
    for told in ({"metrics": [metric], "texts": ["a"]}, {"objective": f"max:{metric}", "texts": ["a"]}):
        found = service.post("/api/score", json=told)
        assert found.status_code == 422
        assert found.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'{"texts": "a"}', b'{"texts": [1]}', b'{"texts": ["a"], "prompts": []}', b"\xff" * 9]
)
def test_a_body_that_cannot_be_meant_is_a_sentence(service: TestClient, body: bytes) -> None:
    found = service.post("/api/score", content=body)
    assert found.status_code == 422
    assert found.json()["detail"]


def test_a_body_is_bounded(service: TestClient) -> None:
    assert "in several" in service.post("/api/score", content=b" " * (16 * 2**20 + 1)).json()["detail"]
    assert service.post("/api/score", json={"texts": ["a"] * 10_001}).status_code == 422


@pytest.mark.parametrize(
    "text", [*SAID, "Don't stop... Really? \n\n  Yes! 3.5 items, e.g. apples.", " \n ", "¿Qué? «No».", *texts.TEXTS]
)
def test_marks_are_what_the_numbers_count(text: str) -> None:
    found = marks(text)
    counts = Text(text).counts
    kinds = [mark.kind for sentence in found for mark in sentence]
    assert sum(map(bool, kinds)) == counts.words
    assert kinds.count("hard") == counts.hard
    if text.strip():
        assert len(found) == counts.sentences
    assert "".join(mark.text + mark.blanks for sentence in found for mark in sentence) == text


def test_two_texts_can_be_tried_side_by_side(service: TestClient) -> None:
    told = service.post("/try", data={"text": "One two.", "other": "You stupid idiot. Three."}, headers=HTML).text
    assert "<mark>One</mark>" in told
    assert 'class="worse">toxic' in told
    record = service.get("/try.json", params={"text": "One two."}).json()
    assert [each["values"] for each in record["numbers"] if each["metric"] == "words"] == [[2.0]]
    assert "What was counted" not in service.get("/try", headers=HTML).text


@pytest.mark.parametrize("text", texts.TEXTS)
def test_a_hostile_text_is_shown_and_never_obeyed(service: TestClient, text: str) -> None:
    told = service.post("/try", data={"text": text, "other": text}, headers=HTML)
    assert told.status_code == 200
    assert not [tag for tag in texts.LIVE if tag in told.text.lower()]
