"""Supervised fine-tuning: a student learns the answers of a data set, on TRL's trainer."""

from __future__ import annotations

import copy
import hashlib
import logging
import os
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from profiler.errors import MissingExtra, WrongUse
from profiler.runs import versions
from training.checkpoint import (
    claim_folder,
    count_start,
    finished_training,
    keep_trained,
    latest_checkpoint,
    remove_torn,
)
from training.examples import TrainingSet, read_examples, tokenize
from training.recipe import LR
from training.records import Claim, Recipe, Training
from training.student import StudentModel, adapter_config, find_student, in_bfloat16, load_model

if TYPE_CHECKING:
    from trl import SFTConfig, SFTTrainer

PACKAGES = ("inheritance-profiler", "torch", "transformers", "trl", "peft", "accelerate", "bitsandbytes")

Say = Callable[[str], None]


def check(recipe: Recipe) -> tuple[StudentModel, TrainingSet]:
    """The student and the examples of a recipe, refused where they don't fit; no weights are read."""
    found, chat = read_examples(Path(recipe.data))
    student = find_student(recipe)
    return student, tokenize(found, chat, recipe, student.tokenizer, student.ends)


def train(recipe: Recipe, say: Say = lambda _: None) -> Training:
    """Train a student, or go on with a training that was stopped; a finished one is not done again."""
    student, examples = check(recipe)
    content = hashlib.sha256(Path(recipe.data).read_bytes()).hexdigest()
    claim = claim_folder(recipe, content, student.digest)
    if finished := finished_training(recipe):
        return finished
    with _silence():
        return _run(recipe, student, examples, claim, say)


def _run(recipe: Recipe, student: StudentModel, examples: TrainingSet, claim: Claim, say: Say) -> Training:
    """One run of the trainer, from the last whole checkpoint to the end, or to wherever it is killed."""
    started = time.monotonic()
    say("loading")
    trainer = _trainer(recipe, student, examples, say)
    if writes():
        claim = count_start(claim)
        remove_torn(Path(recipe.out) / "checkpoints")
    trainer.accelerator.wait_for_everyone()
    last = latest_checkpoint(Path(recipe.out) / "checkpoints")
    trainer.train(resume_from_checkpoint=str(last) if last else None)
    say("saving")
    trained = Path(recipe.out) / "checkpoints" / "trained"
    trainer.save_model(str(trained))
    trainer.accelerator.wait_for_everyone()
    losses = tuple(round(entry["loss"], 5) for entry in trainer.state.log_history if "loss" in entry)
    made = Training(
        recipe=recipe,
        data=claim.data,
        student=student.digest,
        examples=len(examples.kept),
        dropped=examples.dropped,
        tokens=examples.tokens,
        learned=examples.learned,
        trained=sum(one.numel() for one in trainer.model.parameters() if one.requires_grad),
        parameters=sum(one.numel() for one in trainer.model.parameters()),
        steps=trainer.state.global_step,
        losses=losses,
        seconds=round(time.monotonic() - started, 1),
        resumed=claim.starts - 1,
        processes=trainer.accelerator.num_processes,
        model=None,
        versions=versions(PACKAGES),
    )
    return keep_trained(trained, student, made) if writes() else made


def _trainer(recipe: Recipe, student: StudentModel, examples: TrainingSet, say: Say) -> SFTTrainer:
    """TRL's trainer for our tokens: it adds, cuts and masks nothing of its own."""
    try:
        from datasets import Dataset
        from transformers import PrinterCallback
        from trl import SFTTrainer
    except ModuleNotFoundError:
        raise MissingExtra("train", "training") from None
    from training.callback import TrainingCallback

    rows = Dataset.from_dict(
        {"input_ids": [one.ids for one in examples.kept], "labels": [one.labels for one in examples.kept]}
    )
    trainer = SFTTrainer(
        model=load_model(student, recipe),
        args=trainer_settings(recipe),
        train_dataset=rows,
        processing_class=copy.deepcopy(student.tokenizer),  # the trainer sets its padding; the student's own stays
        peft_config=adapter_config(recipe),
        callbacks=[TrainingCallback(say)],
    )
    trainer.remove_callback(PrinterCallback)  # results go to stdout, and these lines are none
    return trainer


def trainer_settings(recipe: Recipe) -> SFTConfig:
    """The recipe in the trainer's words."""
    import torch
    from trl import SFTConfig

    processes = int(os.environ.get("WORLD_SIZE", "1"))
    if recipe.batch % processes:
        raise WrongUse(f"a batch of {recipe.batch} can't be shared evenly by {processes} processes")
    share = recipe.batch // processes
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
        bf16=in_bfloat16(recipe),
        use_cpu=not torch.cuda.is_available() and not torch.backends.mps.is_available(),
        ddp_find_unused_parameters=False,
        ddp_backend="gloo" if processes > 1 and not torch.cuda.is_available() else None,
        save_steps=recipe.save,
        save_total_limit=2,
        seed=recipe.seed,
        data_seed=recipe.seed,
        logging_steps=1,
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=torch.cuda.is_available(),
    )


@contextmanager
def _silence() -> Iterator[None]:
    """Without the libraries' advice to each other and their bars; errors still come."""
    from profiler.endpoints.local.checkpoint import quiet

    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    with quiet(), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        yield


def writes() -> bool:
    """Whether this is the process that writes."""
    return os.environ.get("RANK", "0") == "0"
