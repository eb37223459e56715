"""Adapters that are trained here are served by a real vLLM, by name and on one server, and answer as they do beside it.

INHERIT_VLLM_PYTHON names the interpreter of an environment with vLLM.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Any

import pytest
import torch
import transformers

from profiler.runs import sample_store
from profiler.study import Schedule, read_study
from tests.support import tiny
from tests.support.killing import COMMAND
from tests.support.study import written
from tests.support.wire import serving

pytestmark = pytest.mark.vllm

START = [sys.executable, *COMMAND, "study"]

STUDY: dict[str, Any] = {
    "students": ["student"],
    "arms": ["base", "random", "single"],
    "objectives": {"length": {"goals": ["max:words"], "report": "ability.acc_mean"}},
    "recipe": {"merge": False, "batch": 4, "lr": 3e-2, "rank": 4, "length": 128, "precision": "float32"},
    "profile": [{"probe": probe, "suite": "mini", "limit": 8} for probe in ("ability", "crows_pairs")],
    "guard": {},
}


async def test_two_adapters_of_a_base_answer_on_one_server_as_they_do_in_this_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("peft")
    if not os.environ.get("INHERIT_VLLM_PYTHON"):
        pytest.skip("INHERIT_VLLM_PYTHON names no interpreter with vLLM")
    monkeypatch.setenv("INHERIT_CACHE", str(tmp_path / "cache"))
    student(tmp_path / "student")
    runs = {}
    async with serving() as wire:
        teachers = [{"model": "wire", "url": wire.url, "name": "one"}]
        for engine in ("vllm", "local"):  # the second finds the same trainings done
            path = written(tmp_path, teachers=teachers, **STUDY, resources={"profile": {"engine": engine}})
            done = await asyncio.to_thread(subprocess.run, [*START, str(path)], check=False, cwd=tmp_path)
            assert done.returncode == 0
            runs[engine] = profiled(path)
    logs = [path.read_text("utf-8") for path in sorted((tmp_path / "cache" / "logs").iterdir())]
    assert len(logs) == 2, "a server for the untouched student, and one for both that were taught"
    for (title, served), ours in zip(runs["vllm"].items(), runs["local"].values(), strict=True):
        assert served.profile.endpoint.adapter == ours.profile.endpoint.adapter
        assert served.profile.endpoint.engine == "vllm"
        assert json.loads(served.profile.fingerprint.served)["root"] == (
            served.profile.endpoint.adapter or str(tmp_path / "student")
        )
        near, far = apart(served, ours), apart(served, runs["local"]["base"])
        print(f"{title}: {near:.4f} nats a text from this process, {far:.3f} from the untouched student's")
        assert near < 1, "what bfloat16 leaves of sums of some hundred nats"
        assert title == "base" or far > 5 * near


def student(folder: Path) -> None:
    """A tiny model with heads of a size that vLLM computes on processors."""
    words = tiny.tokenizer()
    shape = tiny.configuration("llama", len(words)).to_dict() | {"hidden_size": 64, "head_dim": 32}
    shape |= {"num_attention_heads": 2, "num_key_value_heads": 1, "num_hidden_layers": 2}
    torch.manual_seed(0)
    transformers.AutoModelForCausalLM.from_config(transformers.LlamaConfig(**shape)).save_pretrained(folder)
    words.save_pretrained(folder)


def profiled(path: Path) -> dict[str, sample_store.Run]:
    """Student → its profile."""
    schedule = Schedule.of(read_study(path))
    return {made.profile.title: sample_store.Run(schedule.workspace.result(made.profile)) for made in schedule.pupils}


def apart(one: sample_store.Run, other: sample_store.Run) -> float:
    """By how much two students' likelihoods of a text differ, in the middle."""
    found = []
    for probe in ("ability", "crows_pairs"):
        theirs = {sample.item: sample for sample in other.samples(probe)}
        for sample in one.samples(probe):
            pairs = zip(sample.likelihoods, theirs[sample.item].likelihoods, strict=True)
            found += [abs(a.total - b.total) for a, b in pairs]
    return median(found)
