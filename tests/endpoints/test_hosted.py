"""Hosted models, each with the ways of its own, asked by the command and by a client of the user's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import openai
import orjson
import pytest

import inherit as product
from tests.support.command import SECRET, inherit
from tests.support.elsewhere import served
from tests.support.wire import Script, serving

pytestmark = pytest.mark.slow

UNKNOWN = ("top_k", "min_p", "repetition_penalty")
"""Settings of vLLM's and llama.cpp's that no hosted model knows."""
THINKERS = ("max_tokens", "temperature", "top_p", "logprobs", "stop", *UNKNOWN)

HOSTS: dict[str, tuple[Script, str | None]] = {
    "thinks unseen and refuses what decodes": (Script(thinks="unseen", refuses=THINKERS), None),
    "thinks beside its answer": (Script(thinks="apart", refuses=("logprobs", "n", "seed", *UNKNOWN)), "letter"),
    "thinks within its answer": (Script(thinks="tagged", refuses=UNKNOWN), "letter"),
    "gives five alternatives": (Script(top=5, refuses=UNKNOWN), "top_logprobs"),
    "gives none and takes no seed": (Script(top=0, seed=False, n=False, refuses=("seed", *UNKNOWN)), "letter"),
    "wants max_completion_tokens": (Script(refuses=("max_tokens", *UNKNOWN)), "top_logprobs"),
}
"""What it does → its script, and how its letters are read; None where a letter would be drawn by chance."""


def hosted(script: Script) -> Script:
    """It only chats, and wants its key in a header of its own."""
    return replace(script, completions=False, headers={"api-key": SECRET})


@pytest.mark.parametrize("how", HOSTS)
async def test_a_hosted_model_is_profiled_and_sampled_in_its_own_way(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script, read = HOSTS[how]
    monkeypatch.setenv("THEIR_API_KEY", SECRET)
    async with serving(hosted(script)) as wire:
        where = ("wire", "--url", wire.url, "--key", "NO_API_KEY", "--header", "api-key=THEIR_API_KEY")
        probes = ("-p", "attributes", *(("-p", "bbq") if read else ()), "--temperature", "1", "--max-tokens", "64")
        done = await inherit("profile", *where, *probes, "--suite", "mini", "--limit", "3", "-o", tmp_path)
    assert done.code == 0, done.err
    (left,) = tmp_path.glob("*/profile.json")
    sections = {part["probe"]: (part["how"], part["errors"]) for part in orjson.loads(left.read_bytes())["sections"]}
    assert sections == {"attributes": ("text", 0)} | ({"bbq": (read, 0)} if read else {})
    refused = set(script.refuses)
    assert not any(refused & set(body) for body in wire.bodies[-3:])


@pytest.mark.parametrize("kind", [openai.OpenAI, openai.AzureOpenAI])
@pytest.mark.parametrize("how", ["thinks unseen and refuses what decodes", "gives five alternatives"])
def test_a_client_of_the_users_finds_the_ways_of_a_hosted_model(kind: Any, how: str, tmp_path: Path) -> None:
    script, read = HOSTS[how]
    azure = {"api_version": "2026-01-01"} if kind is openai.AzureOpenAI else {}
    probes = ["attributes", *(["bbq"] if read else [])]
    asked = {"suite": "mini", "limit": 3, "temperature": 1.0, "max_tokens": 64, "out": tmp_path}
    with (
        served(replace(hosted(script), headers={}, lists=False)) as wire,
        kind(base_url=wire.url + "/openai" * bool(azure), api_key=SECRET, **azure) as client,
    ):
        found = product.profile("wire", client=client, chat=True, probes=probes, **asked)
    assert found.record.errors == 0
    assert {part.probe: part.how for part in found.record.sections}.get("bbq") == read
    assert not any(set(script.refuses) & set(body) for body in wire.bodies[-3:])
