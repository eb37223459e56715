"""Answers to choose from, the command that chooses, and what it leaves."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from typer.testing import CliRunner

from profiler.cli import app

WORDS = [
    "river",
    "stone",
    "light",
    "green",
    "house",
    "small",
    "bird",
    "quiet",
    "water",
    "sleep",
    "old",
    "tree",
    "wind",
    "field",
    "road",
    "cloud",
]


def answer(prompt: int, index: int, source: str = "a") -> str:
    """A clean answer, of a length and in words of its own."""
    rng = np.random.default_rng([prompt, index, len(source), ord(source[-1])])
    sentences = [" ".join(rng.choice(WORDS, rng.integers(5, 12))) + "." for _ in range(rng.integers(2, 6))]
    return f"Answer {prompt} {index} {source}: {' '.join(sentences)}"


def rows(prompts: int = 30, k: int = 4, sources: Sequence[str] = ("a",)) -> list[dict[str, object]]:
    return [
        {"prompt": f"What is it about, number {p}?", "source": source, "index": index, "text": answer(p, index, source)}
        for source in sources
        for p in range(prompts)
        for index in range(k)
    ]


def written(path: Path, rows: Iterable[Mapping[str, object]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text("utf-8").split("\n")[:-1]]


def run(*words: object) -> str:
    result = CliRunner().invoke(app, list(map(str, words)))
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def text_of(row: Mapping[str, object]) -> object:
    return row.get("completion") or row["messages"][1]["content"]  # type: ignore[index]
