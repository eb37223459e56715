"""What a forecast reckons with: how fast GPUs are and what they cost, in a file that can be changed."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Literal

from pydantic import Field

from profiler.datasets import settings
from profiler.records import Record

NAMED = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?)([bm])(?![a-z0-9])")
"""What says in a model's name how large it is: 7b, 1.5b, 270m; not 8x7b, whose experts are not all passed."""
BYTES = 2
"""Of a parameter, as most checkpoints keep them."""


class Speed(Record):
    """How fast a GPU is with a model of a size."""

    billions: float = Field(gt=0)
    """Parameters."""
    reads: float = Field(gt=0)
    """Tokens a second of prompts and of texts that are weighed."""
    writes: float = Field(gt=0)
    """Tokens a second of answers, many at once."""
    trains: float = Field(gt=0)
    """Tokens a second when all weights are trained."""
    source: str
    """Who measured it, or that it is assumed."""


class Gpu(Record):
    """A kind of GPU."""

    price: float = Field(ge=0)
    """Of an hour."""
    source: str
    """Who says so, or that it is assumed."""
    speeds: tuple[Speed, ...] = Field(min_length=1)
    """For some sizes; a model between two goes by the nearest, in proportion."""

    def speed(self, billions: float) -> Speed:
        """With a model of this size."""
        near = min(self.speeds, key=lambda known: max(known.billions / billions, billions / known.billions))
        share = near.billions / billions
        moved = {"reads": near.reads * share, "writes": near.writes * share, "trains": near.trains * share}
        return near.model_copy(update=moved)


class KnownPrompts(Record):
    """A set of prompts that is not read for a forecast."""

    count: int = Field(ge=1)
    characters: float = Field(gt=0)
    """Of a prompt, in the mean."""


class KnownItems(Record):
    """What a probe's official set asks, where it is not on this machine."""

    items: int = Field(ge=1)
    texts: float = Field(ge=0)
    """Weighed, an item."""
    characters: float = Field(gt=0)
    """Read, an item."""


class Assumptions(Record):
    """All that a forecast reckons with."""

    characters: float = Field(gt=0)
    """Of a token."""
    written: float = Field(gt=0, le=1)
    """Share of `max_tokens` that an answer takes."""
    sizes: dict[str, float] = Field(default_factory=dict)
    """Part of a model's name → billions of parameters of a dense model that is as fast."""
    methods: dict[Literal["full", "lora", "qlora"], float]
    """How much faster a training is than one of all weights."""
    gpus: dict[str, Gpu]
    prompts: dict[str, KnownPrompts] = Field(default_factory=dict)
    """What a study names as its prompts → what is known of them."""
    probes: dict[str, KnownItems] = Field(default_factory=dict)

    def billions(self, model: str) -> float | None:
        """How large a model is: as the file says, or its name, or its weights here; None where nothing tells."""
        name = Path(model).name.lower()
        if known := [part for part in self.sizes if part.lower() in name]:
            return self.sizes[max(known, key=len)]
        if found := NAMED.search(name):
            return float(found[1]) / (1000 if found[2] == "m" else 1)
        size = sum(path.stat().st_size for path in Path(model).expanduser().glob("*.safetensors"))
        return size / BYTES / 1e9 or None


def read_assumptions(path: Path | None = None) -> Assumptions:
    """Ours, under those of a file."""
    ours = tomllib.loads((files("profiler.study") / "assumptions.toml").read_text("utf-8"))
    theirs = settings.load(path) if path else {}
    settings.refuse_unknown("assumption", theirs, Assumptions, "docs/study.md")
    return settings.validated(Assumptions, _laid_over(ours, theirs), str(path or "assumptions.toml"))


def _laid_over(below: Mapping[str, object], above: Mapping[str, object]) -> dict[str, object]:
    """ABOVE where it says something, else BELOW; a table key by key."""
    made = dict(below)
    for key, value in above.items():
        under = made.get(key)
        both = isinstance(under, Mapping) and isinstance(value, Mapping)
        made[key] = _laid_over(under, value) if both else value  # type: ignore[arg-type]
    return made
