"""The report of a study: what was aimed at, what was reached, what else moved; for people and programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

from profiler import charts, descent, layout, page, report
from profiler.files import write_whole
from profiler.layout import Key
from profiler.number import DASH, count, interval, number, places, plain
from profiler.records import Change
from profiler.study import chart
from profiler.study.plan import ARMS
from profiler.study.records import Findings, Guard, Steering
from profiler.study.schedule import Step
from profiler.table import Cell, Row, Table, Tone, as_csv, as_markdown, as_text

UNITS: Mapping[str, str] = {
    "prompts": "prompts",
    "candidates": "candidates",
    "tokens": "tokens at most",
    "examples": "examples",
    "items": "items",
    "cost": "money at most",
}
TO_DO: Mapping[str, str] = {"preferences": "ask for preferences"}
"""Stages that are no verbs."""
STEERED: Mapping[bool | None, str] = {True: "steered", False: "not steered", None: DASH}
PREFERENCES = (
    "How far each student agrees with its teacher, as judges of the same pairs in both orders, before and after "
    "training, with humans and with the other teachers beside it."
)


@dataclass(frozen=True)
class Part:
    """A heading, what it says, its picture and its table."""

    title: str
    words: str
    picture: str | None = None
    """The name of its figure."""
    table: Table | None = None


def save(found: Findings, out: Path) -> None:
    """Leave the report in the study's folder: report.md, report.html, report.json, report.csv, figures/."""
    specs = chart.figures(found, charts.LIGHT)
    for name, spec in specs.items():
        write_whole(out / "figures" / f"{name}.svg", charts.svg(spec).encode())
    write_whole(out / "report.md", markdown(found).encode())
    write_whole(out / "report.html", html(found).encode())
    write_whole(out / "report.json", found.model_dump_json(indent=1).encode() + b"\n")
    write_whole(out / "report.csv", as_csv(rows(found)).encode())


def text(found: Findings) -> str:
    """For a terminal: what was reached."""
    return as_text(outcomes(found)) + ("\n" + as_text(guards(found)) if found.guards else "")


def markdown(found: Findings) -> str:
    lines = [f"# {_words(found.name)}", "", *(f"{_words(sentence)}  " for sentence in lead(found)), ""]
    if found.warnings:
        lines += ["**To know before the numbers**", "", *(f"- {_words(warning)}" for warning in found.warnings), ""]
    for part in parts(found):
        lines += [f"## {part.title}", "", _words(part.words), ""]
        if part.picture:
            lines += [f"![{part.title}](figures/{part.picture}.svg)", ""]
        if part.table:
            lines += [as_markdown(part.table).partition("\n")[2].strip(), ""]
    return "\n".join(lines).rstrip() + "\n"


def _words(text: str) -> str:
    """A sentence in Markdown, in which a name can't be markup."""
    return plain(text).replace("&", "&amp;").replace("<", "&lt;")


def html(found: Findings) -> str:
    return page.filled(
        "study.html",
        name=found.name,
        lead=lead(found),
        warnings=found.warnings,
        mini=found.mini,
        parts=parts(found),
        pictures={name: charts.svg(spec) for name, spec in chart.figures(found, charts.PAGE).items()},
    )


def lead(found: Findings) -> list[str]:
    """What came out, in a few sentences."""
    sentences = [
        f"{count(found.prompts)} prompts, {count(found.candidates)} candidates, "
        f"{count(len({pupil.run for pupil in found.pupils}) - len(_bases(found)))} students taught; "
        f"{number(sum(cost.seconds for cost in found.costs) / 60)} minutes of work."
    ]
    for outcome in found.outcomes:
        if outcome.pupil.arm != "single" and outcome.steered is None:
            continue
        gain = f"{layout.moved(outcome.gain)} {layout.spread(outcome.gain)}" if outcome.gain else DASH
        why = f" ({outcome.reason})" if outcome.reason else ""
        sentences.append(
            f"{outcome.pupil.objective}, {outcome.pupil.arm}: {STEERED[outcome.steered]}{why}; {outcome.metric} "
            f"{gain} against {outcome.control or 'no control'}."
        )
    if broken := [guard for guard in found.guards if guard.kept is False]:
        sentences.append(f"{len(broken)} guarded numbers fell further than allowed.")
    return sentences


def parts(found: Findings) -> list[Part]:
    """The report's sections, one after the other."""
    made = [
        Part(
            "What was aimed at",
            "Change of each objective's number against the untouched student, arm by arm, with paired 95 % intervals. "
            "A student counts as steered when the best of k beats its control, one of the same candidates at random, "
            "by a paired interval that excludes 0 in the direction that was wanted.",
            "aims",
            outcomes(found),
        ),
        Part(
            "More candidates",
            "Expected mean of the candidates that are kept when the best of 1, 2, … is taken, from the stored scores. "
            "What a student would take over of it, only its training shows.",
            "candidates",
        ),
    ]
    if control := found.control:
        made.append(
            Part(
                "What is inherited unasked",
                f"Every number of the student {control.other_name!r} against the untouched one: what teaching alone "
                "does, without any choice.",
                "unasked",
            )
        )
    made += _moved(found)
    if found.preferences and found.preferences.shifts:
        words = f"{PREFERENCES} {descent.CAPTION}"
        made.append(Part(descent.TITLE, words, "preferences", descent.descent_table(found.preferences)))
    if found.guards:
        made.append(Part("Guard", "How much worse a number is than the untouched student's.", None, guards(found)))
    made.append(Part("Arms", "Who was taught what.", None, arms(found)))
    made.append(Part("What it took", "Seconds of each stage, since its last start.", None, costs(found)))
    return made


def _moved(found: Findings) -> list[Part]:
    """What moved, student model by student model: each has an untouched one of its own."""
    made: list[Part] = []
    for base in dict.fromkeys(comparison.base for comparison in found.comparisons):
        mine = [comparison for comparison in found.comparisons if comparison.base == base]
        words = (
            f"Every number of every student against {mine[0].base_name!r}, with paired 95 % intervals. Colour, shape "
            f"and word are the verdict. {report.HOW_SURE}"
        )
        title = "What else moved" if not made else f"What else moved, against {mine[0].base_name}"
        made.append(Part(title, words, None if made else "moved", report.comparison_table(mine)))
    return made


def outcomes(found: Findings) -> Table:
    """Each objective and arm: against the base, against the control, steered or not."""
    made: list[Row] = []
    for objective in dict.fromkeys(outcome.pupil.objective for outcome in found.outcomes):
        mine = [outcome for outcome in found.outcomes if outcome.pupil.objective == objective]
        made.append(Row(f"{objective}: {mine[0].goal}, told by {mine[0].probe}.{mine[0].metric}"))
        made += [_outcome(outcome, found.who(outcome.pupil)) for outcome in mine]
    columns = ("arm", "verdict", "base", "student", "against base", "against its control", "control")
    return Table("What was aimed at", columns, tuple(made))


def _outcome(outcome: Steering, who: str) -> Row:
    change = outcome.change
    decimals = places(change.base, change.other) if change else 0
    word = outcome.reason if outcome.steered is None else STEERED[outcome.steered]
    tones: Mapping[bool | None, Tone] = {True: "better", False: "same", None: "quiet"}
    cells = (
        Cell(word, tones[outcome.steered]),
        Cell(number(change.base if change else None, decimals)),
        Cell(number(change.other if change else None, decimals)),
        Cell(_change(change)),
        Cell(_change(outcome.gain)),
        Cell(outcome.control or DASH, "quiet"),
    )
    return Row(who, cells, depth=1)


def _change(change: Change | None) -> str:
    return f"{layout.moved(change)} {layout.spread(change)}" if change and change.absolute is not None else DASH


def guards(found: Findings) -> Table:
    """Each guarded number of each student."""
    made = []
    for guard in found.guards:
        decimals = places(guard.worse, guard.low, guard.high)
        cells = (
            Cell(f"{guard.probe}.{guard.metric}"),
            Cell(f"{number(guard.worse, decimals, sign=True)} {interval(guard.low, guard.high, decimals, sign=True)}"),
            Cell(number(guard.allowed)),
            Cell({True: "kept", False: "too far", None: DASH}[guard.kept], None if guard.kept else "loud"),
        )
        made.append(Row(guard.pupil.title, cells))
    return Table("Guard", ("student", "number", "worse by", "allowed", "verdict"), tuple(made))


def guarded(guard: Guard) -> str:
    """A guard in a few words."""
    return (
        f"{guard.pupil.title}: {guard.probe}.{guard.metric} is {number(guard.worse)} worse than the base's, "
        f"{number(guard.allowed)} is allowed"
    )


def arms(found: Findings) -> Table:
    made = [
        Row(pupil.title, (Cell(ARMS[pupil.arm]), Cell(" + ".join(pupil.sources) or DASH), Cell(pupil.run)))
        for pupil in found.pupils
    ]
    return Table("Arms", ("student", "what it is", "teachers", "profile"), tuple(made))


def costs(found: Findings) -> Table:
    made = [Row(f"{cost.kind} {cost.title}", (Cell(number(cost.seconds)),)) for cost in found.costs]
    whole = Row("all", (Cell(number(sum(cost.seconds for cost in found.costs))),))
    return Table("What it took", ("stage", "seconds"), (*made, whole))


def rows(found: Findings) -> list[dict[str, str | int | float | None]]:
    """The changes of all students against the base, flat."""
    return [
        {
            "student": comparison.other_name,
            **change.model_dump(),
            "unit": layout.unit(Key(change.probe, change.metric, change.group)),
        }
        for comparison in found.comparisons
        for change in comparison.changes
    ]


def _bases(found: Findings) -> set[str]:
    return {pupil.run for pupil in found.pupils if pupil.arm == "base"}


def plan_text(steps: Sequence[Step]) -> str:
    """What is done and what is to do, as a table with its sums."""
    made = [Row(f"{step.kind} {step.title}", (Cell(_state(step)), Cell(_size(step.size), "quiet"))) for step in steps]
    left = [step for step in steps if step.state != "done"]
    sums = {
        kind: [step for step in left if step.kind == kind]
        for kind in ("sample", "score", "select", "train", "profile", "preferences")
    }
    told = [f"{len(some)} to {TO_DO.get(kind, kind)} ({_size(_sum(some))})" for kind, some in sums.items() if some]
    shared = sum(step.shared for step in left if step.kind == "train")
    notes = [Cell(f"left: {'; '.join(told)}" if told else "everything is done; the report is made anew")]
    if shared:
        notes.append(
            Cell(f"{shared} of the trainings are controls; those whose answers are the same are done once", "quiet")
        )
    return as_text(Table("The plan", ("stage", "state", "size"), tuple(made), notes=tuple(notes)))


def plan_json(steps: Sequence[Step]) -> str:
    return orjson.dumps([step.model_dump(mode="json") for step in steps], option=orjson.OPT_INDENT_2).decode() + "\n"


def _state(step: Step) -> str:
    return step.state


def _sum(steps: Sequence[Step]) -> dict[str, float]:
    units = dict.fromkeys(unit for step in steps for unit in step.size)
    return {unit: sum(step.size.get(unit, 0) for step in steps) for unit in units}


def _size(size: Mapping[str, float]) -> str:
    return ", ".join(
        f"{number(value, 2) if unit == 'cost' else count(int(value))} {UNITS[unit]}" for unit, value in size.items()
    )
