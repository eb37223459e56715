"""Pairs of answers to judge: the shipped ones, those of any file, and those made of what two writers wrote."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path

from profiler import datasets
from profiler.datasets import Row, official
from profiler.datasets.items import drawn
from profiler.errors import BadData
from profiler.judge.ballot import NAMES, Ballots, read
from profiler.judge.form import PROMPTS, Wishes
from profiler.records import Pair, Winner

TEXTS = ("text", "output", "answer", "response", "completion")
WRITERS = ("source", "generator", "writer", "model", "teacher")

SOURCE = official("pandalm")
(PANDALM,) = SOURCE.files


def mini() -> list[Pair]:
    """The shipped pairs."""
    return [Pair.model_validate(row) for row in datasets.mini.rows("pairs")]


def pandalm() -> list[Pair]:
    """PandaLM's test set."""
    SOURCE.read(PANDALM)  # says what is wrong where it is not what its authors published
    path = SOURCE.get(PANDALM).path
    return of_ballots(read([path]), path.name)


def load(names: Sequence[str], wishes: Wishes | None = None, words: Mapping[str, int] | None = None) -> list[Pair]:
    """The sets called mini or pandalm, or the pairs of files, with what humans say of them."""
    if [*names] == ["mini"]:
        return mini()
    if [*names] == ["pandalm"]:
        return pandalm()
    paths = [Path(name).expanduser() for name in names]
    return of_ballots(read(paths, wishes, words, needed=False), ", ".join(path.name for path in paths))


def of_ballots(ballots: Ballots, name: str) -> list[Pair]:
    """The pairs behind labels, with the humans' among these."""
    humans: dict[str, dict[str, Winner]] = {}
    keys = list(ballots.pairs)
    for rater, ballot in ballots.raters.items():
        if ballot.human:
            for place, vote in ballot.votes[False].items():
                if vote.code >= 0:
                    humans.setdefault(keys[place], {})[rater] = NAMES[vote.code]
    for pair in ballots.pairs.values():
        if not (pair.prompt and (pair.a or pair.b)):
            raise BadData(f"pair {pair.id!r} of {name}: expected a prompt and two answers, found none; "
                          "columns such as prompt, a and b, or instruction, output_1 and output_2")  # fmt: skip
    return [pair.model_copy(update={"humans": humans.get(key, {})}) for key, pair in ballots.pairs.items()]


def between(paths: Sequence[Path], first: str, second: str) -> list[Pair]:
    """Pairs of what two writers wrote to the same prompts: each one's first text."""
    wrote: dict[str, dict[str, str]] = {}
    known: dict[str, None] = {}
    for path in paths:
        for row in datasets.read(path):
            prompt, text, writer = _candidate(row, path)
            known[writer] = None
            if writer in (first, second):
                wrote.setdefault(prompt, {}).setdefault(writer, text)
    for writer in (first, second):
        if writer not in known:
            raise BadData(f"no text of {writer!r}; the writers are {', '.join(known)}")
    return [
        Pair(id=_key(prompt), prompt=prompt, a=texts[first], b=texts[second], writer_a=first, writer_b=second)
        for prompt, texts in wrote.items()
        if len(texts) == 2
    ]


def some(pairs: Sequence[Pair], limit: int | None, seed: int = 0) -> list[Pair]:
    """All PAIRS, or the LIMIT of them that a seeded draw picks."""
    return drawn(pairs, limit, seed)


def _candidate(row: Row, path: Path) -> tuple[str, str, str]:
    prompt = "\n\n".join(str(row[column]) for column in ("instruction", "input") if row.get(column))
    prompt = prompt if "instruction" in row else _text(row, PROMPTS, path)
    writer = next((str(row[column]) for column in WRITERS if row.get(column) is not None), path.name.partition(".")[0])
    return prompt, _text(row, TEXTS, path), writer


def _text(row: Row, columns: Iterable[str], path: Path) -> str:
    found = next((row[column] for column in columns if isinstance(row.get(column), str)), None)
    if found is None:
        raise BadData(f"{path.name}: expected one of the columns {', '.join(columns)}, found {', '.join(row)}")
    return str(found)


def _key(prompt: str) -> str:
    return blake2b(prompt.encode("utf-8", "replace"), digest_size=8).hexdigest()
