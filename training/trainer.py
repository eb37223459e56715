"""TRL's trainer as a recipe orders it: the model that it teaches, what it says, and the model that it leaves."""

import copy
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from peft import LoraConfig
from transformers import (
    AutoModelForCausalLM,
    PrinterCallback,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)
from trl import SFTConfig, SFTTrainer

from profiler.endpoints.local.checkpoint import adapted, numbers, quiet
from profiler.errors import MissingExtra
from profiler.reporting.trackers import PROJECT
from training.checkpoint import WHOLE
from training.examples import TrainingSet
from training.recipe import LR, Recipe
from training.student import StudentModel


class TrainingCallback(TrainerCallback):  # type: ignore[misc]
    """Called by the trainer as it goes: says how far it is, and marks each checkpoint that is whole."""

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


def sft_trainer(
    recipe: Recipe, student: StudentModel, examples: TrainingSet, say: Callable[[str], None], log: str | None = None
) -> SFTTrainer:
    """TRL's trainer for our tokens: it adds, cuts and masks nothing of its own."""
    bfloat16 = numbers(recipe.precision) is torch.bfloat16
    adapter = LoraConfig(
        r=recipe.rank,
        lora_alpha=recipe.alpha,
        lora_dropout=recipe.dropout,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
    trainer = SFTTrainer(
        model=_student_model(student, recipe, bfloat16),
        args=_settings(recipe, bfloat16, log),
        train_dataset=Dataset.from_dict(
            {"input_ids": [one.ids for one in examples.kept], "labels": [one.labels for one in examples.kept]}
        ),
        processing_class=copy.deepcopy(student.tokenizer),  # the trainer sets its padding; the student's own stays
        peft_config=None if recipe.method == "full" else adapter,
        callbacks=[TrainingCallback(say)],
    )
    trainer.remove_callback(PrinterCallback)  # results go to stdout, and these lines are none
    return trainer


def _student_model(student: StudentModel, recipe: Recipe, bfloat16: bool) -> Any:
    """The model to train. Weights that are trained are kept in float32: in bfloat16, small steps would be lost."""
    kind = torch.bfloat16 if bfloat16 and recipe.method != "full" else torch.float32
    more: dict[str, Any] = {}
    if recipe.method == "qlora":
        try:
            import bitsandbytes  # noqa: F401 - transformers' own message names no extra
        except ModuleNotFoundError:
            raise MissingExtra("train", "`method: qlora`") from None
        from transformers import BitsAndBytesConfig

        # Dettmers et al. 2023: normal floats in 4 bits, their scales quantised too.
        more["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=kind
        )
    with quiet():
        return AutoModelForCausalLM.from_pretrained(student.folder, dtype=kind, trust_remote_code=False, **more)


@contextmanager
def trackers_told(log: str | None, recipe: Recipe) -> Iterator[None]:
    """Where trackers report while a trainer runs, whose callbacks take that from the environment and nowhere else."""
    board = str(Path(recipe.out) / "tensorboard")
    wanted = {"WANDB_PROJECT": PROJECT, "MLFLOW_EXPERIMENT_NAME": PROJECT, "TENSORBOARD_LOGGING_DIR": board}
    ours = {name: value for name, value in wanted.items() if log and name not in os.environ}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name in ours:
            os.environ.pop(name, None)


def _settings(recipe: Recipe, bfloat16: bool, log: str | None) -> SFTConfig:
    """The recipe in the trainer's words."""
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    share = recipe.share(processes)
    micro = max(size for size in range(1, min(recipe.micro, share) + 1) if share % size == 0)
    return SFTConfig(
        output_dir=str(Path(recipe.out) / "checkpoints"),
        per_device_train_batch_size=micro,
        gradient_accumulation_steps=share // micro,
        num_train_epochs=recipe.epochs,
        learning_rate=recipe.lr or LR[recipe.method],
        lr_scheduler_type=recipe.schedule,
        warmup_steps=recipe.warmup,
        weight_decay=recipe.decay,
        max_grad_norm=recipe.clip,
        max_length=recipe.length,
        packing=recipe.packing,
        dataset_kwargs=None if recipe.packing else {"skip_prepare_dataset": True},
        activation_checkpointing=recipe.checkpointing,
        bf16=bfloat16,
        use_cpu=not torch.cuda.is_available() and not torch.backends.mps.is_available(),
        ddp_find_unused_parameters=False,
        ddp_backend="gloo" if processes > 1 and not torch.cuda.is_available() else None,
        save_steps=recipe.save,
        save_total_limit=2,
        seed=recipe.seed,
        data_seed=recipe.seed,
        logging_steps=1,
        report_to=log or "none",
        run_name=Path(recipe.out).name,
        project=PROJECT,  # trackio's; the others read their own environment variables
        disable_tqdm=True,
        dataloader_pin_memory=torch.cuda.is_available(),
    )


def save_whole(source: Path, adapter: Path | None, student: StudentModel, target: Path) -> None:
    """Save the model at SOURCE, its ADAPTER worked in: in the student's precision, in place once it is whole."""
    kind = student.config.get_text_config().dtype or torch.float32
    part = target.with_name(target.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    with quiet():
        model: Any = AutoModelForCausalLM.from_pretrained(source, dtype=kind, trust_remote_code=False)
        if adapter:
            model = adapted(model, adapter)
        model.config.pad_token_id = student.config.get_text_config().pad_token_id
        model.save_pretrained(part)
        student.tokenizer.save_pretrained(part)
    shutil.rmtree(target, ignore_errors=True)
    os.replace(part, target)
