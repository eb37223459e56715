"""Text metrics of any file: read, measured and written as a stream."""

import contextlib
import glob
import os
import sys
from codecs import BOM_UTF8
from collections.abc import Callable, Iterator, Sequence
from hashlib import blake2b
from itertools import chain, islice
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
import orjson

from profiler.datasets import Row, lines, parse_lines, read, text_column
from profiler.errors import BadData, WrongUse
from profiler.files import disk, whole_lines
from profiler.metrics import Metric, default, distinct, get, measured
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
    found: Iterator[NumberedText],
    names: Sequence[str] | None = None,
    workers: int = 1,
    save: Path | None = None,
    tell: Callable[[int], None] = lambda _: None,
    source: str = "-",
) -> list[Estimate]:
    """Estimates of the metrics called NAMES (or all) over texts; SAVE keeps each text's scores as a line of JSON."""
    return scores(found, names, workers, save, tell, source).estimates


def scores(
    found: Iterator[NumberedText],
    names: Sequence[str] | None = None,
    workers: int = 1,
    save: Path | None = None,
    tell: Callable[[int], None] = lambda _: None,
    source: str = "-",
) -> TextScores:
    """As `score`, with the scores of each text; TELL is told how many are done, SOURCE is the file that they are from.

    What is saved is in its place once it is whole; a command that was stopped goes on where it was.
    """
    metrics = distinct(map(get, names)) if names else tuple(default().values())
    rows: list[str] = []
    kept: dict[str, list[FloatArray]] = {metric.name: [] for metric in metrics}
    found = iter(found)
    head = [*islice(found, 1)]
    lang = head[0].text.lang if head else "en"
    found = chain(head, found)
    with contextlib.ExitStack() as saving:
        if save:
            saving.enter_context(disk(save))
            part, known = _begun(save, source, lang, metrics)
            for row, _ in zip(known, found, strict=False):
                rows.append(str(row["row"]))
            for name, parts in kept.items():
                parts.append(np.array([row[name] for row in known], np.float64))
            file = saving.enter_context(part.open("ab"))
        for batch, columns in measured(iter(lambda: list(islice(found, BATCH)), []), metrics, workers):
            rows += [str(numbered.row) for numbered in batch]
            for name, column in columns.items():
                kept[name].append(column)
            if save:
                file.writelines(_lines(batch, columns))
                file.flush()
            tell(len(rows))
        if save and part != save:
            part.replace(save)
    alone: list[str | None] = [None] * len(rows)
    samples = SampleColumns(rows, alone, alone, {name: np.concatenate(parts) for name, parts in kept.items()})
    return TextScores(estimates("texts", metrics, samples, lang), samples)


def _begun(save: Path, source: str, lang: str, metrics: Sequence[Metric]) -> tuple[Path, list[dict[str, float]]]:
    """Where scores are written until they are whole, and what a stopped command left there of the same texts."""
    if save.exists() and not save.is_file():
        return save, []  # a pipe, or a terminal
    path = Path(source).expanduser()
    if save.exists() and path.exists() and save.samefile(path):
        raise WrongUse(f"--save {str(save)!r} is the file that is read; name another")
    # A user's own function may be another the next time, and stdin other texts.
    again = path.is_file() and not any(":" in (metric.version or ":") for metric in metrics)
    about = path.stat() if again else None
    key = [
        str(path.resolve()),
        about and (about.st_size, about.st_mtime_ns),
        lang,
        [(m.name, m.version) for m in metrics],
    ]
    part = save.with_name(f".{save.name[:180]}.{blake2b(repr(key).encode(), digest_size=6).hexdigest()}.scores")
    for other in save.parent.glob(f".{glob.escape(save.name[:180])}.*.scores"):
        if other != part or not again:
            other.unlink()
    if not part.exists():
        return part, []
    lines = [*whole_lines(part)]
    os.truncate(part, sum(map(len, lines)))
    return part, [orjson.loads(line) for line in lines]


def _lines(batch: Sequence[NumberedText], columns: Columns) -> Iterator[bytes]:
    table = zip(*(column.tolist() for column in columns.values()), strict=True)
    for numbered, values in zip(batch, table, strict=True):
        scores = dict(zip(columns, values, strict=True))  # of which NaN is written as null
        yield orjson.dumps({"row": numbered.row, **scores}) + b"\n"
