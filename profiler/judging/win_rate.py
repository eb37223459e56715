"""How often each writer's answers win, also at equal length, and how long they are."""

from collections.abc import Iterator

import numpy as np

from profiler import stats
from profiler.judging.label_table import GROUPS, LabelTable, RaterCount, Reading, share, side_of, stored
from profiler.judging.records import Agreement, AnswerWriter
from profiler.judging.verdict_files import PairLabels, RaterLabels
from profiler.stats import raters

ORDERS: dict[Reading, tuple[bool, ...]] = {"first": (False,), "swapped": (True,)}
"""The orders that a reading rests on, where it isn't both."""
FEWEST = 10
"""Wins, losses and prompts that a fit with one term needs (Peduzzi et al. 1996: ten events for each)."""


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
    sure = _sure(table, labels)
    for writer, side in _sides(labels):
        for judge, reading in table.chosen.items():
            said = table.readings[judge][reading]
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


def controlled_rates(table: LabelTable, labels: PairLabels, clusters: stats.IntArray | None) -> Iterator[Agreement]:
    """How often each writer would win if its answers were as long as the others', by each judge."""
    pairs = list(labels.pairs.values())
    longer = np.array([len(pair.a) - len(pair.b) if pair.a or pair.b else np.nan for pair in pairs])
    sure = _sure(table, labels)
    for writer, side in _sides(labels):
        met = {pair.writer_a for pair in pairs if pair.writer_b == writer}
        met |= {pair.writer_b for pair in pairs if pair.writer_a == writer}
        for judge, reading in table.chosen.items():
            said, for_b = table.readings[judge][reading], sure[judge]
            if for_b is None:
                for_b = np.where(said >= 0, (said == raters.B) + 0.5 * (said == raters.TIE), np.nan)
            known = (side != raters.ABSENT) & ~np.isnan(for_b) & ~np.isnan(longer)
            wins, by = np.where(side == raters.B, (for_b, -longer), (1 - for_b, longer))[:, known]
            found = _at_equal_length(wins, by, None if clusters is None else clusters[known])
            if len(met - {writer}) > 1:
                found = stats.Interval(None, None, None, len(wins), 0, "its answers meet those of several writers")
            yield Agreement(rater=judge, reading=reading, metric="lc_win_rate", group=writer, **stored(found))


def _sides(labels: PairLabels) -> Iterator[tuple[str, raters.Labels]]:
    """Each writer, where they are few, and which answer of each pair is its."""
    pairs, names = labels.pairs.values(), [writer.name for writer in writers(labels)]
    for name in names if len(names) <= GROUPS else ():
        yield name, side_of([pair.writer_a == name for pair in pairs], [pair.writer_b == name for pair in pairs])


def _at_equal_length(
    wins: stats.FloatArray, longer: stats.FloatArray, clusters: stats.IntArray | None
) -> stats.Interval:
    """Dubois et al. 2024, AlpacaEval's `length_controlled_minimal`: WINS by tanh of the difference in length.

    The difference is in its standard deviations and not centred; the rate is what the curve says at 0.
    """
    n, units = len(wins), len(wins) if clusters is None else len(np.unique(clusters))
    reason = ""
    if n == 0:
        reason = "no pair has both a verdict and its answers' texts"
    elif min(wins.sum(), n - wins.sum()) < FEWEST:
        reason = f"fewer than {FEWEST} wins or losses"
    elif not longer.min() <= 0 <= longer.max() or longer.min() == longer.max():
        reason = "its answers are longer in all pairs, shorter in all, or differ alike: equal length is not seen"
    columns = [np.ones(n), np.tanh(longer / longer.std(ddof=1))] if not reason else []
    fit = stats.logistic_fit(np.column_stack(columns), wins, clusters) if columns else None
    if fit is None:
        return stats.Interval(None, None, None, n, 0, reason or "length tells all wins from all losses")
    error = float(np.sqrt(fit.covariance[0, 0]))
    reach = stats.student(max(units - 1, 1)) * error
    low, value, high = stats.logistic(fit.coefficients[0] + np.array([-reach, 0, reach])).tolist()
    if units < FEWEST:
        return stats.Interval(value, None, None, n, 0, f"no interval from fewer than {FEWEST} prompts")
    return stats.Interval(value, low, high, n, 0, None, value * (1 - value) * error)  # the delta method


def _sure(table: LabelTable, labels: PairLabels) -> dict[str, stats.FloatArray | None]:
    """Each judge's probabilities for answer b, where it gives any."""
    return {
        judge: _for_b(labels.raters[judge], labels, ORDERS.get(reading, (False, True)))
        for judge, reading in table.chosen.items()
    }


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
