"""The data card: what was chosen, side effects, and what was left out; before anything is trained."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from profiler import metrics
from profiler.reporting import report
from profiler.reporting.charts.distribution import distribution_chart
from profiler.reporting.numbers import DASH, count, interval, number, places
from profiler.reporting.report import Figure, Part, Quote, Report
from profiler.reporting.table import Row, Table
from selection.effects import CHOSEN, POOL, RANDOM
from selection.filters import FILTERS
from selection.objective import objective_words
from selection.records import Goal, MetricShift, Selection
from selection.select import ARMS

STEPS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 24, 32, 48, 64, 100, 128, 256)
"""Numbers of candidates that the curve is shown at."""
CARRIED = 0.2
"""A shift of a metric nobody asked for, as a proportion of the random arm's, that is worth a word."""

GAINS = (
    "Mean over prompts. The gain is chosen minus random, prompt by prompt, with its 95 % bootstrap interval: what a "
    "student is shown more of, or less. Metrics that the objective names come first."
)
CURVE = (
    "Expected mean when the best of so many candidates is kept, over all ways to draw them from a prompt's own; where "
    "a prompt has fewer, its best."
)
SETS = {POOL: "all candidates", CHOSEN: "chosen", RANDOM: "random"}
BINS = (
    "Proportion of all candidates, of the chosen and of the random ones in each bin; the first and the last bin hold "
    "what lies beyond, too."
)


def save(found: Selection, out: Path) -> None:
    """Leave the card beside the data, for people (card.html) and for the hub (README.md with its figures)."""
    made = card(found)
    report.save(made, out / "README.md")
    report.save(made, out / "card.html")
    for part in made.parts:
        if part.figure:
            report.draw(part.figure.draw, out / "figures" / f"{part.figure.name}.svg")


def card(found: Selection) -> Report:
    files = "".join(f"- config_name: {arm}\n  data_files: {file}\n" for arm, file in found.files.items())
    return Report(
        kind="data card",
        title="Chosen answers",
        lead=lead(found),
        parts=parts(found),
        record=found,
        front=f"---\nconfigs:\n{files}---\n\n",
    )


def lead(found: Selection) -> list[str]:
    """What it is, in a few sentences."""
    times = "one answer" if found.top == 1 else f"up to {found.top} answers"
    writers = found.sources[0] if len(found.sources) == 1 else f"{len(found.sources)} sources"
    sentences = [
        f"{count(found.kept)} of {count(found.prompts)} prompts, {times} each, chosen from {count(found.candidates)} "
        f"candidates of {writers} by {objective_words(found.objective)}; seed {found.seed}.",
    ]
    if found.k:
        sentences.append(f"Only the first {found.k} candidates of each prompt were looked at.")
    sentences += [f"{count(many)} prompts are in no arm: {why}." for why, many in found.left_out.items()]
    gains = {shift.metric: shift.gain for shift in found.shifts}
    sentences += [_headroom(goal, found.headroom[goal.metric], gains[goal.metric]) for goal in found.objective.goals]
    if carried := [f"{shift.metric} {_percent(shift)}" for shift in found.shifts if _carried(shift)]:
        named = ", ".join(carried)
        sentences.append(
            f"Side effects, changes of more than {100 * CARRIED:.0f} % in what was not asked for: {named}."
        )
    return sentences


def _headroom(goal: Goal, room: float | None, gain: float | None) -> str:
    """How much there was to gain, and how much was."""
    what, known = goal.metric, metrics.default()
    unit = known[what].unit if what in known else ""
    named = f"{what} ({unit})" if unit not in ("", what) else what
    beyond = {
        "max": "above",
        "min": "below",
        "near": f"nearer to {goal.value:g} than" if goal.value is not None else "",
    }
    side = "below" if gain is not None and gain < 0 else "above"
    return (
        f"Headroom of {named}: a prompt's best candidate is {number(room)} {beyond[goal.want]} the mean of its "
        f"candidates; the chosen answers are {number(gain and abs(gain))} {side} the random ones."
    )


def _carried(shift: MetricShift) -> bool:
    """Whether a metric that nobody asked for moved by more than a little, and surely."""
    sure = shift.low is not None and shift.high is not None and shift.low * shift.high > 0
    return not shift.aim and shift.percent is not None and abs(shift.percent) > 100 * CARRIED and sure


def parts(found: Selection) -> list[Part]:
    """The card's sections, one after the other."""
    drawn = f" From {count(found.sampled)} prompts drawn by seed." if found.sampled < found.kept else ""
    files = [Row.of(file, ARMS[arm]) for arm, file in found.files.items()]
    made = [
        *_distributions(found),
        Part.around(shifts(found), GAINS + drawn, brief=True),
        Part.around(curve(found), CURVE),
        Part.around(Table("Data files", ("file", "what it is"), tuple(files)), _files_words(found)),
    ]
    if len(found.sources) > 1:
        each = [
            Row.of(source, *(f"{100 * share.get(source, 0.0):.1f} %" for share in found.shares.values()))
            for source in found.sources
        ]
        shares = Table("Whose answers", ("source", *found.shares), tuple(each))
        made.append(Part.around(shares, "Proportion of each source among the rows."))
    stopped = [Row.of(name, count(many), FILTERS[name]) for name, many in found.filters.items()]
    filters = Table("Filters", ("filter", "stopped", "why"), tuple(stopped))
    made.append(Part.around(filters, "Candidates that no arm may take. One may be stopped by several filters."))
    if found.undefined:
        named = ", ".join(f"{name} ({count(many)})" for name, many in found.undefined.items())
        made.append(Part("Undefined scores", f"Candidates without a score can't be chosen by it: {named}."))
    none = "" if found.examples else "No prompt has two candidates to tell apart."
    return [*made, Part("Examples", none, quotes=tuple(_quotes(found)), id="examples")]


def _distributions(found: Selection) -> Iterator[Part]:
    """A picture of each metric that the objective names."""
    known = metrics.default()
    for place, (name, held) in enumerate(found.distributions.items(), 1):
        unit = known[name].unit if name in known else ""
        sets = {SETS[arm]: counts for arm, counts in held.arms.items()}
        figure = Figure(
            f"distribution-{place}", partial(distribution_chart, name, unit, held.edges, sets), caption=BINS
        )
        yield Part(f"How {name} is distributed", figure=figure, id=f"distribution-{place}")


def shifts(found: Selection) -> Table:
    """Every metric in the pool and in each arm, and what choosing gains."""
    shown, known = [POOL, *found.files], metrics.default()
    rows = []
    for shift in sorted(found.shifts, key=lambda shift: not shift.aim):
        same = places(*(shift.arms[arm].mean for arm in shown))
        means = [number(shift.arms[arm].mean, same) for arm in shown]
        gain = f"{number(shift.gain, same, sign=True)} {interval(shift.low, shift.high, same, sign=True)}"
        unit = known[shift.metric].unit if shift.metric in known else ""
        rows.append(Row.of(shift.metric, *means, gain, _percent(shift), unit))
        if shift.aim:
            medians = [number(shift.arms[arm].median, same) for arm in shown]
            rows.append(Row.of("median", *medians, "", "", "", depth=1))
    return Table("What choosing does", ("metric", *shown, "gain over random", "%", "unit"), tuple(rows))


def curve(found: Selection) -> Table:
    """The objective's metrics when the best of 1, 2, … candidates is kept."""
    longest = max((len(values) for values in found.curve.values()), default=0)
    steps = [step for step in STEPS if step < longest] + ([longest] if longest else [])
    rows = [
        Row.of(name, *(number(values[step - 1] if step <= len(values) else None) for step in steps))
        for name, values in found.curve.items()
    ]
    return Table("More candidates", ("best of", *map(str, steps)), tuple(rows))


def _quotes(found: Selection) -> Iterator[Quote]:
    """Each example: the prompt, what was chosen and what was not, with who wrote it and what it scores."""
    aims = [shift.metric for shift in found.shifts if shift.aim]
    for example in found.examples:
        yield Quote("Prompt", "", example.prompt)
        for label, candidate in (("Chosen", example.chosen), ("Rejected", example.rejected)):
            scores = ", ".join(f"{name} {number(candidate.scores.get(name))}" for name in aims)
            yield Quote(label, f"{candidate.source}: {scores}", candidate.text)


def _files_words(found: Selection) -> str:
    read = (
        "TRL and axolotl (`type: chat_template`) read them as they are, LLaMA-Factory by `dataset_info.json`."
        if found.form == "chat"
        else "TRL reads them as they are, LLaMA-Factory by `dataset_info.json`, axolotl with "
        "`field_instruction: prompt` and `field_output: completion`."
    )
    rows = "`prompt_id`, `source`, `index`, `seed`, `sampling`, `fingerprint`, `finish`, `rank` and `scores`"
    return f"Every arm has the same prompts. {read} Each row says where it comes from: {rows}."


def _percent(shift: MetricShift) -> str:
    return DASH if shift.percent is None else f"{number(shift.percent, 1, sign=True)} %"
