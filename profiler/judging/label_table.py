"""Every rater's labels as arrays, pair by pair, in each way that verdicts in two orders can be read."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from profiler import stats
from profiler.errors import WrongUse
from profiler.judging.records import Agreement
from profiler.judging.verdict_files import PairLabels, RaterLabels, Vote
from profiler.stats import raters

Reading = Literal["first", "swapped", "both", "averaged"]
Families = Mapping[str, frozenset[str]]
"""Judge → the writers that it comes from, or that come from it."""

GAP = 30
"""Characters by which answers must differ in length before one is called the longer (AlpacaEval's)."""
GAPS = (GAP, 100, 300)
GOLD = "gold"
"""The human label that stands for all others."""
GROUPS = 24
"""More groups than these are not told apart."""
EACH = 8
"""Up to so many humans are compared with judges one by one."""


class RaterCount(NamedTuple):
    """Something counted, and whom it is about."""

    rater: str
    counted: stats.Count
    against: str | None = None
    reading: str | None = None
    group: str | None = None

    def number(self, metric: str, found: stats.Interval) -> Agreement:
        """One of its numbers, as it is stored."""
        about = {name: value for name, value in self._asdict().items() if name != "counted"}
        return Agreement(metric=metric, **about, **stored(found))


def stored(found: stats.Interval) -> dict[str, Any]:
    """A number's fields in a record; a pair that a rater has no label of is not counted as undefined."""
    return {name: value for name, value in found._asdict().items() if name != "undefined"}


@dataclass(frozen=True)
class LabelTable:
    """Labels of all raters: of every pair, or of one pair of each kind."""

    readings: Mapping[str, Mapping[Reading, raters.Labels]]
    """Judge → its verdicts, by reading."""
    chosen: Mapping[str, Reading]
    """Judge → the reading that is compared with other judges'."""
    reference: str | None
    gold: raters.Labels
    """What verdicts are compared with."""
    votes: stats.FloatArray
    """How many humans say what: (pairs, 3)."""
    humans: Mapping[str, raters.Labels]
    """The labels of each human; empty where there are too many to tell apart."""
    own: Mapping[str, raters.Labels]
    """Judge → the answer that it wrote, or one of its family did; ABSENT where neither or both."""
    groups: NDArray[np.str_]
    longer: raters.Labels
    """The longer answer; ABSENT where they are about as long, or not known."""
    gap: stats.IntArray
    """Which of GAPS the difference in length falls in; -1 where no texts are known."""

    def by_kind(self) -> tuple[stats.IntArray, LabelTable]:
        """The kind of each pair, and the table of one pair of each kind."""
        readings = (labels for found in self.readings.values() for labels in found.values())
        labels = [*readings, *self.humans.values(), self.gold, *self.own.values(), self.longer]
        groups = np.unique(self.groups, return_inverse=True)[1]
        columns = [column.astype(np.int64) for column in (*labels, *self.votes.T, groups, self.gap)]
        kinds, one = stats.kinds_of(columns)
        return kinds, replace(
            self,
            readings={n: {r: labels[one] for r, labels in found.items()} for n, found in self.readings.items()},
            gold=self.gold[one],
            votes=self.votes[one],
            humans={name: labels[one] for name, labels in self.humans.items()},
            own={name: labels[one] for name, labels in self.own.items()},
            groups=self.groups[one],
            longer=self.longer[one],
            gap=self.gap[one],
        )


def groups_of(table: LabelTable) -> list[tuple[str, NDArray[np.bool_]]]:
    """The named groups, where they are few, and which rows are in each."""
    names = [group for group in np.unique(table.groups).tolist() if group]
    return [(name, table.groups == name) for name in names] if len(names) <= GROUPS else []


def label_table(labels: PairLabels, families: Families, reading: Reading | None) -> LabelTable:
    """All LABELS in one table; READING, where given, is how every judge's verdicts are read."""
    pairs = list(labels.pairs.values())
    humans = {name: labels_of(rater, labels.pairs) for name, rater in labels.raters.items() if rater.human}
    judges = {name: rater for name, rater in labels.raters.items() if not rater.human}
    readings = {name: readings_of(rater, labels.pairs) for name, rater in judges.items()}
    votes = np.zeros((len(pairs), raters.CLASSES))
    for name, said in humans.items():
        if name != GOLD or len(humans) == 1:
            votes += said[:, np.newaxis] == np.arange(raters.CLASSES)
    own = {}
    for name in judges:
        mine = families.get(name, frozenset()) | {name}
        own[name] = side_of([pair.writer_a in mine for pair in pairs], [pair.writer_b in mine for pair in pairs])
    gap = np.array([len(pair.a) - len(pair.b) for pair in pairs], np.int64)
    known = any(pair.a or pair.b for pair in pairs)
    return LabelTable(
        readings=readings,
        chosen={name: _chosen(name, found, reading) for name, found in readings.items()},
        reference=GOLD if GOLD in humans else next(iter(humans), None) if len(humans) < 2 else "majority",
        gold=humans[GOLD] if GOLD in humans else raters.majority(votes),
        votes=votes,
        humans=humans if len(humans) <= EACH else {},
        own=own,
        groups=np.array([pair.group or "" for pair in pairs], np.str_),
        longer=side_of(gap > GAP, gap < -GAP),
        gap=np.digitize(np.abs(gap), GAPS, right=True) if known else np.full(len(pairs), -1),
    )


def labels_of(rater: RaterLabels, pairs: Collection[str], swapped: bool = False) -> raters.Labels:
    votes = rater.votes[swapped]
    return np.array([votes[pair].code if pair in votes else raters.ABSENT for pair in pairs], np.int8)


def readings_of(rater: RaterLabels, pairs: Collection[str]) -> dict[Reading, raters.Labels]:
    """A judge's verdicts as they can be read: by order, and both orders put together."""
    first, swapped = labels_of(rater, pairs), labels_of(rater, pairs, swapped=True)
    if (swapped == raters.ABSENT).all():
        return {"first": first}
    found: dict[Reading, raters.Labels] = {"first": first, "swapped": swapped, "both": both(first, swapped)}
    shares = _shares(rater, pairs)
    if not np.isnan(shares).all():
        found["averaged"] = averaged(shares)
    return found


def both(first: raters.Labels, swapped: raters.Labels) -> raters.Labels:
    """Zheng et al. 2023: an answer wins where both orders say so; verdicts that differ are a tie."""
    lacking = np.minimum(first, swapped)  # UNPARSEABLE where one is, ABSENT before that
    return np.where(lacking < 0, lacking, np.where(first == swapped, first, raters.TIE)).astype(np.int8)


def averaged(shares: stats.FloatArray) -> raters.Labels:
    """The likeliest label by SHARES (pairs, 3); a tie where two are as likely, ABSENT where none are known."""
    known = ~np.isnan(shares).any(axis=1)
    ranked = np.sort(np.nan_to_num(shares), axis=1)
    found = np.where(ranked[:, -1] > ranked[:, -2], np.nan_to_num(shares).argmax(1), raters.TIE)
    return np.where(known, found, raters.ABSENT).astype(np.int8)


def _shares(rater: RaterLabels, pairs: Collection[str]) -> stats.FloatArray:
    """The probabilities of a, b and a tie, averaged over both orders; NaN where an order gave none."""
    nothing = Vote(raters.ABSENT, (np.nan,) * raters.CLASSES)
    said = [[votes.get(pair, nothing).shares or nothing.shares for pair in pairs] for votes in rater.votes.values()]
    found = np.array([[(*shares, 0.0)[: raters.CLASSES] for shares in order] for order in said])
    return np.asarray(found.mean(axis=0))


def share(metric: str, hit: NDArray[np.generic], among: NDArray[np.generic]) -> stats.Count:
    """Of how many pairs something is so."""
    return stats.Count(np.column_stack([hit, among]).astype(np.float64), {metric: stats.ShareOf(np.asarray)})


def _chosen(name: str, readings: Mapping[Reading, raters.Labels], wanted: Reading | None) -> Reading:
    """Probabilities say more than labels, and two orders more than one."""
    if wanted is None:
        return next(reading for reading in ("averaged", "both", "first") if reading in readings)
    if wanted not in readings:
        raise WrongUse(f"the verdicts of {name!r} can't be read as {wanted!r}: they can as {', '.join(readings)}")
    return wanted


def side_of(a: ArrayLike, b: ArrayLike) -> raters.Labels:
    """The answer that something is true of; ABSENT where of neither or both."""
    one, other = np.asarray(a, bool), np.asarray(b, bool)
    return np.where(one & ~other, raters.A, np.where(other & ~one, raters.B, raters.ABSENT)).astype(np.int8)
