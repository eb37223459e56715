"""The report of a study: the target metrics, what was reached, the side effects; for people and programs."""

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import get_args

import orjson

from profiler.records import Change
from profiler.reporting import layout, report
from profiler.reporting.charts import before_after
from profiler.reporting.charts.changes import comparison_chart
from profiler.reporting.comparison import HOW_SURE, NAMED, comparison_table, flat, shown, significant
from profiler.reporting.judging import preference_table
from profiler.reporting.numbers import DASH, count, interval, number, places, with_interval
from profiler.reporting.report import Figure, Part, Report
from profiler.reporting.table import Cell, Row, Table, Tone, as_text
from profiler.study.charts import aims, candidates, side_effects, students_by_candidates
from profiler.study.forecast import Forecast, GpuHours, ModelWork
from profiler.study.plan import ARMS
from profiler.study.records import Findings, Guard, Pupil, Steering
from profiler.study.stage import Kind, State
from profiler.study.stage_order import Step

UNITS = {"tokens": "tokens at most", "cost": "money at most"}
"""Those that are not called as they are counted."""
TO_DO = {"preferences": "ask for preferences"}
"""Stages that are no verbs."""
STEERED: Mapping[bool | None, str] = {True: "steered", False: "not shown", None: DASH}
ONE_TRAINING = "one training; the spread between trainings is not in this interval"
PASSIVE = "Passive inheritance"
PREFERENCES = (
    "How far each student agrees with its teacher, as judges of the same pairs in both orders, before and after "
    "training, with humans and with the other teachers beside it."
)


def save(found: Findings, out: Path) -> None:
    """Leave the report in the study's folder: report.md, report.html, report.json, report.csv, figures/."""
    made = study_report(found)
    for part in made.parts:
        if part.figure:
            report.draw(part.figure.draw, out / "figures" / f"{part.figure.name}.svg")
    for ending in (".md", ".html", ".json", ".csv"):
        report.save(made, out / f"report{ending}")


def study_report(found: Findings) -> Report:
    return Report(
        kind="study",
        title=found.name,
        lead=lead(found),
        parts=parts(found),
        record=found,
        rows=lambda: [row for one in found.comparisons for row in flat(one, {"student": one.other_name})],
        notes=found.warnings,
        mini=found.mini,
    )


def lead(found: Findings) -> list[str]:
    """What came out: two sentences of what matters, then each verdict."""
    taught = {one.run for one in found.pupils} - {one.run for one in found.pupils if one.arm == "base"}
    told = [one for one in _once(found.outcomes) if one.pupil.arm == "single" or one.steered is not None]
    steered = [f"{one.pupil.objective} ({one.pupil.arm}{one.pupil.fewer})" for one in told if one.steered]
    what = (
        f"was shown to steer {layout.listed(dict.fromkeys(steered))}" if steered else "was not shown to steer anything"
    )
    sentences = [f"Choosing {what}: {len(steered)} of {len(told)} verdicts.", _beside(found)]
    for outcome in told:
        one, control = outcome.trainings == 1, outcome.control or "no control"
        control = control if one else control.removesuffix(f", seed {outcome.pupil.seed}")
        gain = outcome.gain if one else outcome.over
        why = f" ({outcome.reason})" if outcome.reason else ""
        family = "" if outcome.p_family is None else f"; p {_chance(outcome)} among all objectives and arms"
        sentences.append(
            f"{outcome.pupil.objective}, {_whose(found, outcome.pupil)}: {STEERED[outcome.steered]}{why}; "
            f"{outcome.metric} {_change(gain)} against {control}; "
            f"{ONE_TRAINING if one else f'{outcome.trainings} trainings'}{family}."
        )
    work = number(sum(cost.seconds for cost in found.costs) / 60)
    made = f"{count(found.prompts)} prompts, {count(found.candidates)} candidates, {count(len(taught))} students taught"
    return [*sentences, f"{made}; {work} minutes of work."]


def _whose(found: Findings, pupil: Pupil) -> str:
    """An arm, with what tells its student from those of other models and other teachers."""
    students, teachers = {one.student for one in found.pupils}, {name for one in found.pupils for name in one.sources}
    of = f" of {pupil.sources[0]}" if len(pupil.sources) == 1 < len(teachers) else ""
    return pupil.among(students, (), f"{pupil.arm}{of}{pupil.fewer}")


def _beside(found: Findings) -> str:
    """What else changed in the students, and what became of what is guarded."""
    aims = {f"{one.probe}.{one.metric}" for one in found.outcomes}
    beside = [c for one in found.comparisons for c in one.changes if c.group is None and c.label not in aims]
    hit = dict.fromkeys(change.label for change in beside if change.significant)
    named = [*list(hit)[:NAMED], *([f"{len(hit) - NAMED} more"] if len(hit) > NAMED else [])]
    said = f"Beside that, {layout.listed(named)} changed significantly" if hit else "Nothing else changed significantly"
    states = [guard.state for guard in found.guards]
    guarded = [f"{states.count(state)} {state}" for state in ("kept", "lost", "can't tell") if state in states]
    kept = f"; of the guarded numbers {layout.listed(guarded)}" if guarded else ""
    return f"{said} in {'some' if hit else 'any'} student{kept}."


def _once(outcomes: Sequence[Steering]) -> list[Steering]:
    """The first of each verdict: students that differ by their seed only share one."""
    alike = {one.pupil.kind: one for one in reversed(outcomes)}
    return list(alike.values())[::-1]


def parts(found: Findings) -> list[Part]:
    """The report's sections, one after the other."""
    made = [
        *_side_effects(found),
        Part(
            "Target metrics",
            "Change of each objective's number against the untouched student, arm by arm, with paired 95 % intervals. "
            "A student counts as steered when the best of k beats its control, one of the same candidates at random, "
            "by a paired interval that excludes 0 in the direction that was wanted. Students that differ by their seed "
            "only have one verdict, by the interval of their mean gain, which holds the spread between trainings and "
            "between prompts. The p is corrected for all objectives and arms (Holm); the verdict is not.",
            Figure("aims", partial(aims, found)),
            outcomes(found),
        ),
        Part(
            "More candidates",
            "Expected mean of the candidates that are kept when the best of 1, 2, … is taken, from the stored scores. "
            "What a student would take over of it, only its training shows.",
            Figure("candidates", partial(candidates, found)),
        ),
    ]
    if any(pupil.best_of for pupil in found.pupils):
        words = (
            "Change against the untouched student of those that were taught the best of so many candidates of each "
            "teacher, a point a training with its 95 % interval; the dashed line is the control. A prompt whose first "
            "candidates are all stopped by a filter teaches nothing where few are looked at."
        )
        made.append(Part("More candidates, taught", words, Figure("taught", partial(students_by_candidates, found))))
    if controls := found.controls:
        whose = layout.listed([repr(control.other_name) for control in controls])
        several = len(controls) > 1
        words = (
            f"Every number of the student{'s' if several else ''} {whose} against "
            f"{'their own untouched ones' if several else 'the untouched one'}: what teaching alone does, without any "
            "choice."
        )
        controls = [shown(one, "simultaneous") for one in controls]
        each = [one.model_copy(update={"base_name": "its own untouched student"}) for one in controls]
        made.append(Part(PASSIVE, words, Figure("unasked", partial(comparison_chart, each if several else controls))))
    if (jury := found.preferences) and jury.shifts:
        words = f"{PREFERENCES} {before_after.CAPTION}"
        figure = Figure("preferences", partial(before_after.before_after_chart, jury))
        made.append(Part(before_after.TITLE, words, figure, preference_table(jury), brief=False))
    if found.guards:
        words = "How much worse a number is than the untouched student's."
        made.append(Part.around(guards(found), words, brief=True))
    if found.reported:
        words = (
            f"Numbers of {found.reported_by}, and what the same students have here, with 95 % intervals. Other "
            "weights, scorers, prompts or recipes make other numbers; those reported have no intervals, so nothing is "
            "tested."
        )
        made.append(Part.around(beside(found), words))
    taught = [Row.of(one.title, ARMS[one.arm].about, " + ".join(one.sources) or DASH, one.run) for one in found.pupils]
    arms = Table("Arms", ("student", "what it is", "teachers", "profile"), tuple(taught))
    took = [Row.of(f"{cost.kind} {cost.title}", number(cost.seconds)) for cost in found.costs]
    whole = Row.of("all", number(sum(cost.seconds for cost in found.costs)))
    costs = Table("What it took", ("stage", "seconds"), (*took, whole))
    made.append(Part.around(arms, "Who was taught what."))
    return [*made, Part.around(costs, "Seconds of each stage, since its last start.")]


def _side_effects(found: Findings) -> list[Part]:
    """What changed, student model by student model: each has an untouched one of its own."""
    made: list[Part] = []
    for base in dict.fromkeys(comparison.base for comparison in found.comparisons):
        mine = [comparison for comparison in found.comparisons if comparison.base == base]
        words = (
            f"What changed significantly of any student against {mine[0].base_name!r}; the picture has every number, "
            f"report.csv and report.json those of groups, too. {HOW_SURE['simultaneous']}"
        )
        title = "Side effects" if not made else f"Side effects, against {mine[0].base_name}"
        figure = None if made else Figure("side_effects", partial(side_effects, found))
        made.append(Part(title, words, figure, comparison_table(mine, only=significant(mine)), brief=False))
    return made


def outcomes(found: Findings) -> Table:
    """Each objective and arm: against the base, against the control, steered or not."""
    made: list[Row] = []
    over = any(outcome.trainings > 1 for outcome in found.outcomes)
    for objective in dict.fromkeys(outcome.pupil.objective for outcome in found.outcomes):
        mine = [outcome for outcome in found.outcomes if outcome.pupil.objective == objective]
        made.append(Row(f"{objective}: {mine[0].goal}, measured by {mine[0].probe}.{mine[0].metric}"))
        made += [_outcome(outcome, found.who(outcome.pupil), over) for outcome in mine]
    seeds = ("over seeds",) if over else ()
    sides = ("base", "student", "against base", "against its control", *seeds, "p, corrected", "control")
    alone = any(outcome.trainings == 1 and outcome.gain for outcome in found.outcomes)
    notes = (Cell(f"against its control: {ONE_TRAINING}", "quiet"),) if alone else ()
    return Table("Target metrics", ("arm", "verdict", *sides), tuple(made), notes=notes)


def _outcome(outcome: Steering, who: str, over: bool) -> Row:
    change = outcome.change
    decimals = places(change.base, change.other) if change else 0
    word = outcome.reason if outcome.steered is None else STEERED[outcome.steered]
    tones: Mapping[bool | None, Tone] = {True: "better", False: "not significant", None: "quiet"}
    return Row.of(
        who,
        Cell(word, tones[outcome.steered]),
        number(change.base if change else None, decimals),
        number(change.other if change else None, decimals),
        _change(change),
        _change(outcome.gain),
        *([_change(outcome.over)] if over else []),
        _chance(outcome),
        Cell(outcome.control or DASH, "quiet"),
        depth=1,
    )


def _chance(outcome: Steering) -> str:
    return "< 0.001" if outcome.p_family is not None and outcome.p_family < 0.001 else number(outcome.p_family)


def _change(change: Change | None) -> str:
    return f"{layout.moved(change)} {layout.spread(change)}" if change and change.absolute is not None else DASH


def guards(found: Findings) -> Table:
    """Each guarded number of each student."""
    made = []
    for guard in found.guards:
        decimals = places(guard.worse, guard.low, guard.high)
        worse = f"{number(guard.worse, decimals, sign=True)} {interval(guard.low, guard.high, decimals, sign=True)}"
        verdict = Cell(guard.state, {"kept": None, "lost": "loud"}.get(guard.state, "quiet"))
        which = f"{guard.probe}.{guard.metric}"
        made.append(Row.of(guard.pupil.title, which, worse, number(guard.allowed), verdict))
    return Table("Guarded", ("student", "number", "worse by", "allowed", "verdict"), tuple(made))


def beside(found: Findings) -> Table:
    """Each reported number beside what the study gives for it."""
    made = []
    for one in found.reported:
        told, decimals = one.reported, places(one.here, one.low, one.high)
        here = with_interval(one.here, one.low, one.high, decimals) if one.here is not None else one.reason
        sides = (f"{told.bound} {number(told.value)}".strip(), here, one.lies or DASH)
        made.append(Row.of(told.what, *sides, "; ".join(one.students) or DASH, Cell(told.where, "quiet")))
    columns = ("number", "reported", "here", "reported lies", "student here", "where it is reported")
    return Table("Beside what was reported", columns, tuple(made))


def guarded(guard: Guard) -> str:
    """A guard in a few words."""
    return (
        f"{guard.pupil.title}: {guard.probe}.{guard.metric} is {number(guard.worse)} worse than the base's, "
        f"{number(guard.allowed)} is allowed"
    )


def plan_text(steps: Sequence[Step]) -> str:
    """What is done and what is to do, as a table with its sums."""
    made = [Row.of(f"{step.kind} {step.title}", step.state, Cell(_size(step.size), "quiet")) for step in steps]
    left = [step for step in steps if step.state != "done"]
    told = []
    for kind in get_args(Kind):
        if some := [step.size for step in left if step.kind == kind]:
            sums = {unit: sum(size.get(unit, 0) for size in some) for unit in dict.fromkeys(chain(*some))}
            told.append(f"{len(some)} to {TO_DO.get(kind, kind)} ({_size(sums)})")
    shared = sum(step.shared for step in left if step.kind == "train")
    notes = [Cell(f"left: {'; '.join(told)}" if told else "everything is done; the report is made anew")]
    if shared:
        once = f"{shared} of the trainings are controls; those whose answers are the same are done once"
        notes.append(Cell(once, "quiet"))
    return as_text(Table("The plan", ("stage", "state", "size"), tuple(made), notes=tuple(notes)))


def stages_text(steps: Sequence[Step]) -> str:
    """The stages while they are carried out: what runs and how far it is, what failed, and what the rest waits for."""

    def said(step: Step) -> str:
        return f"for {', '.join(step.waits_for)}" if step.waits_for else step.news

    made = [Row.of(f"{step.kind} {step.title}", step.state, Cell(said(step), "quiet")) for step in steps]
    states = [step.state for step in steps]
    told = ", ".join(f"{states.count(state)} {state}" for state in get_args(State) if state in states)
    return as_text(Table("The stages", ("stage", "state", "how far"), tuple(made), notes=(Cell(told),)))


def forecast_text(told: Forecast) -> str:
    """What is left of a study, in requests, tokens, hours of GPUs and money."""
    gpus = list(told.assumptions.gpus)
    made = []
    for work in told.works:
        hours = (_spent(work.gpus.get(gpu)) for gpu in gpus)
        made.append(Row.of(f"{work.kind}: {work.model}", *map(count, _counts(work)), number(work.paid, 2), *hours))
    sums = (count(sum(counts)) for counts in zip(*map(_counts, told.works), strict=True))
    paid = sum(work.paid for work in told.works if work.paid is not None)
    made.append(Row.of("all", *sums, number(paid or None, 2), *(_spent(told.gpus[gpu]) for gpu in gpus)))
    columns = ("work", "stages", "requests", "tokens read", "written", "trained on", "paid to servers")
    notes = ["Hours and money are of assumptions, which `--assume FILE` changes; nothing was loaded or asked."]
    if told.away:
        notes.append(f"not on this machine, so the whole study is reckoned: {', '.join(told.away)}")
    if told.unsized:
        notes.append(f"no hours, as their size is not known (`sizes` of the assumptions): {', '.join(told.unsized)}")
    heads = (*columns, *(f"{gpu}: hours, money" for gpu in gpus))
    return as_text(Table("What it takes", heads, tuple(made), notes=tuple(Cell(line, "quiet") for line in notes)))


def _counts(work: ModelWork) -> tuple[int, ...]:
    return work.stages, work.requests, work.read, work.written, work.taught


def _spent(on: GpuHours | None) -> str:
    return ", ".join("< 0.01" if 0 < one < 0.01 else number(one) for one in (on.hours, on.cost)) if on else DASH


def plan_json(steps: Sequence[Step] | None, told: Forecast) -> str:
    """Stages with their states, None where what they are is not on this machine; and what is left takes."""
    listed = None if steps is None else [step.model_dump(mode="json") for step in steps]
    whole = {"steps": listed, "forecast": told.model_dump(mode="json")}
    return orjson.dumps(whole, option=orjson.OPT_INDENT_2).decode() + "\n"


def _size(size: Mapping[str, float]) -> str:
    shown = {unit: number(value, 2) if unit == "cost" else count(int(value)) for unit, value in size.items()}
    return ", ".join(f"{value} {UNITS.get(unit, unit)}" for unit, value in shown.items())
