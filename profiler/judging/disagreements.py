"""Pairs as every rater sees them: who differs with whom, and which judge says another thing in the other order."""

from __future__ import annotations

from collections.abc import Iterator

from profiler.judging.label_table import both, labels_of
from profiler.judging.labels import CODES
from profiler.judging.records import JudgedPair, RaterVerdict
from profiler.judging.verdict_files import PairLabels
from profiler.stats.raters import ABSENT

WORDS = {code: word for word, code in CODES.items()}
TAKEN = ("a", "b", "tie")
"""What a rater has said of a pair, where it could be read."""


def judged_pairs(labels: PairLabels) -> Iterator[JudgedPair]:
    """Each pair with what every rater said of it."""
    columns: list[tuple[str, bool, list[str], list[str], list[str]]] = []
    for name, rater in labels.raters.items():
        orders = [labels_of(rater, labels.pairs), labels_of(rater, labels.pairs, swapped=True)]
        final = orders[0] if (orders[1] == ABSENT).all() else both(*orders)
        first, swapped, verdict = ([WORDS[code] for code in column.tolist()] for column in (*orders, final))
        columns.append((name, rater.human, first, swapped, verdict))
    for place, pair in enumerate(labels.pairs.values()):
        said = tuple(
            RaterVerdict(rater=name, human=human, first=first[place], swapped=swapped[place], verdict=verdict[place])
            for name, human, first, swapped, verdict in columns
            if (first[place], swapped[place]) != ("absent", "absent")
        )
        taken = {one.verdict for one in said if one.verdict in TAKEN}
        flips = tuple(o.rater for o in said if o.first != o.swapped and {o.first, o.swapped} <= set(TAKEN))
        yield JudgedPair(pair=pair, verdicts=said, differ=len(taken) > 1, flips=flips)
