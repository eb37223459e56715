"""The service's frame: pages with their records beside them, and errors in a sentence."""

from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from profiler.service import ServiceOptions, application


@pytest.fixture
def client(tmp_path: Path) -> TestClient:
    return TestClient(application(ServiceOptions(out=tmp_path)))


def test_an_empty_folder_says_how_a_first_run_is_made(client: TestClient) -> None:
    assert "inherit profile demo" in client.get("/").text
    assert client.get("/index.json").json()["runs"] == []


def test_what_is_not_there_is_a_sentence_on_a_page_and_a_problem_document_for_a_program(client: TestClient) -> None:
    page = client.get("/nowhere", headers={"accept": "text/html"})
    assert page.status_code == 404
    assert "nothing is at /nowhere" in page.text
    told = client.get("/api/nowhere")
    assert told.headers["content-type"] == "application/problem+json"
    assert told.json() == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "nothing is at /api/nowhere",
    }
