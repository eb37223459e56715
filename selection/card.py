"""The data card: what was chosen, what else moved with it, and what was left out; before anything is trained."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from profiler import metrics, page
from profiler.files import write_whole
from profiler.number import DASH, count, interval, number, places
from profiler.table import Cell, Row, Table, as_markdown, as_text
from selection.effects import POOL
from selection.gates import GATES
from selection.objective import objective_words
from selection.records import Contrast, MetricShift, Selection
from selection.select import ARMS

STEPS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 24, 32, 48, 64, 100, 128, 256)
"""Numbers of candidates that the curve is shown at."""
CARRIED = 0.2
"""A shift of a metric nobody asked for, as a share of the random arm's, that is worth a word."""

CURVE = (
    "Expected mean when the best of so many candidates is kept, over all ways to draw them from a prompt's own; where "
    "a prompt has fewer, its best."
)


@dataclass(frozen=True)
class Part:
    """A heading, what it says, and its table."""

    title: str
    words: str
    table: Table | None = None


def save(found: Selection, out: Path) -> None:
    """Leave the card beside the data, for people (card.html) and for the hub (README.md)."""
    write_whole(out / "README.md", markdown(found).encode())
    write_whole(out / "card.html", html(found).encode())


def text(found: Selection) -> str:
    """For a terminal: what choosing did."""
    return as_text(shifts(found))


def markdown(found: Selection) -> str:
    lines = ["---", "configs:"]
    for arm, file in found.files.items():
        lines += [f"- config_name: {arm}", f"  data_files: {file}"]
    lines += ["---", "", "# Chosen answers", "", *(f"{sentence}  " for sentence in lead(found)), ""]
    for part in parts(found):
        lines += [f"## {part.title}", "", part.words, ""]
        if part.table:
            lines += [as_markdown(part.table).partition("\n")[2].strip(), ""]
    lines += ["## Examples", ""]
    for example in found.examples:
        lines += [f"**Prompt**\n\n{_quoted(example.prompt)}\n"]
        for label, candidate in (("Chosen", example.chosen), ("Rejected", example.rejected)):
            lines += [f"**{label}** ({caption(found, example, label)})\n\n{_quoted(candidate.text)}\n"]
    return "\n".join(lines).rstrip() + "\n"


def html(found: Selection) -> str:
    return page.filled(
        "card.html",
        "selection",
        lead=lead(found),
        parts=parts(found),
        examples=[
            (example, caption(found, example, "Chosen"), caption(found, example, "Rejected"))
            for example in found.examples
        ],
    )


def lead(found: Selection) -> list[str]:
    """What it is, in a few sentences."""
    sentences = [
        f"{count(found.kept)} of {count(found.prompts)} prompts, {_times(found.top)} each, chosen from "
        f"{count(found.candidates)} candidates of {_listed(found.sources)} by {objective_words(found.objective)}; "
        f"seed {found.seed}.",
    ]
    if found.k:
        sentences.append(f"Only the first {found.k} candidates of each prompt were looked at.")
    for why, many in found.left_out.items():
        sentences.append(f"{count(many)} prompts are in no arm: {why}.")
    for goal in found.objective.goals:
        room, shift = found.headroom[goal.metric], _shift(found, goal.metric)
        sentences.append(
            f"Headroom of {goal.metric}: the best of a prompt's candidates is {_number(room)} better than their mean; "
            f"the chosen are {_number(shift.gain, sign=True)} against the random ones."
        )
    carried = [shift for shift in found.shifts if not shift.aim and _carried(shift)]
    if carried:
        named = ", ".join(f"{shift.metric} {_percent(shift)}" for shift in carried)
        sentences.append(f"What else moved by more than {CARRIED:.0%}, and was not asked for: {named}.")
    return sentences


def parts(found: Selection) -> list[Part]:
    """The card's sections, one after the other."""
    made = [
        Part(
            "What choosing does",
            "Mean over prompts. The gain is chosen minus random, prompt by prompt, with its 95 % bootstrap interval: "
            "what a student is shown more of, or less. Metrics that the objective names come first."
            + (f" From {count(found.sampled)} prompts drawn by seed." if found.sampled < found.kept else ""),
            shifts(found),
        ),
        Part("More candidates", CURVE, curve(found)),
        Part("Data files", _files_words(found), arms(found)),
        Part(
            "Whose answers",
            "Share of each source among the rows.",
            shares(found) if len(found.sources) > 1 else None,
        ),
        Part("Gates", "Candidates that no arm may take. One may be stopped by several gates.", gates(found)),
    ]
    if found.undefined:
        named = ", ".join(f"{name} ({count(many)})" for name, many in found.undefined.items())
        made.append(Part("Undefined scores", f"Candidates without a score can't be chosen by it: {named}."))
    return [part for part in made if part.table or part.title != "Whose answers"]


def shifts(found: Selection) -> Table:
    """Every metric in the pool and in each arm, and what choosing gains."""
    shown = [POOL, *found.files]
    ordered = sorted(found.shifts, key=lambda shift: not shift.aim)
    rows = []
    for shift in ordered:
        values = [shift.arms[arm].mean for arm in shown]
        same = places(*values)
        cells = [Cell(number(value, same)) for value in values]
        gain = f"{number(shift.gain, same, sign=True)} {interval(shift.low, shift.high, same, sign=True)}"
        rows.append(Row(shift.metric, (*cells, Cell(gain), Cell(_percent(shift)), Cell(_unit(shift.metric)))))
        if shift.aim:
            middles = [Cell(number(shift.arms[arm].median, same)) for arm in shown]
            rows.append(Row("median", (*middles, Cell(""), Cell(""), Cell("")), depth=1))
    return Table("What choosing does", ("metric", *shown, "gain over random", "%", "unit"), tuple(rows))


def curve(found: Selection) -> Table:
    """The objective's metrics when the best of 1, 2, … candidates is kept."""
    longest = max((len(values) for values in found.curve.values()), default=0)
    steps = [step for step in STEPS if step < longest] + ([longest] if longest else [])
    rows = [
        Row(name, tuple(Cell(number(values[step - 1] if step <= len(values) else None)) for step in steps))
        for name, values in found.curve.items()
    ]
    return Table("More candidates", ("best of", *map(str, steps)), tuple(rows))


def arms(found: Selection) -> Table:
    rows = [Row(file, (Cell(ARMS[arm]),)) for arm, file in found.files.items()]
    return Table("Data files", ("file", "what it is"), tuple(rows))


def shares(found: Selection) -> Table:
    rows = [
        Row(source, tuple(Cell(f"{100 * share.get(source, 0.0):.1f} %") for share in found.shares.values()))
        for source in found.sources
    ]
    return Table("Whose answers", ("source", *found.shares), tuple(rows))


def gates(found: Selection) -> Table:
    rows = [Row(name, (Cell(count(many)), Cell(GATES[name]))) for name, many in found.gates.items()]
    return Table("Gates", ("gate", "stopped", "why"), tuple(rows))


def caption(found: Selection, example: Contrast, label: str) -> str:
    """Who wrote an example and what it scores."""
    candidate = example.chosen if label == "Chosen" else example.rejected
    aims = [shift.metric for shift in found.shifts if shift.aim]
    return f"{candidate.source}: {', '.join(f'{name} {_number(candidate.scores.get(name))}' for name in aims)}"


def _files_words(found: Selection) -> str:
    read = (
        "TRL and axolotl (`type: chat_template`) read them as they are, LLaMA-Factory by `dataset_info.json`."
        if found.form == "chat"
        else "TRL reads them as they are, LLaMA-Factory by `dataset_info.json`, axolotl with "
        "`field_instruction: prompt` and `field_output: completion`."
    )
    rows = "`prompt_id`, `source`, `index`, `seed`, `sampling`, `fingerprint`, `finish`, `rank` and `scores`"
    return f"Every arm has the same prompts. {read} Each row says where it comes from: {rows}."


def _shift(found: Selection, metric: str) -> MetricShift:
    return next(shift for shift in found.shifts if shift.metric == metric)


def _carried(shift: MetricShift) -> bool:
    return (
        shift.percent is not None
        and abs(shift.percent) > 100 * CARRIED
        and shift.low is not None
        and shift.high is not None
        and shift.low * shift.high > 0
    )


def _percent(shift: MetricShift) -> str:
    return DASH if shift.percent is None else f"{number(shift.percent, 1, sign=True)} %"


def _number(value: float | None, sign: bool = False) -> str:
    return number(value, sign=sign)


def _unit(name: str) -> str:
    known = metrics.default()
    return known[name].unit if name in known else ""


def _times(many: int) -> str:
    return "one answer" if many == 1 else f"up to {many} answers"


def _listed(sources: Iterable[str]) -> str:
    names = list(sources)
    return names[0] if len(names) == 1 else f"{len(names)} sources"


def _quoted(text: str) -> str:
    """A model's words in Markdown: inside a fence longer than any of their own they can't be markup."""
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence}text\n{text}\n{fence}"
