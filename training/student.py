"""The student: what can be known of it without its weights."""

import hashlib
import json
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from profiler.endpoints import find
from profiler.errors import BadData, MissingExtra, WrongUse
from training.recipe import Recipe

NEEDED = ("torch", "accelerate", "datasets", "peft", "trl")
"""What trains."""

WEIGHTS = ("*.safetensors", "pytorch_model*.bin")

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
    text = config.get_text_config()
    if tokenizer.eos_token_id is None:
        raise WrongUse(f"the tokenizer of {recipe.student!r} has no end-of-text token: it could not learn to stop")
    if len(tokenizer) > text.vocab_size:
        raise WrongUse(
            f"the tokenizer of {recipe.student!r} knows {len(tokenizer):,} tokens and its model "
            f"{text.vocab_size:,}: they don't belong together"
        )
    limit = text.to_dict().get("max_position_embeddings") or text.to_dict().get("n_positions")
    if limit and recipe.length > limit:
        raise WrongUse(f"`length` is {recipe.length:,} and {recipe.student!r} takes {limit:,} tokens at most")
    return StudentModel(folder, tokenizer, config, frozenset(ends - {None}), student_digest(folder))


def ready(recipe: Recipe) -> int:
    """Refuse a recipe that would fail for what is not here; the bytes that its student's weights take."""
    needed = (*NEEDED, "bitsandbytes") if recipe.method == "qlora" else NEEDED
    if lacking := [name for name in needed if find_spec(name) is None]:
        raise MissingExtra("train", f"training (there is no {' and no '.join(lacking)})")
    folder = find_student(recipe).folder
    return sum(path.stat().st_size for kind in WEIGHTS for path in folder.glob(kind))


def student_digest(folder: Path) -> str:
    """SHA-256 over the student's settings, its tokenizer, and the sizes of its weight files."""
    whole = hashlib.sha256()
    for path in sorted({path for pattern in SETTINGS for path in folder.glob(pattern)}):
        whole.update(f"{path.name} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    weights = {path.name: path.stat().st_size for path in sorted(folder.glob("*.safetensors"))}
    whole.update(json.dumps(weights).encode())
    return whole.hexdigest()
