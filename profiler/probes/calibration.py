"""Does a model know when it is right? Confidence against accuracy on multiple-choice questions."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Self

import numpy as np

from profiler import calibration
from profiler.datasets import Row
from profiler.datasets.items import Item
from profiler.endpoints.requests import Answer, Choose
from profiler.metrics.metric import Metric
from profiler.probes import multiple_choice
from profiler.probes.multiple_choice import HELLASWAG, OPENBOOKQA, Official, Question, Questions, listed
from profiler.probes.probe import Options
from profiler.probes.registry import register
from profiler.stats import Columns, FloatArray, Mean, OfRows, OfSums

FEW = 300
"""HELM's authors ask for about so many items before an error over ten bins is read."""
WIDTH = 15
"""Bins of Guo et al. 2017."""
PAIR = ("confidence", "correct")

Measure = Callable[[FloatArray, FloatArray], float]


def hellaswag(row: Row) -> Question:
    # The paper's prompt is the raw context; lm-eval's has a title and is cleaned of brackets.
    return Question(str(row["ctx"]), tuple(map(str, listed(row["endings"]))), int(str(row["label"])))


def plain(row: Row) -> Question:
    """A question of the shipped set, or of a user's own."""
    return Question(str(row["question"]), tuple(map(str, listed(row["choices"]))), int(str(row["answer"])))


SETS = (
    Official("hellaswag", HELLASWAG, HELLASWAG.files[0], ("ctx", "endings", "label"), hellaswag),
    Official("openbookqa", OPENBOOKQA, OPENBOOKQA.files[0], ("question", "answerKey"), multiple_choice.openbook),
)


def _excess(columns: Columns) -> FloatArray:
    """How far confidence is above the outcome, and 1: what a single bin sums."""
    excess = columns["confidence"] - columns["correct"]
    return np.column_stack([excess, np.ones(len(excess))])


def _binned(columns: Columns) -> FloatArray:
    """The excess in the column of its bin, and 1 in the last."""
    excess, one = _excess(columns).T
    place = np.searchsorted(calibration.equal_width(WIDTH), columns["confidence"])
    table = np.zeros((len(excess), WIDTH + 1))
    table[np.arange(len(excess)), np.minimum(place, WIDTH - 1)] = excess
    table[:, WIDTH] = one
    return table


def _gap(sums: FloatArray) -> FloatArray:
    return np.asarray(sums[..., 0] / sums[..., 1])


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
        statistic=OfSums(_excess, _gap, PAIR),
    ),
    Metric(
        "ece_10_bin",
        about="Expected calibration error over ten bins of as many answers each, as HELM computes it.",
        unit="share",
        ideal="low",
        statistic=_of(partial(calibration.ece_equal_mass, bins=10), folded=True),
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
    ),
    Metric(
        "platt_ece_10_bin",
        about="What is left of ece_10_bin after Platt scaling on the same answers, as HELM computes it; "
        "undefined where all answers are right or all wrong.",
        unit="share",
        ideal="low",
        statistic=_of(partial(calibration.ece_platt, bins=10), folded=True),
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
        statistic=_of(lambda confidence, correct: calibration.selective(confidence, correct).top),
    ),
    Metric(
        "selective_area",
        about="Area under accuracy against coverage, most confident first, as in HELM; ties in mean order.",
        unit="share",
        ideal="high",
        statistic=_of(lambda confidence, correct: calibration.selective(confidence, correct).area),
    ),
    Metric(
        "unread", about="Share of written answers that name no option; they count as wrong.", unit="share", ideal="low"
    ),
)
NOISY = {"ece_10_bin", "ece_15_width", "platt_ece_10_bin", "selective_acc_10"}


@register
@dataclass(frozen=True)
class Calibration(Questions):
    """Multiple-choice questions whose options continue the question; confidence is their share of probability."""

    name = "calibration"
    version = 1
    lang = "en"
    metrics = tuple(replace(metric, enough=FEW) if metric.name in NOISY else metric for metric in METRICS)
    text_metrics = ()
    sampling = None

    @classmethod
    def build(cls, options: Options) -> Self:
        return cls(*multiple_choice.opened(options, SETS, plain), options.limit)

    @property
    def settings(self) -> Mapping[str, str | int | float | bool | None]:
        return {
            "confidence": "softmax of mean log-probability per token",
            "missing": ", ".join(self.missing) or None,
        }

    def ask(self, item: Item) -> Choose:
        # A letter that is merely written has no confidence; calibration_verbal and calibration_sampled ask for one.
        return replace(super().ask(item), ways=("loglikelihood", "top_logprobs"))

    def score(self, item: Item, answer: Answer) -> Mapping[str, float | None]:
        gold = multiple_choice.gold(item)
        if not answer.likelihoods:
            return {**_written(answer, gold), "unread": multiple_choice.unread(answer)}
        means = [likelihood.mean for likelihood in answer.likelihoods]
        known = [mean for mean in means if mean is not None]
        if len(known) < len(means):  # an option of no tokens has no mean
            return dict.fromkeys(("confidence", "correct", "brier", "nll")) | {"unread": 0.0}
        shares = calibration.softmax(known)
        taken = multiple_choice.largest(known)
        # From the logarithms, so that a hopeless option has a large surprise and not an infinite one.
        surprise = float(np.logaddexp.reduce(known)) - known[gold]
        return {**_chosen(shares, taken, gold), "nll": surprise, "unread": 0.0}


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
