"""What judges and humans say of the same pairs, told to people and programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from profiler import charts, descent, matrix, page
from profiler.errors import WrongUse
from profiler.files import write_whole
from profiler.judge.favour import LENGTHS
from profiler.number import DASH, count, interval, number
from profiler.records import Agreement, Judgement, Jury, Rater
from profiler.report import PICTURES, SUFFIXES
from profiler.table import Cell, Row, Table, as_csv, as_latex, as_markdown, as_text

READINGS: Mapping[str, str] = {
    "first": "as given",
    "swapped": "swapped",
    "both": "both orders",
    "averaged": "averaged",
}
WORDS: Mapping[str, str] = {
    "accuracy": "accuracy (unreadable is wrong)",
    "average_accuracy": "accuracy, mean of both orders",
    "accuracy_in_both": "right in both orders",
    "agreement": "agreement, ties a label",
    "agreement_without_ties": "agreement, ties left out",
    "kappa": "Cohen's kappa, ties a label",
    "kappa_without_ties": "Cohen's kappa, ties left out",
    "alpha": "Krippendorff's alpha, ties a label",
    "alpha_without_ties": "Krippendorff's alpha, ties left out",
    "precision": "macro precision",
    "recall": "macro recall",
    "f1": "macro F1",
    "precision_without_ties": "macro precision, ties left out",
    "recall_without_ties": "macro recall, ties left out",
    "f1_without_ties": "macro F1, ties left out",
    "positional_agreement": "same answer in both orders",
    "kappa_of_orders": "Cohen's kappa of the two orders",
    "first_shown_wins": "the first shown wins",
    "flips_to_first_shown": "of flips, to the first shown",
    "longer_wins": "the longer answer wins",
    "own_wins": "its own answer wins",
    "self_preference": "… more often than the reference has it",
}
FAVOURS = ("longer_wins", "own_wins", "self_preference")
BRIEF = ("agreement", "kappa")
DECIMALS = 3
FORMULAS = "; ".join(
    (
        "Intervals: 95 %, bootstrap over prompts",
        "as given / swapped: the order that the answers were shown in",
        "both orders: an answer wins where both say so, else a tie",
        "averaged: by the mean of both orders' probabilities",
    )
)
LENGTH_NOTE = "Longer: by more than 30 characters, among pairs where a side was taken."


class Part(NamedTuple):
    """Numbers under one heading."""

    title: str
    numbers: Sequence[Agreement]
    label: str = ""
    """What stands before each row's words."""


def render(jury: Jury, format: str, command: Sequence[str] = ()) -> str:
    """The numbers of a jury as text; a page names the COMMAND that made it."""
    match format:
        case "json":
            return jury.model_dump_json(indent=1) + "\n"
        case "csv":
            return as_csv([number.model_dump() for number in jury.numbers])
        case "html":
            return page.jury_page(jury, table(jury), command)
    write = {"table": as_text, "md": as_markdown, "latex": as_latex}[format]
    inherited = descent.descent_table(jury)
    return write(table(jury)) + (f"\n{write(inherited)}" if inherited else "")


def publish(jury: Jury, path: Path, command: Sequence[str] = ()) -> None:
    """Write to PATH, in the format that its ending names; COMMAND is what makes it again."""
    if path.suffix in PICTURES:
        write_whole(path, charts.drawn(chart(jury), path.suffix))
    elif path.suffix in SUFFIXES:
        write_whole(path, render(jury, SUFFIXES[path.suffix], command).encode())
    else:
        known = " ".join([*SUFFIXES, *PICTURES])
        raise WrongUse(f"can't write agreement to {path.name!r}: expected a file that ends in one of {known}")


def chart(jury: Jury, palette: charts.Palette = charts.LIGHT) -> charts.Spec:
    """The matrix, and below it what students took from their teachers, where some were named."""
    below = [descent.descent_panel(jury, palette)] if jury.shifts else []
    title = matrix.title(jury) + (f"; {descent.TITLE.lower()}" if below else "")
    return charts.whole([matrix.panel(jury, palette), *below], title, palette)


def table(jury: Jury) -> Table:
    """A block for each judge, then the humans, then judges against each other."""
    judges = [rater for rater in jury.raters if rater.kind == "judge"]
    readings = [r for r in READINGS if any(number.reading == r for number in jury.numbers)] or ["first"]
    rows: list[Row] = []
    for judge in judges:
        rows.append(Row(f"{judge.name}"))
        rows += _rows(_parts(jury, judge.name), readings)
    if humans := [number for number in jury.numbers if number.rater == "humans"]:
        rows.append(Row("humans: the ceiling"))
        rows += _rows(_human_parts(jury, humans), readings)
    if len(judges) > 1:
        rows.append(Row("judges against each other"))
        rows += _rows(_between(jury, [judge.name for judge in judges]), readings)
    of = f"{count(jury.pairs)} pairs" + (f" of {count(jury.prompts)} prompts" if jury.prompts != jury.pairs else "")
    notes = [FORMULAS + "."] + ([LENGTH_NOTE] if any(n.metric == "longer_wins" for n in jury.numbers) else [])
    return Table(
        title=f"{_names(judges) or 'humans'} on {of}",
        columns=("", *(READINGS[reading] for reading in readings), "n"),
        rows=tuple(rows),
        head=(*(Cell(_about(rater), "quiet") for rater in judges), *(Cell(note, "loud") for note in jury.notes)),
        notes=tuple(Cell(note, "quiet") for note in notes),
    )


def _parts(jury: Jury, judge: str) -> Iterator[Part]:
    """What is told of one judge, in the order it is read."""
    mine = [number for number in jury.numbers if number.rater == judge]
    gold = [n for n in mine if n.against == jury.reference and n.against is not None and not n.group]
    yield Part(f"against {jury.reference}", [n for n in gold if n.metric not in FAVOURS])
    humans = {rater.name for rater in jury.raters if rater.kind == "human"} - {jury.reference}
    for human in sorted(humans):
        yield Part("against each human", [n for n in mine if n.against == human and n.metric in BRIEF], human)
    yield Part("position", [n for n in mine if n.against is None and n.reading is None])
    length = [n for n in mine if n.metric == "longer_wins"]
    yield Part("length", [n for n in length if n.against is None and not n.group])
    yield Part("length", [n for n in length if n.against is not None], f"{jury.reference}:")
    for group in dict.fromkeys(n.group for n in length if n.group):
        yield Part("length", [n for n in length if n.group == group], f"differ by {group}:")
    groups = dict.fromkeys(n.group for n in mine if n.group and n.against)
    for group in groups:
        if group in LENGTHS:
            yield Part("length", [n for n in mine if n.group == group and n.against], f"differ by {group}:")
    for group in groups:
        if group not in LENGTHS:
            yield Part("by group", [n for n in mine if n.group == group and n.against], f"{group}:")
    own = [n for n in mine if n.metric in ("own_wins", "self_preference")]
    yield Part("its own answers", [n for n in own if n.against is None or n.metric == "self_preference"])
    yield Part("its own answers", [n for n in own if n.against and n.metric == "own_wins"], f"{jury.reference}:")


def _human_parts(jury: Jury, numbers: Sequence[Agreement]) -> Iterator[Part]:
    yield Part("two of them", [number for number in numbers if number.against == "humans"])
    yield Part("one against the majority of the others", [n for n in numbers if n.against == "the other humans"])
    names = {rater.name for rater in jury.raters if rater.kind == "human"}
    for n in jury.numbers:
        if n.rater in names and n.metric in BRIEF:
            yield Part("one by one", [n], f"{n.rater} and {n.against}:")


def _between(jury: Jury, judges: Sequence[str]) -> Iterator[Part]:
    for n in jury.numbers:
        if n.rater in judges and n.against in judges and n.metric in BRIEF:
            yield Part("", [n], f"{n.rater} and {n.against}:")


def _rows(parts: Iterator[Part], readings: Sequence[str]) -> Iterator[Row]:
    title = ""
    for part in parts:
        if not part.numbers:
            continue
        if part.title != title:
            title = part.title
            yield Row(title, depth=1)
        for metric in [m for m in WORDS if any(n.metric == m for n in part.numbers)]:
            found = [n for n in part.numbers if n.metric == metric]
            if all(n.value is None for n in found) and len(found) == 1:
                continue
            yield Row(f"{part.label} {WORDS[metric]}".strip(), _cells(found, readings), depth=2)


def _cells(found: Sequence[Agreement], readings: Sequence[str]) -> tuple[Cell, ...]:
    """A cell for each reading; what rests on both orders at once, or on no order, stands in the last that fits."""
    home = "both" if "both" in readings else readings[0]
    by_reading = {n.reading or home: n for n in found}
    cells = [_cell(by_reading.get(reading)) for reading in readings]
    few, many = min(n.n for n in found), max(n.n for n in found)
    return (*cells, Cell(count(few) if few == many else f"{count(few)}–{count(many)}"))


def _cell(found: Agreement | None) -> Cell:
    if found is None:
        return Cell("")
    if found.value is None:
        return Cell(DASH, "quiet")
    # A narrow page breaks the line before an interval, never inside it.
    within = interval(found.low, found.high, DECIMALS).replace(" ", "\u00a0") if found.low is not None else ""
    return Cell(f"{number(found.value, DECIMALS)} {within}".strip())


def _about(rater: Rater) -> str:
    """A judge's circumstances in one line."""
    parts = [rater.name, "both orders" if rater.orders == 2 else "one order"]
    parts.append(f"{count(rater.labels)} verdicts read, {count(rater.ties)} of them ties")
    if rater.unreadable:
        parts.append(f"{count(rater.unreadable)} unreadable")
    if rater.failed:
        parts.append(f"{count(rater.failed)} failed")
    if rater.orders == 2:
        parts.append(f"compared as read {READINGS[rater.reading]}")
    if rater.related:
        parts.append(f"RELATED to {', '.join(rater.related)}: its verdicts on their answers are not independent")
    return " · ".join(parts)


def _names(raters: Sequence[Rater]) -> str:
    return ", ".join(rater.name for rater in raters)


def save(judgements: Sequence[Judgement], path: Path) -> None:
    """Write a verdict file, whole or not at all."""
    write_whole(path, "".join(one.model_dump_json() + "\n" for one in judgements).encode("utf-8", "replace"))
