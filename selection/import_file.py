"""Candidates that somebody else has sampled: rows of any file become a pool."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import cast

from profiler.datasets import COLUMNS as PROMPTS
from profiler.datasets import Row, read
from profiler.errors import BadData
from profiler.files import disk
from profiler.runs.score_texts import COLUMNS as TEXTS
from selection.pool import BLOCK, KEY, SCORE, Pool, Segment, candidate_table, prompt_id
from selection.records import GIVEN, PoolContents

SOURCES = ("source", "teacher", "model", "generator")
FIELDS = {"prompt_id", "id", "index", "seed", "finish", "fingerprint", "tokens", "prompt_tokens"}
ROW = (*KEY, "prompt", "text", "finish", "fingerprint")
"""What is said of a candidate that somebody else has sampled."""
HELD = 20_000
"""Rows held before they are written."""
LOOK = 1000
"""Rows in which a column of numbers shows itself as a score."""


def import_file(file: Path, folder: Path, lang: str = "en") -> Pool:
    """The pool that a file's rows make: prompt, text, and where they are there source, index, id and any scores.

    A pool that was made of the same file before is taken as it is, with what was measured of it.
    """
    name, digest = file.name, _digest(file)
    if (folder / "pool.json").is_file():
        there = Pool(folder)
        if there.about.prompts == {name: digest} and there.about.lang == lang:
            return there
        raise BadData(f"{str(folder)!r} holds the candidates of another file; choose another --out, or take it away")
    columns = CandidateColumns(file)
    part = folder.with_name(folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)  # left by one that was stopped
    sources = _BlockWriter(columns, Pool.create(part, PoolContents(sources=(), lang=lang))).write()
    Pool.create(part, PoolContents(prompts={name: digest}, sources=tuple(sources), lang=lang))
    with disk(folder):
        part.replace(folder)
    return Pool(folder)


class CandidateColumns:
    """Which column of a file is what."""

    def __init__(self, file: Path) -> None:
        self.file = file
        looked = list(islice(read(file), LOOK))
        if not looked:
            raise BadData(f"{file.name} holds no rows")
        have = list(dict.fromkeys(name for row in looked for name in row))
        self.prompt = self._one("prompt", PROMPTS, have)
        self.text = self._one("answer", tuple(name for name in TEXTS if name != self.prompt), have)
        self.source = next((name for name in SOURCES if name in have), None)
        self.id = next((name for name in ("prompt_id", "id") if name in have), None)
        taken = {self.prompt, self.text, self.source, self.id} | FIELDS
        self.scores = [name for name in have if name not in taken and _numbers(row.get(name) for row in looked)]

    def _one(self, what: str, names: Iterable[str], have: list[str]) -> str:
        found = next((name for name in names if name in have), None)
        if found is None:
            raise BadData(
                f"{self.file.name}: expected a column with the {what}, one of {', '.join(names)}; found "
                f"{', '.join(have)}"
            )
        return found

    def rows(self) -> Iterator[dict[str, object]]:
        """The file's rows as candidates, with their own scores beside."""
        seen: dict[tuple[str, str], int] = {}
        for number, row in enumerate(read(self.file)):
            prompt, text = self._text(row, self.prompt, number), self._text(row, self.text, number)
            source = str(row.get(self.source) or "given") if self.source else "given"
            key = str(row[self.id]) if self.id and row.get(self.id) is not None else prompt_id(prompt)
            index = row.get("index")
            if not isinstance(index, int):
                index = seen.get((key, source), 0)
                seen[key, source] = index + 1
            scores = {name: _number(row.get(name), name, number, self.file.name) for name in self.scores}
            yield {
                "prompt_id": key,
                "source": source,
                "index": index,
                "prompt": prompt,
                "text": text,
                "finish": _word(row, "finish"),
                "fingerprint": _word(row, "fingerprint"),
                SCORE: scores,
            }

    def _text(self, row: Row, name: str, number: int) -> str:
        value = row.get(name)
        if not isinstance(value, str):
            raise BadData(f"{self.file.name} row {number}: expected text in column {name!r}, found {value!r}")
        return value


class _BlockWriter:
    """Rows on their way into blocks of whole prompts, in whatever order they come."""

    def __init__(self, columns: CandidateColumns, pool: Pool) -> None:
        self.columns, self.pool = columns, pool
        self.blocks: dict[int, list[dict[str, object]]] = {}
        self.written: dict[int, int] = {}
        self.number: dict[str, int] = {}
        self.sources: dict[str, None] = {}

    def write(self) -> list[str]:
        """All of them; the sources found."""
        held = 0
        for row in self.columns.rows():
            number = self.number.setdefault(cast(str, row["prompt_id"]), len(self.number))
            self.blocks.setdefault(number // BLOCK, []).append(row)
            self.sources[cast(str, row["source"])] = None
            held += 1
            if held == HELD:
                self._flush()
                held = 0
        self._flush()
        return list(self.sources)

    def _flush(self) -> None:
        import pyarrow as pa

        for block, rows in self.blocks.items():
            segment = Segment(block, f"given-{self.written.get(block, 0):04}")
            self.written[block] = self.written.get(block, 0) + 1
            made = candidate_table({name: [row[name] for row in rows] for name in ROW})
            self.pool.write(segment, made)
            if self.columns.scores:
                scores = made.select(list(KEY))
                for name in self.columns.scores:
                    values = [cast(Mapping[str, float | None], row[SCORE])[name] for row in rows]
                    scores = scores.append_column(f"{SCORE}{name}", pa.array(values, pa.float64()))
                self.pool.keep(segment, scores, dict.fromkeys(self.columns.scores, GIVEN))
        self.blocks.clear()


def _numbers(values: Iterable[object]) -> bool:
    """Whether a column holds numbers, with or without gaps."""
    found = [value for value in values if value is not None]
    return bool(found) and all(isinstance(value, (int, float)) for value in found)


def _number(value: object, name: str, number: int, file: str) -> float | None:
    if value is None or isinstance(value, (int, float)):
        return None if value is None or value != value else float(value)
    raise BadData(f"{file} row {number}: expected a number in column {name!r}, found {value!r}")


def _word(row: Row, name: str) -> str | None:
    value = row.get(name)
    return None if value is None else str(value)


def _digest(file: Path) -> str:
    if not file.is_file():
        raise BadData(f"expected a pool's folder or a file of candidates, found none at {str(file)!r}")
    digest = sha256()
    with file.open("rb") as stream:
        for chunk in iter(lambda: stream.read(1 << 20), b""):
            digest.update(chunk)
    return digest.hexdigest()
