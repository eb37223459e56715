"""What is told of runs compared with another: what changed, how surely, and what could not be compared."""

from collections.abc import Mapping, Sequence, Set
from functools import partial

from profiler.records import Change, Comparison
from profiler.reporting import layout
from profiler.reporting.charts.changes import comparison_chart
from profiler.reporting.layout import Key
from profiler.reporting.numbers import DASH, count, counted, number, places
from profiler.reporting.report import Origin, Part, Report
from profiler.reporting.side_by_side import together
from profiler.reporting.table import Cell, FlatRow, Row, Table
from profiler.reporting.themes import Line, Point, comparison_cards
from profiler.runs import Run
from profiler.runs.options import Intervals

HOW_SURE: Mapping[Intervals, str] = {
    "simultaneous": (
        "95 % intervals hold together for all numbers over all items (groups: for all groups): a change is significant "
        "where its interval leaves out 0. Not significant does not mean equal."
    ),
    "single": (
        "95 % intervals of each number by itself: of twenty that did not change, one leaves out 0. Verdicts hold for "
        "all numbers together."
    ),
}
CAPTION = (
    "Bar: change in percent of the base. Line: its 95 % interval. Triangle up: better. Triangle down: worse. "
    "Diamond: higher or lower. Square: equivalent. Circle: not significant. "
    "Bars beyond 300 % are cut; their numbers stand beside them."
)
NAMED = 5
"""Changes that are named in a sentence; the others are counted."""
WORST_FIRST = ("worse", "better", "higher", "lower")


def comparison_report(
    comparisons: Sequence[Comparison],
    intervals: Intervals = "simultaneous",
    every: bool = False,
    runs: Sequence[Run] = (),
) -> Report:
    """One or several comparisons with the same base; in print EVERY number, or only what changed significantly.

    Where the RUNS are given, base and others, a page has answers side by side.
    """
    base, whole = comparisons[0], comparison_table(comparisons, intervals)
    ids = (base.base, *(comparison.other for comparison in comparisons))
    chart = partial(comparison_chart, [shown(one, intervals) for one in comparisons])
    glossary = layout.glossary(Key(c.probe, c.metric, None) for one in comparisons for c in one.changes)
    changed = Part(
        "What changed significantly",
        table=comparison_table(comparisons, intervals, only=significant(comparisons)),
        brief=not every,
    )
    return Report(
        kind="comparison",
        title=whole.title,
        lead=[sentence for one in comparisons for sentence in sentences(one)],
        parts=(
            Part.glance(chart, CAPTION, "At a glance"),
            changed,
            Part("All numbers", table=whole, glossary=glossary, id="numbers", brief=every),
        ),
        points=points(comparisons, intervals, bool(runs)),
        cards=comparison_cards(comparisons),
        record=comparisons,
        rows=lambda: [row for comparison in comparisons for row in flat(comparison, _sides(comparison))],
        chart=chart,
        mini=[probe for probe, suite in base.suites.items() if suite == "mini"],
        origin=Origin(
            command=["inherit", "compare", *([run.address for run in runs] or ids)],
            facts={
                "base": f"{layout.base_name(base)} ({base.base})",
                "compared with it": ", ".join(f"{layout.other_name(c)} ({c.other})" for c in comparisons),
                "resamples": f"{count(base.resamples)}, seed {base.seed}",
            },
            differs={layout.other_name(c): c.differs for c in comparisons},
            refused={layout.other_name(c): c.refused for c in comparisons if c.refused},
            samples=partial(together, runs[0], runs[1:], comparisons) if runs else tuple,
        ),
        indent=2,
        leads=True,
    )


def points(comparisons: Sequence[Comparison], intervals: Intervals, read: bool = False) -> list[Point]:
    """What stands out, how sure, and what to do next."""
    told = [sentences(one) for one in comparisons]
    changes = [change for one in comparisons for change in one.changes if change.group is None]
    unsure = [change for change in changes if change.verdict == "not significant"]
    texts = [c for c in changes if c.significant and c.base is not None and layout.metric(Key.of(c)).score]
    todo = []
    if read:
        todo.append(Line("Read what changed: the questions whose scores differ most stand at the end of this page."))
    if unsure:
        todo.append(Line("For narrower intervals profile both sides again with a larger --limit."))
    if any(one.refused for one in comparisons):
        todo.append(Line("Profile both sides with the same settings to compare what could not be compared."))
    if texts:
        first = min(texts, key=_worst_first)
        command = f"inherit select POOL --objective near:{first.metric}={first.base:.3g}"
        todo.append(Line("Choose a student's training answers by what should stay:", command))
    return [
        Point("What stands out", [Line(first) for first, *_ in told]),
        Point("How sure", [*(Line(rest) for _, *more in told for rest in more), Line(HOW_SURE[intervals])]),
        Point("What to do next", todo or [Line("Look at all numbers below; nothing calls for more.")]),
    ]


def shown(comparison: Comparison, intervals: Intervals) -> Comparison:
    """A comparison whose intervals are those that are drawn."""
    if intervals == "single":
        return comparison
    return comparison.model_copy(update={"changes": tuple(change.joint() for change in comparison.changes)})


def significant(comparisons: Sequence[Comparison]) -> set[Key]:
    """What changed significantly in any of them; above a group the number that it is a part of."""
    found = {Key.of(change) for one in comparisons for change in one.changes if change.significant}
    return found | {key._replace(group=None) for key in found}


def comparison_table(
    comparisons: Sequence[Comparison], intervals: Intervals = "simultaneous", only: Set[Key] | None = None
) -> Table:
    """All numbers of all comparisons; ONLY some of them where these are named."""
    base, names = comparisons[0], tuple(map(layout.other_name, comparisons))
    found = [{Key.of(change): change for change in shown(one, intervals).changes} for one in comparisons]
    every = list(dict.fromkeys(key for changes in found for key in changes))
    keys = [key for key in every if only is None or key in only]
    alone, whole = len(comparisons) == 1, only is None
    columns = (*names, "change", "95 % interval", "verdict", *(["detectable"] if whole else []), "n")
    head, notes = [], []
    for name, comparison in zip(names, comparisons, strict=True):
        whose, of = ("", "") if alone else (f"{name}: ", f" with {name}")
        head += [f"{whose}{text}" for text in comparison.differs or ("no setting differs",)]
        notes += [f"{probe} not compared{of}: {why}" for probe, why in comparison.refused.items()]
    left = len(every) - len(keys)
    inside = ", with those of groups," if any(key.group for key in every) else ""
    rest = [f"{_numbers(left, ' more')}{inside} did not change significantly (--all shows them)"] if left else []
    return Table(
        title=f"{layout.listed(names)} compared with {layout.base_name(base)}",
        columns=("metric", layout.base_name(base), *(columns if alone else names)),
        rows=layout.rows(keys, base.suites, lambda key: _changed(key, [changes.get(key) for changes in found], whole)),
        head=tuple(map(Cell, head)),
        notes=(
            *(Cell(note, "loud") for note in notes),
            *layout.mini_notes(base.suites),
            *(Cell(note, "quiet") for note in (*rest, HOW_SURE[intervals])),
        ),
    )


def flat(comparison: Comparison, head: FlatRow) -> list[FlatRow]:
    """A row for each change, after what all rows of the comparison begin with."""
    return [{**head, **change.model_dump(), "unit": layout.unit(change)} for change in comparison.changes]


def _sides(comparison: Comparison) -> FlatRow:
    names = {"base_name": comparison.base_name, "other_name": comparison.other_name}
    return {**names, "base_id": comparison.base, "other_id": comparison.other}


def sentences(comparison: Comparison) -> list[str]:
    """What matters of a comparison, in two sentences: what changed, and what that says of the rest."""
    name, base = layout.other_name(comparison), layout.base_name(comparison)
    every = [change for change in comparison.changes if change.group is None]
    named = [change for change in every if not change.exploratory]
    hit = sorted((change for change in named if change.significant), key=_worst_first)
    primary = " primary" if len(named) < len(every) else ""
    if hit:
        told = [f"{_called(change, every)} {layout.moved(change)} ({change.verdict})" for change in hit[:NAMED]]
        more = [f"{len(hit) - NAMED} more"] if len(hit) > NAMED else []
        numbers = f"{len(hit)} of {_numbers(len(named), primary)}"
        first = f"{name} differs significantly from {base} in {numbers}: {layout.listed([*told, *more])}."
    else:
        first = f"None of {_numbers(len(named), primary)} of {name} differs significantly from {base}'s."
    return [first, *_rest(comparison, named, [change for change in every if change.exploratory])]


def _worst_first(change: Change) -> tuple[int, float]:
    """What is worse, then what is better, then what only changed; in each the surest first."""
    return WORST_FIRST.index(str(change.verdict)), -abs(change.absolute or 0) / (change.detectable or 1)


def _rest(comparison: Comparison, named: Sequence[Change], exploratory: Sequence[Change]) -> list[str]:
    """What is to be said of numbers that did not change: how many are equivalent, how many tell nothing."""
    told = []
    if alike := [change for change in named if change.verdict == "equivalent"]:
        told.append(f"{len(alike)} {_are(alike)} equivalent within {_are(alike, 'its', 'their')} margin")
    if unsure := [change for change in named if change.verdict == "not significant"]:
        seen = sorted(size for change in unsure if (size := layout.detectable_percent(change)) is not None)
        whose = "in half of them " if len(seen) > 1 else ""
        most = f" ({whose}a change of {number(seen[len(seen) // 2], 1)} % could go undetected)" if seen else ""
        told.append(f"{len(unsure)} {_are(unsure)} not significant, which is not the same as equal{most}")
    if unknown := [change for change in named if change.verdict is None]:
        told.append(f"{len(unknown)} {_are(unknown, 'has', 'have')} no verdict")
    if comparison.refused:
        told.append(f"{layout.listed(comparison.refused)} could not be compared")
    if exploratory:
        hit = sum(change.significant for change in exploratory)
        told.append(f"of {_numbers(len(exploratory), ' exploratory')} {hit} changed significantly")
    return [f"Of the others: {'; '.join(told)}."] if told else []


def _are(some: Sequence[Change], one: str = "is", many: str = "are") -> str:
    return one if len(some) == 1 else many


def _numbers(many: int, kind: str = "") -> str:
    return counted(many, f"{kind} number".strip())


def _called(change: Change, among: Sequence[Change]) -> str:
    """A metric's name, with its probe's where several have one of that name or there are several probes."""
    return change.metric if len({other.probe for other in among}) == 1 else change.label


def _changed(key: Key, changes: Sequence[Change | None], whole: bool) -> Row:
    known = next(change for change in changes if change)
    decimals = places(known.base, *(change.other for change in changes if change))
    base = number(known.base, decimals)
    if len(changes) > 1:
        return layout.row(key, base, *map(_side_by_side, changes))
    verdict = Cell(layout.verdict(known), known.verdict or "quiet")
    other, within = number(known.other, decimals), Cell(layout.spread(known), "quiet")
    seen = [Cell(layout.detectable(known), "quiet")] if whole else []
    return layout.row(key, base, other, layout.moved(known), within, verdict, *seen, count(known.n))


def _side_by_side(change: Change | None) -> Cell:
    if change is None:
        return Cell(DASH, "quiet")
    if change.verdict is None:
        return Cell(layout.verdict(change), "quiet")
    return Cell(f"{layout.moved(change)} {layout.spread(change)} {layout.verdict(change)}", change.verdict)
