"""`inherit card`: what the hub reads of a run, in a card of its own or in one that is there."""

from __future__ import annotations

from pathlib import Path

import pytest
from huggingface_hub import ModelCard

from profiler.records import Profile
from tests.support.command import asked, inherit
from tests.support.wire import serving


@pytest.fixture
async def run(tmp_path: Path) -> Path:
    async with serving() as wire:
        told = ("--prompts", asked(tmp_path), "--out", tmp_path / "runs", "--name", "<b>wire</b>")
        done = await inherit("profile", "wire", "--url", wire.url, *told)
    assert done.code == 0, done.err
    return next((tmp_path / "runs").glob("2*"))


async def test_the_hub_reads_the_numbers_of_a_run(run: Path) -> None:
    done = await inherit("card", run, "--base", run)
    read = {one.metric_type: one for one in ModelCard(done.out).data.eval_results or []}
    told = Profile.model_validate_json((run / "profile.json").read_bytes()).estimates
    numbers = {one.metric: one.value for one in told if one.group is None and one.value is not None}
    assert {name: one.metric_value for name, one in read.items()} == numbers
    assert {one.dataset_type for one in read.values()} == {"attributes"}
    assert "<b>" not in ModelCard(done.out).text
    assert "compared with" in ModelCard(done.out).text


async def test_a_card_that_is_there_keeps_what_is_not_ours(run: Path, tmp_path: Path) -> None:
    card = tmp_path / "README.md"
    card.write_text(
        "---\nlicense: mit\nmodel-index:\n- name: old\n  results: []\ntags: [x]\n---\n# Mine\n\nWords.\n", "utf-8"
    )
    assert (await inherit("card", run, "--save", card)).code == 0
    once = card.read_text("utf-8")
    assert (await inherit("card", run, "--save", card)).code == 0
    assert card.read_text("utf-8") == once
    read = ModelCard(once)
    assert (read.data.license, read.data.tags) == ("mit", ["x"])
    assert read.data.model_name == "<b>wire</b>"
    assert read.text.lstrip().startswith("# Mine\n\nWords.\n")
    assert once.count("model-index") == 1


@pytest.mark.parametrize(("content", "said"), [(b"caf\xe9", "it is not UTF-8"), (None, "it is a folder")])
async def test_a_card_that_cannot_be_kept_is_refused_in_a_sentence(
    run: Path, tmp_path: Path, content: bytes | None, said: str
) -> None:
    card = tmp_path / "README.md"
    card.mkdir() if content is None else card.write_bytes(content)
    done = await inherit("card", run, "--save", card)
    assert done.code in (1, 2)
    assert said in done.err
    assert content is None or card.read_bytes() == content
