"""How numbers are laid out for a reader: in which order, under which names, in which unit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import groupby
from typing import NamedTuple, TypeVar

from profiler.metrics import Metric
from profiler.records import Change, Comparison, Estimate
from profiler.reporting.numbers import DASH, interval, number, places
from profiler.reporting.table import Cell, Row
from profiler.runs import registered

FAMILIES = ("length", "readability", "diversity", "quality")
"""Those that are shown first, in this order."""
OTHER = "other"
MINI = "[mini]"
MINI_NOTE = "[mini] sets are for trying things out: do not publish these numbers."

N = TypeVar("N", Estimate, Change)


class Key(NamedTuple):
    """What names a number."""

    probe: str
    metric: str
    group: str | None

    @classmethod
    def of(cls, number: Estimate | Change) -> Key:
        return cls(number.probe, number.metric, number.group)


class Block(NamedTuple):
    """Metrics of one family of one probe, each followed by its groups."""

    probe: str
    family: str
    """Empty where the probe's metrics are of no family."""
    keys: list[Key]

    @property
    def metrics(self) -> Iterator[tuple[Key, list[Key]]]:
        """Each number over all items, and those of its groups."""
        for _, keys in groupby(self.keys, key=lambda key: key.metric):
            own, *inside = keys
            if own.group is None:
                yield own, inside

    def title(self, alone: bool) -> str:
        """What to call it, beside other probes' blocks or among its own probe's."""
        return self.family if alone and self.family else " · ".join(filter(None, (self.probe, self.family)))


def overall(numbers: Iterable[N]) -> dict[Key, N]:
    """Each number of all items, without those of groups."""
    return {Key.of(number): number for number in numbers if number.group is None}


def metric(key: Key) -> Metric:
    """What is known of a number's metric; nothing where a stored record's no longer exists."""
    return registered(key.probe, key.metric) or Metric(key.metric, about="")


def unit(number: Estimate | Change) -> str:
    return metric(Key.of(number)).unit


def best(of: Metric) -> str:
    """Where a number would like to be, in words."""
    match of.ideal:
        case "high":
            return "higher is better"
        case "low":
            return "lower is better"
        case None:
            return "no direction is better"
        case ideal:
            return f"best is {ideal:g}"


def glossary(keys: Iterable[Key], made: Mapping[str, str] | None = None) -> list[tuple[str, str, str]]:
    """Each metric, what it is about, and which implementation MADE it."""
    return [(key.metric, metric(key).about, (made or {}).get(key.metric, "")) for key in dict.fromkeys(keys)]


def blocks(keys: Iterable[Key]) -> Iterator[Block]:
    """Keys as they are shown; known families first, in a fixed order, metrics in the order they came."""
    seen = list(dict.fromkeys(keys))
    for probe in dict.fromkeys(key.probe for key in seen):
        metrics = dict.fromkeys(key.metric for key in seen if key.probe == probe)
        placed = {name: metric(Key(probe, name, None)).family or OTHER for name in metrics}
        for which in (*FAMILIES, *sorted(set(placed.values()) - {*FAMILIES, OTHER}), OTHER):
            mine = [[key for key in seen if key[:2] == (probe, name)] for name in metrics if placed[name] == which]
            # A metric's own number, then its groups'.
            inside = [key for keys in mine for key in sorted(keys, key=lambda key: key.group is not None)]
            if inside:
                yield Block(probe, "" if set(placed.values()) == {OTHER} else which, inside)


def rows(keys: Iterable[Key], suites: Mapping[str, str], row: Callable[[Key], Row]) -> tuple[Row, ...]:
    """A ROW for each key, under the names of its probe and its family."""
    made: list[Row] = []
    last = None
    for block in blocks(keys):
        if block.probe != last:
            made.append(Row(f"{block.probe} {MINI}" if suites.get(block.probe) == "mini" else block.probe))
        last = block.probe
        made += [Row(block.family, depth=1)] if block.family else []
        made += map(row, block.keys)
    return tuple(made)


def row(key: Key, *cells: Cell | str) -> Row:
    """A metric's, or one of its groups'."""
    return Row.of(key.group or key.metric, *cells, depth=2 if key.group is None else 3)


def mini_notes(suites: Mapping[str, str]) -> tuple[Cell, ...]:
    """What must be said below numbers of sets of our own."""
    return (Cell(MINI_NOTE, "loud"),) if "mini" in suites.values() else ()


def base_name(comparison: Comparison) -> str:
    """What the base is called; its id too where both sides are called the same."""
    return _named(comparison.base_name, comparison.other_name, comparison.base)


def other_name(comparison: Comparison) -> str:
    return _named(comparison.other_name, comparison.base_name, comparison.other)


def _named(name: str, against: str, id: str) -> str:
    return name if name and name != against else id


def listed(names: Iterable[str]) -> str:
    """A, B and C."""
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def ends(change: Change) -> tuple[float | None, float | None, float | None]:
    """The change with its interval: in percent, or as it is where a percentage means nothing."""
    if change.percent is None:
        return change.absolute, change.low, change.high
    return change.percent, change.percent_low, change.percent_high


def moved(change: Change) -> str:
    """The change, in words."""
    shown = number(ends(change)[0], _decimals(change), sign=True)
    return shown if change.percent is None else f"{shown} %"


def spread(change: Change) -> str:
    """The interval of what `moved` shows."""
    _, low, high = ends(change)
    return interval(low, high, _decimals(change), sign=True)


def verdict(change: Change) -> str:
    """The verdict in words, or why there is none."""
    if change.verdict is None:
        return f"{DASH} {change.reason}"
    within = f" within {change.margin}" if change.verdict == "equivalent" else ""
    return f"{change.verdict}{within}{', exploratory' if change.exploratory else ''}"


def detectable(change: Change) -> str:
    """How large a change would have had to be to be seen."""
    if (percent := detectable_percent(change)) is None:
        return number(change.detectable)
    return f"{number(percent, _decimals(change))} %"


def detectable_percent(change: Change) -> float | None:
    """The same in percent of the base; None where a percentage means nothing."""
    if change.percent is None or change.detectable is None or not change.base:
        return None
    return 100 * change.detectable / abs(change.base)


def _decimals(change: Change) -> int:
    """Percentages have one decimal, so that they stand in line, until it no longer matters."""
    if change.percent is not None:
        return 1 if abs(change.percent) < 1000 else 0
    return places(change.absolute, change.low, change.high)
