"""A recipe: how a student is trained; read from YAML or TOML and checked before anything is paid for."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field

from profiler.datasets import settings
from profiler.errors import WrongUse
from profiler.records import Record, Template

LR = {"full": 2e-5, "lora": 2e-4, "qlora": 2e-4}
"""Stanford Alpaca's rate for all weights; ten times that for an adapter, as Hu et al. 2021 and its followers do."""


class Recipe(Record):
    """How a student is trained."""

    student: str
    """The model to train: a checkpoint's folder, a hub id, or demo."""
    data: str
    """A file of examples: rows with `prompt` and `completion`, or with `messages`; other columns are passed over."""
    out: str
    """Folder for the trained model, its checkpoints and the record of its training."""
    method: Literal["full", "lora", "qlora"] = "lora"
    """Train all weights, a low-rank adapter, or an adapter of a student in 4 bits."""
    form: Literal["auto", "chat", "plain"] = "auto"
    """chat puts an example into the tokenizer's chat template, plain into `prompt_template`; auto follows the rows."""
    prompt_template: Template = "### Question: {prompt}\n### Answer:"
    """What a plain prompt is put into: ask the student later in the same words."""
    epochs: float = Field(1.0, gt=0)
    """Times that each example is seen."""
    lr: float | None = Field(None, gt=0)
    """Learning rate at its height; if left out 2e-4 for an adapter and 2e-5 for all weights."""
    batch: int = Field(128, ge=1)
    """Examples a step, over all devices."""
    micro: int = Field(8, ge=1)
    """Examples at once on a device: what its memory holds; changes no number."""
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    """How the learning rate falls."""
    warmup: float = Field(0.03, ge=0, lt=1)
    """Proportion of the steps in which it rises."""
    decay: float = Field(0.0, ge=0)
    """Weight decay."""
    clip: float = Field(1.0, gt=0)
    """Largest norm of a gradient."""
    length: int = Field(512, ge=8)
    """Most tokens of an example."""
    long: Literal["refuse", "drop"] = "refuse"
    """What to do where examples are longer: nothing is ever cut, a cut answer teaches to break off."""
    packing: bool = False
    """Put several examples into one sequence, kept apart; quicker where examples are short."""
    rank: int = Field(16, ge=1, le=512)
    """Rank of the adapter."""
    alpha: float = Field(32.0, gt=0)
    """The adapter's weight is alpha / rank."""
    dropout: float = Field(0.0, ge=0, lt=1)
    """Proportion of the adapter's inputs that are dropped."""
    merge: bool = True
    """Also save the student with its adapter worked in."""
    precision: Literal["auto", "bfloat16", "float32"] = "auto"
    """Of the numbers that are computed with; auto takes bfloat16 where the hardware has it."""
    checkpointing: bool = False
    """Compute activations twice instead of keeping them: slower, less memory."""
    save: int = Field(50, ge=1)
    """Steps between two checkpoints."""
    seed: int = 0
    """Decides the order of the examples and an adapter's first weights."""

    def share(self, processes: int) -> int:
        """Examples of a batch for each of so many processes."""
        if self.batch % processes:
            raise WrongUse(f"a batch of {self.batch} can't be shared evenly by {processes} processes")
        return self.batch // processes


def read_recipe(path: Path | None, changes: Sequence[str] = ()) -> Recipe:
    """The recipe in a file, with KEY=VALUE changes on top."""
    fields = settings.load(path) if path else {}
    for change in changes:
        key, equals, value = change.partition("=")
        if not equals:
            raise WrongUse(f"expected --set KEY=VALUE, found {change!r}")
        fields[key.strip()] = value.strip()
    return recipe_of(fields, str(path) if path else "--set")


def recipe_of(fields: Mapping[str, object], where: str) -> Recipe:
    """The recipe of these fields; what is wrong is said in one sentence."""
    settings.refuse_unknown("recipe key", fields, Recipe, "inherit train --show")
    for key in ("student", "data", "out"):
        if key not in fields:
            raise WrongUse(f"{where}: the recipe needs `{key}`: {settings.about(Recipe, key)}")
    # Lax: YAML 1.1 reads 2e-5 as a text, and so comes what --set gives.
    recipe = settings.validated(Recipe, fields, where)
    return recipe if recipe.lr else recipe.model_copy(update={"lr": LR[recipe.method]})
