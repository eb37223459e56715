"""`inherit serve` starts a real vLLM, adapters and all, and says why where it can't.

INHERIT_VLLM_PYTHON names the interpreter of an environment with vLLM (`make test-vllm` builds one).
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from profiler.endpoints.client import connect
from profiler.endpoints.local import demo
from profiler.endpoints.requests import Answer, Generate, Weigh
from profiler.records import Endpoint, Sampling
from tests.support.process import free, running

pytestmark = pytest.mark.vllm

INHERIT = Path(sys.executable).with_name("inherit")
TEXT = "The nurse told the engineer that the train would be late."
SERVED = 600
"""Seconds that vLLM may take to answer, or to say that it never will."""


@pytest.fixture(scope="module", autouse=True)
def _vllm() -> None:
    if not os.environ.get("INHERIT_VLLM_PYTHON"):
        pytest.skip("INHERIT_VLLM_PYTHON names no interpreter with vLLM")


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    """A LoRA adapter of the demo model with weights of chance, as PEFT writes one."""
    shape = json.loads((demo.checkpoint() / "config.json").read_text("utf-8"))
    rng, rank = np.random.default_rng(0), 4
    weights = {}
    for layer in range(shape["num_hidden_layers"]):
        name = f"base_model.model.model.layers.{layer}.mlp.down_proj.lora_"
        weights[f"{name}A.weight"] = rng.normal(0, 0.1, (rank, shape["intermediate_size"])).astype(np.float32)
        weights[f"{name}B.weight"] = rng.normal(0, 0.1, (shape["hidden_size"], rank)).astype(np.float32)
    folder = tmp_path / "terse"
    folder.mkdir()
    save_file(weights, folder / "adapter_model.safetensors")
    settings = {"peft_type": "LORA", "r": rank, "lora_alpha": 8, "target_modules": ["down_proj"], "bias": "none"}
    (folder / "adapter_config.json").write_text(json.dumps(settings), "utf-8")
    return folder


@pytest.fixture
def served(adapter: Path) -> Iterator[tuple[str, subprocess.Popen[str], int]]:
    """The demo model with its adapter: the address, the command that serves it, and its port."""
    port = free()
    line = [INHERIT, "serve", "demo", "--port", str(port), "--length", "512", "--adapter", f"terse={adapter}"]
    pipe = subprocess.PIPE
    with subprocess.Popen(line, stdout=pipe, stderr=subprocess.DEVNULL, text=True, cwd=adapter) as process:
        try:
            assert process.stdout
            yield process.stdout.readline().strip(), process, port
        finally:
            process.terminate()


def descendants(of: int) -> set[int]:
    """The processes that one has started, and those that they have."""
    listed = [path for path in Path("/proc").iterdir() if path.name.isdigit()]
    parents: dict[int, int] = {}
    for path in listed:
        try:
            parents[int(path.name)] = int((path / "stat").read_text("utf-8").rpartition(")")[2].split()[1])
        except OSError:
            continue  # gone meanwhile
    found = {of}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {of}


async def asked(address: str, model: str) -> dict[str, Answer]:
    async with connect(Endpoint(model=model, url=address), None) as client:
        can = await client.capabilities()
        assert (can.echo, can.n, can.seed, can.bos, can.top_logprobs) == (True, True, True, True, 20)
        drawn = Generate("Once upon a time", Sampling(temperature=1.0, max_tokens=8, seed=3), n=3)
        return {key: answer async for key, answer in client.answer([("weigh", Weigh((TEXT,))), ("draw", drawn)])}


async def test_a_model_and_its_adapter_answer_by_their_names_and_nothing_of_them_is_left(
    served: tuple[str, subprocess.Popen[str], int],
) -> None:
    address, process, port = served
    assert address == f"http://127.0.0.1:{port}/v1"
    base, student = [await asked(address, name) for name in ("demo", "terse")]
    assert len({text.text for text in base["draw"].generations}) == 3
    ours, theirs = base["weigh"].likelihoods[0], student["weigh"].likelihoods[0]
    assert ours.tokens == theirs.tokens
    assert abs(ours.total - theirs.total) > 1, "the adapter changes what the model finds likely"
    again = subprocess.run([INHERIT, "serve", "demo", "--port", str(port)], capture_output=True, text=True, check=False)
    assert again.returncode == 1
    assert f"port {port} is taken" in again.stderr
    started = descendants(process.pid)
    assert len(started) > 2
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    assert not [pid for pid in started if running(pid)]


def test_an_architecture_that_vllm_does_not_know_is_said_to_be_that(tmp_path: Path) -> None:
    folder = tmp_path / "odd"
    folder.mkdir()
    settings = json.loads((demo.checkpoint() / "config.json").read_text("utf-8"))
    settings["architectures"] = ["OddForCausalLM"]
    (folder / "config.json").write_text(json.dumps(settings), "utf-8")
    for name in ("tokenizer.json", "tokenizer_config.json", "model.safetensors"):
        (folder / name).symlink_to(demo.checkpoint() / name)
    line = [INHERIT, "serve", folder, "--log", tmp_path / "log"]
    done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=SERVED)
    assert done.returncode == 1, done.stdout
    said = done.stderr.splitlines()[-1]
    assert "OddForCausalLM" in said
    assert str(tmp_path / "log") in said
