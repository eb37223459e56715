"""Text metrics of any file: read, measured and written as a stream."""

import contextlib
import glob
import os
import sys
from codecs import BOM_UTF8
from collections.abc import Callable, Iterable, Iterator, Sequence
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
from profiler.probes import OF_TEXTS, answer_scores, right
from profiler.records import Estimate
from profiler.runs.estimates import TEXTS, estimates
from profiler.runs.options import ScoreOptions
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


def texts(options: ScoreOptions) -> Iterator[NumberedText]:
    """The texts of a data file, each with its right answer if there is one; of `-`, JSON or plain lines on stdin."""
    file, gold = options.file, options.gold
    rows = _stdin(sys.stdin.buffer) if file == "-" else read(Path(file).expanduser())
    head = [*islice(rows, 1)]
    known = text_column(head, file, [name for name in COLUMNS if name != gold], options.column)
    for number, row in enumerate(chain(head, rows)):
        where, value = f"{file} row {number + 1}", row.get(known)
        if not isinstance(value, str):
            raise BadData(f"{where}: expected text in column {known!r}, found {value!r}")
        wanted = right(row, gold, where) if gold else ""
        yield NumberedText(number, Text(value, options.lang), wanted)


def _stdin(stream: IO[bytes]) -> Iterator[Row]:
    found = lines(stream, "stdin")
    head = [line.removeprefix(BOM_UTF8) for line in islice(found, 1)]
    found = chain(head, found)
    if any(line.lstrip().startswith(b"{") for line in head):
        yield from parse_lines(found, "stdin")
        return
    for number, line in enumerate(found, 1):
        try:
            yield {"text": line.decode().rstrip("\r\n")}
        except UnicodeDecodeError:
            raise BadData(f"stdin line {number} is not UTF-8: `iconv -t UTF-8` makes it so") from None


def _numbered(given: Iterable[str], lang: str) -> Iterator[NumberedText]:
    return (NumberedText(row, Text(text, lang)) for row, text in enumerate(given))


class TextScores(NamedTuple):
    """What metrics make of texts."""

    estimates: list[Estimate]
    columns: SampleColumns
    """The scores of each text, by the number of its row."""


def scores(
    options: ScoreOptions, tell: Callable[[int], None] = lambda _: None, given: Iterable[str] | None = None
) -> TextScores:
    """Texts of a file, or those that are GIVEN, by the metrics that are named, or all.

    Where there is a gold column, they are first compared with their right answers, by which alone where no metrics are
    named. TELL is told how many are done. What is saved is in its place once it is whole; a command that was stopped
    goes on where it was.
    """
    names, save, gold = options.metrics, options.save, options.gold is not None
    measures = distinct(map(get, names)) if names else () if gold else tuple(default().values())
    metrics = (*OF_TEXTS, *measures) if gold else measures
    rows: list[str] = []
    kept: dict[str, list[FloatArray]] = {metric.name: [] for metric in metrics}
    found = texts(options) if given is None else _numbered(given, options.lang)
    head = [*islice(found, 1)]
    lang = head[0].text.lang if head else "en"
    found = chain(head, found)
    with contextlib.ExitStack() as saving:
        if save:
            saving.enter_context(disk(save))
            save.parent.mkdir(parents=True, exist_ok=True)
            source = options.file if given is None else "-"
            part, known = _begun(save, source, [lang, options.column, options.gold], metrics)
            for row, _ in zip(known, found, strict=False):
                rows.append(str(row["row"]))
            for name, before in kept.items():
                before.append(np.array([row[name] for row in known], np.float64))
            file = saving.enter_context(part.open("ab"))
        for batch, columns in measured(iter(lambda: list(islice(found, BATCH)), []), measures, options.workers):
            columns = (_ends(batch) | columns) if gold else columns
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
    return TextScores(estimates(TEXTS, metrics, samples, lang), samples)


def _ends(batch: Sequence[NumberedText]) -> dict[str, FloatArray]:
    """How texts end that are compared with their right answers."""
    each = [answer_scores(numbered.text, numbered.gold) for numbered in batch]
    return {metric.name: np.array([scores[metric.name] for scores in each], np.float64) for metric in OF_TEXTS}


def _begun(
    save: Path, source: str, about: Sequence[str | None], metrics: Sequence[Metric]
) -> tuple[Path, list[dict[str, float]]]:
    """Where scores are written until they are whole, and what a stopped command left there of the same texts."""
    if save.exists() and not save.is_file():
        return save, []  # a pipe, or a terminal
    path = Path(source).expanduser()
    if save.exists() and path.exists() and save.samefile(path):
        raise WrongUse(f"--save {str(save)!r} is the file that is read; name another")
    # A user's own function may be another the next time, and stdin other texts.
    again = path.is_file() and not any(":" in (metric.version or ":") for metric in metrics)
    found = path.stat() if again else None
    state = found and (found.st_size, found.st_mtime_ns)
    key = [str(path.resolve()), state, about, [(metric.name, metric.version) for metric in metrics]]
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
