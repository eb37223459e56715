"""A callback of transformers' trainers, TRL's among them: the checkpoints that they save are profiled."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from inherit.results import ProfileResult
from inherit.verbs import Options, profile
from profiler.errors import MissingExtra
from profiler.reporting import trackers

try:
    import torch
    from transformers import AutoModelForCausalLM, TrainerCallback, TrainerState, TrainingArguments
except ImportError:
    raise MissingExtra("local", "a trainer's callback") from None


class ProfileCallback(TrainerCallback):  # type: ignore[misc]
    """Profiles each checkpoint that a trainer saves, and logs its numbers where the trainer reports to.

    The options are those of `inherit.profile`. A checkpoint is read beside the model that is trained, so there must be
    memory for both; the training goes on as if nothing had been asked in between.
    """

    def __init__(self, **options: Options) -> None:
        self.options = options
        self.profiles: list[ProfileResult] = []
        """A profile for each checkpoint so far, the oldest first."""

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: object, processing_class: Any = None, **_: object
    ) -> None:
        if not state.is_world_process_zero:
            return
        out = Path(args.output_dir)
        name = f"{out.name}-{state.global_step}"
        with torch.random.fork_rng(), whole(out / f"checkpoint-{state.global_step}", processing_class) as folder:
            told: dict[str, Any] = {"name": name, "engine": "local", "out": out / "profiles", **self.options}
            made = profile(folder, **told)
        self.profiles.append(made)
        for tracker in set(args.report_to) & set(trackers.TRACKERS):
            trackers.log(made.record, tracker, out, state.global_step)


@contextmanager
def whole(checkpoint: Path, tokenizer: Any) -> Iterator[Path]:
    """The folder of a model that can be asked: the checkpoint itself, or a copy with its adapter worked in."""
    if not (checkpoint / "adapter_config.json").exists():
        yield checkpoint
        return
    from peft import PeftConfig, PeftModel

    with tempfile.TemporaryDirectory() as folder:
        base = PeftConfig.from_pretrained(checkpoint).base_model_name_or_path
        model: Any = AutoModelForCausalLM.from_pretrained(base, dtype="auto", trust_remote_code=False)
        PeftModel.from_pretrained(model, checkpoint).merge_and_unload().save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        yield Path(folder)
