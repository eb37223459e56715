"""Where the tests of the service reach it: by a name that it knows."""

from functools import partialmethod

import pytest
from fastapi.testclient import TestClient


@pytest.fixture(autouse=True)
def on_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    made = partialmethod(TestClient.__init__, base_url="http://127.0.0.1")
    monkeypatch.setattr(TestClient, "__init__", made)
