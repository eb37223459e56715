"""What a training says while it runs, and the mark on each checkpoint that is whole."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from training.checkpoint import WHOLE


class TrainingCallback(TrainerCallback):  # type: ignore[misc]
    """Called by the trainer as it goes."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._began = (0, time.monotonic())
        """Step and time at which this process set out."""

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, *_: object, **__: Any) -> None:
        self._began = (state.global_step, time.monotonic())

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, logs: dict[str, float], **_: Any
    ) -> None:
        if "loss" not in logs:
            return
        step, began = self._began
        each = (time.monotonic() - began) / max(1, state.global_step - step)
        left = each * (state.max_steps - state.global_step)
        self._say(
            f"step {state.global_step} of {state.max_steps} · loss {logs['loss']:.3f} · "
            f"{each:.2g} s a step · {left / 60:.0f} min left"
        )

    def on_save(self, args: TrainingArguments, state: TrainerState, *_: object, **__: Any) -> None:
        if state.is_world_process_zero:
            (Path(args.output_dir) / f"checkpoint-{state.global_step}" / WHOLE).touch()
