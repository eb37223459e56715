"""What a training is told, what its folder is claimed for, and what it did."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from profiler.records import SCHEMA, Record


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
    """chat puts an example into the tokenizer's chat template, plain into `frame`; auto follows the rows."""
    frame: str = "### Question: {prompt}\n### Answer:"
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
    """Share of the steps in which it rises."""
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
    """Share of the adapter's inputs that are dropped."""
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
