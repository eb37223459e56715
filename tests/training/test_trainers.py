"""Other people's trainers read what `inherit select` writes, as it is: TRL, LLaMA-Factory and axolotl themselves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support import tiny
from tests.support.candidates import rows, run, written
from tests.support.places import ROOT
from tests.support.recipe import TEMPLATE

pytestmark = [pytest.mark.train, pytest.mark.filterwarnings("ignore")]

FORMS = [(form, flag) for form in ("chat", "completion") for flag in ("", "--parquet")]


def chosen(folder: Path, form: str, flag: str) -> list[tuple[str, str]]:
    """Select into FOLDER/out; the prompts and the answers that stand there."""
    import pyarrow.parquet as pq

    source = written(folder / "a.jsonl", rows(6))
    words = ["-O", "max:words", "-m", "words", "--form", form, *filter(None, [flag]), "-o", folder / "out"]
    run("select", source, *words)
    if flag:
        made: list[dict[str, Any]] = pq.read_table(folder / "out" / "chosen.parquet").to_pylist()
    else:
        made = [json.loads(line) for line in (folder / "out" / "chosen.jsonl").read_text("utf-8").splitlines()]
    if form == "completion":
        return [(row["prompt"], row["completion"]) for row in made]
    return [(row["messages"][0]["content"], row["messages"][1]["content"]) for row in made]


def student(folder: Path) -> Path:
    return tiny.checkpoint(folder / "student", "llama", template=TEMPLATE)


@pytest.mark.parametrize(("form", "flag"), FORMS)
def test_trl_reads_it(form: str, flag: str, tmp_path: Path) -> None:
    from datasets import load_dataset
    from trl import SFTConfig, SFTTrainer

    pairs = chosen(tmp_path, form, flag)
    kind, file = ("parquet", "chosen.parquet") if flag else ("json", "chosen.jsonl")
    data = load_dataset(kind, data_files=str(tmp_path / "out" / file), split="train", cache_dir=str(tmp_path / "cache"))
    trainer = SFTTrainer(
        str(student(tmp_path)),
        train_dataset=data,
        args=SFTConfig(str(tmp_path / "trained"), max_steps=1, use_cpu=True, report_to="none", disable_tqdm=True),
    )
    words = trainer.processing_class
    read = [words.decode(row["input_ids"]) for row in trainer.train_dataset]
    assert len(read) == len(pairs)
    assert all(prompt in text and answer in text for (prompt, answer), text in zip(pairs, read, strict=True))
    assert trainer.train().training_loss > 0


@pytest.mark.parametrize(("form", "flag"), FORMS)
def test_llama_factory_and_axolotl_read_it(form: str, flag: str, tmp_path: Path) -> None:
    where = os.environ.get("INHERIT_TRAINERS")
    if not where:
        pytest.skip("INHERIT_TRAINERS names a folder with llamafactory and axolotl in it (make test-train)")
    pairs = chosen(tmp_path, form, flag)
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{where}", "DISABLE_VERSION_CHECK": "1", "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-m", "tests.support.peers.trainers", tmp_path / "out", student(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["llama_factory"] == [list(pair) for pair in pairs]
    for (prompt, answer), (given, learned) in zip(pairs, found["axolotl"], strict=True):
        assert prompt in given
        assert learned.removesuffix("</s>").strip() == answer
