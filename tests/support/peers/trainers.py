"""Reads a folder of `inherit select` as LLaMA-Factory and axolotl do, and prints what each would learn from."""

from __future__ import annotations

import importlib.machinery
import json
import sys
import types
from pathlib import Path
from typing import Any


def stubbed(name: str) -> None:
    """LLaMA-Factory imports it for sound, of which there is none here."""
    module = types.ModuleType(name)
    module.__spec__ = importlib.machinery.ModuleSpec(name, None)
    sys.modules[name] = module


def llama_factory(folder: Path) -> list[list[str]]:
    """The set that dataset_info.json calls `chosen`, loaded and aligned by its own loader."""
    import transformers  # noqa: F401 - before the stub: it looks for the real one

    stubbed("torchaudio")
    from llamafactory.data.loader import _load_single_dataset  # type: ignore[import-not-found]
    from llamafactory.data.parser import get_dataset_list  # type: ignore[import-not-found]

    # Its own defaults; to import their classes takes its whole list of requirements.
    data = types.SimpleNamespace(dataset_dir=str(folder), streaming=False, max_samples=None, overwrite_cache=True)
    data.preprocessing_num_workers = None
    model = types.SimpleNamespace(cache_dir=str(folder / "cache"), hf_hub_token=None)
    (named,) = get_dataset_list(["chosen"], str(folder))
    found = _load_single_dataset(named, model, data, types.SimpleNamespace(local_process_index=0))
    return [[row["_prompt"][-1]["content"], row["_response"][0]["content"]] for row in found]


def axolotl(file: Path, tokenizer: Path) -> list[list[str]]:
    """What its strategies put into tokens, and which of them are learned."""
    from axolotl.prompt_strategies import load  # type: ignore[import-not-found]
    from axolotl.utils.dict import DictDefault  # type: ignore[import-not-found]
    from datasets import load_dataset
    from transformers import AutoTokenizer

    kind = "parquet" if file.suffix == ".parquet" else "json"
    rows = load_dataset(kind, data_files=str(file), split="train", cache_dir=str(file.parent / "cache"))
    words = AutoTokenizer.from_pretrained(tokenizer)
    cfg = DictDefault({"train_on_inputs": False, "sequence_len": 512, "chat_template": "tokenizer_default"})
    if "messages" in rows.column_names:
        strategy = load("chat_template", words, cfg, DictDefault({"type": "chat_template"}))
    else:
        fields = {"field_instruction": "prompt", "field_output": "completion"}
        strategy = load("user_defined", words, cfg, fields)
    return [_learned(strategy.tokenize_prompt(row), words) for row in rows]


def _learned(tokens: dict[str, Any], words: Any) -> list[str]:
    pairs = list(zip(tokens["input_ids"], tokens["labels"], strict=True))
    given = words.decode([token for token, label in pairs if label == -100])
    return [given, words.decode([token for token, label in pairs if label != -100])]


if __name__ == "__main__":
    folder, tokenizer = Path(sys.argv[1]), Path(sys.argv[2])
    file = next(folder.glob("chosen.*"))
    json.dump({"llama_factory": llama_factory(folder), "axolotl": axolotl(file, tokenizer)}, sys.stdout)
