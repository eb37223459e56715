"""What a verb gives: a sentence and a table to look at, a data frame, a chart, a file."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from importlib import import_module
from itertools import chain, islice
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from profiler.errors import InheritError
from profiler.records import Profile, Sample
from profiler.reporting import jinja, listing, report, table
from profiler.reporting.charts import theme
from profiler.reporting.numbers import DASH
from profiler.reporting.profile import profile_report, run_report
from profiler.reporting.report import Report
from profiler.reporting.table import FlatRow, Row, Table

if TYPE_CHECKING:
    import altair

    from profiler.records import Estimate
    from profiler.runs import Run

R = TypeVar("R")
T = TypeVar("T")

SHOWN = 10
"""Rows of a long list that a notebook shows."""


def frame(rows: Sequence[FlatRow]) -> Any:
    """A data frame of pandas or polars: of the one that is imported, else of the one that is installed."""
    import pyarrow as pa

    for name in sorted(("pandas", "polars"), key=lambda name: name not in sys.modules):
        try:
            module = import_module(name)
        except ModuleNotFoundError:
            continue
        held = pa.table({column: [row.get(column) for row in rows] for column in table.columns(rows)})
        return held.to_pandas() if name == "pandas" else module.from_arrow(held)
    raise InheritError("a data frame needs pandas or polars, and neither is installed: pip install pandas")


class Rows(list[T]):
    """A list of records that becomes a data frame."""

    def __init__(self, records: Iterable[T], flat: Callable[[T], Iterable[FlatRow]]) -> None:
        super().__init__(records)
        self._flat = flat

    def to_frame(self) -> Any:
        """As a data frame of pandas or polars, whichever is there."""
        return frame([*chain.from_iterable(map(self._flat, self))])

    def _repr_html_(self) -> str:
        shown = [*islice(chain.from_iterable(map(self._flat, self)), SHOWN)]
        columns = table.columns(shown)
        cells = [[DASH if row.get(name) is None else str(row[name]) for name in columns] for row in shown]
        about = f"{len(self):,} in all; the first {len(shown):,} rows:" if len(self) > SHOWN else ""
        rows = tuple(Row.of(first, *rest) for first, *rest in cells)
        return jinja.fragment([about] if about else [], [Table("", tuple(columns), rows)])


class Result(Generic[R]):
    """What came out of a verb; in a notebook it shows the sentence that matters, then the table."""

    def __init__(self, told: Report, record: R, path: Path | None = None) -> None:
        self._told = told
        self.record = record
        """All that is known, as it is stored."""
        self.path = path
        """Where it lies on disk, if it does."""

    def to_frame(self) -> Any:
        """As a data frame of pandas or polars, whichever is there: a row a number, in full precision."""
        return frame(self._told.rows())

    def plot(self) -> altair.VConcatChart:
        """As an Altair chart."""
        if self._told.chart is None:
            raise InheritError(f"no chart is drawn of this ({self._told.kind}); to_frame() has its numbers")
        return self._told.chart(theme.LIGHT)

    def save(self, path: str | PathLike[str]) -> None:
        """Write it to PATH, whose ending says how: .md .csv .tex .json .html .txt, and .png or .svg for a chart."""
        report.save(self._told, Path(path).expanduser())

    def __fspath__(self) -> str:
        if self.path is None:
            raise InheritError(f"this ({self._told.kind}) lies nowhere on disk; save() writes it to a file")
        return fspath(self.path)

    def __repr__(self) -> str:
        return "\n".join([*self._told.lead, "(print() shows the table)"]) if self._told.lead else str(self)

    def __str__(self) -> str:
        return "\n".join([*self._told.lead, *map(table.as_text, self._told.tables)])

    def _repr_html_(self) -> str:
        return jinja.fragment(self._told.lead, self._told.tables)


class ProfileResult(Result[Profile]):
    """A run of probes: its numbers, and what was asked and answered."""

    def __init__(self, run: Run) -> None:
        super().__init__(profile_report(run.profile), run.profile, run.folder)
        self.run = run

    @property
    def name(self) -> str:
        """What the profile is called."""
        return self.record.name

    def samples(self, probe: str) -> Rows[Sample]:
        """Every question of a probe with its answers and scores."""
        return Rows(self.run.samples(probe), listing.answers)

    def save(self, path: str | PathLike[str]) -> None:
        """Write it to PATH, with some of its answers where that is a page."""
        report.save(run_report(self.run), Path(path).expanduser())


class ScoreResult(Result[Sequence["Estimate"]]):
    """What metrics make of texts."""

    def __init__(self, told: Report, record: Sequence[Estimate], texts: Sequence[FlatRow]) -> None:
        super().__init__(told, record)
        self._texts = texts

    def samples(self) -> Rows[FlatRow]:
        """The scores of each text."""
        return Rows(self._texts, lambda row: [row])
