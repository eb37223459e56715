"""Which addresses work for others may call: seen at the socket that is really dialled, in the service and in a job."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from ipaddress import ip_address
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from profiler import http
from profiler.endpoints.openai.transport import RetryLimits, Transport
from profiler.errors import EndpointError, WrongUse
from profiler.http import Bounds
from profiler.records import Endpoint
from profiler.service import ServiceOptions, application, tokens
from tests.support.wire import Fault, Script, Wire, serving

METADATA = "169.254.169.254"


@pytest.fixture
async def wire() -> AsyncIterator[Wire]:
    async with serving(Script()) as found:
        yield found


def port(wire: Wire) -> int:
    return int(wire.url.rpartition(":")[2].partition("/")[0])


def service(out: Path, **told: object) -> FastAPI:
    """The service with a route that lists a server's models as the pages do."""
    app = application(ServiceOptions.model_validate({"out": out, **told}))

    @app.get("/api/asked")
    async def models(url: str) -> list[str]:
        transport = Transport(Endpoint(model="wire", url=url), 1, RetryLimits(tries=1))
        try:
            return [each.id for each in await transport.models()]
        finally:
            await transport.close()

    return app


@asynccontextmanager
async def asked(app: FastAPI) -> AsyncIterator[Callable[[str], object]]:
    where = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1")
    async with where as client:

        async def ask(url: str) -> tuple[int, object]:
            answer = await client.get("/api/asked", params={"url": url})
            return answer.status_code, answer.json()

        yield ask


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Name → the addresses that it leads to, one after the other; the last stays."""
    told: dict[str, list[str]] = {}
    real = socket.getaddrinfo

    def lookup(host: str, *others: object, **more: object) -> object:
        if host in told:
            host = told[host].pop(0) if len(told[host]) > 1 else told[host][0]
        return real(host, *others, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    return told


@pytest.fixture
def dialled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every address that a connection was tried to."""
    found: list[str] = []
    real = asyncio.SelectorEventLoop.sock_connect

    async def connect(self: asyncio.SelectorEventLoop, sock: socket.socket, address: tuple[str, int]) -> None:
        found.append(address[0])
        if http.unwrapped(ip_address(address[0])).is_loopback:
            return await real(self, sock, address)
        raise OSError("nothing else is called in tests")

    monkeypatch.setattr(asyncio.SelectorEventLoop, "sock_connect", connect)
    return found


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0x7f.1"])
async def test_this_machine_is_called_where_nothing_else_is_said(
    tmp_path: Path, wire: Wire, dialled: list[str], host: str
) -> None:
    async with asked(service(tmp_path)) as ask:
        status, said = await ask(f"http://{host}:{port(wire)}/v1")
    assert (status, said) == (200, ["wire"])


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "127.0.0.2",
        "0.0.0.0",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "10.0.0.1",
        "8.8.8.8",
        METADATA,
        f"[::ffff:{METADATA}]",
        "[64:ff9b::a9fe:a9fe]",
        "[2002:a9fe:a9fe::1]",
        "[fe80::1]",
        "[fd00:ec2::254]",
        "100.100.100.200",
        "168.63.129.16",
        "inside.example",
    ],
)
async def test_no_address_is_called_that_was_not_allowed(
    tmp_path: Path, wire: Wire, dialled: list[str], names: dict[str, list[str]], host: str
) -> None:
    names["inside.example"] = ["127.0.0.1"]
    async with asked(service(tmp_path, allow=["models.example:443"])) as ask:
        status, said = await ask(f"http://{host}:{port(wire)}/v1")
    assert status == 422
    assert "--allow" in str(said)
    assert dialled == []


@pytest.mark.parametrize("written", ["0x7f.1", "2130706433", "0177.0.0.1", "127.1"])
async def test_a_number_in_disguise_is_not_called_either(
    tmp_path: Path, wire: Wire, dialled: list[str], written: str
) -> None:
    async with asked(service(tmp_path, allow=["models.example"])) as ask:
        await ask(f"http://{written}:{port(wire)}/v1")
    assert dialled == []


@pytest.mark.parametrize(
    "rule",
    ["127.0.0.1", "127.0.0.0/8", "models.example", "MODELS.example.", "models.example:{port}", "127.0.0.1:{port}"],
)
async def test_what_an_admin_lists_is_called(
    tmp_path: Path, wire: Wire, names: dict[str, list[str]], rule: str
) -> None:
    names["models.example"] = ["127.0.0.1"]
    async with asked(service(tmp_path, allow=[rule.format(port=port(wire))])) as ask:
        assert await ask(f"http://models.example:{port(wire)}/v1") == (200, ["wire"])


@pytest.mark.parametrize("rule", ["127.0.0.1:1", "models.example:1", "127.0.0.2", "other.example", "0.0.0.0/1,"])
async def test_another_port_or_host_is_not_meant(
    tmp_path: Path, wire: Wire, dialled: list[str], names: dict[str, list[str]], rule: str
) -> None:
    names["models.example"] = ["127.0.0.1"]
    if rule.endswith(","):
        with pytest.raises(WrongUse, match="--allow takes"):
            service(tmp_path, allow=[rule])
        return
    async with asked(service(tmp_path, allow=[rule])) as ask:
        assert (await ask(f"http://models.example:{port(wire)}/v1"))[0] == 422
    assert dialled == []


@pytest.mark.parametrize("second", [METADATA, "10.0.0.1"])
async def test_a_name_that_leads_elsewhere_the_second_time_is_not_followed(
    tmp_path: Path, wire: Wire, dialled: list[str], names: dict[str, list[str]], second: str
) -> None:
    names["turned.example"] = ["127.0.0.1", second]
    async with asked(service(tmp_path)) as ask:
        url = f"http://turned.example:{port(wire)}/v1"
        assert await ask(url) == (200, ["wire"])
        assert (await ask(url))[0] == 422
    assert set(dialled) == {"127.0.0.1"}


async def test_a_listed_name_that_leads_to_a_clouds_metadata_is_not_followed(
    tmp_path: Path, dialled: list[str], names: dict[str, list[str]]
) -> None:
    names["models.example"] = [METADATA]
    async with asked(service(tmp_path, allow=["models.example", "0.0.0.0/0"])) as ask:
        assert (await ask("http://models.example/v1"))[0] == 422
    assert dialled == []


async def test_a_redirect_leads_nowhere(tmp_path: Path, dialled: list[str]) -> None:
    async def send_away(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 302 Found\r\nLocation: http://10.0.0.1/\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(send_away, "127.0.0.1", 0) as server:
        where = server.sockets[0].getsockname()[1]
        async with asked(service(tmp_path)) as ask:
            assert await ask(f"http://127.0.0.1:{where}/v1") == (200, [])
        token = http.BOUNDS.set(Bounds())
        with pytest.raises(WrongUse, match=r"10\.0\.0\.1:80"):  # what follows redirects is checked at each of them
            await http.sent(f"http://127.0.0.1:{where}/", seconds=5)
        http.BOUNDS.reset(token)
    assert set(dialled) == {"127.0.0.1"}


async def test_a_proxy_of_the_environment_is_not_used_unasked(
    tmp_path: Path, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{port(wire)}")
    async with asked(service(tmp_path)) as ask:
        status, said = await ask("http://models.example/v1")
        assert status == 422
        assert "--trust-proxies" in str(said)
    async with asked(service(tmp_path, trust_proxies=True)) as ask:
        assert (await ask("http://models.example/v1"))[0] == 200


async def test_the_command_itself_calls_what_it_is_told(wire: Wire) -> None:
    transport = Transport(Endpoint(model="wire", url=wire.url), 1, RetryLimits(tries=1))
    assert [each.id for each in await transport.models()] == ["wire"]
    await transport.close()


async def carried_out(bounds: Bounds, *words: str, **environment: str) -> tuple[int | None, str]:
    """A job's child process: the command with the bounds in its environment."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "from profiler.cli import main; main()", *words,
        env=os.environ | bounds.environment() | environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    out, _ = await child.communicate()
    return child.returncode, out.decode()


async def test_a_jobs_process_keeps_to_the_bounds_it_is_given(wire: Wire) -> None:
    words = ("doctor", "wire", "--url", wire.url)
    assert (await carried_out(Bounds(), *words))[0] == 0
    before = len(wire.bodies)
    code, said = await carried_out(Bounds(("10.0.0.0/8",)), *words)
    assert code == 2
    assert f"127.0.0.1:{port(wire)} is no address that this service may call" in said
    assert len(wire.bodies) == before


async def test_a_jobs_process_sends_no_variable_that_is_not_listed(wire: Wire) -> None:
    words = ("doctor", "wire", "--url", wire.url)
    stolen = {"DATABASE_URL": "postgresql://secret"}
    for more in (("--key", "DATABASE_URL"), ("--header", "X-A=DATABASE_URL")):
        code, said = await carried_out(Bounds(), *words, *more, **stolen)
        assert code == 2
        assert "DATABASE_URL is none that this service sends" in said
    assert "secret" not in str(wire.bodies)
    assert (await carried_out(Bounds(keys=("DATABASE_*",)), *words, "--key", "DATABASE_URL", **stolen))[0] == 0


def test_no_scorer_sends_a_variable_that_is_not_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    from profiler import metrics

    monkeypatch.setenv("INHERIT_BOUNDS", Bounds().environment()["INHERIT_BOUNDS"])
    with pytest.raises(WrongUse, match="DATABASE_URL"):
        metrics.get("toxicity:perspective,url=http://127.0.0.1:1,key=DATABASE_URL")
    with pytest.raises(WrongUse, match="runs for nobody"):
        metrics.get("subprocess:getoutput")


def test_no_pool_is_read_from_an_address_that_a_library_would_call(monkeypatch: pytest.MonkeyPatch) -> None:
    from selection import Pool

    monkeypatch.setenv("INHERIT_BOUNDS", Bounds().environment()["INHERIT_BOUNDS"])
    with pytest.raises(WrongUse, match="its own folders"):
        Pool("http://169.254.169.254/latest")


async def test_a_servers_words_are_marked_in_work_for_others() -> None:
    transport = Transport(Endpoint(model="wire", url="http://127.0.0.1:9/v1"), 1, RetryLimits(tries=1))
    token = http.BOUNDS.set(Bounds())
    with pytest.raises(EndpointError, match=r"no connection to \S+: \ufff9.*\ufffb"):
        await transport.post("/completions", {"prompt": "x"})
    http.BOUNDS.reset(token)
    await transport.close()


@pytest.mark.slow
@pytest.mark.parametrize("fails", [False, True])
async def test_a_planted_key_is_in_no_file_and_on_no_page(tmp_path: Path, fails: bool) -> None:
    canaries = {"OPENAI_API_KEY": "sk-canary-one-0123456789", "INHERIT_TEAM": "canary-two-0123456789"}
    faults = tuple(Fault("500", match="The", says=f"you sent {value}") for value in canaries.values() if fails)
    script = Script(key=canaries["OPENAI_API_KEY"], faults=faults)
    async with serving(script) as wire:
        code, said = await carried_out(
            Bounds(), "profile", "wire", "--url", wire.url, "--header", "X-Team=INHERIT_TEAM", "-p", "bbq", "-n", "4",
            "--suite", "mini", "--out", str(tmp_path), **canaries,
        )  # fmt: skip
    assert code == (1 if fails else 0), said
    app = application(ServiceOptions(out=tmp_path))
    pages = {"stdout": said.encode()}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as client:
        known = ["/", "/index.json", "/metrics", "/api/openapi.json"]
        asked = {match for page in known[:1] for match in re.findall(r'href="(/[^"]*)"', (await client.get(page)).text)}
        for path in [*known, *sorted(asked)]:
            pages[path] = (await client.get(path)).content
    written = {str(path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert len(written) > (0 if fails else 2)
    for where, held in (pages | written).items():
        assert not [name for name, value in canaries.items() if value.encode() in held], where


async def ended(client: TestClient, told: dict[str, object], as_whom: dict[str, str]) -> str:
    """The id of a job that a worker of the service has done."""
    made = await asyncio.to_thread(client.post, "/api/jobs/profile", json=told, headers=as_whom)
    assert made.status_code == 202, made.text
    while True:
        job = (await asyncio.to_thread(client.get, f"/api/jobs/{made.json()['id']}", headers=as_whom)).json()
        if job["state"] not in ("queued", "running", "interrupted"):
            return str(job["id"])
        await asyncio.sleep(0.2)


@pytest.mark.slow
async def test_a_job_of_the_service_calls_only_what_is_allowed_and_tells_a_servers_words_to_admins_only(
    tmp_path: Path,
) -> None:
    given = {role: {"Authorization": f"Bearer {tokens.add(tmp_path, role, role)}"} for role in ("runner", "admin")}
    told = {"model": "wire", "suite": "mini", "limit": 4, "probes": ["bbq"]}
    async with serving(Script(faults=(Fault("401", says="words from inside"),))) as wire:
        with TestClient(application(ServiceOptions(out=tmp_path, jobs=1))) as client:
            pages = {
                what: f"/jobs/{await ended(client, {**told, 'url': url}, given['runner'])}"
                for what, url in (("outside", "http://10.0.0.1:80/v1"), ("inside", wire.url))
            }
            shown = {
                (what, role, ending): (await asyncio.to_thread(client.get, page + ending, headers=given[role])).text
                for what, page in pages.items()
                for role in given
                for ending in ("", ".json")
            }
    for (what, role, _), text in shown.items():
        if what == "outside":
            assert "10.0.0.1:80 is no address that this service may call" in text
        else:
            assert "401" in text
            assert ("words from inside" in text) == (role == "admin")
