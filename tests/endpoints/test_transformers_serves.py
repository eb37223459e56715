"""`transformers serve` with the demo model: found to decode greedily, and the in-process texts."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from profiler.endpoints.local.demo import checkpoint
from tests.support.command import asked, inherit
from tests.support.process import free, started

COMMAND = os.environ.get("INHERIT_TRANSFORMERS")

pytestmark = [
    pytest.mark.servers,
    pytest.mark.skipif(not COMMAND, reason="INHERIT_TRANSFORMERS names no command of that name"),
]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port, log = free(), tmp_path_factory.mktemp("transformers") / "log"
    words: list[str | Path] = [str(COMMAND), "serve", checkpoint()]
    words += ["--host", "127.0.0.1", "--port", str(port), "--device", "cpu"]
    with started(words, f"http://127.0.0.1:{port}/health", log, {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}):
        yield f"http://127.0.0.1:{port}/v1"


async def test_doctor_sees_that_it_never_samples_and_ends_in_time(address: str) -> None:
    began = time.monotonic()
    done = await inherit("doctor", str(checkpoint()), "--url", address, "--json")
    assert time.monotonic() - began < 400, "five minutes of questions, and the fingerprint"
    assert done.code == 0, done.err
    can = orjson.loads(done.out)
    assert (can["completions"], can["sampled"], can["seed"], can["echo"], can["top_logprobs"]) == (
        True,
        *[False] * 3,
        0,
    )


async def test_what_it_writes_greedily_is_what_the_checkpoint_writes_in_this_process(
    address: str, tmp_path: Path
) -> None:
    found = []
    for place, words in enumerate(((str(checkpoint()), "--url", address), ("demo",))):
        out = tmp_path / str(place)
        limits = ("-p", "attributes", "--suite", "mini", "--limit", "2", "--max-tokens", "8", "-o", out)
        done = await inherit("profile", *words, *limits)
        assert done.code == 0, done.err
        await inherit("export", "latest", "attributes", "--save", out / "rows.jsonl", "-o", out)
        rows = map(orjson.loads, (out / "rows.jsonl").read_bytes().splitlines())
        found.append({row["item"]: row["text"] for row in rows})
    assert found[0] == found[1]


async def test_what_has_to_be_sampled_is_refused_and_a_judge_is_asked(address: str, tmp_path: Path) -> None:
    teacher = tmp_path / "teacher.toml"
    teacher.write_text(f'model = "{checkpoint()}"\nurl = "{address}"\nmax_tokens = 4\n', "utf-8")
    done = await inherit("sample", teacher, "--prompts", asked(tmp_path, 1), "-k", "10", "--out", tmp_path / "pool")
    assert (done.code, "it always decodes greedily" in done.out) == (4, True), done
    words = ("--url", address, "--limit", "2", "--out", tmp_path / "verdicts.jsonl")
    done = await inherit("judge", checkpoint(), *words)
    assert done.code == 0, done.err
