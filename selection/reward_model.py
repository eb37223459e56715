"""A reward model: any sequence classifier of Hugging Face that judges an answer to a prompt with one number."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, partial
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from profiler.errors import BadData, InheritError, MissingExtra
from profiler.metrics import Metric
from profiler.stats import FloatArray
from profiler.text import Text

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

BATCH = 16
LIMIT = 4096
"""Tokens of a prompt and its answer at most, where the model knows no limit of its own."""


@cache
def reward_metric(model: str) -> Metric:
    """The reward that MODEL, a path or hub id, gives an answer; loaded when it is first asked."""
    about = f"What the reward model {model} gives the answer to its prompt."
    score = partial(_rewards, model)
    return Metric(f"reward:{model}", about, "points", "high", score=score, version=_version(model))


def _rewards(model: str, texts: Sequence[Text]) -> FloatArray:
    import torch

    tokenizer, classifier = _loaded(model)
    rows = [_tokens(tokenizer, getattr(text, "prompt", ""), str(text)) for text in texts]
    order = sorted(range(len(rows)), key=lambda place: len(rows[place]))  # little padding
    out = np.full(len(rows), np.nan)
    for start in range(0, len(order), BATCH):
        some = order[start : start + BATCH]
        batch = tokenizer.pad({"input_ids": [rows[place] for place in some]}, return_tensors="pt")
        with torch.inference_mode():
            out[some] = classifier(**batch).logits[:, 0].float().numpy()
    return out


@cache
def _loaded(name: str) -> tuple[PreTrainedTokenizerBase, PreTrainedModel]:
    try:
        from transformers import AutoModelForSequenceClassification, AutoTokenizer
    except ImportError:
        raise MissingExtra("local", f"the reward model {name!r}") from None
    try:
        tokenizer = AutoTokenizer.from_pretrained(name)
        model = AutoModelForSequenceClassification.from_pretrained(name).eval()
    except (OSError, ValueError) as error:
        raise InheritError(f"could not load the reward model {name!r}: {error}") from None
    if model.config.num_labels != 1:
        raise BadData(
            f"{name!r} gives {model.config.num_labels} numbers an answer: expected a reward model, which gives one; "
            "a classifier of texts is a metric, see `inherit ls metrics`"
        )
    return tokenizer, model


def _tokens(tokenizer: PreTrainedTokenizerBase, prompt: str, text: str) -> list[int]:
    """Prompt and answer as the model was trained to see them: as a chat where it has a template, else as a pair."""
    limit = min(tokenizer.model_max_length, LIMIT)
    if tokenizer.chat_template:
        turns = [{"role": "user", "content": prompt}, {"role": "assistant", "content": text}]
        ids = tokenizer.apply_chat_template(turns, return_dict=True, truncation=True, max_length=limit)["input_ids"]
    else:
        ids = tokenizer(prompt, text, truncation=True, max_length=limit)["input_ids"]
    return [int(token) for token in ids]


def _version(model: str) -> str:
    """Which weights these are: a local folder by its configuration and the size of its files, a hub id by its name."""
    folder = Path(model).expanduser()
    if not folder.is_dir():
        return f"{model}/pair-{LIMIT}"
    digest = blake2b(digest_size=6)
    for path in sorted(folder.iterdir()):
        if path.is_file():
            digest.update(f"{path.name}:{path.stat().st_size}:{path.stat().st_mtime_ns}".encode())
    return f"{folder.name}@{digest.hexdigest()}/pair-{LIMIT}"
