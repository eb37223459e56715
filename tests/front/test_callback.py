"""`inherit.ProfileCallback` in a real trainer: checkpoints are profiled, and the training does not notice."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import transformers

import inherit
from profiler.reporting import trackers
from tests.support import tiny
from tests.support.command import asked

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


def trained(folder: Path, *callbacks: transformers.TrainerCallback) -> torch.Tensor:
    """The weights that two steps leave."""
    student = tiny.checkpoint(folder / "student", "llama")
    words = transformers.AutoTokenizer.from_pretrained(student)
    rows = [{"input_ids": (ids := words("Water boils.")["input_ids"]), "labels": ids} for _ in range(4)]
    told = transformers.TrainingArguments(
        str(folder / "out"),
        max_steps=2,
        save_steps=1,
        per_device_train_batch_size=2,
        report_to="none",
        use_cpu=True,
        disable_tqdm=True,
    )
    model = transformers.AutoModelForCausalLM.from_pretrained(student)
    made = transformers.Trainer(
        model,
        told,
        transformers.default_data_collator,
        train_dataset=rows,
        processing_class=words,
        callbacks=[*callbacks],
    )
    made.args.report_to = ["mlflow"]
    made.train()
    return torch.cat([one.detach().flatten() for one in made.model.parameters()])


def test_each_checkpoint_is_profiled_and_the_training_ends_in_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logged = []
    monkeypatch.setitem(trackers.TRACKERS, "mlflow", (("mlflow",), lambda *given: logged.append(given)))
    watch = inherit.ProfileCallback(prompts=asked(tmp_path), limit=2, max_tokens=4, temperature=1.0)
    weights = trained(tmp_path / "watched", watch)
    assert [one.name for one in watch.profiles] == ["out-1", "out-2"]
    assert len({one.record.fingerprint.id for one in watch.profiles}) == 2
    assert [step for *_, step in logged] == [1, 2]
    assert logged[1][2]["attributes/words"] == next(
        one.value for one in watch.profiles[1].record.estimates if one.metric == "words"
    )
    assert torch.equal(weights, trained(tmp_path / "alone"))
