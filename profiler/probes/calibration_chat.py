"""Calibration in words: how sure a model says that it is, and how often it gives the same answer."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

from profiler.datasets.items import Item
from profiler.endpoints.instruments import read_letter
from profiler.endpoints.requests import Answer, Choose, Generate, lettered
from profiler.metrics.metric import Metric
from profiler.probes import calibration, multiple_choice
from profiler.probes.multiple_choice import Questions
from profiler.probes.probe import Options
from profiler.probes.registry import register
from profiler.records import Sampling

# After Tian et al. 2023, Just Ask for Calibration: answer and probability in one turn.
STATE = (
    "Answer with the letter of one option and the probability that it is right, in two lines and nothing else:\n\n"
    "Answer: <letter>\nConfidence: <from 0 to 100>%"
)
BRIEF = Sampling(max_tokens=32)
LETTER = Sampling(temperature=1.0, max_tokens=16)
SAMPLES = 10

LABELLED = re.compile(r"(?:confidence|probability|certainty)\b([^\n]*\d[^\n]*)", re.IGNORECASE)
SPREAD = re.compile(r"\d\s*%?\s*(?:-|–|,|\bto\b|\band\b)\s*\d")
"""80-90 %, 80 to 90 %, 1,000: two numbers, or one that can be taken in two ways."""
NUMBER = re.compile(
    r"(?<![\w.-])(\d+(?:\.\d+)?|\.\d+)(?:\s*(%|per\s?cent\b|(?:/|out\s+of)\s*100?\b)|(?![\w.]*\w))", re.IGNORECASE
)

_KNOWN = {metric.name: metric for metric in calibration.Calibration.metrics}
_SHARED = (
    "overconfidence",
    "ece_10_bin",
    "ece_1_bin",
    "ece_15_width",
    "platt_ece_10_bin",
    "selective_acc_10",
    "selective_area",
)
ACCURACY = replace(_KNOWN["accuracy"], about="Share of questions whose right option is named.")
BRIER = Metric(
    "brier_top",
    about="Squared distance of the confidence from the outcome, 0 to 1; not the Brier score over all options.",
    ideal="low",
)


def _metrics(confidence: str, *unreadable: Metric) -> tuple[Metric, ...]:
    mean = replace(_KNOWN["confidence"], about=confidence)
    return (ACCURACY, mean, *(_KNOWN[name] for name in _SHARED), BRIER, *unreadable)


def _columns(taken: int | None, confidence: float | None, gold: int) -> dict[str, float | None]:
    """An answer that names no option is wrong, and has no confidence."""
    correct = float(taken == gold)
    return {
        "correct": correct,
        "confidence": confidence,
        "brier_top": None if confidence is None else (confidence - correct) ** 2,
        "choice": None if taken is None else float(taken),
    }


def _places(item: Item) -> tuple[int, ...]:
    return tuple(range(len(multiple_choice.texts(item, "options"))))


@register
@dataclass(frozen=True)
class CalibrationVerbal(Questions):
    """Multiple-choice questions answered by letter, with the probability that the letter is right in percent."""

    name = "calibration_verbal"
    version = 1
    lang = "en"
    metrics = _metrics(
        "Mean confidence that was stated.",
        _KNOWN["unread"],
        Metric(
            "unstated",
            about="Share of answers that name an option and not one probability; they count in the accuracy alone.",
            unit="share",
            ideal="low",
        ),
    )
    text_metrics = ()
    sampling = BRIEF

    @classmethod
    def build(cls, options: Options) -> Self:
        return cls(*multiple_choice.opened(options, calibration.SETS, calibration.plain), options.limit)

    @property
    def settings(self) -> Mapping[str, str | int | float | bool | None]:
        return {"confidence": "stated", "question": STATE, "missing": ", ".join(self.missing) or None}

    def ask(self, item: Item) -> Generate:  # type: ignore[override]  # another instrument asks another kind of request
        question = lettered(str(item.fields["asked"]), multiple_choice.texts(item, "options"), STATE)
        return Generate(question, BRIEF, "{prompt}\n\nAnswer:", how="verbal", order=_places(item))

    def score(self, item: Item, answer: Answer) -> Mapping[str, float | None]:
        text = "".join(written.text for written in answer.generations)
        options = multiple_choice.texts(item, "options")
        taken = read_letter(text, len(options))
        sure = None if taken is None else stated(text, options)
        return {
            **_columns(taken, sure, multiple_choice.gold(item)),
            "unread": float(taken is None),
            "unstated": float(taken is not None and sure is None),
        }


@register
@dataclass(frozen=True)
class CalibrationSampled(Questions):
    """Multiple-choice questions answered by letter several times over; confidence is the share of the commonest."""

    drawn: Sampling = LETTER
    samples: int = SAMPLES

    name = "calibration_sampled"
    version = 1
    lang = "en"
    metrics = _metrics(
        "Mean share of the answers that name the commonest option, of all that were drawn.",
        Metric(
            "unread",
            about="Share of the drawn answers that name no option; they speak for none.",
            unit="share",
            ideal="low",
        ),
    )
    text_metrics = ()

    @classmethod
    def build(cls, options: Options) -> Self:
        sets = multiple_choice.opened(options, calibration.SETS, calibration.plain)
        # A letter is short, whatever length is wanted of other texts.
        drawn = options.drawn(LETTER).model_copy(update={"max_tokens": LETTER.max_tokens, "stop": LETTER.stop})
        return cls(*sets, options.limit, drawn, options.samples or SAMPLES)

    @property
    def sampling(self) -> Sampling:
        return self.drawn

    @property
    def settings(self) -> Mapping[str, str | int | float | bool | None]:
        return {
            "confidence": "share of the commonest answer",
            "samples": self.samples,
            "missing": ", ".join(self.missing) or None,
        }

    def ask(self, item: Item) -> Generate:  # type: ignore[override]  # another instrument asks another kind of request
        asked: Choose = super().ask(item)
        return Generate(
            asked.lettered(), self.drawn, "{prompt}\nAnswer:", n=self.samples, how="sampled", order=asked.places
        )

    def score(self, item: Item, answer: Answer) -> Mapping[str, float | None]:
        count = len(multiple_choice.texts(item, "options"))
        letters = [read_letter(written.text, count) for written in answer.generations]
        said = Counter(letter for letter in letters if letter is not None)
        # Of options named equally often the one that was named first, which is as good as by lot.
        taken, times = said.most_common(1)[0] if said else (None, 0)
        sure = times / len(letters) if said else None
        return {
            **_columns(taken, sure, multiple_choice.gold(item)),
            "unread": letters.count(None) / len(letters) if letters else None,
        }


def stated(text: str, options: Sequence[str] = ()) -> float | None:
    """The probability that a text states; None where it states none, or more than one.

    '85%', '0.85' and 'I am about 85 % sure' are 0.85. A bare 85 counts where it stands after the word confidence or
    alone in its line; a bare 1 never does: it may be one percent or certainty. OPTIONS are not taken for an answer's
    confidence when they are repeated.
    """
    labelled = LABELLED.findall(text)
    lines = labelled or [_without(text, options)]
    if any(SPREAD.search(line) for line in lines):
        return None
    found = {value for line in lines for value in _values(line, bool(labelled))}
    return found.pop() if len(found) == 1 else None


def _values(text: str, labelled: bool) -> list[float | None]:
    """The probabilities in a text; None stands for a number that is none, or that can be read in two ways."""
    found: list[float | None] = []
    for match in NUMBER.finditer(text):
        number, unit = float(match[1]), (match[2] or "").lower()
        if unit:
            share = number / (10 if unit.endswith("10") else 100)
        elif "." in match[1]:
            share = number
        elif labelled or _alone(match):
            share = number / 100 if number != 1 else -1.0
        else:
            continue
        found.append(share if 0 <= share <= 1 else None)
    return found


def _alone(match: re.Match[str]) -> bool:
    """Whether a number is all that stands in its line."""
    before, after = match.string[: match.start()], match.string[match.end() :]
    return not before.rpartition("\n")[2].strip() and not after.partition("\n")[0].strip()


def _without(text: str, options: Sequence[str]) -> str:
    for option in sorted(options, key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(option)}(?![\w%])", " ", text)
    return text
