"""What is kept of a training in its folder: whose it is, checkpoints to go on from, and the record of what it did."""

import shutil
from pathlib import Path

from profiler.errors import BadData, WrongUse
from profiler.files import write_whole
from profiler.records import SCHEMA, Record
from training.recipe import Recipe

WHOLE = "whole"
"""A file that is in a checkpoint once all else is: a kill in the middle of saving leaves one without."""

FREE = {"micro", "save", "checkpointing"}
"""Keys of a recipe that change no number: a stopped training may go on with others."""


class Training(Record):
    """What a training did; training.json beside the model."""

    schema_version: int = SCHEMA
    recipe: Recipe
    data: str
    """SHA-256 of the data file."""
    student: str
    """SHA-256 over the student's settings and tokenizer."""
    examples: int
    dropped: int = 0
    """Examples that were too long."""
    tokens: int
    """Tokens of all examples."""
    learned: int
    """Those of them that the loss is taken of: the completions'."""
    trained: int
    """Parameters that were trained."""
    parameters: int
    """Parameters of the student."""
    steps: int
    losses: tuple[float, ...]
    """Mean loss a token, step by step."""
    seconds: float
    resumed: int = 0
    """Times that it was stopped and went on."""
    processes: int = 1
    model: str | None
    """Folder of a whole model that can be served; None where only an adapter was saved."""
    adapter: str | None = None
    """Folder of the adapter."""
    versions: dict[str, str]


class Claim(Record):
    """What a folder is for; claim.json."""

    recipe: Recipe
    data: str
    """SHA-256 of the data file."""
    student: str
    starts: int = 0
    """Times that the training was begun or gone on with."""


def claim_folder(recipe: Recipe, data: str, student: str) -> Claim:
    """Take the recipe's folder for it, or resume it; refused where the folder is another training's."""
    path = Path(recipe.out) / "claim.json"
    fresh = Claim(recipe=recipe, data=data, student=student)
    if path.is_file():
        try:
            held = Claim.model_validate_json(path.read_bytes())
        except (OSError, ValueError):
            raise BadData(f"{path} can't be read; remove the folder and train again") from None
        keys = [key for key in Recipe.model_fields if key not in FREE]
        differs = [key for key in keys if getattr(held.recipe, key) != getattr(recipe, key)]
        differs += [part for part in ("data", "student") if getattr(held, part) != getattr(fresh, part)]
        if differs:
            raise WrongUse(
                f"{recipe.out!r} holds a training with another {', '.join(differs)}; "
                "choose another `out`, or remove the folder"
            )
        return held
    if Path(recipe.out).is_dir() and any(Path(recipe.out).iterdir()):
        raise WrongUse(f"{recipe.out!r} is not empty and holds no training of ours; choose another `out`")
    return fresh


def begin(claim: Claim) -> Claim:
    """Note one more start, and remove the checkpoint that a kill left half saved."""
    begun = claim.model_copy(update={"starts": claim.starts + 1})
    write_record(Path(claim.recipe.out) / "claim.json", begun)
    for path in Path(claim.recipe.out).glob("checkpoints/checkpoint-*"):
        if not (path / WHOLE).exists():
            shutil.rmtree(path)
    return begun


def write_record(path: Path, record: Record) -> None:
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
