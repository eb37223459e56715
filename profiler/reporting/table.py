"""A table of formatted cells, and the ways to write one: terminal, Markdown, LaTeX, CSV."""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from shutil import get_terminal_size
from textwrap import fill
from typing import Literal

from profiler.records import Verdict
from profiler.reporting.numbers import DASH, plain

Tone = Verdict | Literal["quiet", "loud"]
FlatRow = Mapping[str, str | int | float | None]
"""Of a table of values: column → value."""

SIGNS: Mapping[Tone | None, str] = {
    "better": "▲",
    "worse": "▼",
    "higher": "◆",
    "lower": "◆",
    "equivalent": "=",
    "not significant": "○",
}
"""A shape beside each colour and word."""
STYLES: Mapping[Tone, str] = {
    "better": "bold green",
    "worse": "bold red",
    "higher": "bold cyan",
    "lower": "bold cyan",
    "equivalent": "dim",
    "not significant": "dim",
    "quiet": "dim",
    "loud": "bold black on yellow",
}
WIDE = 200
"""Columns of a page that is no terminal: wide enough that nothing wraps in a file."""


@dataclass(frozen=True)
class Cell:
    """What stands in one place."""

    text: str
    tone: Tone | None = None


@dataclass(frozen=True)
class Row:
    """A line of numbers under a label, or a heading when it has no cells."""

    label: str
    cells: tuple[Cell, ...] = ()
    depth: int = 0

    @classmethod
    def of(cls, label: str, *cells: Cell | str, depth: int = 0) -> Row:
        return cls(label, tuple(Cell(cell) if isinstance(cell, str) else cell for cell in cells), depth)


@dataclass(frozen=True)
class Table:
    """Rows under column heads, with what must be said before and after them."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    head: tuple[Cell, ...] = ()
    notes: tuple[Cell, ...] = ()


def as_text(table: Table) -> str:
    """For a terminal: colour where it is one, words and signs everywhere."""
    from rich.console import Console
    from rich.table import Table as Grid
    from rich.text import Text

    def styled(text: str, tone: Tone | None) -> Text:
        return Text(text, style=STYLES[tone] if tone else "")

    terminal = sys.stdout.isatty()
    width = None if terminal else WIDE
    # In a notebook Rich would show an empty output of its own beside what is captured.
    console = Console(file=StringIO(), force_terminal=terminal, force_jupyter=False, width=width, highlight=False)
    grid = Grid(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    grid.add_column(plain(table.columns[0]), no_wrap=True)
    for column in table.columns[1:]:
        grid.add_column(Text(plain(column)), justify="right", overflow="fold")
    for row in table.rows:
        label = Text("  " * row.depth + plain(row.label), style="" if row.cells else "bold")
        grid.add_row(label, *(styled(_signed(cell), cell.tone) for cell in row.cells))
    with console.capture() as capture:
        if table.title:
            console.print(Text(plain(table.title), style="bold"))
        for cell in table.head:
            console.print(styled(plain(cell.text), cell.tone))
        if table.rows:
            if table.title or table.head:
                console.print()
            console.print(grid)
        if table.notes:
            console.print()
        for cell in table.notes:
            console.print(styled(plain(cell.text), cell.tone))
    return "\n".join(line.rstrip() for line in capture.get().splitlines()) + "\n"


def as_markdown(table: Table, titled: bool = True) -> str:
    """For an issue, a model card or a README."""
    lines = [f"**{_markdown(table.title)}**", ""] if titled else []
    lines += [f"{_markdown(cell.text)}  " for cell in table.head] + [""]
    if table.rows:
        lines += [_piped(table.columns), _piped(["---", *["---:"] * (len(table.columns) - 1)], escape=False)]
    for row in table.rows:
        label = "&emsp;" * row.depth + (_markdown(row.label) if row.cells else f"**{_markdown(row.label)}**")
        cells = [_markdown(_signed(cell)) for cell in row.cells] or [""] * (len(table.columns) - 1)
        lines.append(_piped([label, *cells], escape=False))
    lines += ["", *(f"{_markdown(cell.text)}  " for cell in table.notes)]
    return "\n".join(lines).strip() + "\n"


def as_latex(table: Table) -> str:
    r"""For a paper: needs \usepackage{booktabs}."""
    width = len(table.columns)
    lines = [
        r"\begin{table}[t]",
        r"\centering",
        r"\small",
        rf"\begin{{tabular}}{{l{'r' * (width - 1)}}}",
        r"\toprule",
        " & ".join(map(_latex, table.columns)) + r" \\",
    ]
    for row in table.rows:
        indent = r"\quad " * row.depth
        if row.cells:
            lines.append(" & ".join([indent + _latex(row.label), *(_latex(cell.text) for cell in row.cells)]) + r" \\")
        else:
            rule = r"\midrule" if row.depth == 0 else r"\addlinespace"
            lines += [rule, rf"\multicolumn{{{width}}}{{l}}{{{indent}\emph{{{_latex(row.label)}}}}} \\"]
    caption = ". ".join(
        _latex(text.rstrip(".")) for text in (table.title, *(c.text for c in (*table.head, *table.notes)))
    )
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", rf"\caption{{{caption}.}}", r"\end{table}"]) + "\n"


def as_csv(rows: Sequence[FlatRow], newline: str = "\n") -> str:
    """Full precision, one row a number; an undefined value is an empty field.

    A text that a spreadsheet would take for a formula is marked as a text.
    """
    out = StringIO()
    writer = csv.DictWriter(out, columns(rows), lineterminator=newline)
    writer.writerow({name: _marked(name) for name in columns(rows)})
    writer.writerows({name: _marked(value) for name, value in row.items()} for row in rows)
    return out.getvalue()


def as_columns(rows: Sequence[FlatRow]) -> str:
    """Columns as wide as they need to be; on a narrower terminal values stand under each other."""
    lines = [columns(rows), *([DASH if cell is None else str(cell) for cell in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    room = get_terminal_size().columns if sys.stdout.isatty() else sum(widths) + 2 * len(widths)
    if room < sum(widths) + 2 * (len(widths) - 1):
        return _in_blocks(lines, room)
    padded = ("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)
    return "".join(f"{line.rstrip()}\n" for line in padded)


def _in_blocks(lines: Sequence[Sequence[str]], room: int) -> str:
    """Each row under the first of its values: a name and a value a line."""
    (_, *names), *rows = lines
    indent = " " * (4 + max(map(len, names), default=0))
    return "".join(
        f"{fill(first, room)}\n"
        + "".join(
            fill(f"  {name:{len(indent) - 4}}  {value}", room, subsequent_indent=indent) + "\n"
            for name, value in zip(names, values, strict=True)
            if value != DASH
        )
        for first, *values in rows
    )


def columns(rows: Sequence[FlatRow]) -> list[str]:
    """The names of all values, in the order they came."""
    return list(dict.fromkeys(name for row in rows for name in row))


def _marked(value: str | float | None) -> str | float | None:
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) else value


def _signed(cell: Cell) -> str:
    return plain(f"{SIGNS[cell.tone]} {cell.text}" if cell.tone in SIGNS else cell.text)


def _piped(cells: Iterable[str], escape: bool = True) -> str:
    return "| " + " | ".join(_markdown(cell) if escape else cell for cell in cells) + " |"


def _markdown(text: str) -> str:
    shown = re.sub(r"([\\`*_\[\]|#~])", r"\\\1", plain(text))
    return shown.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": "$<$",
    ">": "$>$",
    "|": "$|$",
    "−": "$-$",
    "–": "--",
    "→": r"$\to$",
    "·": r"$\cdot$",
    "…": r"\ldots{}",
} | {char: f"\\{char}" for char in "&%$#_"}


def _latex(text: str) -> str:
    # A bracket after \\ would be read as its optional argument, so numbers in brackets are wrapped.
    return "".join(LATEX.get(char, char) for char in plain(text))
