"""Supervised fine-tuning: a student learns the answers of a data set, on TRL's trainer."""

import hashlib
import logging
import os
import shutil
import time
import warnings
from collections.abc import Callable
from pathlib import Path

from profiler.errors import MissingExtra
from profiler.reporting import trackers
from profiler.runs import versions
from training import checkpoint
from training.checkpoint import Claim, Training
from training.examples import TrainingSet, read_examples, tokenize
from training.recipe import Recipe
from training.student import StudentModel, find_student

PACKAGES = ("inheritance-profiler", "torch", "transformers", "trl", "peft", "accelerate", "bitsandbytes")

Say = Callable[[str], None]


def check(recipe: Recipe) -> tuple[StudentModel, TrainingSet]:
    """The student and the examples of a recipe, refused where they don't fit; no weights are read."""
    found, chat = read_examples(Path(recipe.data))
    student = find_student(recipe)
    return student, tokenize(found, chat, recipe, student.tokenizer, student.ends)


def train(recipe: Recipe, say: Say = lambda _: None, log: str | None = None) -> Training:
    """Train a student, or go on with a training that was stopped; a finished one is not done again.

    LOG names where the trainer reports to: wandb, mlflow, tensorboard or trackio.
    """
    if log:
        trackers.require(log)
    student, examples = check(recipe)
    content = hashlib.sha256(Path(recipe.data).read_bytes()).hexdigest()
    claim = checkpoint.claim_folder(recipe, content, student.digest)
    if finished := checkpoint.finished_training(recipe):
        return finished
    from profiler.endpoints.local.checkpoint import quiet

    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    with quiet(), warnings.catch_warnings():  # the libraries' advice to each other; errors still come
        warnings.simplefilter("ignore", FutureWarning)
        return _run(recipe, student, examples, claim, say, log)


def _run(
    recipe: Recipe, student: StudentModel, examples: TrainingSet, claim: Claim, say: Say, log: str | None
) -> Training:
    """One run of the trainer, from the last whole checkpoint to the end, or to wherever it is killed."""
    started = time.monotonic()
    say("loading")
    try:
        from training.trainer import sft_trainer, trackers_told
    except ModuleNotFoundError:
        raise MissingExtra("train", "training") from None

    checkpoints = Path(recipe.out) / "checkpoints"
    with trackers_told(log, recipe):
        trainer = sft_trainer(recipe, student, examples, say, log)
        if writes():
            claim = checkpoint.begin(claim)
        trainer.accelerator.wait_for_everyone()
        last = checkpoint.latest_checkpoint(checkpoints)
        trainer.train(resume_from_checkpoint=str(last) if last else None)
    say("saving")
    trainer.save_model(str(checkpoints / "trained"))
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
    return _kept(checkpoints / "trained", student, made) if writes() else made


def _kept(trained: Path, student: StudentModel, made: Training) -> Training:
    """Make what was trained into what is used: an adapter, a whole model, and the record of both."""
    from training.trainer import save_whole

    out, model = Path(made.recipe.out), Path(made.recipe.out) / "model"
    if made.recipe.method == "full":
        save_whole(trained, None, student, model)
        made = made.model_copy(update={"model": str(model)})
    else:
        adapter = out / "adapter"
        shutil.rmtree(adapter, ignore_errors=True)
        adapter.mkdir()
        for path in trained.glob("adapter_*"):
            shutil.copy2(path, adapter)
        if made.recipe.merge:
            save_whole(student.folder, adapter, student, model)
        made = made.model_copy(update={"adapter": str(adapter), "model": str(model) if made.recipe.merge else None})
    checkpoint.write_record(out / "training.json", made)
    shutil.rmtree(out / "checkpoints", ignore_errors=True)
    return made


def writes() -> bool:
    """Whether this is the process that writes."""
    return os.environ.get("RANK", "0") == "0"
