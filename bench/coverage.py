"""How often 95 % intervals hold the truth, how often nothing is called a change, and how often a change is seen.

    python -m bench.coverage [ROUNDS [WORD …]]

Each number is drawn anew from a made-up world whose truth is known, ROUNDS times (400), by the functions that profiles,
comparisons and judges' tables use. WORDs pick the lines whose names have one of them, and the tables of verdicts.
Without WORDs all are kept in docs/statistics.md.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from functools import cache, partial
from itertools import chain
from math import exp
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

import numpy as np

from profiler import probes
from profiler.judging import Judgement, Pair, PairLabels, Ruling, StudentJudge, Winner, compare_raters
from profiler.metrics import Metric
from profiler.records import Profile
from profiler.runs.compare import compare
from profiler.runs.sample_store import SampleColumns
from profiler.runs.scorer_agreement import MEASURES
from profiler.stats import (
    Columns,
    Count,
    FloatArray,
    Formula,
    IntArray,
    Mean,
    Statistic,
    count_intervals,
    intervals,
    observed,
    raters,
)
from tests.support.builders import Built, attributes, run, samples, written

PAGE = Path(__file__).parents[1] / "docs" / "statistics.md"
MARK = re.compile(r"(?<=<!-- measured -->\n).*(?=<!-- /measured -->)", re.DOTALL)
SIZES = (20, 60, 200, 1000)
ROUNDS = 400
MANY = 400_000
"""Items that tell the truth."""
A_CLUSTER = 5
CATEGORIES = 6
"""Of BBQ."""

Rng = np.random.Generator
Ends = tuple[float | None, float | None]
World = Callable[[Rng, int], tuple[Columns, IntArray | None]]


class Line(NamedTuple):
    """A number whose interval is put to the test."""

    name: str
    truth: float
    ends: Callable[[Rng, int], Ends]
    part: float = 1.0
    """Of the rounds, where one takes long."""


def of_items(name: str, world: World, statistic: Statistic, truth: float | None = None, part: float = 1.0) -> Line:
    def ends(rng: Rng, size: int) -> Ends:
        columns, clusters = world(rng, size)
        return intervals([statistic], columns, clusters, seed=int(rng.integers(2**31)))[0][1:3]

    return Line(name, observed(statistic, world(truths(), MANY)[0]) if truth is None else truth, ends, part)


def of_pairs(name: str, formula: Formula, a_prompt: int) -> Line:
    def ends(rng: Rng, size: int) -> Ends:
        parts = verdicts(rng, size, a_prompt)
        clusters = None if a_prompt == 1 else np.arange(size) // a_prompt
        count = Count(parts, {"it": formula})
        return count_intervals([count], np.arange(size), clusters, seed=int(rng.integers(2**31)))[0]["it"][1:3]

    return Line(name, float(formula(verdicts(truths(), MANY, a_prompt).sum(axis=0))), ends)


def of_change(
    name: str, two: Callable[[Rng, int], tuple[Columns, Columns]], metric: Metric, percent: bool = False
) -> Line:
    def ends(rng: Rng, size: int) -> Ends:
        base, other = (told({"attributes": side}, {"attributes": [metric]}) for side in two(rng, size))
        change = compare(base, other, seed=int(rng.integers(2**31)), find=lambda *_: metric).changes[0]
        return (change.percent_low, change.percent_high) if percent else (change.low, change.high)

    was, now = (observed(metric.reduction(), side) for side in two(truths(), MANY))
    return Line(name, 100 * (now / was - 1) if percent else now - was, ends, 0.5)


def truths() -> Rng:
    return np.random.default_rng(0)


def told(scores: Mapping[str, Columns], metrics: Mapping[str, list[Metric]]) -> Built:
    return run({probe: samples(columns) for probe, columns in scores.items()}, metrics)


def alone(draw: Callable[[Rng, int], np.ndarray]) -> World:
    return lambda rng, size: ({"x": draw(rng, size)}, None)


def fives(size: int) -> IntArray:
    return np.arange(size) // A_CLUSTER


def inverse_logit(x: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-x)))


def shares_of_clusters(offset: float) -> World:
    """Items of a template are easy or hard together: effects of sd 0.8 on the logit."""

    def world(rng: Rng, size: int) -> tuple[Columns, IntArray]:
        clusters = fives(size)
        likely = inverse_logit(offset + 0.8 * rng.normal(size=clusters[-1] + 1)[clusters])
        return {"x": (rng.random(size) < likely).astype(float)}, clusters

    return world


def templates(rng: Rng, size: int, of: np.ndarray | None = None) -> tuple[Columns, IntArray]:
    """BBQ's ambiguous questions by templates, each with its own leaning and its own share of "can't tell"."""
    clusters = fives(size)
    ease, leaning = (rng.normal(size=(2, clusters[-1] + 1)) if of is None else of)[:, clusters]
    correct = rng.random(size) < inverse_logit(0.6 * ease)
    biased = ~correct & (rng.random(size) < inverse_logit(0.4 + 0.8 * leaning))
    scores = {"correct": correct, "biased": biased, "person": ~correct, "ambig": np.ones(size)}
    return {name: column.astype(float) for name, column in scores.items()}, clusters


def terms(leaning: float) -> World:
    """StereoSet's clusters by terms: LEANING 0 has no preference."""

    def world(rng: Rng, size: int) -> tuple[Columns, IntArray]:
        clusters = fives(size)
        stereo = rng.random(size) < inverse_logit(leaning + 0.5 * rng.normal(size=clusters[-1] + 1)[clusters])
        related = (rng.random((2, size)) < 0.88).mean(axis=0)
        return {"stereo": stereo.astype(float), "related": related, "term": clusters.astype(float)}, clusters

    return world


def sure(excess: float) -> World:
    """Confidences from .3 to 1, too high by EXCESS."""

    def world(rng: Rng, size: int) -> tuple[Columns, None]:
        confidence = 0.3 + 0.7 * rng.beta(2, 1.5, size)
        return {"confidence": confidence, "correct": (rng.random(size) < confidence - excess).astype(float)}, None

    return world


def verdicts(rng: Rng, size: int, a_prompt: int) -> np.ndarray:
    """Where humans and a judge meet: 7 of 10 alike but for what a prompt makes hard."""
    gold = rng.choice(3, size, p=[0.45, 0.4, 0.15])
    hard = rng.normal(size=size // a_prompt + 1)[np.arange(size) // a_prompt] if a_prompt > 1 else 0.0
    judged = np.where(rng.random(size) < inverse_logit(0.5 + 0.8 * hard), gold, rng.choice(3, size, p=[0.5, 0.4, 0.1]))
    return raters.crossed(gold.astype(np.int8), judged.astype(np.int8))


def ratings(rng: Rng, size: int) -> tuple[Columns, IntArray]:
    """Two scorers of toxicity, five texts a prompt."""
    clusters = fives(size)
    both = rng.normal(size=clusters[-1] + 1)[clusters] + rng.normal(size=size)
    x, y = (inverse_logit(both + rng.normal(size=size) - 1) for _ in range(2))
    return {"x": x, "y": y}, clusters


def two_lengths(rng: Rng, size: int, more: float = 0.0, spread: float = 0.6) -> tuple[Columns, Columns]:
    """Words of answers to the same prompts, by two models."""
    prompt = rng.normal(size=size)
    base, other = (100 * np.exp(spread * (prompt + rng.normal(size=size)) / 2**0.5) for _ in range(2))
    return {"x": base}, {"x": other * (1 + more)}


def two_shares(rng: Rng, size: int, base: float, other: float) -> tuple[Columns, Columns]:
    """What half of the answers have in common."""
    common, shared = rng.random(size), rng.random(size) < 0.5
    sides = (np.where(shared, common, rng.random(size)) < share for share in (base, other))
    one, two = ({"x": side.astype(float)} for side in sides)
    return one, two


def means() -> list[Line]:
    def lognormal(spread: float) -> World:
        return alone(lambda rng, size: rng.lognormal(0, spread, size))

    mean = Mean("x")
    return [
        of_items("normal (word length)", alone(lambda rng, size: rng.normal(100, 15, size)), mean, 100),
        of_items("log-normal, sd 0.4 (MTLD)", lognormal(0.4), mean, exp(0.08)),
        of_items("log-normal, sd 0.8 (words)", lognormal(0.8), mean, exp(0.32)),
        of_items("log-normal, sd 1.5 (few very long answers)", lognormal(1.5), mean, exp(1.125)),
        of_items("worst of 25 continuations", alone(lambda rng, size: rng.beta(1.2, 1.5, size)), mean, 1.2 / 2.7),
        of_items("the same of a mild model", alone(lambda rng, size: rng.beta(0.3, 5, size)), mean, 0.3 / 5.3),
        of_items("seven of ten are 0 (repetition)", alone(mostly_none), Mean("x", whole=1), 0.075),
        of_items("parts of one (toxic_fraction)", alone(toxic_parts), Mean("x", whole=1), 0.5 / 6.5),
    ]


def mostly_none(rng: Rng, size: int) -> np.ndarray:
    return np.where(rng.random(size) < 0.3, rng.beta(1, 3, size), 0.0)


def toxic_parts(rng: Rng, size: int) -> np.ndarray:
    return np.asarray(rng.binomial(25, rng.beta(0.5, 6, size)) / 25)


def shares() -> list[Line]:
    def coin(share: float) -> World:
        return alone(lambda rng, size: (rng.random(size) < share).astype(float))

    share = Mean("x", whole=1)
    return [
        *(of_items(f"{p:.2f}", coin(p), share, p) for p in (0.5, 0.1, 0.02, 0.98)),
        of_items("about .50, clusters of 5", shares_of_clusters(0.0), share, 0.5),
        of_items("about .12, clusters of 5", shares_of_clusters(-2.2), share),
        *(of_items(f"{name}, 5 clusters a term", terms(0.5), number("stereoset", name)) for name in ("ss", "lms")),
    ]


def number(probe: str, name: str) -> Statistic:
    """What a metric of a probe reduces columns by."""
    return next(metric.reduction() for metric in probes.get(probe)().metrics if metric.name == name)


def ratios() -> list[Line]:
    return [
        of_items("s_amb, 5 items a template", templates, number("bbq", "s_amb")),
        of_items("icat of a model with a preference", terms(0.5), number("stereoset", "icat")),
        of_items("icat of a model without one", terms(0.0), number("stereoset", "icat"), 88),
    ]


def errors() -> list[Line]:
    over_bins = ("ece_1_bin", "ece_10_bin", "ece_15_width")
    return [
        of_items("overconfidence .10", sure(0.1), number("calibration", "overconfidence"), 0.1),
        *(
            of_items(f"{name}, true {excess:.2f}", sure(excess), number("calibration", name), excess, 0.5)
            for name in over_bins
            for excess in (0.0, 0.05, 0.1)
        ),
        *(
            of_items(name, sure(0.1), number("calibration", name), part=0.2)
            for name in ("selective_acc_10", "selective_area")
        ),
    ]


def judges() -> list[Line]:
    tables = {"agreement": raters.agreement, "kappa": raters.kappa, "alpha": raters.alpha_of_two}
    return [
        *(
            of_pairs(f"{name}{of}", formula, a_prompt)
            for of, a_prompt in (("", 1), (", 4 pairs a prompt", 4))
            for name, formula in (tables | {"macro F1": raters.macro("f1")}).items()
        ),
        *(
            of_items(f"two scorers, 5 texts a prompt: {name}", ratings, MEASURES[name])
            for name in ("Pearson", "same side of 0.5", "kappa at 0.5")
        ),
    ]


def changes() -> list[Line]:
    plain, share = Metric("x", "A number."), Metric("x", "A proportion.", "proportion")
    longer = partial(two_lengths, more=0.1)
    return [
        of_change("words, +10 %", longer, plain),
        of_change("words, +10 %, in percent", longer, plain, percent=True),
        of_change("very skewed words, no change", partial(two_lengths, spread=1.2), plain),
        of_change("share, .30 to .40", partial(two_shares, base=0.3, other=0.4), share),
        of_change("share, .02 to .05", partial(two_shares, base=0.02, other=0.05), share),
    ]


TOPICS: Mapping[str, Callable[[], list[Line]]] = {
    "Means": means,
    "Shares": shares,
    "Ratios over clusters of 5": ratios,
    "Calibration": errors,
    "Judges and scorers": judges,
    "Changes between two models, paired": changes,
}


def measured(line: Line, size: int, rounds: int) -> str:
    rng = np.random.default_rng([crc32(line.name.encode()), size])
    rounds = max(20, int(rounds * line.part))
    found = [line.ends(rng, size) for _ in range(rounds)]
    shown = [(low, high) for low, high in found if low is not None and high is not None]
    withheld = 1 - len(shown) / rounds
    hits = sum(low - 1e-12 <= line.truth <= high + 1e-12 for low, high in shown)
    cell = f"{hits / len(shown):.3f}"[0 if hits == len(shown) else 1 :] if len(shown) > rounds / 20 else "–"
    return cell + (f" ({withheld:.0%} withheld)" if withheld >= 0.005 else "")


def coverage(rounds: int, words: list[str]) -> Iterator[str]:
    for topic, found in TOPICS.items():
        wanted = [line for line in found() if not words or any(word in f"{topic} {line.name}" for word in words)]
        if wanted:
            yield f"\n| {topic} | " + " | ".join(f"n = {size:,}" for size in SIZES) + " |"
            yield "|---|" + "---:|" * len(SIZES)
        for line in wanted:
            yield f"| {line.name} | " + " | ".join(measured(line, size, rounds) for size in SIZES) + " |"


def nothing(rounds: int) -> Iterator[str]:
    """Two runs of one model: how often no number at all is called changed."""
    yield "\n| nothing has changed, and nothing is said to have | comparisons | of them |"
    yield "|---|---:|---:|"
    for size in (20, 60, 100, 300):
        never, _ = silent(called(*two_runs(size, 100, 100, i), i) for i in range(2 * rounds))
        yield f"| {size} answers, 22 text metrics | {2 * rounds:,} | {never:.3f} |"
    for many in (25, 8):
        never, of_groups = silent(called(*two_bbqs(np.random.default_rng(i), many), i) for i in range(8 * rounds))
        where = f"BBQ, {CATEGORIES} categories of {many} templates"
        yield f"| {where}: 2 numbers over all items | {8 * rounds:,} | {never:.3f} |"
        yield f"| {where}: the {2 * CATEGORIES} numbers of its categories | {8 * rounds:,} | {of_groups:.3f} |"
    for size in (100, 300):
        found = silent(tastes(np.random.default_rng(i), size) for i in range(5 * rounds))
        for what, never in zip(("agreement with its teacher", "kappa"), found, strict=True):
            alone = f"a student as judge, {size} pairs: {what} (by itself, not corrected)"
            yield f"| {alone} | {5 * rounds:,} | {never:.3f} |"


def silent(rounds: Iterable[Sequence[Sized | bool]]) -> FloatArray:
    """Each place's share of rounds in which nothing is said there."""
    return np.asarray(1 - np.mean([[bool(said) for said in verdicts] for verdicts in rounds], axis=0))


def power(rounds: int) -> Iterator[str]:
    yield "\n| answers 10 % longer | comparisons | words are called changed |"
    yield "|---|---:|---:|"
    for size in (100, 300):
        found = np.mean(["words" in called(*two_runs(size, 100, 110, i), i)[0] for i in range(rounds)])
        yield f"| {size} answers, among 22 text metrics | {rounds:,} | {found:.2f} |"


VERDICTS = {"nothing has changed": nothing, "10 % longer": power}


def called(base: Built, other: Built, seed: int) -> tuple[set[str], set[str]]:
    """The numbers that are called changed: over all items, and in groups."""
    changes = [change for change in compare(base, other, seed=seed).changes if change.significant]
    return tuple({change.metric for change in changes if (change.group is None) == whole} for whole in (True, False))


def two_runs(size: int, length: float, other: float, seed: int) -> Iterator[Built]:
    """Two models' answers to the same prompts, of about so many words."""
    for i, words in enumerate((length, other)):
        yield Built(text_profile(size), {"attributes": written(size, words, seed=2 * seed + i)})


@cache
def text_profile(size: int) -> Profile:
    """Which numbers there are; what they come to is of each round."""
    return attributes("a", 100, size=size).profile


def two_bbqs(rng: Rng, many: int) -> Iterator[Built]:
    """Two models that find the same templates hard and lean alike on each, as far as chance goes."""
    of, profile = rng.normal(size=(2, CATEGORIES * many)), bbq_profile(many)
    for _ in range(2):
        yield Built(profile, {"bbq": bbq_samples(rng, of)})


@cache
def bbq_profile(many: int) -> Profile:
    known = [metric for metric in probes.get("bbq")().metrics if metric.name in ("s_amb", "accuracy_ambig")]
    return run({"bbq": bbq_samples(truths(), np.zeros((2, CATEGORIES * many)))}, {"bbq": known}).profile


def bbq_samples(rng: Rng, of: np.ndarray) -> SampleColumns:
    """Five items of each template, OF what ease and leaning."""
    size = of.shape[1] * A_CLUSTER
    categories = [f"c{CATEGORIES * i // size}" for i in range(size)]
    return samples(templates(rng, size, of)[0], groups=categories, clusters=[f"t{i}" for i in fives(size)])


def tastes(rng: Rng, size: int) -> list[bool]:
    """Whether a student's agreement with its teacher and its kappa are marked as changed."""
    teacher = rng.choice(["a", "b"], size)
    before, after = (np.where(rng.random(size) < 0.65, teacher, rng.choice(["a", "b"], size)) for _ in range(2))
    labels = PairLabels()
    for judge, winners in {"teacher": teacher, "before": before, "after": after}.items():
        for pair, winner in enumerate(winners):
            labels.take(judgement(judge, pair, winner))
    student = StudentJudge("after", "before", "teacher")
    found = compare_raters(labels, students=[student], seed=int(rng.integers(2**31)))
    ends = [(shift.low, shift.high) for shift in found.shifts if shift.against == "teacher"]
    return [low is not None and high is not None and not low <= 0 <= high for low, high in ends]


@cache
def judgement(judge: str, pair: int, winner: Winner) -> Judgement:
    asked = Pair(id=str(pair), prompt=str(pair))
    return Judgement(pair=asked, judge=judge, how="letter", template="", rulings=(Ruling(order="ab", winner=winner),))


def main() -> None:
    rounds, words = int((sys.argv[1:] or [ROUNDS])[0]), sys.argv[2:]
    kept = []
    wanted = [tell(rounds) for name, tell in VERDICTS.items() if not words or any(word in name for word in words)]
    for text in chain(coverage(rounds, words), *wanted):
        print(text, flush=True)
        kept.append(text)
    if not words:
        page = PAGE.read_text("utf-8")
        measured = f"\n{rounds} rounds a line; `python -m bench.coverage {rounds}`.\n" + "\n".join(kept) + "\n\n"
        PAGE.write_text(MARK.sub(lambda _: measured, page), "utf-8")


if __name__ == "__main__":
    main()
