"""A recipe for a tiny student, and what it may be taught."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.support import tiny
from training import Recipe, recipe_of

TEMPLATE = (
    "{% for turn in messages %}<{{ turn.role }}>{{ turn.content }}{{ eos_token }}\n{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)


PAIRS: list[dict[str, Any]] = [
    {"prompt": f"Who was late, number {number}?", "completion": f"The doctor was late {number} times.", "source": "t"}
    for number in range(4)
]


def made(folder: Path, rows: list[dict[str, Any]], template: str | None = None, **fields: Any) -> Recipe:
    """A recipe for a tiny student."""
    place = folder / ("chat" if template else "plain")
    if not place.exists():
        tiny.checkpoint(place, "llama", template=template)
    file = folder / "data.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    defaults = {"student": str(place), "data": str(file), "out": str(folder / "out"), "length": 128}
    return recipe_of({**defaults, **fields}, "here")
