"""What a page says first: what stands out, how sure, what to do next; and of each theme its main number in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from profiler.records import Change, Comparison, Estimate, Profile
from profiler.reporting import layout
from profiler.reporting.layout import Key
from profiler.reporting.numbers import interval, number, places
from profiler.reporting.table import Tone


@dataclass(frozen=True)
class Line:
    """A sentence, and the command that it speaks of."""

    words: str
    command: str = ""
    tone: Tone | None = None


@dataclass(frozen=True)
class Point:
    """A question that a reader has, answered."""

    title: str
    lines: Sequence[Line]


@dataclass(frozen=True)
class CardNumber:
    """A number on a card."""

    words: str
    probe: str
    metric: str
    value: str
    within: str
    """Its interval."""
    best: str
    tone: Tone | None = None
    side: int = 0
    """The place of its comparison among those that are told."""


@dataclass(frozen=True)
class Card:
    """A theme in one sentence, with the numbers that it rests on."""

    theme: str
    sentence: str
    numbers: Sequence[CardNumber]


class Main(NamedTuple):
    """A number that stands for a theme."""

    words: str
    sentence: str = ""
    """What its value says."""


class Theme(NamedTuple):
    """Numbers about one thing: probe → metric; the first that a run has is the main one."""

    name: str
    more: str
    """What it means that the main number is higher."""
    less: str
    numbers: Mapping[str, Mapping[str, Main]]


PREFERRED = Main("% stereotype likelier", "Of two sentences it prefers the more stereotyping one in {} % of pairs.")
THEMES = (
    Theme(
        "length and reading",
        "Answers are longer",
        "Answers are shorter",
        {
            "attributes": {
                "words": Main("words an answer", "An answer has {} words on average."),
                "flesch": Main("ease of reading"),
            }
        },
    ),
    Theme(
        "diversity",
        "Its words are more varied",
        "Its words are less varied",
        {
            "attributes": {
                "mtld": Main("variety of words", "Answers run on for {} words before their words come again.")
            }
        },
    ),
    Theme(
        "bias",
        "Answers lean more to the stereotype",
        "Answers lean less to the stereotype",
        {
            "bbq": {
                "s_amb": Main(
                    "bias where none can tell",
                    "Where the text does not say who it was, the lean to the stereotype is {}, from −1 to 1.",
                )
            },
            "crows_pairs": {"stereotype": PREFERRED},
            "stereoset": {"ss": PREFERRED},
            "stereoset_inter": {"ss": PREFERRED},
        },
    ),
    Theme(
        "toxicity",
        "Continuations are more toxic",
        "Continuations are less toxic",
        {
            "toxicity": {
                "expected_max_toxicity": Main(
                    "worst continuation, 0 to 1", "The most toxic continuation of a prompt scores {} on average."
                )
            }
        },
    ),
    Theme(
        "calibration",
        "Confidence and accuracy are further apart",
        "Confidence and accuracy are closer together",
        {
            "calibration": {
                "ece_10_bin": Main(
                    "confidence off by", "How sure it is and how often it is right differ by {} on average, of 1."
                )
            }
        },
    ),
    Theme(
        "ability",
        "It answers more questions right",
        "It answers fewer questions right",
        {"ability": {"acc_mean": Main("questions answered right", "The proportion of right answers is {}.")}},
    ),
    Theme(
        "judge preferences",
        "As a judge it agrees with people more often",
        "As a judge it agrees with people less often",
        {
            "preferences": {
                "agreement": Main(
                    "judges as people do", "As a judge it prefers what most people do in a proportion of {} of pairs."
                )
            }
        },
    ),
)
FORMS = ("_chat", "_verbal", "_sampled")
"""How a probe's name ends that asks the same in another form."""


def mains(theme: Theme, keys: Iterable[Key]) -> dict[Key, Main]:
    """The numbers of a theme among KEYS, the main one first."""
    held = [key for key in keys if key.group is None]
    return {
        key: main
        for probe, metrics in theme.numbers.items()
        for metric, main in metrics.items()
        for key in held
        if key.metric == metric and _plain(key.probe) == probe
    }


def _plain(probe: str) -> str:
    for form in FORMS:
        probe = probe.removesuffix(form)
    return probe


def profile_cards(profile: Profile) -> list[Card]:
    """A card for each theme that the profile has a number of."""
    found = layout.overall(profile.estimates)
    made = []
    for theme in THEMES:
        if numbers := mains(theme, found):
            key, main = next(iter(numbers.items()))
            value = found[key].value
            told = f"Undefined: {found[key].reason}." if value is None else main.sentence.format(number(value))
            made.append(Card(theme.name, told, [_estimate(main, found[key]) for key, main in numbers.items()]))
    return made


def _estimate(main: Main, estimate: Estimate) -> CardNumber:
    decimals = places(estimate.value, estimate.low, estimate.high)
    within = estimate.reason or "" if estimate.low is None else interval(estimate.low, estimate.high, decimals)
    key = Key.of(estimate)
    value = number(estimate.value, decimals)
    return CardNumber(main.words, key.probe, key.metric, value, within, _best(key))


def _best(key: Key) -> str:
    """In what it is measured, and where it would like to be."""
    metric = layout.metric(key)
    return " · ".join(filter(None, (metric.unit, layout.best(metric))))


def comparison_cards(comparisons: Sequence[Comparison]) -> list[Card]:
    """A card for each theme that a comparison has a number of."""
    sides = [(layout.other_name(one), layout.overall(one.changes)) for one in comparisons]
    alone = len(sides) == 1
    made = []
    for theme in THEMES:
        numbers = mains(theme, dict.fromkeys(key for _, changes in sides for key in changes))
        if not numbers:
            continue
        first = next(iter(numbers))
        told = [
            ("" if alone else f"{name}: ") + _told(theme, changes[first]) for name, changes in sides if first in changes
        ]
        shown = [
            _change(main.words if alone else f"{main.words}, {name}", changes[key], side)
            for key, main in numbers.items()
            for side, (name, changes) in enumerate(sides)
            if key in changes
        ]
        made.append(Card(theme.name, " ".join(told), shown))
    return made


def _told(theme: Theme, change: Change) -> str:
    """What happened to a theme's main number, in a sentence."""
    if change.absolute is None or change.verdict is None:
        return f"No verdict: {change.reason}."
    if change.significant:
        return f"{theme.more if change.absolute > 0 else theme.less}, by {layout.moved(change).lstrip('+−')}."
    if change.verdict == "equivalent":
        return f"Equivalent, within {change.margin}."
    seen = "" if change.detectable is None else f"; a change of {layout.detectable(change)} would probably have shown"
    return f"No significant change{seen}."


def _change(words: str, change: Change, side: int) -> CardNumber:
    decimals = places(change.base, change.other)
    key = Key.of(change)
    value = f"{number(change.base, decimals)} → {number(change.other, decimals)}"
    within = f"{layout.moved(change)} {layout.spread(change)}" if change.absolute is not None else ""
    return CardNumber(words, key.probe, key.metric, value, within, _best(key), change.verdict, side)


OUTSTANDING = 3
"""Numbers that are named as standing out."""


def outstanding(profile: Profile) -> list[Line]:
    """The numbers whose intervals lie furthest from their best values, one a probe at most."""
    away: dict[str, tuple[float, Estimate, float]] = {}
    for key, estimate in layout.overall(profile.estimates).items():
        ideal, value, low, high = layout.metric(key).ideal, estimate.value, estimate.low, estimate.high
        if not isinstance(ideal, float | int) or value is None or low is None or high is None or low <= ideal <= high:
            continue
        gap = abs(value - ideal) / ((high - low) or 1)
        if gap > away.get(key.probe, (0.0,))[0]:
            away[key.probe] = gap, estimate, float(ideal)
    first = sorted(away.values(), key=lambda found: -found[0])[:OUTSTANDING]
    lines = []
    for _, estimate, ideal in first:
        decimals = places(estimate.value, estimate.low, estimate.high)
        within = interval(estimate.low, estimate.high, decimals)
        shown = f"{estimate.probe}.{estimate.metric} is {number(estimate.value, decimals)} {within}"
        lines.append(Line(f"{shown}: the interval leaves out its best value, {ideal:g}."))
    return lines or [Line("No number that has a best value leaves it out of its interval.")]
