"""What judges and humans say of the same pairs, told to people and programs."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from profiler.judging import LENGTHS, Agreement, Jury, PreferenceShift, Rater
from profiler.reporting import layout
from profiler.reporting.charts import before_after, rater_matrix
from profiler.reporting.numbers import DASH, count, with_interval
from profiler.reporting.report import Figure, Origin, Part, Report
from profiler.reporting.table import Cell, Row, Table, Tone

READINGS = {"first": "as given", "swapped": "swapped", "both": "both orders", "averaged": "averaged"}
WORDS: Mapping[str, str] = {
    "accuracy": "accuracy (unparseable is wrong)",
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
    "win_rate": "wins, a tie half",
    "win_rate_weighted": "wins, by probability",
    "lc_win_rate": "wins at equal length",
    "own_wins": "its own answer wins",
    "self_preference": "… more often than the reference has it",
}
WINS = ("win_rate", "win_rate_weighted", "lc_win_rate")
FAVOURS = ("longer_wins", "own_wins", "self_preference", *WINS)
BRIEF = ("agreement", "kappa")
DECIMALS = 3
FORMULAS = (
    "Intervals: 95 %, over prompts (of proportions Wilson's, else by resampling); as given / swapped: the order that "
    "the answers were shown in; both orders: an answer wins where both say so, else a tie; averaged: by the mean of "
    "both orders' probabilities."
)
WRITER_NOTE = "Win rates: of a writer's answers against the others', in brackets the average length of all it wrote."
EQUAL_NOTE = (
    "At equal length: AlpacaEval's length-controlled win rate without instruction difficulty, read off a logistic "
    "curve of the difference in length; it is not the leaderboard's number."
)
LENGTH_NOTE = "Longer: by more than 30 characters, among pairs where a side was taken."
SHIFTS = {"agreement": "agreement", "kappa": "Cohen's kappa"}
HOW = (
    "Before, after and change rest on the pairs that all three could be read on; ties are a label. 95 % intervals, "
    "over prompts, paired. ◆: the change's interval leaves out zero, each by itself and not corrected for "
    "looking at several. Ordered by agreement with humans after training."
)


class JudgeTopic(NamedTuple):
    """Numbers under one heading."""

    title: str
    numbers: Sequence[Agreement]
    label: str = ""
    """What stands before each row's words."""


def jury_report(jury: Jury, command: Sequence[str] = ()) -> Report:
    """Who agrees with whom, and what each judge favours; COMMAND is what makes it again."""
    table, inherited = jury_table(jury), preference_table(jury)
    parts = [Part.glance(partial(rater_matrix.rater_matrix_chart, jury), rater_matrix.CAPTION)]
    if inherited:
        label = "Agreement before and after training"
        figure = Figure("preferences", partial(before_after.before_after_chart, jury), label, before_after.CAPTION)
        parts.append(Part(before_after.TITLE, figure=figure, id="sure-1"))
    parts.append(Part("The numbers", table=table, id="numbers"))
    if inherited:
        parts.append(Part(before_after.TITLE, table=inherited, id="agreement"))
    judges = [rater.name for rater in jury.raters if rater.kind == "judge"]
    return Report(
        kind="agreement",
        title=f"{layout.listed(judges)} as {'judges' if len(judges) > 1 else 'a judge'}" if judges else "Humans alone",
        lead=[cell.text for cell in table.head if cell.tone == "quiet"],
        parts=parts,
        record=jury,
        rows=lambda: [number.model_dump() for number in jury.numbers],
        chart=partial(rater_matrix.rater_matrix_chart, jury, students=True),
        notes=jury.notes,
        origin=Origin(
            command=command,
            facts={
                "pairs": f"{count(jury.pairs)}, of {count(jury.prompts)} prompts",
                "compared with": jury.reference or "each other only: no human label is known",
                "resamples": f"{count(jury.resamples)}, seed {jury.seed}",
            },
        ),
    )


def jury_table(jury: Jury) -> Table:
    """A block for each judge, then the humans, then judges against each other."""
    judges = [rater for rater in jury.raters if rater.kind == "judge"]
    readings = [r for r in READINGS if any(number.reading == r for number in jury.numbers)] or ["first"]
    blocks = [(judge.name, _topics(jury, judge.name)) for judge in judges]
    if humans := [number for number in jury.numbers if number.rater == "humans"]:
        blocks.append(("humans: the ceiling", _human_topics(jury, humans)))
    if len(names := {judge.name for judge in judges}) > 1:
        between = [n for n in jury.numbers if n.rater in names and n.against in names]
        blocks.append(("judges against each other", _each("", between)))
    of = f"{count(jury.pairs)} pairs" + (f" of {count(jury.prompts)} prompts" if jury.prompts != jury.pairs else "")
    notes = [FORMULAS] + ([LENGTH_NOTE] if any(n.metric == "longer_wins" for n in jury.numbers) else [])
    notes += [WRITER_NOTE] if any(n.metric in WINS for n in jury.numbers) else []
    notes += [EQUAL_NOTE] if any(n.metric == "lc_win_rate" and n.value is not None for n in jury.numbers) else []
    return Table(
        title=f"{', '.join(judge.name for judge in judges) or 'humans'} on {of}",
        columns=("", *(READINGS[reading] for reading in readings), "n"),
        rows=tuple(row for head, topics in blocks for row in (Row(head), *_rows(topics, readings))),
        head=(*(Cell(_about(rater), "quiet") for rater in judges), *(Cell(note, "loud") for note in jury.notes)),
        notes=tuple(Cell(note, "quiet") for note in notes),
    )


def _topics(jury: Jury, judge: str) -> Iterator[JudgeTopic]:
    """What is told of one judge, in the order it is read."""
    mine = [number for number in jury.numbers if number.rater == judge]
    gold = [n for n in mine if n.against == jury.reference and n.against is not None and not n.group]
    yield JudgeTopic(f"against {jury.reference}", [n for n in gold if n.metric not in FAVOURS])
    humans = {rater.name for rater in jury.raters if rater.kind == "human"} - {jury.reference}
    for human in sorted(humans):
        yield JudgeTopic("against each human", [n for n in mine if n.against == human and n.metric in BRIEF], human)
    yield JudgeTopic("position", [n for n in mine if n.against is None and n.reading is None and not n.group])
    length = [n for n in mine if n.metric == "longer_wins"]
    yield JudgeTopic("length", [n for n in length if n.against is None and not n.group])
    yield JudgeTopic("length", [n for n in length if n.against is not None], f"{jury.reference}:")
    for group in dict.fromkeys(n.group for n in length if n.group):
        yield JudgeTopic("length", [n for n in length if n.group == group], f"differ by {group}:")
    parts = [n for n in mine if n.group and n.metric not in FAVOURS]
    groups = dict.fromkeys(n.group for n in parts if n.group)
    for group in sorted(groups, key=lambda group: group not in LENGTHS):
        title, label = ("length", f"differ by {group}:") if group in LENGTHS else ("by group", f"{group}:")
        yield JudgeTopic(title, [n for n in parts if n.group == group], label)
    for writer in jury.writers:
        wins = [n for n in mine if n.metric in WINS and n.group == writer.name]
        long = "" if writer.characters is None else f" ({count(round(writer.characters))} characters)"
        yield JudgeTopic("win rates", [n for n in wins if n.against is None], f"{writer.name}{long}")
        yield JudgeTopic("win rates", [n for n in wins if n.against], f"{jury.reference}: {writer.name}")
    own = [n for n in mine if n.metric in ("own_wins", "self_preference")]
    yield JudgeTopic("its own answers", [n for n in own if n.against is None or n.metric == "self_preference"])
    yield JudgeTopic("its own answers", [n for n in own if n.against and n.metric == "own_wins"], f"{jury.reference}:")


def _human_topics(jury: Jury, numbers: Sequence[Agreement]) -> Iterator[JudgeTopic]:
    yield JudgeTopic("two of them", [number for number in numbers if number.against == "humans"])
    yield JudgeTopic("one against the majority of the others", [n for n in numbers if n.against == "the other humans"])
    names = {rater.name for rater in jury.raters if rater.kind == "human"}
    yield from _each("one by one", [n for n in jury.numbers if n.rater in names])


def _each(title: str, numbers: Sequence[Agreement]) -> Iterator[JudgeTopic]:
    """Every two raters by themselves."""
    return (JudgeTopic(title, [n], f"{n.rater} and {n.against}:") for n in numbers if n.metric in BRIEF)


def _rows(topics: Iterator[JudgeTopic], readings: Sequence[str]) -> Iterator[Row]:
    title = ""
    for topic in topics:
        if topic.numbers and topic.title != title:
            title = topic.title
            yield Row(title, depth=1)
        for metric in [m for m in WORDS if any(n.metric == m for n in topic.numbers)]:
            found = [n for n in topic.numbers if n.metric == metric]
            if len(found) > 1 or found[0].value is not None:
                yield Row(f"{topic.label} {WORDS[metric]}".strip(), _cells(found, readings), depth=2)


def _cells(found: Sequence[Agreement], readings: Sequence[str]) -> tuple[Cell, ...]:
    """A cell for each reading; what rests on both orders at once, or on no order, stands in the last that fits."""
    home = "both" if "both" in readings else readings[0]
    by_reading = {n.reading or home: n for n in found}
    cells = [_cell(by_reading.get(reading)) for reading in readings]
    few, many = min(n.n for n in found), max(n.n for n in found)
    return (*cells, Cell(count(few) if few == many else f"{count(few)}–{count(many)}"))


def _cell(found: Agreement | None) -> Cell:
    if found is None or found.value is None:
        return Cell(DASH, "quiet") if found else Cell("")
    return Cell(_unbroken(found.value, found.low, found.high))


def _unbroken(value: float | None, low: float | None, high: float | None, sign: bool = False) -> str:
    """A narrow page breaks the line before an interval, never inside it."""
    return with_interval(value, low, high, DECIMALS, sign).replace(", ", ",\u00a0")


def _about(rater: Rater) -> str:
    """A judge's circumstances in one line."""
    parts = [rater.name, "both orders" if rater.orders == 2 else "one order"]
    each = f"{count(rater.a)} for a, {count(rater.b)} for b, {count(rater.ties)} ties"
    parts.append(f"{count(rater.labels)} verdicts read: {each}")
    if rater.unparseable:
        parts.append(f"{count(rater.unparseable)} unparseable")
    if rater.failed:
        parts.append(f"{count(rater.failed)} failed")
    if rater.orders == 2:
        parts.append(f"compared as read {READINGS[rater.reading]}")
    if rater.related:
        parts.append(f"RELATED to {', '.join(rater.related)}: its verdicts on their answers are not independent")
    return " · ".join(parts)


def preference_table(jury: Jury) -> Table | None:
    """A block a student: with its teacher, with others' teachers, with humans; None where no student was named."""
    if not jury.shifts:
        return None
    rows: list[Row] = []
    for student, before, teacher in dict.fromkeys((s.student, s.before, s.teacher) for s in jury.shifts):
        rows.append(Row(f"{student} · before: {before} · taught by: {teacher}"))
        mine = [s for s in jury.shifts if (s.student, s.before, s.teacher) == (student, before, teacher)]
        rows += [Row(f"{SHIFTS[s.metric]} with {_whom(s, jury)}", _shift(s), depth=1) for s in mine]
    said = ""
    if top := before_after.ceiling(jury):
        said = f"One human agrees with the majority of the others on {before_after.share(top)} of the pairs. "
    columns = ("", "before", "after", "change", "n")
    return Table(before_after.TITLE, columns, tuple(rows), notes=(Cell(said + HOW, "quiet"),))


def _whom(shift: PreferenceShift, jury: Jury) -> str:
    if shift.against == shift.teacher:
        return f"{shift.against}, its teacher" + (" and its former self" if shift.teacher == shift.before else "")
    return f"{shift.against} (humans)" if shift.against == jury.reference else f"{shift.against}, not its teacher"


def _shift(shift: PreferenceShift) -> tuple[Cell, ...]:
    within = shift.low is not None and shift.high is not None and shift.low <= 0 <= shift.high
    tone: Tone = "quiet" if shift.low is None else "not significant" if within else "higher"
    return (
        Cell(_unbroken(shift.base, shift.base_low, shift.base_high)),
        Cell(_unbroken(shift.other, shift.other_low, shift.other_high)),
        Cell(_unbroken(shift.absolute, shift.low, shift.high, sign=True), tone),
        Cell(count(shift.n)),
    )
