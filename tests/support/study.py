"""A small study, its file and what lies beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.support import tiny

PROMPTS = 16


PLAIN: dict[str, Any] = {
    "students": ["student"],
    "prompts": "prompts.jsonl",
    "k": 4,
    "sampling": {"max_tokens": 24, "temperature": 1.0},
    "objectives": {"length": {"goals": ["max:words"]}, "short": {"goals": ["min:words"]}},
    "arms": ["base", "random", "single", "multi"],
    "single": ["one"],
    "skip_filters": ["all"],
    "recipe": {"method": "full", "batch": 8, "length": 128, "precision": "float32"},
    "profile": [
        {"probe": "attributes", "prompts": "asked.jsonl", "sampling": {"temperature": 1.0, "max_tokens": 12}},
        {"probe": "ability", "suite": "mini", "limit": 6},
    ],
    "guard": {"ability.acc_mean": 1.0},
}


def written(folder: Path, **fields: Any) -> Path:
    """A study's file, with its prompts beside it and a tiny student."""
    if not (folder / "student").exists():
        tiny.checkpoint(folder / "student", "llama")
    for name, word, count in (("prompts", "teach", PROMPTS), ("asked", "ask", 8)):
        lines = [json.dumps({"prompt": f"{word} question {number} end"}) for number in range(count)]
        (folder / f"{name}.jsonl").write_text("\n".join(lines), "utf-8")
    whole = {**PLAIN, "teachers": ["demo"], "single": [], "arms": ["random", "single"], **fields}
    path = folder / "study.json"
    path.write_text(json.dumps(whole), "utf-8")
    return path
