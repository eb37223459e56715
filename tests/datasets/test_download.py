"""Official files come over the wire once, whole and right; a net that is silent costs seconds, once."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import io
import json
import socket
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from pathlib import Path

import pytest
from typer.testing import CliRunner

from profiler import cli
from profiler.datasets import File, Source, download, mini
from profiler.errors import BadData, CheckFailed, FetchFailed, NotAvailable, UnknownName, Unreachable, WrongUse
from profiler.probes import crows_pairs
from tests.support.wire import Script, serving

CONTENT = "".join(f'{{"id": {number}, "text": "row number {number}"}}\n' for number in range(5000)).encode()
LINES = File("data/lines.jsonl", hashlib.sha256(CONTENT).hexdigest(), 5000, size=len(CONTENT))


@dataclass
class Wire:
    """A server on this machine that says what a test tells it to."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    """Path and Range of each request."""
    errors: list[int] = field(default_factory=list)
    """Statuses to answer first."""
    cuts: list[int] = field(default_factory=list)
    """How many bytes to send of the first answers before the connection breaks."""
    ranges: bool = True
    headers: dict[str, str] = field(default_factory=dict)
    """Further ones of each answer."""

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        span = handler.headers["Range"]
        self.asked.append((handler.path, span))
        if self.errors:
            return handler.send_error(self.errors.pop(0))
        if handler.path not in self.files:
            return handler.send_error(404)
        content = self.files[handler.path]
        start = int(span.removeprefix("bytes=").removesuffix("-")) if span and self.ranges else 0
        handler.send_response(206 if start else 200)
        handler.send_header("Content-Length", str(len(content) - start))
        for name, value in self.headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(content[start : start + self.cuts.pop(0)] if self.cuts else content[start:])
        handler.close_connection = True


@pytest.fixture
def wire() -> Iterator[Wire]:
    told = Wire(files={"/0a1b/data/lines.jsonl": CONTENT})

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            told.answer(self)

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        told.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield told
        server.shutdown()


@pytest.fixture(autouse=True)
def online(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("INHERIT_DATA", "")  # given back as it was after a test that names --data
    for name in (*download.SWITCHES, "HF_ENDPOINT", "http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(download, "_hosts", {})
    monkeypatch.setattr(download, "RETRY", replace(download.RETRY, first=0.001))


def numbers(url: str, *files: File) -> Source:
    return Source("numbers", "Numbers", "CC0", "Nobody 2026", url + "/0a1b/{path}", files or (LINES,))


def kept(tmp_path: Path) -> list[str]:
    return sorted(str(path.relative_to(tmp_path / "cache")) for path in tmp_path.rglob("*") if path.is_file())


IN_CACHE = "inheritance-profiler/data/numbers/data/lines.jsonl"


def test_a_missing_file_is_fetched_once_and_read_from_the_cache_from_then_on(wire, tmp_path):
    assert [row["id"] for row in numbers(wire.url).rows(LINES)][-1] == 4999
    assert numbers(wire.url).read(LINES) == CONTENT
    assert wire.asked == [("/0a1b/data/lines.jsonl", None)]
    assert kept(tmp_path) == [IN_CACHE]


def test_what_was_spoilt_in_the_cache_is_fetched_again(wire, tmp_path):
    path = numbers(wire.url).fetch(LINES)
    path.write_bytes(CONTENT[:100])
    assert numbers(wire.url).read(LINES) == CONTENT
    assert len(wire.asked) == 2


def test_a_broken_connection_is_taken_up_where_it_broke(wire):
    wire.cuts = [1000, 2000]
    assert numbers(wire.url).read(LINES) == CONTENT
    assert [span for _, span in wire.asked] == [None, "bytes=1000-", "bytes=3000-"]


def test_a_server_that_can_not_go_on_is_asked_for_the_whole_again(wire):
    wire.cuts, wire.ranges = [1000], False
    assert numbers(wire.url).read(LINES) == CONTENT


def test_a_server_in_trouble_is_asked_again(wire):
    wire.errors = [503, 429]
    assert numbers(wire.url).read(LINES) == CONTENT


def test_a_file_that_never_comes_whole_leaves_nothing_behind(wire, tmp_path):
    wire.cuts = [10] * download.RETRY.tries
    with pytest.raises(FetchFailed, match=r"broke off 4 times \(40 of [\d,]+ bytes came\)"):
        numbers(wire.url).fetch(LINES)
    assert kept(tmp_path) == []


def test_a_file_that_is_not_there_is_not_asked_for_twice(wire):
    wire.files.clear()
    with pytest.raises(NotAvailable, match=r"lines\.jsonl of numbers is unavailable, and .* answered 404 .*data fetch"):
        numbers(wire.url).read(LINES)
    assert len(wire.asked) == 1


def test_another_content_than_the_published_one_is_refused_and_not_kept(wire, tmp_path):
    wire.files["/0a1b/data/lines.jsonl"] = CONTENT.replace(b"row number 7", b"row number 8")
    with pytest.raises(FetchFailed, match=r"another data/lines\.jsonl than the authors published"):
        numbers(wire.url).fetch(LINES)
    assert kept(tmp_path) == []


def test_a_file_without_a_known_checksum_is_taken_by_its_rows_and_its_own_is_said(wire, tmp_path):
    said: list[str] = []

    class Listener(download.Watch):
        def unsure(self, why: str) -> None:
            said.append(why)

    with download.watched(Listener()):
        file = File(LINES.path, "", 5000)
        numbers(wire.url, file).fetch(file)
        assert LINES.sha256 in said.pop()
        assert kept(tmp_path) == [IN_CACHE]
        short = File("data/short.jsonl", "", 4999)
        wire.files["/0a1b/data/short.jsonl"] = CONTENT
        with pytest.raises(FetchFailed, match=r"another data/short.jsonl .*its number of rows is another"):
            numbers(wire.url, short).fetch(short)
    assert said == []


def zipped(**members: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return packed.getvalue()


def test_a_file_is_taken_out_of_its_archive(wire, tmp_path):
    wire.files["/all.zip"] = zipped(**{"readme": b"hello", "data/lines.jsonl": CONTENT})
    file = File(LINES.path, LINES.sha256, 5000, url=f"{wire.url}/all.zip")
    assert numbers(wire.url, file).read(file) == CONTENT
    assert kept(tmp_path) == [IN_CACHE]


@pytest.mark.parametrize("archive", [b"no archive", zipped(readme=b"hello"), zipped(**{LINES.path: CONTENT})[:900]])
def test_a_broken_archive_is_one_sentence(wire, tmp_path, archive):
    wire.files["/all.zip"] = archive
    file = File(LINES.path, LINES.sha256, 5000, url=f"{wire.url}/all.zip")
    with pytest.raises(FetchFailed, match=r"the archive is broken or holds no data/lines\.jsonl"):
        numbers(wire.url, file).fetch(file)
    assert kept(tmp_path) == []


def test_a_mirror_stands_in_for_the_hub(wire, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", f"{wire.url}/")
    assert numbers(download.HUB).read(LINES) == CONTENT
    assert download.mirrored("https://example.org/a") == "https://example.org/a"


def test_the_environments_proxy_is_gone_through(wire, monkeypatch):
    wire.files["http://somewhere.invalid/0a1b/data/lines.jsonl"] = CONTENT
    monkeypatch.setenv("http_proxy", wire.url)
    assert numbers("http://somewhere.invalid").read(LINES) == CONTENT


def test_a_packed_file_comes_as_it_is(wire, tmp_path):
    packed = gzip.compress(CONTENT)
    wire.files["/0a1b/data/lines.jsonl.gz"] = packed
    wire.headers["Content-Encoding"] = "gzip"
    with download.downloaded(f"{wire.url}/0a1b/data/lines.jsonl.gz", "lines.jsonl.gz", tmp_path) as path:
        assert path.read_bytes() == packed


async def test_a_file_is_fetched_where_a_loop_runs_already(wire):
    assert numbers(wire.url).read(LINES) == CONTENT


def test_a_folder_that_can_not_be_written_is_one_sentence(wire, tmp_path, monkeypatch):
    (tmp_path / "cache").write_text("a file, not a folder")
    with pytest.raises(FetchFailed, match="can't write to"):
        numbers(wire.url).fetch(LINES)


@pytest.mark.parametrize("switch", download.SWITCHES)
def test_no_connection_is_made_where_that_is_forbidden(wire, monkeypatch, switch):
    monkeypatch.setenv(switch, "1")
    assert numbers(wire.url).suite("auto", "paper") == "mini"
    with pytest.raises(NotAvailable, match=f"{switch} forbids connections"):
        numbers(wire.url).suite("paper", "paper")
    assert wire.asked == []


def test_nothing_is_fetched_for_the_demo(wire):
    with download.forbidding("the demo"):
        assert numbers(wire.url).suite("auto", "paper") == "mini"
        with pytest.raises(NotAvailable, match="the demo forbids connections"):
            numbers(wire.url).suite("paper", "paper")
    assert wire.asked == []
    assert numbers(wire.url).suite("auto", "paper") == "paper"


def test_auto_fetches_what_can_be_had(wire):
    assert numbers(wire.url).suite("auto", "paper") == "paper"
    assert len(wire.asked) == 1


def test_auto_takes_mini_and_says_why_where_a_file_can_not_be_had(wire):
    wire.files.clear()
    said: list[str] = []

    class Listener(download.Watch):
        def failed(self, why: str) -> None:
            said.append(why)

    with download.watched(Listener()):
        assert numbers(wire.url).suite("auto", "paper") == "mini"
    assert len(said) == 1
    assert "data/lines.jsonl of numbers is unavailable" in said[0]
    assert "answered 404" in said[0]


@pytest.fixture
def blackhole() -> Iterator[str]:
    """An address whose host takes no connection: its queue is full, so that a further one waits in vain."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = []
        for _ in range(8):
            client = socket.socket()
            client.setblocking(False)
            client.connect_ex(listener.getsockname())
            waiting.append(client)
        time.sleep(0.05)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        for client in waiting:
            client.close()


def test_a_host_that_is_silent_is_noticed_within_seconds_and_asked_once(blackhole):
    started = time.monotonic()
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1 can't be reached"):
        numbers(blackhole).fetch(LINES)
    assert time.monotonic() - started < 3
    started = time.monotonic()
    for _ in range(20):
        assert numbers(blackhole).suite("auto", "paper") == "mini"
    assert time.monotonic() - started < 0.5


def test_no_other_host_is_waited_for_when_the_first_was_silent(monkeypatch):
    knocked: list[str] = []

    def silent(host: str, port: int) -> str:
        knocked.append(host)
        return "no answer within 2 seconds"

    monkeypatch.setattr(download, "_silence", silent)
    for host in ("one.example", "two.example"):
        assert numbers(f"https://{host}").suite("auto", "paper") == "mini"
    assert knocked == ["one.example"]
    with pytest.raises(NotAvailable):  # what was asked for by name is worth another wait
        numbers("https://two.example").suite("paper", "paper")
    assert knocked == ["one.example", "two.example"]


def test_a_name_that_nobody_knows_is_said_so():
    with pytest.raises(Unreachable, match=r"nowhere\.invalid can't be reached"):
        numbers("https://nowhere.invalid").fetch(LINES)


@pytest.fixture
def inherit(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[str, str, BaseException | None]]:
    def run(*words: str) -> tuple[str, str, BaseException | None]:
        done = CliRunner().invoke(cli.app, ["data", *words])
        return done.stdout, done.stderr, done.exception

    return run


@pytest.fixture
def registered(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> Wire:
    more = replace(numbers(wire.url, File("data/other.jsonl", "00", 1)), name="more")
    published = {"numbers": numbers(wire.url), "more": more}
    monkeypatch.setattr(import_module("profiler.datasets.official"), "_published", lambda: published)
    return wire


def test_fetch_shows_what_came_and_fails_where_something_did_not(registered, inherit):
    out, err, failed = inherit("fetch", "numbers")
    assert failed is None
    assert "fetched" in out
    assert "fetching data/lines.jsonl" in err
    out, err, failed = inherit("fetch")
    assert isinstance(failed, FetchFailed)
    assert failed.exit_code == 1
    assert "1 of 2 files could not be fetched: data/other.jsonl" in str(failed)
    assert " right " in out
    assert "answered 404" in out
    assert err == ""


def test_a_file_of_the_users_that_is_wrong_is_not_covered_up_by_a_fetch(registered, inherit, tmp_path):
    path = tmp_path / "mine" / "data" / "lines.jsonl"
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT[:5000])
    out, _, failed = inherit("fetch", "numbers", "--data", str(tmp_path / "mine"))
    assert isinstance(failed, FetchFailed)
    assert "it is cut off after" in out


def test_fetch_and_check_speak_json(registered, inherit):
    (row,) = json.loads(inherit("fetch", "numbers", "--json")[0])
    assert (row["data"], row["file"], row["state"]) == ("numbers", "data/lines.jsonl", "fetched")
    (row,) = json.loads(inherit("check", "numbers", "--json")[0])
    assert (row["state"], row["size"], row["where"].endswith(IN_CACHE)) == ("right", "0.2 MB", True)


def test_ls_says_where_a_set_lies_and_that_mini_sets_are_not_for_publishing(registered, inherit, tmp_path):
    inherit("fetch", "numbers")
    lines = inherit("ls")[0].splitlines()
    assert lines[1].split()[:5] == ["numbers", "1", "of", "1", "files"]
    assert str(tmp_path / "cache") in lines[1]
    assert "CC0" in lines[1]
    assert next(line for line in lines if line.startswith("mini/bbq")).endswith("not for publishing")


def test_check_fails_on_a_file_that_is_another(registered, inherit, tmp_path):
    path = tmp_path / "mine" / "data" / "lines.jsonl"
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT[:5000])
    out, _, failed = inherit("check", "--data", str(tmp_path / "mine"))
    assert isinstance(failed, CheckFailed)
    assert "it is cut off after" in out


def test_a_card_tells_what_a_set_is(registered, inherit):
    out = inherit("show", "numbers")[0]
    for words in ("Numbers", "Licence: CC0", "Cite: Nobody 2026", LINES.sha256, "5,000 rows, 0.2 MB", "missing"):
        assert words in out
    assert "not for publishing" in inherit("show", "mini/bbq")[0]


async def test_a_profile_fetches_what_it_needs_and_is_marked_as_the_papers(wire, tmp_path, monkeypatch):
    rows = [",sent_more,sent_less,stereo_antistereo,bias_type"]
    rows += [f"{number},They are late {number}.,We are late {number}.,stereo,age" for number in range(5)]
    content = ("\n".join(rows) + "\n").encode()
    wire.files["/0a1b/data/pairs.csv"] = content
    pairs = File("data/pairs.csv", hashlib.sha256(content).hexdigest(), 5, size=len(content))
    monkeypatch.setattr(crows_pairs, "PAIRS", pairs)
    monkeypatch.setattr(crows_pairs, "SOURCE", numbers(wire.url, pairs))
    monkeypatch.setattr(crows_pairs.Sentences, "published", crows_pairs.SOURCE)
    async with serving(Script()) as model:
        words = ["profile", "wire", "--url", model.url, "-p", "crows_pairs", "--json", "--out", str(tmp_path / "runs")]
        done = await asyncio.to_thread(CliRunner().invoke, cli.app, words, None, {"OPENAI_API_KEY": "x"})
    assert done.exception is None, done.output
    assert "fetching data/pairs.csv" in done.stderr
    (section,) = json.loads(done.stdout)["sections"]
    assert (section["suite"], section["items"], section["data"]) == ("paper", 5, {"pairs.csv": pairs.sha256})


def test_an_unknown_set_is_met_with_the_nearest_name(registered, inherit):
    failed = inherit("fetch", "numbres")[2]
    assert isinstance(failed, UnknownName)
    assert "did you mean 'numbers'? `inherit data ls` lists them" in str(failed)
    assert isinstance(inherit("show")[2], WrongUse)


def test_every_shipped_set_has_a_card_that_says_what_it_is_not_for():
    for name in mini.names():
        assert "for trying things out, not for publishing" in mini.card(name), f"profiler/datasets/mini/{name}.md"


def test_a_shipped_set_without_a_card_is_named_in_a_sentence(monkeypatch, tmp_path, inherit):
    (tmp_path / "bare.jsonl").write_text("{}\n", "utf-8")
    monkeypatch.setattr(mini, "_file", lambda name: tmp_path / f"{name}.jsonl")
    failed = inherit("show", "mini/bare")[2]
    assert isinstance(failed, BadData)
    assert "the shipped set 'bare' has no card" in str(failed)
