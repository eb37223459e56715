"""Text metrics of any file: read, measured and written as a stream."""

import contextlib
import sys
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
import orjson

from profiler.datasets import Row, parse_lines, read, text_column
from profiler.errors import BadData
from profiler.files import disk
from profiler.metrics import default, distinct, get, measured
from profiler.probes import OF_TEXTS, answer_scores, right
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
    gold: str = ""
    """What it should end in, where that is known."""


def texts(file: str, column: str | None = None, lang: str = "en", gold: str | None = None) -> Iterator[NumberedText]:
    """The texts of a data file, each with the right answer in the column GOLD; of `-`, JSON or plain lines on stdin."""
    rows = _stdin(sys.stdin.buffer) if file == "-" else read(Path(file).expanduser())
    head = [*islice(rows, 1)]
    known = text_column(head, file, [name for name in COLUMNS if name != gold], column)
    for number, row in enumerate(chain(head, rows)):
        value = row.get(known)
        if not isinstance(value, str):
            raise BadData(f"{file} row {number}: expected text in column {known!r}, found {value!r}")
        wanted = right(row, gold, f"{file} row {number}") if gold else ""
        yield NumberedText(number, Text(value, lang), wanted)


def _stdin(stream: IO[bytes]) -> Iterator[Row]:
    first = stream.readline()
    lines = chain((first,), stream) if first else iter(())
    if first.lstrip().startswith(b"{"):
        yield from parse_lines(lines, "stdin")
    else:
        yield from ({"text": line.decode(errors="replace").rstrip("\n")} for line in lines)


class TextScores(NamedTuple):
    """What metrics make of texts."""

    estimates: list[Estimate]
    columns: SampleColumns
    """The scores of each text, by the number of its row."""


def scores(
    found: Iterator[NumberedText],
    names: Sequence[str] | None = None,
    workers: int = 1,
    save: Path | None = None,
    gold: bool = False,
) -> TextScores:
    """Texts by the metrics called NAMES (or all); SAVE keeps each text's scores as a line of JSON.

    GOLD texts are first compared with their right answers, by which alone where no names are given.
    """
    measures = distinct(map(get, names)) if names else () if gold else tuple(default().values())
    metrics = (*OF_TEXTS, *measures) if gold else measures
    rows: list[str] = []
    kept: dict[str, list[FloatArray]] = {metric.name: [] for metric in metrics}
    lang = "en"
    with contextlib.ExitStack() as saving:
        if save:
            saving.enter_context(disk(save))
            lines = saving.enter_context(save.open("wb"))
        for batch, columns in measured(iter(lambda: list(islice(found, BATCH)), []), measures, workers):
            columns = (_ends(batch) | columns) if gold else columns
            rows += [str(numbered.row) for numbered in batch]
            lang = batch[0].text.lang
            for name, column in columns.items():
                kept[name].append(column)
            if save:
                lines.writelines(_lines(batch, columns))
    alone: list[str | None] = [None] * len(rows)
    samples = SampleColumns(rows, alone, alone, {name: np.concatenate(parts) for name, parts in kept.items()})
    return TextScores(estimates("texts", metrics, samples, lang), samples)


def _ends(batch: Sequence[NumberedText]) -> dict[str, FloatArray]:
    """How texts end that are compared with their right answers."""
    each = [answer_scores(numbered.text, numbered.gold) for numbered in batch]
    return {metric.name: np.array([scores[metric.name] for scores in each], np.float64) for metric in OF_TEXTS}


def _lines(batch: Sequence[NumberedText], columns: Columns) -> Iterator[bytes]:
    table = zip(*(column.tolist() for column in columns.values()), strict=True)
    for numbered, values in zip(batch, table, strict=True):
        scores = dict(zip(columns, values, strict=True))  # of which NaN is written as null
        yield orjson.dumps({"row": numbered.row, **scores}) + b"\n"
