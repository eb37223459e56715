"""What every request to the service passes: its host, the page it comes from, who sends it, what that may, its size."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse, StreamingResponse
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from starlette.routing import BaseRoute, Mount, Route

from profiler.errors import StoreError, WrongUse
from profiler.http import marked
from profiler.service import ServiceOptions, application, tokens
from profiler.service.safety import COOKIE, LARGEST, decision
from tests.support.command import inherit
from tests.support.places import ROOT

ROLES: tuple[tokens.Role, ...] = ("viewer", "runner", "admin")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "runs"


@pytest.fixture
def given(out: Path) -> dict[str, str]:
    """Role → a token that has it."""
    return {role: tokens.add(out, f"the {role}", role) for role in ROLES}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def app(out: Path, **told: object) -> FastAPI:
    return application(ServiceOptions.model_validate({"out": out, **told}))


def test_on_this_machine_nobody_logs_in(out: Path) -> None:
    assert TestClient(app(out)).get("/").status_code == 200


@pytest.mark.parametrize("told", [{"host": "0.0.0.0"}, {"host": "::"}, {"public": ["https://profiler.example.org"]}])
def test_where_others_reach_it_it_refuses_to_start_without_tokens(out: Path, told: dict[str, object]) -> None:
    with pytest.raises(WrongUse, match="inherit token add"):
        app(out, **told)
    tokens.add(out, "eva", "admin")
    assert TestClient(app(out, **told)).get("/api/openapi.json").status_code == 401


def test_a_header_of_a_proxy_needs_the_proxys_address(out: Path) -> None:
    with pytest.raises(WrongUse, match="--proxy-from"):
        app(out, host="0.0.0.0", proxy_header="X-Forwarded-User")


async def test_a_token_is_shown_once_kept_as_a_hash_and_taken_back(out: Path) -> None:
    made = await inherit("token", "add", "eva", "--role", "runner", "--out", out)
    token = made.out.strip()
    kept = out / ".service" / "tokens.json"
    assert token.startswith("inherit_")
    assert kept.stat().st_mode & 0o777 == 0o600
    assert token not in kept.read_text()
    listed = await inherit("token", "list", "--out", out)
    assert "eva" in listed.out
    assert token[:14] in listed.out
    assert token not in listed.out
    client = TestClient(app(out))
    assert client.get("/", headers=bearer(token)).status_code == 200
    assert (await inherit("token", "add", "eva", "--out", out)).code == 2
    assert (await inherit("token", "remove", "eva", "--out", out)).code == 0
    tokens.add(out, "another", "admin")
    assert client.get("/", headers=bearer(token)).status_code == 401


def test_a_browser_is_sent_to_log_in_and_back_and_out(out: Path, given: dict[str, str]) -> None:
    client = TestClient(app(out, host="0.0.0.0", public=["https://p.example"]), base_url="https://p.example")
    asked = client.get("/?sort=name", headers={"accept": "text/html"}, follow_redirects=False)
    assert asked.headers["location"] == "/login?next=/%3Fsort%3Dname"
    assert client.post("/login", data={"token": "inherit_wrong"}).status_code == 401
    let_in = client.post("/login", data={"token": given["viewer"], "next": "/?sort=name"}, follow_redirects=False)
    assert let_in.headers["location"] == "/?sort=name"
    cookie = let_in.headers["set-cookie"].lower()
    assert all(each in cookie for each in ("httponly", "samesite=lax", "secure"))
    assert given["viewer"] not in cookie
    page = client.get("/").text
    assert "the viewer" in page
    old = client.cookies[COOKIE]
    client.post("/logout")
    client.cookies.clear()
    assert client.get("/", headers={"cookie": f"{COOKIE}={old}"}).status_code == 401


@pytest.mark.parametrize("away", ["https://evil.example", "//evil.example", "/\\evil.example", ""])
def test_logging_in_leads_to_no_other_site(out: Path, given: dict[str, str], away: str) -> None:
    answer = TestClient(app(out)).post("/login", data={"token": given["viewer"], "next": away}, follow_redirects=False)
    assert answer.headers["location"] == "/"


def test_a_login_ends_with_its_token(out: Path, given: dict[str, str]) -> None:
    client = TestClient(app(out))
    client.post("/login", data={"token": given["viewer"]})
    assert client.get("/index.json").status_code == 200
    tokens.remove(out, "the viewer")
    assert client.get("/index.json").status_code == 401


def test_a_proxy_names_its_users_and_nobody_else_does(out: Path) -> None:
    told = {"host": "0.0.0.0", "proxy_header": "X-Forwarded-User", "proxy_from": ["10.0.0.0/8"], "proxy_role": "runner"}
    made = app(out, **told)
    eva = {"X-Forwarded-User": "eva"}
    assert TestClient(made, client=("10.1.2.3", 1)).get("/new", headers=eva).status_code == 200
    assert TestClient(made, client=("192.168.1.1", 1)).get("/", headers=eva).status_code == 401
    assert TestClient(made, client=("10.1.2.3", 1)).get("/").status_code == 401
    twice = [("X-Forwarded-User", "eva"), ("X-Forwarded-User", "admin")]
    assert TestClient(made, client=("10.1.2.3", 1)).get("/", headers=twice).status_code == 401


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8765", "", "localhost.evil.example"])
def test_a_name_that_was_turned_to_us_reads_nothing(out: Path, host: str) -> None:
    assert TestClient(app(out)).get("/index.json", headers={"host": host}).status_code == 421


@pytest.mark.parametrize("host", ["127.0.0.1:8765", "localhost:8765", "[::1]:8765", "192.168.1.7"])
def test_a_number_or_this_machines_name_is_a_host(out: Path, host: str) -> None:
    assert TestClient(app(out)).get("/index.json", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 404),
        ({"origin": "http://127.0.0.1"}, 404),
        ({"sec-fetch-site": "same-origin", "origin": "null"}, 404),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "http://127.0.0.1:9"}, 403),
        ({"origin": "null"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site", "origin": "http://127.0.0.1"}, 403),
    ],
)
def test_another_sites_page_changes_nothing(out: Path, headers: dict[str, str], status: int) -> None:
    assert TestClient(app(out)).post("/api/nowhere", headers=headers).status_code == status


@pytest.mark.parametrize("path", ["/", "/index.json", "/nowhere", "/static/service.css", "/login"])
def test_every_answer_says_what_a_browser_may_do_with_it(out: Path, path: str) -> None:
    headers = TestClient(app(out)).get(path).headers
    assert "script-src 'self'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"


def test_a_body_is_bounded_with_and_without_its_length(out: Path) -> None:
    made = app(out)

    @made.post("/api/jobs/echo")
    async def echo(request: Request) -> int:
        return len(await request.body())

    def chunks(size: int) -> Iterator[bytes]:
        yield from (b"x" * 2**20 for _ in range(size // 2**20))

    client = TestClient(made)
    assert client.post("/api/jobs/echo", content=b"x" * 1000).json() == 1000
    assert client.post("/api/jobs/echo", content=b"x" * (LARGEST + 1)).status_code == 413
    assert client.post("/api/jobs/echo", content=chunks(LARGEST)).json() == LARGEST
    assert client.post("/api/jobs/echo", content=chunks(LARGEST + 2**20)).status_code == 413


def test_who_has_not_logged_in_can_send_very_little(out: Path, given: dict[str, str]) -> None:
    assert TestClient(app(out)).post("/login", data={"token": "x" * 5000}).status_code == 413


@pytest.mark.parametrize(
    ("method", "path", "role"),
    [
        ("GET", "/index.json", "viewer"),
        ("GET", "/new", "runner"),
        ("POST", "/api/jobs/profile", "runner"),
        ("POST", "/api/score", "viewer"),
        ("POST", "/api/nowhere", "admin"),
        ("GET", "/nowhere", "admin"),
    ],
)
def test_a_role_may_what_its_lines_say(out: Path, given: dict[str, str], method: str, path: str, role: str) -> None:
    client = TestClient(app(out))
    for each in ROLES:
        status = client.request(method, path, json={}, headers=bearer(given[each])).status_code
        assert (status == 403) == (ROLES.index(each) < ROLES.index(role)), (each, status)


def test_a_runner_changes_only_what_is_its_own(out: Path, given: dict[str, str]) -> None:
    client = TestClient(app(out, jobs=0))
    another = tokens.add(out, "another", "runner")
    made = client.post("/api/jobs/profile", json={"model": "demo"}, headers=bearer(given["runner"])).json()
    assert made["owner"] == "the runner"
    for what in ("cancel", "resume"):
        for begin in ("/api", ""):
            refused = client.post(f"{begin}/jobs/{made['id']}/{what}", headers=bearer(another))
            assert refused.status_code == 403
            assert "the runner's" in refused.text
    cancel = f"/api/jobs/{made['id']}/cancel"
    assert client.post(cancel, headers=bearer(given["runner"])).json()["state"] == "cancelled"
    assert client.post(cancel.replace("cancel", "resume"), headers=bearer(given["admin"])).json()["state"] == "queued"


def routes(found: list[BaseRoute]) -> Iterator[tuple[str, str]]:
    for route in found:
        if isinstance(route, Mount):
            yield "GET", route.path
        elif isinstance(route, Route | APIRoute):
            yield from ((method, route.path) for method in route.methods or ())
        elif inner := getattr(getattr(route, "original_router", None), "routes", None):
            yield from routes(inner)
        else:
            raise AssertionError(f"a kind of route that nobody decided on: {route}")


def test_every_route_has_a_role_that_somebody_decided_on(out: Path) -> None:
    found = {*routes(app(out).routes)}
    assert ("GET", "/index.json") in found
    assert {each for each in found if decision(*each) is None} == set()


def test_who_did_what_is_written_down_without_what_was_sent(out: Path, given: dict[str, str]) -> None:
    client = TestClient(app(out))
    client.get("/", headers=bearer(given["viewer"]))
    client.post("/api/jobs/profile?key=sk-secret", headers=bearer(given["viewer"]), json={"key": "sk-secret"})
    client.post("/login", data={"token": "inherit_wrong"})
    path = out / ".service" / "audit.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(line["who"], line["path"], line["status"]) for line in lines] == [
        ("the viewer", "/api/jobs/profile", 403),
        (None, "/login", 401),
    ]
    assert path.stat().st_mode & 0o777 == 0o600
    assert "secret" not in path.read_text()
    assert "wrong" not in path.read_text()


@pytest.mark.parametrize("cut", [1, 2, 3, 7, 1000])
def test_another_servers_words_are_an_admins_only_however_they_are_sent(
    out: Path, given: dict[str, str], cut: int
) -> None:
    made = app(out)
    words = "it failed: 500: " + marked('inner "host" <10.0.0.7> é') + "; run again"

    @made.get("/files/said/page")
    def page() -> PlainTextResponse:
        return PlainTextResponse(f"<p>{words}</p><p>more</p>")

    @made.get("/files/said/record")
    def record() -> dict[str, str]:
        return {"why": words, "state": "failed"}

    @made.get("/files/said/lines")
    def lines() -> StreamingResponse:
        async def sent() -> AsyncIterator[bytes]:
            whole = b"data: " + json.dumps({"why": words}).encode() + b"\n\ndata: next\n\n"
            for start in range(0, len(whole), cut):
                yield whole[start : start + cut]

        return StreamingResponse(sent(), media_type="text/event-stream")

    client = TestClient(made)
    for path in ("page", "record", "lines"):
        shown = client.get(f"/files/said/{path}", headers=bearer(given["viewer"])).text
        assert "10.0.0.7" not in shown
        assert "it failed: 500: …; run again" in shown
        assert "10.0.0.7" in client.get(f"/files/said/{path}", headers=bearer(given["admin"])).text
    assert client.get("/files/said/record", headers=bearer(given["viewer"])).json()["state"] == "failed"
    assert client.get("/files/said/lines", headers=bearer(given["viewer"])).text.endswith("\n\ndata: next\n\n")
    assert client.get("/files/said/page", headers=bearer(given["viewer"])).text.endswith("</p><p>more</p>")


def test_a_token_file_that_is_broken_lets_nobody_in(out: Path, given: dict[str, str]) -> None:
    (out / ".service" / "tokens.json").write_text("[")
    with pytest.raises(StoreError, match="nobody is let in"):
        app(out, host="0.0.0.0")
    assert TestClient(app(out), raise_server_exceptions=False).get("/").status_code == 500


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"key": "DATABASE_URL"}, "DATABASE_URL is none"),
        ({"header": ["X-A=DATABASE_URL"]}, "DATABASE_URL is none"),
        ({"prompts": "/etc/passwd"}, "outside the service's folders"),
        ({"prompts": "../secret.jsonl"}, "outside the service's folders"),
        ({"prompts": "file:///etc/passwd"}, "outside the service's folders"),
        ({"data": "~"}, "outside the service's folders"),
        ({"model": "/root/models/x"}, "outside the service's folders"),
        ({}, None),
        ({"model": "/models/x", "url": "http://127.0.0.1:1/v1"}, None),
        ({"key": "INHERIT_TOKEN"}, "INHERIT_TOKEN is none"),
        ({"key": "INHERIT_TEAM_KEY", "url": "http://127.0.0.1:1/v1"}, None),
        ({"prompts": "{out}/uploads/mine.jsonl", "name": "a name / with a slash"}, None),
        ({"prompts": "uploads/mine.jsonl", "out": ".", "system": "x" * 5000}, None),
    ],
)
def test_a_job_that_is_not_for_this_user_is_refused_before_it_is_queued(
    out: Path, given: dict[str, str], told: dict[str, object], words: str | None
) -> None:
    made = app(out, jobs=0)
    client = TestClient(made, headers=bearer(given["runner"]))
    told = {name: value.format(out=out) if isinstance(value, str) else value for name, value in told.items()}
    answer = client.post("/api/jobs/profile", json={"model": "demo", **told})
    assert answer.status_code == (422 if words else 202), answer.text
    assert (words or "queued") in answer.text
    assert len(made.state.queue.jobs()) == (0 if words else 1)


def test_an_adapter_of_a_model_elsewhere_is_refused(out: Path, given: dict[str, str]) -> None:
    (out / "students" / "s").mkdir(parents=True)
    told = {"base_model_name_or_path": "/root/models/x", "r": 4}
    (out / "students" / "s" / "adapter_config.json").write_text(json.dumps(told), "utf-8")
    client = TestClient(app(out, jobs=0), headers=bearer(given["runner"]))
    answer = client.post("/api/jobs/profile", json={"model": "students/s"})
    assert answer.status_code == 422
    assert "'/root/models/x' lies outside the service's folders" in answer.text


def test_an_admin_names_any_file_and_still_no_other_variable(out: Path, given: dict[str, str]) -> None:
    client = TestClient(app(out, jobs=0), headers=bearer(given["admin"]))
    told = {"model": "demo", "prompts": "/data/prompts.jsonl"}
    assert client.post("/api/jobs/profile", json=told).status_code == 202
    assert client.post("/api/jobs/profile", json={**told, "key": "DATABASE_URL"}).status_code == 422


def test_health_is_everybodys_and_counts_are_a_viewers(out: Path, given: dict[str, str]) -> None:
    client = TestClient(app(out))
    assert client.get("/healthz").text == "ok\n"
    assert client.get("/metrics").status_code == 401
    client.get("/nowhere/with/a/secret", headers=bearer(given["admin"]))
    text = client.get("/metrics", headers=bearer(given["viewer"])).text
    assert 'inherit_answers_total{method="GET",route="/healthz",status="200"} 1' in text
    assert "secret" not in text
    counts = {float(line.rpartition(" ")[2]) for line in text.splitlines() if "seconds_bucket" in line}
    assert max(counts) == 3
    parsed = [line.rpartition(" ") for line in text.splitlines() if not line.startswith("#")]
    assert all(float(value) >= 0 and name for name, _, value in parsed)


def test_the_service_as_it_is_started_answers_to_its_names_and_to_who_asks(out: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    words = ["ui", "--no-browser", "--port", "0", "--out", str(out), "--allow", "10.0.0.0/8"]
    code = "from profiler.cli import main; main()"
    with subprocess.Popen([sys.executable, "-c", code, *words], stdout=subprocess.PIPE, env=environment) as service:
        try:
            assert service.stdout is not None
            address = service.stdout.readline().decode().strip()
            assert httpx.get(f"{address}/healthz", timeout=60).text == "ok\n"
            assert httpx.get(address, headers={"host": "evil.example"}, timeout=60).status_code == 421
            # Nobody's header says where a request comes from.
            assert "server" not in httpx.get(address, headers={"x-forwarded-for": "10.0.0.1"}, timeout=60).headers
        finally:
            service.terminate()


async def test_a_service_that_others_could_reach_does_not_start(out: Path) -> None:
    done = await inherit("ui", "--no-browser", "--host", "0.0.0.0", "--port", "0", "--out", out)
    assert done.code == 2
    assert "inherit token add" in done.err
