"""What is told of runs held against another: what moved, how surely, and what could not be compared."""

from collections.abc import Sequence
from functools import partial

from profiler.records import Change, Comparison
from profiler.reporting import layout
from profiler.reporting.charts.changes import comparison_chart
from profiler.reporting.layout import Key
from profiler.reporting.numbers import DASH, count, number, places
from profiler.reporting.report import Origin, Part, Report
from profiler.reporting.table import Cell, FlatRow, Row, Table

HOW_SURE = (
    "Intervals: 95 %, paired bootstrap. Verdicts: p < 0.05 after step-down max-T correction over all metrics; "
    "a group's over all groups."
)
CAPTION = (
    "Bar: change in percent of the base. Line: its paired 95 % interval. Grey circle: the same. "
    "Diamond: moved. Triangle up: better. Triangle down: worse. "
    "Bars beyond 300 % are cut; their numbers stand beside them."
)


def comparison_report(comparisons: Sequence[Comparison]) -> Report:
    """One or several comparisons with the same base."""
    base, table = comparisons[0], comparison_table(comparisons)
    chart = partial(comparison_chart, comparisons)
    glossary = layout.glossary(Key(c.probe, c.metric, None) for one in comparisons for c in one.changes)
    return Report(
        kind="comparison",
        title=table.title,
        lead=list(map(_summary, comparisons)),
        parts=(
            Part.glance(chart, CAPTION, "What moved"),
            Part("The numbers", table=table, glossary=glossary, id="numbers"),
        ),
        record=comparisons,
        rows=lambda: [row for comparison in comparisons for row in flat(comparison, _sides(comparison))],
        chart=chart,
        mini=[probe for probe, suite in base.suites.items() if suite == "mini"],
        origin=Origin(
            command=["inherit", "compare", base.base, *(comparison.other for comparison in comparisons)],
            facts={
                "base": f"{layout.base_name(base)} ({base.base})",
                "compared with it": ", ".join(f"{layout.other_name(c)} ({c.other})" for c in comparisons),
                "resamples": f"{count(base.resamples)}, seed {base.seed}",
            },
            differs={layout.other_name(c): c.differs for c in comparisons},
            refused={layout.other_name(c): c.refused for c in comparisons if c.refused},
        ),
        indent=2,
    )


def comparison_table(comparisons: Sequence[Comparison]) -> Table:
    base, names = comparisons[0], tuple(map(layout.other_name, comparisons))
    found = [{Key.of(change): change for change in comparison.changes} for comparison in comparisons]
    keys = [key for changes in found for key in changes]
    alone = len(comparisons) == 1
    columns = (*names, "change", "95 % interval", "verdict", "n") if alone else names
    head, notes = [], []
    for name, comparison in zip(names, comparisons, strict=True):
        whose, of = ("", "") if alone else (f"{name}: ", f" with {name}")
        head += [f"{whose}{text}" for text in comparison.differs or ("no setting differs",)]
        notes += [f"{probe} not compared{of}: {why}" for probe, why in comparison.refused.items()]
    return Table(
        title=f"{layout.listed(names)} against {layout.base_name(base)}",
        columns=("metric", layout.base_name(base), *columns),
        rows=layout.rows(keys, base.suites, lambda key: _changed(key, [changes.get(key) for changes in found])),
        head=tuple(map(Cell, head)),
        notes=(*(Cell(note, "loud") for note in notes), *layout.mini_notes(base.suites), Cell(HOW_SURE, "quiet")),
    )


def flat(comparison: Comparison, head: FlatRow) -> list[FlatRow]:
    """A row for each change, after what all rows of the comparison begin with."""
    return [{**head, **change.model_dump(), "unit": layout.unit(change)} for change in comparison.changes]


def _sides(comparison: Comparison) -> FlatRow:
    names = {"base_name": comparison.base_name, "other_name": comparison.other_name}
    return {**names, "base_id": comparison.base, "other_id": comparison.other}


def _summary(comparison: Comparison) -> str:
    """How many metrics got better, worse, moved, stayed: in a sentence."""
    verdicts = [change.verdict for change in comparison.changes if change.group is None]
    words = {"better": "better", "worse": "worse", "moved": "moved", "same": "the same", None: "without a verdict"}
    told = [f"{verdicts.count(verdict)} {word}" for verdict, word in words.items() if verdict in verdicts]
    return f"{layout.other_name(comparison)} against {layout.base_name(comparison)}: {', '.join(told)}."


def _changed(key: Key, changes: Sequence[Change | None]) -> Row:
    known = next(change for change in changes if change)
    decimals = places(known.base, *(change.other for change in changes if change))
    base = number(known.base, decimals)
    if len(changes) > 1:
        return layout.row(key, base, *map(_side_by_side, changes))
    verdict = Cell(known.verdict or f"{DASH} {known.reason}", known.verdict or "quiet")
    other, within = number(known.other, decimals), Cell(layout.spread(known), "quiet")
    return layout.row(key, base, other, layout.moved(known), within, verdict, count(known.n))


def _side_by_side(change: Change | None) -> Cell:
    if change is None:
        return Cell(DASH, "quiet")
    if change.verdict is None:
        return Cell(f"{DASH} {change.reason}", "quiet")
    return Cell(f"{layout.moved(change)} {layout.spread(change)} {change.verdict}", change.verdict)
