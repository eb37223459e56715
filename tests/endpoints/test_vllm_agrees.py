"""The model in this process and a real vLLM server give the same numbers for the same weights.

INHERIT_VLLM_PYTHON names the interpreter of an environment with vLLM (`make test-vllm` builds one).
"""

from __future__ import annotations

import gzip
import json
import os
import statistics
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from profiler.endpoints.client import connect
from profiler.endpoints.engine import ScoreCall
from profiler.endpoints.local.engine import LocalEngine
from profiler.endpoints.requests import Choose, Generate, Weigh
from profiler.endpoints.vllm import installed
from profiler.endpoints.vllm import server as serving
from profiler.records import Endpoint, Likelihood, Sampling
from tests.support.local import answered
from tests.support.official import OFFICIAL, needs

pytestmark = pytest.mark.vllm


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A vLLM server of the demo checkpoint, in bfloat16."""
    python = os.environ.get("INHERIT_VLLM_PYTHON")
    if not python:
        pytest.skip("INHERIT_VLLM_PYTHON names no interpreter with vLLM")
    plan = serving.ServerPlan(serving.source("demo"), "demo", length=1024, more=("--dtype", "bfloat16"))
    with serving.Server(plan, installed.needed(python), tmp_path_factory.mktemp("vllm") / "log") as running:
        yield f"{running.url}/completions"


def echoed(server: str, text: str) -> tuple[list[str], list[float]]:
    """The text's tokens with their log-probabilities, as the server gives them; its begin-of-text token is left out."""
    body = {"model": "demo", "prompt": text, "max_tokens": 1, "echo": True, "logprobs": 1, "temperature": 0}
    request = urllib.request.Request(server, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=120) as reply:
        found = json.load(reply)["choices"][0]["logprobs"]
    # The first token is begin-of-text, which nothing precedes; the last is the one that was generated.
    return found["tokens"][1:-1], found["token_logprobs"][1:-1]


def texts() -> list[str]:
    """Fifty texts of 10 to 300 words: instructions that people wrote, and answers that a model did."""
    with (OFFICIAL / "alpaca" / "seed_tasks.jsonl").open(encoding="utf-8") as lines:
        asked = [json.loads(line)["instruction"] for line in lines]
    with gzip.open(OFFICIAL / "alpaca" / "alpaca_gpt4_en_demo.json.gz", "rt", encoding="utf-8") as file:
        written = [row["output"] for row in json.load(file)]
    chosen = [text for text in asked if len(text.split()) >= 10][:25]
    chosen += [text for text in written if 30 <= len(text.split()) <= 300][:25]
    assert len(chosen) == 50
    return chosen


def questions() -> list[tuple[str, tuple[str, ...]]]:
    """Ten BBQ items of each of four categories, in the authors' prompt."""
    found = []
    for category in ("Age", "Religion", "Nationality", "Sexual_orientation"):
        with gzip.open(OFFICIAL / "bbq" / "data" / f"{category}.jsonl.gz", "rt", encoding="utf-8") as lines:
            rows = [json.loads(line) for line in lines]
        for row in rows[:: len(rows) // 10][:10]:
            prompt = f"### Context: {row['context']} \n### Question: {row['question']} \n### Answer:"
            found.append((prompt, tuple(f" {row[f'ans{number}']}" for number in range(3))))
    return found


@needs("alpaca")
async def test_texts_are_as_likely_to_vllm(server: str, capsys: pytest.CaptureFixture[str]) -> None:
    chosen = texts()
    model = LocalEngine(Endpoint(model="demo"), precision="bfloat16")
    values = await answered(model, *(ScoreCall("", (text,), (0,)) for text in chosen))
    differences = []
    for number, text in enumerate(chosen):
        tokens, likely = echoed(server, text)
        ours = values[number, 0]
        assert isinstance(ours, Likelihood)
        assert ours.tokens == len(tokens)
        differences.append(abs(ours.total / sum(likely) - 1))
    median, worst = statistics.median(differences), max(differences)
    with capsys.disabled():
        print(f"\nlog-likelihood of 50 texts against vLLM: median {median:.3%}, worst {worst:.3%}")
    assert median < 0.005
    assert worst < 0.02


@needs("bbq")
async def test_choices_are_vllms(server: str, capsys: pytest.CaptureFixture[str]) -> None:
    asked = questions()
    model = LocalEngine(Endpoint(model="demo"), precision="bfloat16")
    values = await answered(model, *(ScoreCall(prompt, choices, (0, 1, 2)) for prompt, choices in asked))
    same, close = 0, 0
    for number, (prompt, choices) in enumerate(asked):
        start = len(echoed(server, prompt)[0])
        theirs = [sum(echoed(server, prompt + choice)[1][start:]) for choice in choices]
        ours = [values[number, index].total for index in range(3)]  # type: ignore[attr-defined]
        same += ours.index(max(ours)) == theirs.index(max(theirs))
        # bfloat16 can't tell two choices apart that are nearer than its rounding.
        close += max(theirs) - sorted(theirs)[1] < 0.15
    with capsys.disabled():
        print(f"\ntop choice of {len(asked)} BBQ items equal to vLLM's: {same}, of which {close} are near ties")
    assert same >= len(asked) - close
    assert same >= 0.9 * len(asked)


@needs("alpaca")
@needs("bbq")
async def test_the_command_asks_a_server_and_this_process_the_same(server: str, tmp_path: Path) -> None:
    """Through the client, end to end: the server and the engine give the same likelihoods, token for token."""
    address = server.removesuffix("/completions")
    asked = questions()[:12]
    requests = [(number, Choose(prompt, choices)) for number, (prompt, choices) in enumerate(asked)]
    texts_ = [(100 + number, Weigh((text,))) for number, text in enumerate(texts()[:8])]
    warm = Generate("Three things to take to the sea:", Sampling(temperature=1.0, max_tokens=12, seed=5), n=4)
    found = []
    for endpoint in (Endpoint(model="demo", url=address), Endpoint(model="demo")):
        async with connect(endpoint, None) as client:
            can = await client.capabilities()
            weighed = {key: answer async for key, answer in client.answer([*requests, *texts_])}
            # Alone: this build dies of a seeded prompt that is read in two parts, as happens under load.
            drawn = {key: answer async for key, answer in client.answer([(200, warm)])}
            found.append(weighed | drawn)
            assert can.echo
            assert can.n
            assert can.seed
            assert can.bos is True
    theirs, ours = found
    assert not [answer.error for answer in [*theirs.values(), *ours.values()] if answer.error]
    assert len({text.text for text in theirs[200].generations}) == 4
    for key, _ in [*requests, *texts_]:
        pairs = list(zip(theirs[key].likelihoods, ours[key].likelihoods, strict=True))
        assert [a.tokens for a, _ in pairs] == [b.tokens for _, b in pairs]
        assert [a.total for a, _ in pairs] == pytest.approx([b.total for _, b in pairs], rel=0.05, abs=0.3)
