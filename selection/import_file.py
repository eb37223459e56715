"""Candidates that somebody else has sampled: rows of any file become a pool."""

import shutil
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from hashlib import file_digest
from itertools import count, islice
from math import isinf
from pathlib import Path

import numpy as np

from profiler import datasets
from profiler.errors import BadData
from profiler.files import disk
from profiler.records import Json
from profiler.runs.score_texts import COLUMNS as TEXTS
from selection.pool import BLOCK, SCORE, Pool, Segment, candidate_table, prompt_id
from selection.records import GIVEN, PoolContents

SOURCES = ("source", "teacher", "model", "generator")
FIELDS = {"prompt_id", "id", "index", "seed", "finish", "fingerprint", "tokens", "prompt_tokens"}
HELD = 20_000
"""Rows held before they are written."""
LOOK = 1000
"""Rows in which a column of numbers shows itself as a score."""


def import_file(file: Path, folder: Path, lang: str = "en") -> Pool:
    """The pool that a file's rows make: prompt, text, and where they are there source, index, id and any scores.

    A pool that was made of the same file before is taken as it is, with what was measured of it.
    """
    if not file.is_file():
        raise BadData(f"expected a pool's folder or a file of candidates, found none at {str(file)!r}")
    with file.open("rb") as stream:
        name, digest = file.name, file_digest(stream, "sha256").hexdigest()
    if (folder / "pool.json").is_file():
        there = Pool(folder)
        if there.about.prompts == {name: digest} and there.about.lang == lang:
            return there
        raise BadData(f"{str(folder)!r} holds the candidates of another file; choose another --out, or take it away")
    columns = CandidateColumns(file)
    part = folder.with_name(folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)  # left by one that was stopped
    sources = _write_blocks(columns, Pool.create(part, PoolContents(sources=(), lang=lang)))
    Pool.create(part, PoolContents(prompts={name: digest}, sources=sources, lang=lang))
    with disk(folder):
        part.replace(folder)
    return Pool(folder)


class CandidateColumns:
    """Which column of a file is what."""

    def __init__(self, file: Path) -> None:
        self.file = file
        looked = list(islice(datasets.read(file), LOOK))
        if not looked:
            raise BadData(f"{file.name} holds no rows")
        have = list(dict.fromkeys(name for row in looked for name in row))
        self.prompt = self._one("prompt", datasets.COLUMNS, have)
        self.text = self._one("answer", tuple(name for name in TEXTS if name != self.prompt), have)
        self.source = next((name for name in SOURCES if name in have), None)
        self.id = next((name for name in ("prompt_id", "id") if name in have), None)
        taken = {self.prompt, self.text, self.source, self.id} | FIELDS
        self._texts_alone = file.name.removesuffix(".gz").endswith((".csv", ".tsv"))
        """Whether a number in it is a text that reads as one."""
        self.scores = [name for name in have if name not in taken and self._scores(row.get(name) for row in looked)]

    def _one(self, what: str, names: Iterable[str], have: list[str]) -> str:
        found = next((name for name in names if name in have), None)
        if found is None:
            raise BadData(
                f"{self.file.name}: expected a column with the {what}, one of {', '.join(names)}; found "
                f"{', '.join(have)}"
            )
        return found

    def rows(self) -> Iterator[dict[str, object]]:
        """The file's rows as candidates, with their own scores."""
        unnumbered: defaultdict[tuple[str, str], Iterator[int]] = defaultdict(count)
        for number, row in enumerate(datasets.read(self.file)):
            if self.prompt == "instruction":
                row = datasets.with_input(row, f"{self.file.name} row {number + 1}")
            prompt, text = self._text(row, self.prompt, number), self._text(row, self.text, number)
            source = str(row.get(self.source) or "given") if self.source else "given"
            key = str(row[self.id]) if self.id and row.get(self.id) is not None else prompt_id(prompt)
            index = row.get("index")
            if not isinstance(index, int):
                index = next(unnumbered[key, source])
            yield {
                "prompt_id": key,
                "source": source,
                "index": index,
                "prompt": prompt,
                "text": text,
                **{name: None if row.get(name) is None else str(row[name]) for name in ("finish", "fingerprint")},
                **{f"{SCORE}{name}": self._number(row, name, number) for name in self.scores},
            }

    def _text(self, row: datasets.Row, name: str, number: int) -> str:
        value = row.get(name)
        if not isinstance(value, str):
            raise BadData(f"{self.file.name} row {number + 1}: expected text in column {name!r}, found {value!r}")
        return value

    def _scores(self, values: Iterable[Json]) -> bool:
        found = [value for value in map(self._value, values) if value is not None]
        return bool(found) and all(isinstance(value, (int, float)) for value in found)

    def _value(self, written: Json) -> Json:
        """What is written in a field that may be a number."""
        if not self._texts_alone or not isinstance(written, str):
            return written
        with suppress(ValueError):
            return float(written)
        return written.strip() or None

    def _number(self, row: datasets.Row, name: str, number: int) -> float | None:
        value = self._value(row.get(name))
        if value is None or (isinstance(value, (int, float)) and not isinf(value)):
            return None if value is None else float(value)
        raise BadData(
            f"{self.file.name} row {number + 1}: expected a finite number in column {name!r}, found {value!r}"
        )


def _write_blocks(columns: CandidateColumns, pool: Pool) -> tuple[str, ...]:
    """Put rows, in whatever order they come, into blocks of whole prompts; the sources found."""
    numbers: dict[str, int] = {}
    sources: dict[str, None] = {}
    parts: defaultdict[int, Iterator[int]] = defaultdict(count)
    rows = columns.rows()
    while some := list(islice(rows, HELD)):
        blocks: defaultdict[int, list[dict[str, object]]] = defaultdict(list)
        for row in some:
            blocks[numbers.setdefault(str(row["prompt_id"]), len(numbers)) // BLOCK].append(row)
            sources[str(row["source"])] = None
        for block, held in blocks.items():
            segment = Segment(block, f"given-{next(parts[block]):04}")
            table = {name: [row[name] for row in held] for name in held[0]}
            pool.write(segment, candidate_table(table))
            if columns.scores:
                scores = {name: np.array(table[name], np.float64) for name in table if name.startswith(SCORE)}
                pool.add(segment, scores, dict.fromkeys(columns.scores, GIVEN))
    return tuple(sources)
