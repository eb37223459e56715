"""Text metrics of any file: read, measured and written as a stream."""

import contextlib
import sys
from codecs import BOM_UTF8
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
import orjson

from profiler.datasets import Row, lines, parse_lines, read, text_column
from profiler.errors import BadData
from profiler.files import disk
from profiler.metrics import default, distinct, get, measured
from profiler.records import Estimate
from profiler.runs.estimates import estimates
from profiler.runs.sample_store import SampleColumns
from profiler.stats import Columns, FloatArray
from profiler.text import Text

COLUMNS = ("text", "output", "answer", "completion", "response", "generation", "content")
"""Where a text is looked for when no column is named, in this order."""
BATCH = 320


class NumberedText(NamedTuple):
    """A text and the number of its row."""

    row: int
    text: Text


def texts(file: str, column: str | None = None, lang: str = "en") -> Iterator[NumberedText]:
    """The texts of a data file; of `-`, JSON objects or plain lines on stdin."""
    rows = _stdin(sys.stdin.buffer) if file == "-" else read(Path(file).expanduser())
    head = [*islice(rows, 1)]
    known = text_column(head, file, COLUMNS, column)
    for number, row in enumerate(chain(head, rows)):
        value = row.get(known)
        if not isinstance(value, str):
            raise BadData(f"{file} row {number}: expected text in column {known!r}, found {value!r}")
        yield NumberedText(number, Text(value, lang))


def _stdin(stream: IO[bytes]) -> Iterator[Row]:
    found = lines(stream, "stdin")
    head = [*islice(found, 1)]
    found = chain(head, found)
    if any(line.removeprefix(BOM_UTF8).lstrip().startswith(b"{") for line in head):
        yield from parse_lines(found, "stdin")
    else:
        yield from ({"text": line.decode(errors="replace").rstrip("\n")} for line in found)


class TextScores(NamedTuple):
    """What metrics make of texts."""

    estimates: list[Estimate]
    columns: SampleColumns
    """The scores of each text, by the number of its row."""


def score(
    found: Iterator[NumberedText], names: Sequence[str] | None = None, workers: int = 1, save: Path | None = None
) -> list[Estimate]:
    """Estimates of the metrics called NAMES (or all) over texts; SAVE keeps each text's scores as a line of JSON."""
    return scores(found, names, workers, save).estimates


def scores(
    found: Iterator[NumberedText], names: Sequence[str] | None = None, workers: int = 1, save: Path | None = None
) -> TextScores:
    """As `score`, with the scores of each text."""
    metrics = distinct(map(get, names)) if names else tuple(default().values())
    rows: list[str] = []
    kept: dict[str, list[FloatArray]] = {metric.name: [] for metric in metrics}
    lang = "en"
    with contextlib.ExitStack() as saving:
        if save:
            saving.enter_context(disk(save))
            file = saving.enter_context(save.open("wb"))
        for batch, columns in measured(iter(lambda: list(islice(found, BATCH)), []), metrics, workers):
            rows += [str(numbered.row) for numbered in batch]
            lang = batch[0].text.lang
            for name, column in columns.items():
                kept[name].append(column)
            if save:
                file.writelines(_lines(batch, columns))
    alone: list[str | None] = [None] * len(rows)
    samples = SampleColumns(rows, alone, alone, {name: np.concatenate(parts) for name, parts in kept.items()})
    return TextScores(estimates("texts", metrics, samples, lang), samples)


def _lines(batch: Sequence[NumberedText], columns: Columns) -> Iterator[bytes]:
    table = zip(*(column.tolist() for column in columns.values()), strict=True)
    for numbered, values in zip(batch, table, strict=True):
        scores = dict(zip(columns, values, strict=True))  # of which NaN is written as null
        yield orjson.dumps({"row": numbered.row, **scores}) + b"\n"
