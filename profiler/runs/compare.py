"""One run compared with another: what changed, and how surely."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import NamedTuple

import numpy as np

from profiler import metrics, probes
from profiler.errors import NotComparable, WrongUse
from profiler.metrics import Metric
from profiler.records import Change, Comparison, Estimate, Profile
from profiler.runs import estimates
from profiler.runs.comparability import differences, refusals, sections
from profiler.runs.paired_change import ALPHA, Ends, Margin, PairedChange, Sureness, judged
from profiler.runs.sample_store import Run, SampleColumns
from profiler.stats import (
    RESAMPLES,
    Mean,
    change_of_shares,
    defined,
    draws,
    in_one_thread,
    observed,
    simultaneous,
)

OVERLAP = 0.5
"""Of the smaller side's items, the share that the other side must have answered as well."""

BOTH = "both sides' "
"""Before the name of a column that is cut to the items which have a value on both sides."""

Find = Callable[[str, str], Metric | None]


class PairedColumns(NamedTuple):
    """The same items on both sides, in the same order."""

    base: SampleColumns
    other: SampleColumns

    def of(self, group: str | None) -> PairedColumns:
        """The items of a group, as the base has it; all of them for None."""
        if group is None:
            return self
        rows = [row for row, name in enumerate(self.base.groups) if name == group]
        return PairedColumns(self.base.take(rows), self.other.take(rows))


@in_one_thread
def compare(
    base: Run,
    other: Run,
    resamples: int = RESAMPLES,
    seed: int = 0,
    find: Find | None = None,
    primary: Sequence[str] = (),
    margins: Mapping[str, str] | None = None,
) -> Comparison:
    """What changed from BASE to OTHER, item by item.

    Verdicts hold for all numbers over all items together: the chance that any of them is called changed when nothing
    has is 5 %. The numbers of groups are a second family, so that looking into groups makes nothing less sure; where
    PRIMARY numbers are named, the others are one, too. MARGINS: within which changes are called equivalent; where two
    name a number, the last counts.
    """
    refused = refusals(base.profile, other.profile)
    asked, theirs = sections(base.profile), sections(other.profile)
    shifts: list[PairedChange] = []
    notes: list[str] = []
    for probe in asked:
        if probe in refused:
            continue
        left, right = asked[probe], theirs[probe]
        pair = paired(base.columns(probe), other.columns(probe))
        both = len(pair.base.items)
        answered = f"answered on both sides (of {left.items} and {right.items})"
        if both == 0 or both < OVERLAP * min(left.items - left.errors, right.items - right.errors):
            refused[probe] = f"only {both} items were {answered}"
            continue
        if not both == left.items == right.items:
            notes.append(f"{probe}: compared on the {both} items {answered}")
        shifts += _shifts(base.profile, other.profile, pair, probe, find or registered, resamples, seed)
    if not shifts:
        why = "\n".join(f"  {probe}: {reason}" for probe, reason in refused.items()) or "  no probe was asked"
        names = f"{base.profile.name!r} and {other.profile.name!r}"
        raise NotComparable(f"{names} have nothing that can be compared:\n{why}")
    chosen, told = _named(primary, shifts, "--primary"), (margins or {}).items()
    allowed = {label: Margin.of(text) for name, text in told for label in _named([name], shifts, "--margin")}
    return Comparison(
        base=base.profile.id,
        other=other.profile.id,
        base_name=base.profile.name,
        other_name=other.profile.name,
        changes=tuple(_judged(shifts, chosen, allowed)),
        suites={probe: part.suite for probe, part in asked.items() if probe not in refused},
        differs=(*differences(base.profile, other.profile), *notes),
        refused=refused,
        resamples=resamples,
        seed=seed,
    )


def registered(probe: str, metric: str) -> Metric | None:
    """The metric that goes by this name; None where a stored profile's metric no longer exists."""
    if probe == estimates.TEXTS:
        known = [*probes.OF_TEXTS, *metrics.every()]
        return next((each for each in known if each.name == metric.partition(":")[0]), None)
    kind = probes.every().get(probe)
    return kind.metric(metric) if kind else None


def matching(pattern: str, labels: Iterable[str], option: str) -> list[str]:
    """Which of LABELS, PROBE.METRIC each, a PATTERN names; a metric's name will do where one probe has it."""
    known = list(dict.fromkeys(labels))
    literal = pattern.replace("[", "[[]")
    found = [label for label in known if fnmatchcase(label, literal)]
    if not found and not (found := [label for label in known if label.partition(".")[2] == pattern]):
        metrics = {label.partition(".")[2]: label for label in known}
        near = get_close_matches(pattern, known) or [metrics[name] for name in get_close_matches(pattern, metrics)]
        hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join([*known[:3], '…'])}"
        raise WrongUse(f"{option} names {pattern!r}, which was not compared; {hint}")
    if len(found) > 1 and not any(sign in pattern for sign in "*?"):
        raise WrongUse(f"{option} {pattern!r} may be {' or '.join(found)}: write the one that is meant")
    return found


def nearer(base: Run, other: Run, probe: str, name: str, value: float) -> Ends | None:
    """The 95 % interval of how much nearer to VALUE a number is in OTHER than in BASE; None where it can't be told."""
    metric, wanted = registered(probe, name), (probe, name, None)
    known = [(e, metric) for e in base.profile.estimates if metric and (e.probe, e.metric, e.group) == wanted]
    pair = paired(base.columns(probe), other.columns(probe))
    found = _measured(known, pair, RESAMPLES, estimates.seed(probe))
    return next((shift.nearer(value) for shift in found), None)


def paired(base: SampleColumns, other: SampleColumns) -> PairedColumns:
    """The items that both sides answered, matched by key."""
    if base.items == other.items:
        return PairedColumns(base, other)
    where = {item: row for row, item in enumerate(other.items)}
    kept = [row for row, item in enumerate(base.items) if item in where]
    return PairedColumns(base.take(kept), other.take([where[base.items[row]] for row in kept]))


def _shifts(
    base: Profile, other: Profile, pair: PairedColumns, probe: str, find: Find, resamples: int, seed: int
) -> Iterator[PairedChange]:
    """Each number of a probe that the base has: over all items, then in each group."""
    numbers = [estimate for estimate in base.estimates if estimate.probe == probe]
    missing = _missing(base, other, pair, probe, find)
    nothing = np.full(resamples, np.nan)
    for group in dict.fromkeys(estimate.group for estimate in numbers):
        wanted = [estimate for estimate in numbers if estimate.group == group]
        known = [(e, metric) for e in wanted if e.metric not in missing and (metric := find(probe, e.metric))]
        # Groups drawn alike would seem to vary together, and all of them to be less than so many numbers.
        yield from _measured(known, pair.of(group), resamples, estimates.seed(probe, group) + seed)
        for estimate in wanted:
            if why := missing.get(estimate.metric):
                yield PairedChange(estimate, None, np.nan, np.nan, (nothing, nothing), 0, 0, why)


def _measured(
    known: Sequence[tuple[Estimate, Metric]], pair: PairedColumns, resamples: int, seed: int
) -> Iterator[PairedChange]:
    """Both sides of some numbers of the same items, resampled alike."""
    which = estimates.clusters(pair.base)
    plain = [metric.reduction() for _, metric in known]
    # A mean would seem to change because other items have a value: SMOG, say, when answers get longer.
    means = {statistic.column for statistic in plain if isinstance(statistic, Mean)}
    gone = {name: np.isnan(pair.base.columns[name]) | np.isnan(pair.other.columns[name]) for name in means}
    one, two = (
        side.columns | {BOTH + name: np.where(gone[name], np.nan, side.columns[name]) for name in means}
        for side in pair
    )
    sides = one, two
    statistics = [replace(each, column=BOTH + each.column) if isinstance(each, Mean) else each for each in plain]
    base, other = (draws(statistics, side, which, resamples, seed) for side in sides)
    for i, (estimate, metric) in enumerate(known):
        used = defined(statistics[i], sides[0]) & defined(statistics[i], sides[1])
        n = int(used.sum())
        yield PairedChange(
            estimate=estimate,
            ideal=metric.ideal,
            base=observed(statistics[i], sides[0]),
            other=observed(statistics[i], sides[1]),
            drawn=(base[:, i], other[:, i]),
            n=n,
            units=n if which is None else len(np.unique(which[used])),
            ends=change_of_shares(statistics[i], sides, (base[:, i], other[:, i]), which),
            counted=plain[i].least == 0,
            margin=metric.margin,
        )


def _missing(base: Profile, other: Profile, pair: PairedColumns, probe: str, find: Find) -> dict[str, str]:
    """Metric → why it can't be compared although its probe can."""
    left, right = sections(base)[probe], sections(other)[probe]
    theirs = {estimate.metric for estimate in other.estimates if estimate.probe == probe}
    found = {}
    for name in {estimate.metric: None for estimate in base.estimates if estimate.probe == probe}:
        made = [side.scorers.get(name, "") for side in (left, right)]
        metric = find(probe, name)
        if name not in theirs:
            found[name] = "only the base has it"
        elif made[0] != made[1]:
            found[name] = f"made by {made[0] or 'unknown'} and by {made[1] or 'unknown'}: two different metrics"
        elif metric is None:
            found[name] = "this version of inherit no longer knows it"
        elif not all(column in side.columns for side in pair for column in metric.reduction().uses):
            found[name] = "its scores were not stored"
    return found


def _named(patterns: Sequence[str], shifts: Sequence[PairedChange], option: str) -> set[str]:
    """The numbers over all items that are meant."""
    labels = [shift.label for shift in shifts if shift.estimate.group is None]
    return {label for pattern in patterns for label in matching(pattern, labels, option)}


def _judged(shifts: Sequence[PairedChange], primary: set[str], margins: Mapping[str, Margin]) -> Iterator[Change]:
    families: dict[tuple[bool, bool], list[PairedChange]] = {}
    for shift in shifts:
        grouped = shift.estimate.group is not None
        families.setdefault((grouped, bool(primary) and not grouped and shift.label not in primary), []).append(shift)
    for (_, exploratory), family in sorted(families.items()):
        units = np.array([float(shift.units) for shift in family])
        # A number without an interval is no part of the family: how far it may be by chance is not known.
        changes = np.array([np.nan if shift.interval is None else shift.change for shift in family])
        deltas = np.column_stack([shift.deltas for shift in family])
        for shift, *sure in zip(family, *simultaneous(deltas, changes, units, ALPHA), strict=True):
            margin = margins.get(shift.label) or (Margin.of(shift.margin) if shift.margin else None)
            yield judged(shift, Sureness(*map(float, sure)), margin, exploratory)
