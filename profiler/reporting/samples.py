"""Samples as a reader meets them: what was asked, what could be taken, what was answered, and what it scored."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import islice
from typing import NamedTuple
from urllib.parse import quote

from profiler.endpoints import LETTERS
from profiler.records import Sample
from profiler.reporting.numbers import count, number
from profiler.runs import Run

EACH = 100
"""Samples of a probe that a page holds."""
ANSWERS = 5
"""Answers of a sample that it shows."""
LONG = 4000
"""Characters of a text that it shows."""
RIGHT = ("correct", "acc", "exact_match")
"""Scores that say whether an answer is right, 1, or not, 0."""


class Piece(NamedTuple):
    """A stretch of an answer."""

    text: str
    own: bool = False
    """The answer beside it does not have it here."""


class Side(NamedTuple):
    """What one model answered."""

    name: str
    """Empty where there is only one."""
    texts: Sequence[Sequence[Piece]]
    note: str = ""


class SampleOption(NamedTuple):
    """What could be taken, or was weighed."""

    letter: str
    text: str
    marks: Sequence[str]
    """That it is the right one, and who took it."""
    weighed: str
    """Its log-probability a token."""


class Score(NamedTuple):
    """What a sample is given, or both sides of a pair."""

    metric: str
    shown: str
    value: float | None
    """By which samples are sorted."""


class Exchange(NamedTuple):
    """A question, and what one or two models made of it."""

    id: str
    item: str
    group: str
    prompt: str
    options: Sequence[SampleOption]
    sides: Sequence[Side]
    scores: Sequence[Score]
    outcome: str
    """Right or wrong, for a filter; empty where nothing is."""
    error: str = ""


class SampleList(NamedTuple):
    """The samples of a probe that a page shows."""

    title: str
    words: str
    exchanges: Sequence[Exchange]


def picked(run: Run, probe: str, each: int = EACH) -> list[Sample]:
    """Some samples of a probe, in the order of their keys: those that failed first, then a seeded draw."""
    section = next(section for section in run.profile.sections if section.probe == probe)
    failed = islice((s for s in run.samples(probe) if s.error), each // 4) if section.errors else ()
    answered = run.columns(probe).items
    drawn = sorted(random.Random(0).sample(answered, min(each, len(answered))))
    found = run.chosen(probe, drawn)
    return [*failed, *(found[item] for item in drawn)][:each]


def sample_list(probe: str, samples: Sequence[Sample], items: int) -> SampleList:
    """SAMPLES of a probe that asked so many ITEMS."""
    words = f"All {count(items)} samples."
    if len(samples) < items:
        words = f"{len(samples)} of {count(items)} samples, drawn by seed; those that failed come first."
    return SampleList(f"Samples: {probe}", words, [exchange(sample) for sample in samples])


def exchange(sample: Sample) -> Exchange:
    """One sample, whole but for what is too long to be read."""
    left = len(sample.answers) - ANSWERS
    texts = [[Piece(cut(text.text))] if text.text else [] for text in sample.answers[:ANSWERS]]
    limit = sum(text.finish == "length" for text in sample.answers)
    notes = [
        *([f"and {left} more answers"] if left > 0 else []),
        *([f"{limit} of {len(sample.answers)} cut off by the token limit"] if limit else []),
    ]
    return Exchange(
        id=address(sample.probe, sample.item),
        item=sample.item,
        group=sample.group or "",
        prompt=asked(sample),
        options=options([sample], [""]),
        sides=[Side("", texts, "; ".join(notes))] if texts else [],
        scores=[Score(name, number(value), value) for name, value in sample.scores.items()],
        outcome=outcome(sample),
        error=sample.error or "",
    )


def options(samples: Sequence[Sample], names: Sequence[str]) -> list[SampleOption]:
    """The options of one question, and which of them each of SAMPLES took; each side by its name."""
    first = samples[0]
    letters = {place: LETTERS[spot] for spot, place in enumerate(first.order) if spot < len(LETTERS)}
    made = []
    for place, text in enumerate(first.options):
        marks = ["right"] if first.gold == place else []
        weighed = []
        for sample, name in zip(samples, names, strict=True):
            marks += [f"{name} {how}".strip() for how in took(sample, place)]
            if len(sample.likelihoods) == len(first.options):
                mean = sample.likelihoods[place].mean
                weighed.append(f"{name} {number(mean)}".strip())
        made.append(SampleOption(letters.get(place, ""), cut(text), marks, ", ".join(weighed)))
    return made


def took(sample: Sample, place: int) -> list[str]:
    """How a sample's answer points at an option: it was named, or found the likeliest a token, or as a whole."""
    if sample.choice is not None:
        return ["taken"] if sample.choice == place else []
    if not sample.likelihoods or len(sample.likelihoods) != len(sample.options):
        return []
    means = [likelihood.mean for likelihood in sample.likelihoods]
    totals = [likelihood.total for likelihood in sample.likelihoods]
    known = [mean for mean in means if mean is not None]
    by_token = means.index(max(known)) == place if len(known) == len(means) else False
    whole = totals.index(max(totals)) == place
    if by_token and whole:
        return ["likeliest"]
    return [*(["likeliest a token"] if by_token else []), *(["likeliest as a whole"] if whole else [])]


def asked(sample: Sample) -> str:
    """What was asked, without the options where they alone were."""
    return "" if sample.prompt == "\n".join(sample.options) else cut(sample.prompt)


def outcome(sample: Sample) -> str:
    """Right, wrong, unparseable or failed; nothing where no answer is right."""
    if sample.error:
        return "failed"
    name = next((name for name in RIGHT if name in sample.scores), None)
    if name is None:
        return ""
    return {None: "unparseable", 0.0: "wrong", 1.0: "right"}.get(sample.scores[name], "")


def address(*parts: str) -> str:
    """Where on a page a sample is found: the same in every report of the same items."""
    return quote("/".join(parts))


def cut(text: str) -> str:
    """TEXT, as far as it can be read on a page."""
    return text if len(text) <= LONG else f"{text[:LONG]}… and {count(len(text) - LONG)} more characters"
