"""How often each writer's answers win, and how long they are."""

from collections.abc import Iterator

import numpy as np

from profiler import stats
from profiler.judging.label_table import GROUPS, LabelTable, RaterCount, Reading, share, side_of
from profiler.judging.records import AnswerWriter
from profiler.judging.verdict_files import PairLabels, RaterLabels
from profiler.stats import raters

ORDERS: dict[Reading, tuple[bool, ...]] = {"first": (False,), "swapped": (True,)}
"""The orders that a reading rests on, where it isn't both."""


def writers(labels: PairLabels) -> tuple[AnswerWriter, ...]:
    """Who wrote answers, and their length over all pairs."""
    found: dict[str, list[int]] = {}
    for pair in labels.pairs.values():
        for name, text in ((pair.writer_a, pair.a), (pair.writer_b, pair.b)):
            if name:
                found.setdefault(name, []).append(len(text))
    return tuple(
        AnswerWriter(name=name, answers=len(each), characters=sum(each) / len(each) if any(each) else None)
        for name, each in sorted(found.items())
    )


def win_rates(table: LabelTable, labels: PairLabels) -> Iterator[RaterCount]:
    """How often each writer wins against the others, by each judge and by the reference; on all pairs."""
    pairs = list(labels.pairs.values())
    names = [writer.name for writer in writers(labels)]
    sure = {
        judge: _for_b(labels.raters[judge], labels, ORDERS.get(reading, (False, True)))
        for judge, reading in table.chosen.items()
    }
    for writer in names if len(names) <= GROUPS else ():
        side = side_of([pair.writer_a == writer for pair in pairs], [pair.writer_b == writer for pair in pairs])
        for judge, readings in table.readings.items():
            reading = table.chosen[judge]
            said = readings[reading]
            asked = (side != raters.ABSENT) & (said >= 0)
            yield RaterCount(judge, _share("win_rate", _wins(said, side), asked), None, reading, writer)
            if (for_b := sure[judge]) is not None:
                known = (side != raters.ABSENT) & ~np.isnan(for_b)
                wins = np.where(side == raters.B, for_b, 1 - for_b)
                yield RaterCount(judge, _share("win_rate_weighted", wins, known), None, reading, writer)
            if table.reference is not None:
                both = asked & (table.gold >= 0)
                rate = _share("win_rate", _wins(table.gold, side), both)
                yield RaterCount(judge, rate, table.reference, reading, writer)


def _share(metric: str, wins: stats.FloatArray, among: np.ndarray) -> stats.Count:
    return share(metric, np.where(among, wins, 0.0), among)


def _wins(said: raters.Labels, side: raters.Labels) -> stats.FloatArray:
    """One where SIDE's answer wins, and half a win for a tie."""
    return np.asarray((said == side) + 0.5 * (said == raters.TIE), np.float64)


def _for_b(rater: RaterLabels, labels: PairLabels, orders: tuple[bool, ...]) -> stats.FloatArray | None:
    """How probable it is that answer b wins, a tie half, over ORDERS; a label alone is certain. None where all are."""
    if all(part in (0, 0.5, 1) for order in orders for vote in rater.votes[order].values() for part in vote.shares):
        return None  # which the labels say as well
    plain = {raters.A: 0.0, raters.B: 1.0, raters.TIE: 0.5}
    found = np.full((len(orders), len(labels.pairs)), np.nan)
    for place, order in enumerate(orders):
        for column, pair in enumerate(labels.pairs):
            if (vote := rater.votes[order].get(pair)) and vote.code >= 0:
                b = vote.shares[1] + sum(vote.shares[2:]) / 2 if vote.shares else plain[vote.code]
                found[place, column] = b
    return np.asarray(found.mean(axis=0))
