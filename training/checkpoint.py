"""What is kept of a training: checkpoints to go on from, the trained model, and the record of how it came to be."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from profiler.errors import BadData, WrongUse
from profiler.files import write_whole
from profiler.records import Record
from training.records import Claim, Recipe, Training

if TYPE_CHECKING:
    from training.student import StudentModel

WHOLE = "whole"
"""A file that is in a checkpoint once all else is: a kill in the middle of saving leaves one without."""

FREE = {"micro", "save", "checkpointing"}
"""Keys of a recipe that change no number: a stopped training may go on with others."""


def claim_folder(recipe: Recipe, data: str, student: str) -> Claim:
    """Take the recipe's folder for it, or go on in it; refused where the folder is another training's."""
    path = Path(recipe.out) / "claim.json"
    fresh = Claim(recipe=recipe, data=data, student=student)
    if path.is_file():
        held = _read_claim(path)
        if differs := _differences(held, fresh):
            raise WrongUse(
                f"{recipe.out!r} holds a training with another {', '.join(differs)}; "
                "choose another `out`, or remove the folder"
            )
        return held
    if Path(recipe.out).is_dir() and any(Path(recipe.out).iterdir()):
        raise WrongUse(f"{recipe.out!r} is not empty and holds no training of ours; choose another `out`")
    return fresh


def count_start(claim: Claim) -> Claim:
    """Note one more start."""
    begun = claim.model_copy(update={"starts": claim.starts + 1})
    _write_record(Path(claim.recipe.out) / "claim.json", begun)
    return begun


def _differences(held: Claim, fresh: Claim) -> list[str]:
    old, new = held.recipe.model_dump(), fresh.recipe.model_dump()
    found = [key for key in new if key not in FREE and old[key] != new[key]]
    return found + [part for part in ("data", "student") if getattr(held, part) != getattr(fresh, part)]


def _read_claim(path: Path) -> Claim:
    try:
        return Claim.model_validate_json(path.read_bytes())
    except (OSError, ValueError):
        raise BadData(f"{path} can't be read; remove the folder and train again") from None


def _write_record(path: Path, record: Record) -> None:
    write_whole(path, record.model_dump_json(indent=1).encode() + b"\n")


def finished_training(recipe: Recipe) -> Training | None:
    """The record of a training that is over."""
    path = Path(recipe.out) / "training.json"
    try:
        return Training.model_validate_json(path.read_bytes()) if path.is_file() else None
    except ValueError:
        raise BadData(f"{path} can't be read; remove it and train again") from None


def latest_checkpoint(folder: Path) -> Path | None:
    """The last whole checkpoint."""
    whole = [path for path in folder.glob("checkpoint-*") if (path / WHOLE).exists()]
    return max(whole, key=lambda path: int(path.name.rpartition("-")[2]), default=None)


def remove_torn(folder: Path) -> None:
    """Remove the checkpoint that a kill left half saved."""
    for path in folder.glob("checkpoint-*"):
        if not (path / WHOLE).exists():
            shutil.rmtree(path)


def keep_trained(trained: Path, student: StudentModel, made: Training) -> Training:
    """Make what was trained into what is used: an adapter, a whole model, and the record of both."""
    out = Path(made.recipe.out)
    if made.recipe.method == "full":
        made = made.model_copy(update={"model": str(_whole(trained, None, student, out / "model"))})
    else:
        adapter = out / "adapter"
        shutil.rmtree(adapter, ignore_errors=True)
        shutil.copytree(trained, adapter, ignore=lambda _, names: _others(names))
        model = _whole(student.folder, adapter, student, out / "model") if made.recipe.merge else None
        made = made.model_copy(update={"adapter": str(adapter), "model": str(model) if model else None})
    _write_record(out / "training.json", made)
    shutil.rmtree(out / "checkpoints", ignore_errors=True)
    return made


def _others(names: Sequence[str]) -> list[str]:
    """Files that are no part of an adapter."""
    return [name for name in names if not name.startswith("adapter_")]


def _whole(source: Path, adapter: Path | None, student: StudentModel, target: Path) -> Path:
    """A model in the student's own precision, with its tokenizer, in place once it is whole."""
    import torch
    from transformers import AutoModelForCausalLM

    from profiler.endpoints.local.checkpoint import quiet

    kind = student.config.get_text_config().dtype or torch.float32
    part = target.with_name(target.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    with quiet():
        model: Any = AutoModelForCausalLM.from_pretrained(source, dtype=kind, trust_remote_code=False)
        if adapter:
            from peft import PeftModel

            model = PeftModel.from_pretrained(model, adapter).merge_and_unload()
        model.config.pad_token_id = student.config.get_text_config().pad_token_id
        model.save_pretrained(part)
        student.tokenizer.save_pretrained(part)
    shutil.rmtree(target, ignore_errors=True)
    os.replace(part, target)
    return target
