"""llama.cpp's own server with the demo model: what it can do, that it is asked its way, and the in-process numbers."""

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import orjson
import pytest

from profiler.endpoints.local.demo import assemble, parts
from tests.support.command import asked, inherit
from tests.support.process import free

PYTHON = os.environ.get("INHERIT_LLAMACPP_PYTHON")

pytestmark = [
    pytest.mark.servers,
    pytest.mark.skipif(not PYTHON, reason="INHERIT_LLAMACPP_PYTHON names no interpreter that has xllamacpp"),
]

MODEL = "gemma.gguf"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    home = tmp_path_factory.mktemp("llamacpp")
    gguf, port = assemble(parts(), home / MODEL), free()
    script = Path(__file__).parents[1] / "support" / "llamacpp.py"
    with (home / "log").open("wb") as log:
        server = subprocess.Popen([str(PYTHON), script, str(port), gguf], stdout=log, stderr=log)
    try:
        for _ in range(240):
            try:
                urlopen(f"http://127.0.0.1:{port}/health", timeout=5)
                break
            except (URLError, TimeoutError, ConnectionError):
                assert server.poll() is None, (home / "log").read_text("utf-8", "replace")[-2000:]
                time.sleep(0.5)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.kill()
        server.wait()


async def test_doctor_tells_what_llama_cpp_can_do(address: str) -> None:
    done = await inherit("doctor", MODEL, "--url", f"{address}/v1", "--json")
    assert done.code == 0
    can = orjson.loads(done.out)
    assert (can["completions"], can["chat"], can["n"], can["sampled"], can["echo"]) == (True, True, True, True, False)
    assert can["top_logprobs"] >= 5


async def test_the_address_without_its_v1_and_a_name_that_it_does_not_list_are_said(address: str) -> None:
    done = await inherit("doctor", MODEL, "--url", address)
    assert done.code == 1
    assert f"completions are answered at {address}/v1" in done.err
    done = await inherit("doctor", "another", "--url", f"{address}/v1")
    assert "lists no model 'another', but " in done.err


async def test_more_samples_than_it_has_slots_are_drawn(address: str, tmp_path: Path) -> None:
    teacher = tmp_path / "teacher.toml"
    teacher.write_text(f'model = "{MODEL}"\nurl = "{address}/v1"\nmax_tokens = 8\n', "utf-8")
    words = ("sample", teacher, "--prompts", asked(tmp_path, 2), "-k", "10", "--out")
    done = await inherit(*words, tmp_path / "pool")
    assert done.code == 0, done.err
    assert f"{MODEL}: 2 of 2 prompts" in done.out


async def test_probes_are_profiled_by_letters_and_texts(address: str, tmp_path: Path) -> None:
    words = ("-p", "bbq", "-p", "attributes", "--suite", "mini", "--limit", "8", "--max-tokens", "16", "-o", tmp_path)
    done = await inherit("profile", MODEL, "--url", f"{address}/v1", *words)
    assert done.code == 0, done.err
    (profile,) = [orjson.loads(path.read_bytes()) for path in tmp_path.glob("*/profile.json")]
    assert {part["probe"]: (part["how"], part["errors"]) for part in profile["sections"]} == {
        "bbq": ("top_logprobs", 0),
        "attributes": ("text", 0),
    }
    assert profile["usage"]["completion"] > 0
