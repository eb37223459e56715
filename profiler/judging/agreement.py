"""Raters of the same pairs, compared with each other."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

import numpy as np

from profiler import stats
from profiler.judging.before_after import PLAIN, StudentJudge, preference_shifts
from profiler.judging.judge_bias import biases
from profiler.judging.label_table import Families, LabelTable, RaterCount, Reading, groups_of, label_table, share
from profiler.judging.records import Jury, Pair, Rater
from profiler.judging.verdict_files import PairLabels, RaterLabels
from profiler.judging.win_rate import controlled_rates, win_rates, writers
from profiler.stats import raters

CROSSED: Mapping[str, stats.Formula] = {
    "agreement": raters.agreement,
    "kappa": raters.kappa,
    "alpha": raters.alpha_of_two,
}
AGAINST_GOLD: Mapping[str, stats.Formula] = {
    **CROSSED,
    "precision": raters.macro("precision"),
    "recall": raters.macro("recall"),
    "f1": raters.macro("f1"),
}
WITHOUT_TIES = "_without_ties"
"""Ends the name of a number that leaves out the pairs which either side calls a tie."""
HUMANS = "humans"
"""The rater that all humans are together."""


@stats.in_one_thread
def compare_raters(
    labels: PairLabels,
    families: Families | None = None,
    reading: Reading | None = None,
    resamples: int = stats.RESAMPLES,
    seed: int = 0,
    students: Sequence[StudentJudge] = (),
) -> Jury:
    """Compare every judge with the humans and the other judges, and STUDENTS with what they were."""
    families = related(families or {}, students, labels)
    whole = label_table(labels, families, reading)
    kinds, table = whole.by_kind()
    asked = list(_asked(table))
    groups = clusters([*labels.pairs.values()])
    found = stats.count_intervals([entry.counted for entry in asked], kinds, groups, resamples, seed)
    won = list(win_rates(whole, labels))
    found += stats.count_intervals([entry.counted for entry in won], np.arange(len(kinds)), groups, resamples, seed)
    return Jury(
        pairs=len(labels.pairs),
        prompts=len(labels.pairs) if groups is None else int(groups.max()) + 1,
        reference=whole.reference,
        raters=(*(_rater(*named, whole, families) for named in labels.raters.items()), *_reference(whole)),
        writers=writers(labels),
        numbers=(
            *(
                entry.number(metric, interval)
                for entry, intervals in zip([*asked, *won], found, strict=True)
                for metric, interval in intervals.items()
            ),
            *controlled_rates(whole, labels, groups),
        ),
        shifts=preference_shifts(table, students, kinds, groups, resamples, seed),
        notes=(*labels.notes, *_suspicions(whole, labels)),
        resamples=resamples,
        seed=seed,
    )


def related(families: Families, students: Sequence[StudentJudge], labels: PairLabels) -> Families:
    """FAMILIES, and the writers of answers that STUDENTS come from or that come from them."""
    wrote = {writer for pair in labels.pairs.values() for writer in (pair.writer_a, pair.writer_b) if writer}
    found = {judge: set(writers) for judge, writers in families.items()}
    for student in students:
        for judge in student:
            found.setdefault(judge, set()).update(wrote & ({*student} - {judge}))
    return {judge: frozenset(writers) for judge, writers in found.items() if writers}


def clusters(pairs: list[Pair]) -> stats.IntArray | None:
    """A code for each pair's prompt; None where every prompt has one pair."""
    names = [pair.cluster or pair.prompt or f"\0{pair.id}" for pair in pairs]
    codes = np.unique(names, return_inverse=True)[1].astype(np.int64)
    return codes if len(names) > int(codes.max(initial=-1)) + 1 else None


def _asked(table: LabelTable) -> Iterator[RaterCount]:
    """Everything that is counted, on one pair of each kind."""
    for judge in table.readings:
        yield from _against_humans(table, judge)
        yield from biases(table, judge)
    yield from _among_humans(table)
    yield from _matrix(table)


def _against_humans(table: LabelTable, judge: str) -> Iterator[RaterCount]:
    readings, chosen = table.readings[judge], table.chosen[judge]
    gold, name = table.gold, table.reference
    if name is None:
        return
    for reading, labels in readings.items():
        asked = (gold >= 0) & (labels != raters.ABSENT)
        if reading != "both":
            # Whoever can't be read is not right: what LLMBar and JudgeBench call accuracy.
            yield RaterCount(judge, share("accuracy", asked & (labels == gold), asked), name, reading)
        yield from _meeting(judge, name, reading, gold, labels, AGAINST_GOLD)
    if "swapped" in readings:
        # LLMBar's average accuracy, and how often both orders are right.
        first, swapped = readings["first"], readings["swapped"]
        for group, inside in (("", True), *groups_of(table)):
            asked = (gold >= 0) & (first != raters.ABSENT) & (swapped != raters.ABSENT) & inside
            one, other = asked & (first == gold), asked & (swapped == gold)
            average = share("average_accuracy", (one.astype(float) + other) / 2, asked)
            yield RaterCount(judge, average, name, "both", group or None)
            yield RaterCount(judge, share("accuracy_in_both", one & other, asked), name, "both", group or None)
    labels = readings[chosen]
    for human, theirs in table.humans.items():
        if human != name:
            yield from _meeting(judge, human, chosen, theirs, labels)
    for group, inside in groups_of(table):
        count = stats.Count(raters.crossed(gold, labels) * inside[:, np.newaxis], PLAIN)
        yield RaterCount(judge, count, name, chosen, group)


def _meeting(
    rater: str,
    against: str,
    reading: str | None,
    theirs: raters.Labels,
    labels: raters.Labels,
    formulas: Mapping[str, stats.Formula] = CROSSED,
) -> Iterator[RaterCount]:
    """With ties as a label of their own, and with them left out."""
    yield RaterCount(rater, stats.Count(raters.crossed(theirs, labels), formulas), against, reading)
    without = {f"{name}{WITHOUT_TIES}": made for name, made in formulas.items()}
    yield RaterCount(rater, stats.Count(raters.crossed(theirs, labels, ties=False), without), against, reading)


def _among_humans(table: LabelTable) -> Iterator[RaterCount]:
    """How far humans agree: the ceiling for a judge that is compared with them."""
    if (table.votes.sum(axis=1) < 2).all():
        return
    yield RaterCount(
        HUMANS, stats.Count(raters.two_of_them(table.votes), {"agreement": stats.ShareOf(np.asarray)}), HUMANS
    )
    yield RaterCount(HUMANS, stats.Count(raters.coincidences(table.votes), {"alpha": raters.alpha}), HUMANS)
    others = stats.Count(raters.one_against_others(table.votes), PLAIN)
    yield RaterCount(HUMANS, others, "the other humans")


def _matrix(table: LabelTable) -> Iterator[RaterCount]:
    """Every pair of judges, and of humans one by one."""
    judges = {name: found[table.chosen[name]] for name, found in table.readings.items()}
    for labels, readings in ((judges, table.chosen), (table.humans, {})):
        for one, other in combinations(labels, 2):
            same = readings.get(one) if readings.get(one) == readings.get(other) else None
            yield from _meeting(one, other, same, labels[one], labels[other])


def _rater(name: str, labels: RaterLabels, whole: LabelTable, families: Families) -> Rater:
    codes = [vote.code for side in labels.votes.values() for vote in side.values()]
    return Rater(
        name=name,
        kind="human" if labels.human else "judge",
        labels=sum(code >= 0 for code in codes),
        a=codes.count(raters.A),
        b=codes.count(raters.B),
        ties=codes.count(raters.TIE),
        unparseable=codes.count(raters.UNPARSEABLE),
        failed=labels.failed,
        orders=2 if labels.votes[True] else 1,
        reading=whole.chosen.get(name, "first"),
        related=tuple(sorted(families.get(name, ()))),
    )


def _reference(whole: LabelTable) -> Iterator[Rater]:
    """The majority is a rater of its own."""
    if whole.reference == "majority":
        codes = whole.gold.tolist()
        a, b, ties = (codes.count(label) for label in (raters.A, raters.B, raters.TIE))
        yield Rater(name="majority", kind="reference", labels=a + b + ties, a=a, b=b, ties=ties)


def _suspicions(whole: LabelTable, labels: PairLabels) -> Iterator[str]:
    """What looks as if a file of others had been read wrongly."""
    for name, readings in whole.readings.items():
        if "swapped" not in readings or labels.raters[name].sure:
            continue
        first, swapped = readings["first"], readings["swapped"]
        known = (first >= 0) & (swapped >= 0)
        if known.sum() < 20:
            continue
        same, turned = (first == swapped)[known].mean(), (first == raters.OTHER_SIDE[swapped])[known].mean()
        if same < 0.3 or turned - same > 0.4:
            yield (
                f"{name}: its two orders differ on {1 - same:.0%} of the pairs, ties counted; "
                "if the swapped verdicts name places and not answers, add --swapped places"
            )
