"""Two runs of one probe, compared with each other item by item."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

from profiler.endpoints import fingerprint
from profiler.records import Likelihood, Sample
from profiler.runs import Run

SAME = 1e-6
"""Most that two doors to one engine may differ by."""
ALIKE = 0.98
"""Share of all items on which two engines must prefer the same option."""
NOISE = fingerprint.TYPICAL
"""Nats a token that two engines may differ by in the median, and be the same weights in bfloat16 all the same."""


@dataclass(frozen=True)
class Held:
    """How far two runs agree."""

    items: int
    weighed: int
    """Texts that both weighed."""
    farthest: float
    """Largest difference of a log-likelihood, in nats."""
    typical: float
    """Median difference, in nats a token."""
    tokens: int
    """Texts whose tokens were counted otherwise."""
    preferred: int
    """Items of which both prefer the same option."""
    gap: float
    """Where they don't: most that the first run prefers its option by, in nats a token."""
    written: int
    """Texts that both wrote."""
    alike: int
    """Those that are the same."""
    scores: float
    """Largest difference of a score, of items all of whose answers are the same."""
    unlike: tuple[str, ...]
    """Items that are missing on a side, or failed, or have a score on one side only."""

    def same(self) -> bool:
        """Whether no number can differ."""
        exact = self.farthest <= SAME and self.scores <= SAME and not self.tokens
        return exact and self.alike == self.written and not self.unlike

    def noise(self) -> bool:
        """Whether what differs is what rounding makes differ."""
        return self.typical <= NOISE and self.scores <= SAME and not self.tokens and not self.unlike


def held(one: Run, other: Run, probe: str) -> Held:
    ours = {sample.item: sample for sample in one.samples(probe)}
    theirs = {sample.item: sample for sample in other.samples(probe)}
    unlike = list(ours.keys() ^ theirs.keys())
    pairs = [(ours[item], theirs[item]) for item in ours if item in theirs]
    unlike += [a.item for a, b in pairs if a.error or b.error or a.how != b.how or torn(a, b)]
    pairs = [(a, b) for a, b in pairs if a.item not in unlike]
    texts = [pair for a, b in pairs for pair in zip(a.likelihoods, b.likelihoods, strict=True)]
    answers = [(x.text, y.text) for a, b in pairs for x, y in zip(a.answers, b.answers, strict=True)]
    apart = [abs(x.total - y.total) for x, y in texts]
    gaps = [lead(a) for a, b in pairs if a.likelihoods and preferred(a) != preferred(b)]
    return Held(
        items=len(pairs),
        weighed=len(texts),
        farthest=max(apart, default=0.0),
        typical=median(abs(x.total - y.total) / max(x.tokens, 1) for x, y in texts) if texts else 0.0,
        tokens=sum(x.tokens != y.tokens for x, y in texts),
        preferred=len(pairs) - len(gaps),
        gap=max(gaps, default=0.0),
        written=len(answers),
        alike=sum(x == y for x, y in answers),
        scores=max((abs(x - y) for a, b in pairs if answered_alike(a, b) for x, y in scores(a, b)), default=0.0),
        unlike=tuple(sorted(set(unlike))),
    )


def answered_alike(a: Sample, b: Sample) -> bool:
    """Whether scores must be equal: the same was written, and what was weighed differs by nothing to speak of."""
    written = [x.text for x in a.answers] == [y.text for y in b.answers]
    return written and all(abs(x.total - y.total) <= SAME for x, y in zip(a.likelihoods, b.likelihoods, strict=True))


def torn(a: Sample, b: Sample) -> bool:
    """Whether a score is on one side only, and not because rounding made a tie of what the other side prefers."""
    return undefined(a) != undefined(b) and (answered_alike(a, b) or not (tied(a) or tied(b)))


def scores(a: Sample, b: Sample) -> Iterator[tuple[float, float]]:
    """An item's columns and those of its texts, from both sides."""
    sides = zip([a.scores, *(x.scores for x in a.answers)], [b.scores, *(y.scores for y in b.answers)], strict=True)
    for mine, yours in sides:
        for name, value in mine.items():
            if value is not None and (found := yours.get(name)) is not None:
                yield value, found


def undefined(sample: Sample) -> set[str]:
    """Columns without a value; what is written may differ, and with it what can be scored."""
    return set() if sample.answers else {name for name, value in sample.scores.items() if value is None}


def preferred(sample: Sample) -> int:
    return max(range(len(sample.likelihoods)), key=lambda place: mean(sample.likelihoods[place]))


def tied(sample: Sample) -> bool:
    return len(sample.likelihoods) > 1 and lead(sample) == 0


def lead(sample: Sample) -> float:
    first, second, *_ = sorted(map(mean, sample.likelihoods), reverse=True)
    return first - second


def mean(likelihood: Likelihood) -> float:
    return float("-inf") if likelihood.mean is None else likelihood.mean
