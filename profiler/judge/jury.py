"""Raters of the same pairs, held against each other: every number with its interval, from the same resamples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from profiler.agreement import (
    ABSENT,
    TIE,
    UNREADABLE,
    Count,
    Formula,
    Labels,
    agreement,
    alpha,
    alpha_of_two,
    coincidences,
    crossed,
    intervals,
    kappa,
    macro,
    one_against_others,
    share,
    two_of_them,
)
from profiler.judge.ballot import Ballot, Ballots
from profiler.judge.descent import Descent, shifts
from profiler.judge.favour import favours
from profiler.judge.sheet import Kin, Reading, Sheet, sheet
from profiler.records import Agreement, Jury, Pair, Rater
from profiler.stats import RESAMPLES, FloatArray, IntArray

GROUPS = 24
"""More groups than these are not told apart."""

CROSSED: Mapping[str, Formula] = {"agreement": agreement, "kappa": kappa, "alpha": alpha_of_two}
AGAINST_GOLD: Mapping[str, Formula] = {
    **CROSSED,
    "precision": macro("precision"),
    "recall": macro("recall"),
    "f1": macro("f1"),
}
WITHOUT_TIES = "_without_ties"
"""Ends the name of a number that leaves out the pairs which either side calls a tie."""
HUMANS = "humans"
"""The rater that all humans are together."""


class Asked(NamedTuple):
    """Something counted, and whom it is about."""

    rater: str
    against: str | None
    reading: str | None
    group: str | None
    counted: Count


def jury(
    ballots: Ballots,
    kin: Kin | None = None,
    reading: Reading | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
    students: Sequence[Descent] = (),
) -> Jury:
    """Hold every judge against the humans and against the other judges, and STUDENTS against what they were."""
    kin = related(kin or {}, students, ballots)
    whole = sheet(ballots, kin, reading)
    kinds, one = whole.kinds()
    asked = list(_asked(whole.at(one)))
    groups = clusters([*ballots.pairs.values()])
    found = intervals({str(i): entry.counted for i, entry in enumerate(asked)}, kinds, groups, resamples, seed)
    return Jury(
        pairs=len(ballots.pairs),
        prompts=len(ballots.pairs) if groups is None else int(groups.max()) + 1,
        reference=whole.reference,
        raters=(*(_rater(*named, whole, kin) for named in ballots.raters.items()), *_reference(whole)),
        numbers=tuple(
            Agreement(
                rater=entry.rater,
                against=entry.against,
                reading=entry.reading,
                metric=metric,
                group=entry.group,
                value=found[str(i), metric].value,
                low=found[str(i), metric].low,
                high=found[str(i), metric].high,
                n=found[str(i), metric].n,
                reason=found[str(i), metric].reason,
            )
            for i, entry in enumerate(asked)
            for metric in entry.counted.formulas
        ),
        shifts=shifts(whole, students, groups, resamples, seed),
        notes=(*ballots.notes, *_suspicions(whole, ballots)),
        resamples=resamples,
        seed=seed,
    )


def related(kin: Kin, students: Sequence[Descent], ballots: Ballots) -> Kin:
    """KIN, and the writers of answers that STUDENTS come from or that come from them."""
    wrote = {writer for pair in ballots.pairs.values() for writer in (pair.writer_a, pair.writer_b) if writer}
    found = {judge: set(writers) for judge, writers in kin.items()}
    for line in students:
        for judge in line:
            found.setdefault(judge, set()).update(wrote & ({*line} - {judge}))
    return {judge: frozenset(writers) for judge, writers in found.items() if writers}


def clusters(pairs: list[Pair]) -> IntArray | None:
    """A code for each pair's prompt; None where every prompt has one pair."""
    names = [pair.cluster or pair.prompt or f"\0{pair.id}" for pair in pairs]
    codes = np.unique(names, return_inverse=True)[1].astype(np.int64)
    return codes if len(names) > int(codes.max(initial=-1)) + 1 else None


def _asked(kinds: Sheet) -> Iterator[Asked]:
    """Everything that is counted, on one pair of each kind."""
    for judge in kinds.readings:
        yield from _against_humans(kinds, judge)
        for against, reading, group, count in favours(kinds, judge):
            yield Asked(judge, against, reading, group, count)
    yield from _among_humans(kinds)
    yield from _matrix(kinds)


def _against_humans(kinds: Sheet, judge: str) -> Iterator[Asked]:
    readings = kinds.readings[judge]
    gold, name = kinds.gold, kinds.reference
    if name is None:
        return
    for reading, labels in readings.items():
        asked = (gold >= 0) & (labels != ABSENT)
        right = asked & (labels == gold)
        if reading != "both":
            # Whoever can't be read is not right: what LLMBar and JudgeBench call accuracy.
            yield Asked(judge, name, reading, None, Count(_pairs(right, asked), {"accuracy": share}))
        for count in _both_ways(gold, labels, AGAINST_GOLD):
            yield Asked(judge, name, reading, None, count)
    if "swapped" in readings:
        yield from _in_both_orders(kinds, judge, name)
    labels = readings[kinds.chosen[judge]]
    for human, theirs in kinds.humans.items():
        if human != name:
            for count in _both_ways(theirs, labels, CROSSED):
                yield Asked(judge, human, kinds.chosen[judge], None, count)
    names = sorted({group for group in kinds.groups if group})
    for group in names if len(names) <= GROUPS else ():
        inside = np.array([one == group for one in kinds.groups])[:, np.newaxis]
        count = Count(crossed(gold, labels) * inside, {"agreement": agreement, "kappa": kappa})
        yield Asked(judge, name, kinds.chosen[judge], group, count)


def _both_ways(gold: Labels, labels: Labels, formulas: Mapping[str, Formula]) -> Iterator[Count]:
    """With ties as a label of their own, and with them left out."""
    yield Count(crossed(gold, labels), formulas)
    yield Count(crossed(gold, labels, ties=False), {f"{name}{WITHOUT_TIES}": made for name, made in formulas.items()})


def _in_both_orders(kinds: Sheet, judge: str, name: str) -> Iterator[Asked]:
    """LLMBar's average accuracy, and how often both orders are right."""
    first, swapped = kinds.readings[judge]["first"], kinds.readings[judge]["swapped"]
    asked = (kinds.gold >= 0) & (first != ABSENT) & (swapped != ABSENT)
    one, other = asked & (first == kinds.gold), asked & (swapped == kinds.gold)
    mean = (one.astype(float) + other) / 2
    yield Asked(judge, name, "both", None, Count(_pairs(mean, asked), {"average_accuracy": share}))
    yield Asked(judge, name, "both", None, Count(_pairs(one & other, asked), {"accuracy_in_both": share}))


def _among_humans(kinds: Sheet) -> Iterator[Asked]:
    """How far humans agree: the ceiling for a judge that is held against them."""
    if (kinds.votes.sum(axis=1) < 2).all():
        return
    yield Asked(HUMANS, HUMANS, None, None, Count(two_of_them(kinds.votes), {"agreement": share}))
    yield Asked(HUMANS, HUMANS, None, None, Count(coincidences(kinds.votes), {"alpha": alpha}))
    others = Count(one_against_others(kinds.votes), {"agreement": agreement, "kappa": kappa})
    yield Asked(HUMANS, "the other humans", None, None, others)


def _matrix(kinds: Sheet) -> Iterator[Asked]:
    """Every pair of judges, and of humans one by one."""
    judges = {name: found[kinds.chosen[name]] for name, found in kinds.readings.items()}
    for raters, readings in ((judges, kinds.chosen), (kinds.humans, {})):
        names = list(raters)
        for place, one in enumerate(names):
            for other in names[place + 1 :]:
                same = readings.get(one) if readings.get(one) == readings.get(other) else None
                for count in _both_ways(raters[one], raters[other], CROSSED):
                    yield Asked(one, other, same, None, count)


def _rater(name: str, ballot: Ballot, whole: Sheet, kin: Kin) -> Rater:
    codes = [vote.code for side in ballot.votes.values() for vote in side.values()]
    return Rater(
        name=name,
        kind="human" if ballot.human else "judge",
        labels=sum(code >= 0 for code in codes),
        ties=codes.count(TIE),
        unreadable=codes.count(UNREADABLE),
        failed=ballot.failed,
        orders=2 if ballot.votes[True] else 1,
        reading=whole.chosen.get(name, "first"),
        related=tuple(sorted(kin.get(name, ()))),
    )


def _reference(whole: Sheet) -> Iterator[Rater]:
    """The majority is a rater of its own."""
    if whole.reference == "majority":
        codes = whole.gold.tolist()
        known = sum(code >= 0 for code in codes)
        yield Rater(name="majority", kind="reference", labels=known, ties=codes.count(TIE))


def _suspicions(whole: Sheet, ballots: Ballots) -> Iterator[str]:
    """What looks as if a file of others had been read wrongly."""
    for name, readings in whole.readings.items():
        if "swapped" not in readings or ballots.raters[name].sure:
            continue
        first, swapped = readings["first"], readings["swapped"]
        known = (first >= 0) & (swapped >= 0) & (first != TIE) & (swapped != TIE)
        if known.sum() >= 20 and (first == swapped)[known].mean() < 0.3:
            yield (
                f"{name}: its two orders name different answers on {(first != swapped)[known].mean():.0%} of the "
                "pairs; if the swapped verdicts name places and not answers, add --swapped places"
            )


def _pairs(hit: FloatArray, of: FloatArray) -> FloatArray:
    return np.column_stack([hit, of]).astype(np.float64)
