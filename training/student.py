"""The student: what can be known of it without its weights, and the model that is trained."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from profiler.endpoints import find
from profiler.errors import BadData, MissingExtra, WrongUse
from training.records import Recipe

if TYPE_CHECKING:
    import torch

SETTINGS = ("*.json", "*.model", "*.txt", "*.jinja")
"""Files that decide how a text is put into tokens, and what the model looks like."""


@dataclass(frozen=True)
class StudentModel:
    """A checkpoint before its weights are read."""

    folder: Path
    tokenizer: Any
    config: Any
    ends: frozenset[int]
    """Tokens that end an answer."""
    digest: str


def find_student(recipe: Recipe) -> StudentModel:
    """The student of a recipe, refused where it can't be trained so; its weights are not read."""
    if (Path(recipe.student).expanduser() / "adapter_config.json").is_file():
        raise WrongUse(f"{recipe.student!r} is an adapter, not a whole model: merge it, or train its base")
    folder = find(recipe.student)
    try:
        from transformers import AutoConfig, AutoTokenizer, GenerationConfig
        from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
    except ModuleNotFoundError:
        raise MissingExtra("train", "training") from None
    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        raise BadData(f"can't read the student {recipe.student!r}: {str(error).strip().splitlines()[0]}") from error
    if config.model_type not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        raise WrongUse(f"{recipe.student!r} is a {config.model_type}; expected a causal language model")
    if getattr(config, "quantization_config", None):
        raise WrongUse(f"{recipe.student!r} is quantised; train the model that it was made from, with `method: qlora`")
    ends = {tokenizer.eos_token_id}
    if (folder / "generation_config.json").is_file():
        named = GenerationConfig.from_pretrained(folder).eos_token_id
        ends |= set(named if isinstance(named, list) else [named])
    student = StudentModel(folder, tokenizer, config, frozenset(ends - {None}), student_digest(folder))
    _fits(student, recipe)
    return student


def _fits(student: StudentModel, recipe: Recipe) -> None:
    """Refuse a tokenizer or a length that the model can't take."""
    text = student.config.get_text_config()
    if student.tokenizer.eos_token_id is None:
        raise WrongUse(f"the tokenizer of {recipe.student!r} has no end-of-text token: it could not learn to stop")
    if len(student.tokenizer) > text.vocab_size:
        raise WrongUse(
            f"the tokenizer of {recipe.student!r} knows {len(student.tokenizer):,} tokens and its model "
            f"{text.vocab_size:,}: they don't belong together"
        )
    limit = text.to_dict().get("max_position_embeddings") or text.to_dict().get("n_positions")
    if limit and recipe.length > limit:
        raise WrongUse(f"`length` is {recipe.length:,} and {recipe.student!r} takes {limit:,} tokens at most")


def student_digest(folder: Path) -> str:
    """SHA-256 over the student's settings, its tokenizer, and the sizes of its weight files."""
    whole = hashlib.sha256()
    for path in sorted({path for pattern in SETTINGS for path in folder.glob(pattern)}):
        whole.update(f"{path.name} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    weights = {path.name: path.stat().st_size for path in sorted(folder.glob("*.safetensors"))}
    whole.update(json.dumps(weights).encode())
    return whole.hexdigest()


def in_bfloat16(recipe: Recipe) -> bool:
    """Whether to compute in bfloat16."""
    import torch

    from profiler.endpoints.local.checkpoint import numbers

    return numbers(recipe.precision) is torch.bfloat16


def load_model(student: StudentModel, recipe: Recipe) -> Any:
    """The model to train. Weights that are trained are kept in float32: in bfloat16, small steps would be lost."""
    import torch
    from transformers import AutoModelForCausalLM

    from profiler.endpoints.local.checkpoint import quiet

    kind = torch.bfloat16 if in_bfloat16(recipe) and recipe.method != "full" else torch.float32
    more: dict[str, Any] = {"quantization_config": _four_bits(kind)} if recipe.method == "qlora" else {}
    with quiet():
        return AutoModelForCausalLM.from_pretrained(student.folder, dtype=kind, trust_remote_code=False, **more)


def _four_bits(kind: torch.dtype) -> Any:
    """Dettmers et al. 2023: normal floats in 4 bits, their scales quantised too."""
    try:
        import bitsandbytes  # noqa: F401 - transformers' own message names no extra
    except ModuleNotFoundError:
        raise MissingExtra("train", "`method: qlora`") from None
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=kind
    )


def adapter_config(recipe: Recipe) -> Any:
    """The adapter to train, or None where all weights are."""
    if recipe.method == "full":
        return None
    from peft import LoraConfig

    return LoraConfig(
        r=recipe.rank,
        lora_alpha=recipe.alpha,
        lora_dropout=recipe.dropout,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
