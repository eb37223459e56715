"""Does a model know when it is right? Confidence against accuracy on multiple-choice questions.

Its confidence is the probability of its options, what it says in words, or how often it gives the same answer.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar, Self

import numpy as np

from profiler import stats
from profiler.datasets import Item, Row
from profiler.endpoints import Answer, Choose, Generate, lettered, read_letter
from profiler.metrics import Metric
from profiler.probes.multiple_choice import (
    HELLASWAG,
    OPENBOOKQA,
    UNREAD,
    MultipleChoice,
    OfficialSet,
    Question,
    choose,
    largest,
    listed,
    openbook,
    question,
    unread,
)
from profiler.probes.options import ProbeOptions
from profiler.probes.probe import Setting
from profiler.probes.registry import register
from profiler.records import Sampling, Writing
from profiler.stats import Columns, FloatArray, Mean, OfRows, OfSums, ratio

FEW = 300
"""HELM's authors ask for about so many items before an error over ten bins is read."""
WIDTH = 15
"""Bins of Guo et al. 2017."""
PAIR = ("confidence", "correct")

Measure = Callable[[FloatArray, FloatArray], float]


def hellaswag(row: Row) -> Question:
    # The paper's prompt is the raw context; lm-eval's has a title and is cleaned of brackets.
    return question(str(row["ctx"]), listed(row["endings"]), row["label"])


SETS = (
    OfficialSet("hellaswag", HELLASWAG, HELLASWAG.files[0], ("ctx", "endings", "label"), hellaswag),
    OfficialSet("openbookqa", OPENBOOKQA, OPENBOOKQA.files[0], ("question", "answerKey"), openbook),
)


def _excess(columns: Columns) -> FloatArray:
    """How far confidence is above the outcome, and 1: what a single bin sums."""
    excess = columns["confidence"] - columns["correct"]
    return np.column_stack([excess, np.ones(len(excess))])


def _binned(columns: Columns) -> FloatArray:
    """The excess in the column of its bin, and 1 in the last."""
    excess, one = _excess(columns).T
    place = np.searchsorted(stats.calibration.equal_width(WIDTH), columns["confidence"])
    table = np.zeros((len(excess), WIDTH + 1))
    table[np.arange(len(excess)), np.minimum(place, WIDTH - 1)] = excess
    table[:, WIDTH] = one
    return table


def _ece(sums: FloatArray) -> FloatArray:
    """Guo et al. 2017, eq. 3: n_b / n · |mean confidence − accuracy| is |Σ excess| / n."""
    return np.asarray(np.abs(sums[..., :-1]).sum(axis=-1) / sums[..., -1])


def _of(measure: Measure, folded: bool = False) -> OfRows:
    def value(columns: Columns) -> float:
        return measure(columns["confidence"], columns["correct"])

    return OfRows(value, PAIR, folded)


METRICS: tuple[Metric, ...] = (
    Metric(
        "accuracy",
        about="Share of questions whose right option is taken: the likeliest per token.",
        unit="share",
        ideal="high",
        statistic=Mean("correct"),
    ),
    Metric(
        "confidence",
        about="Mean probability of the option that is taken, among the options.",
        unit="share",
    ),
    Metric(
        "overconfidence",
        about="Mean confidence less accuracy: above 0 a model thinks itself better than it is.",
        unit="share",
        ideal=0,
        statistic=OfSums(_excess, ratio, PAIR),
    ),
    Metric(
        "ece_10_bin",
        about="Expected calibration error over ten bins of as many answers each, as HELM computes it.",
        unit="share",
        ideal="low",
        statistic=_of(partial(stats.calibration.ece_equal_mass, bins=10), folded=True),
        enough=FEW,
    ),
    Metric(
        "ece_1_bin",
        about="Expected calibration error over one bin, as HELM computes it: overconfidence without its sign.",
        unit="share",
        ideal="low",
        statistic=OfSums(_excess, _ece, PAIR, folded=True),
    ),
    Metric(
        "ece_15_width",
        about="Expected calibration error over 15 bins of the same width (Guo et al. 2017).",
        unit="share",
        ideal="low",
        statistic=OfSums(_binned, _ece, PAIR, folded=True),
        enough=FEW,
    ),
    Metric(
        "platt_ece_10_bin",
        about="What is left of ece_10_bin after Platt scaling on the same answers, as HELM computes it; "
        "undefined where all answers are right or all wrong.",
        unit="share",
        ideal="low",
        statistic=_of(partial(stats.calibration.ece_platt, bins=10), folded=True),
        enough=FEW,
    ),
    Metric(
        "brier",
        about="Squared distance of the options' probabilities from the truth, summed over the options: 0 to 2.",
        ideal="low",
    ),
    Metric(
        "nll", about="Surprise at the right option: minus the logarithm of its probability.", unit="nats", ideal="low"
    ),
    Metric(
        "selective_acc_10",
        about="Accuracy on the tenth of the questions where confidence is highest, as in HELM; ties in mean order.",
        unit="share",
        ideal="high",
        statistic=_of(lambda confidence, correct: stats.calibration.selective(confidence, correct).top),
        enough=FEW,
    ),
    Metric(
        "selective_area",
        about="Area under accuracy against coverage, most confident first, as in HELM; ties in mean order.",
        unit="share",
        ideal="high",
        statistic=_of(lambda confidence, correct: stats.calibration.selective(confidence, correct).area),
    ),
    UNREAD,
)
_KNOWN = {metric.name: metric for metric in METRICS}

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


@dataclass(frozen=True)
class Confidence(MultipleChoice):
    """What the three forms share: the questions, and options that continue the question."""

    official = SETS
    confidence: ClassVar[str]
    """Where it comes from."""

    @staticmethod
    def put(row: Row) -> Question:
        return question(str(row["question"]), listed(row["choices"]), row["answer"])

    @property
    def settings(self) -> Mapping[str, Setting]:
        return {"confidence": self.confidence, **self._asked(), "missing": ", ".join(self.missing) or None}

    def _asked(self) -> Mapping[str, Setting]:
        """Settings of this form alone."""
        return {}


@register
class Calibration(Confidence):
    """Multiple-choice questions whose options continue the question; confidence is their share of probability."""

    name = "calibration"
    default = True
    in_words = ("calibration_verbal", "calibration_sampled")
    metrics = METRICS
    confidence = "softmax of mean log-probability per token"

    def ask(self, item: Item[Question]) -> Choose:
        # A letter that is merely written has no confidence; calibration_verbal and calibration_sampled ask for one.
        return replace(choose(item.fields), ways=("loglikelihood", "top_logprobs"))

    def score(self, item: Item[Question], answer: Answer) -> Mapping[str, float | None]:
        gold = item.fields.gold
        if not answer.likelihoods:
            return {**_written(answer, gold), "unread": unread(answer)}
        means = [likelihood.mean for likelihood in answer.likelihoods]
        known = [mean for mean in means if mean is not None]
        if len(known) < len(means):  # an option of no tokens has no mean
            return dict.fromkeys(("confidence", "correct", "brier", "nll")) | {"unread": 0.0}
        shares = stats.calibration.softmax(known)
        taken = largest(known)
        # From the logarithms, so that a hopeless option has a large surprise and not an infinite one.
        surprise = float(np.logaddexp.reduce(known)) - known[gold]
        return {**_chosen(shares, taken, gold), "nll": surprise, "unread": 0.0}


@register
class CalibrationVerbal(Confidence):
    """Multiple-choice questions answered by letter, with the probability that the letter is right in percent."""

    name = "calibration_verbal"
    metrics = _metrics(
        "Mean confidence that was stated.",
        UNREAD,
        Metric(
            "unstated",
            about="Share of answers that name an option and not one probability; they count in the accuracy alone.",
            unit="share",
            ideal="low",
        ),
    )
    sampling = BRIEF
    confidence = "stated"

    def _asked(self) -> Mapping[str, Setting]:
        return {"question": STATE}

    def ask(self, item: Item[Question]) -> Generate:
        asked = lettered(item.fields.asked, item.fields.options, STATE)
        places = tuple(range(len(item.fields.options)))
        return Generate(asked, BRIEF, "{prompt}\n\nAnswer:", how="verbal", order=places)

    def score(self, item: Item[Question], answer: Answer) -> Mapping[str, float | None]:
        text = "".join(written.text for written in answer.generations)
        options = item.fields.options
        taken = read_letter(text, len(options))
        sure = None if taken is None else stated(text, options)
        return {
            **_columns(taken, sure, item.fields.gold),
            "unread": float(taken is None),
            "unstated": float(taken is not None and sure is None),
        }


@register
@dataclass(frozen=True)
class CalibrationSampled(Confidence):
    """Multiple-choice questions answered by letter several times over; confidence is the share of the commonest."""

    sampling: Sampling = LETTER
    samples: int = SAMPLES

    name = "calibration_sampled"
    metrics = _metrics(
        "Mean share of the answers that name the commonest option, of all that were drawn.",
        Metric(
            "unread",
            about="Share of the drawn answers that name no option; they speak for none.",
            unit="share",
            ideal="low",
        ),
    )
    confidence = "share of the commonest answer"

    @classmethod
    def build(cls, options: ProbeOptions) -> Self:
        # A letter is short, whatever length is wanted of other texts.
        sampling = options.sampling(LETTER).model_copy(update={"max_tokens": LETTER.max_tokens, "stop": LETTER.stop})
        return replace(super().build(options), sampling=sampling, samples=options.samples or SAMPLES)

    @property
    def writing(self) -> Writing:
        return Writing(samples=self.samples)

    def _asked(self) -> Mapping[str, Setting]:
        return {"samples": self.samples}

    def ask(self, item: Item[Question]) -> Generate:
        asked = choose(item.fields)
        return Generate(
            asked.lettered(), self.sampling, "{prompt}\nAnswer:", n=self.samples, how="sampled", order=asked.places
        )

    def score(self, item: Item[Question], answer: Answer) -> Mapping[str, float | None]:
        count = len(item.fields.options)
        letters = [read_letter(written.text, count) for written in answer.generations]
        said = Counter(letter for letter in letters if letter is not None)
        # Of options named equally often the one that was named first, which is as good as by lot.
        taken, times = said.most_common(1)[0] if said else (None, 0)
        sure = times / len(letters) if said else None
        return {
            **_columns(taken, sure, item.fields.gold),
            "unread": letters.count(None) / len(letters) if letters else None,
        }


def _chosen(shares: FloatArray, taken: int, gold: int) -> dict[str, float | None]:
    truth = np.arange(len(shares)) == gold
    return {
        "confidence": float(shares[taken]),
        "correct": float(taken == gold),
        "brier": float(((shares - truth) ** 2).sum()),
    }


def _written(answer: Answer, gold: int) -> dict[str, float | None]:
    """An answer by letter: its confidences where the endpoint shows alternatives, otherwise its correctness alone."""
    if answer.choice is None or not answer.confidences:
        return {"confidence": None, "correct": float(answer.choice == gold), "brier": None, "nll": None}
    share = answer.confidences[gold]
    surprise = -math.log(share) if share else None  # the letter is not among the alternatives shown
    return {**_chosen(np.array(answer.confidences), answer.choice, gold), "nll": surprise}


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
