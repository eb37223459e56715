"""Where the tests of the service reach it: by a name that it knows."""

from functools import partialmethod
from importlib.util import find_spec

import pytest

if not all(map(find_spec, ("fastapi", "sqlalchemy", "duckdb"))):  # the environments of other doors come without them
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture(autouse=True)
def on_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    from fastapi.testclient import TestClient

    made = partialmethod(TestClient.__init__, base_url="http://127.0.0.1")
    monkeypatch.setattr(TestClient, "__init__", made)
