"""Does a model know when it is right? Confidence against accuracy on multiple-choice questions.

Its confidence is the probability of its options, what it says in words, or how often it gives the same answer.
"""

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
from profiler.errors import WrongUse
from profiler.metrics import Metric, distinct
from profiler.probes.multiple_choice import (
    MultipleChoice,
    OfficialSet,
    Question,
    listed,
    openbook,
    question,
    unparseable,
)
from profiler.probes.probe import ProbeOptions, Setting, metrics_of, register
from profiler.records import Sampling, Writing
from profiler.stats import Columns, FloatArray, IntArray, Mean, OfRows, OfSums, ratio

WIDTH = 15
"""Bins of Guo et al. 2017."""
PAIR = ("confidence", "correct")


def hellaswag(row: Row) -> Question:
    # The paper's prompt is the raw context; lm-eval's has a title and is cleaned of brackets.
    return question(str(row["ctx"]), listed(row["endings"]), row["label"])


SETS = (
    OfficialSet("hellaswag", "ctx endings label", hellaswag),
    OfficialSet("openbookqa", "question answerKey", openbook),
)


def _excess(columns: Columns) -> FloatArray:
    """How far confidence is above the outcome, and 1: what a single bin sums."""
    excess = columns["confidence"] - columns["correct"]
    return np.column_stack([excess, np.ones(len(excess))])


def _in_bins(columns: Columns, edges: FloatArray, bins: int) -> FloatArray:
    """1 in the column of an item's bin, 0 in those of the others."""
    place = np.minimum(np.searchsorted(edges, columns["confidence"]), len(edges) - 1)
    return np.asarray(np.eye(bins)[place])


def _by_mass(columns: Columns, bins: int = 10) -> FloatArray:
    """Bins of as many answers each, as HELM has them."""
    known = columns["confidence"][~np.isnan(columns["confidence"] + columns["correct"])]
    return _in_bins(columns, stats.calibration.equal_mass(known, bins), bins)


def _by_width(columns: Columns, bins: int) -> FloatArray:
    return _in_bins(columns, stats.calibration.equal_width(bins), bins)


def _parted(columns: Columns, part: Callable[[Columns, int], FloatArray], bins: int) -> FloatArray:
    """The excess in the column of its bin, and 1 in the last."""
    excess, one = np.hsplit(_excess(columns), 2)
    return np.hstack([part(columns, bins) * excess, one])


def _told_apart(columns: Columns) -> FloatArray:
    """The excess, the right answers and all answers, each in the column of its bin."""
    bins, (excess, _) = _by_mass(columns), np.hsplit(_excess(columns), 2)
    return np.hstack([bins * excess, bins * columns["correct"][:, np.newaxis], bins])


def _ece(sums: FloatArray) -> FloatArray:
    """Guo et al. 2017, eq. 3: n_b / n · |mean confidence − accuracy| is |Σ excess| / n."""
    return np.asarray(np.abs(sums[..., :-1]).sum(axis=-1) / sums[..., -1])


def _of(
    measure: Callable[[FloatArray, FloatArray], float],
    resampled: Callable[[FloatArray, FloatArray, IntArray], FloatArray],
    folded: bool = False,
) -> OfRows:
    def value(columns: Columns) -> float:
        return measure(columns["confidence"], columns["correct"])

    def values(columns: Columns, times: IntArray) -> FloatArray:
        return resampled(columns["confidence"], columns["correct"], times)

    return OfRows(value, PAIR, folded, values)


def _over(part: Callable[[Columns, int], FloatArray], bins: int) -> OfSums:
    return OfSums(partial(_parted, part=part, bins=bins), _ece, PAIR, folded=True)


TEN = _over(_by_mass, 10)
METRICS = metrics_of(
    "calibration",
    accuracy=Mean("correct"),
    overconfidence=OfSums(_excess, ratio, PAIR),
    ece_10_bin=TEN,
    ece_10_debiased=OfSums(_told_apart, stats.calibration.without_chance, PAIR, plain=TEN, lacks="a bin has one item"),
    ece_1_bin=OfSums(_excess, _ece, PAIR, folded=True),
    ece_15_width=_over(_by_width, WIDTH),
    platt_ece_10_bin=_of(
        partial(stats.calibration.ece_platt, bins=10),
        partial(stats.calibration_resamples.ece_platt, bins=10),
        folded=True,
    ),
    selective_acc_10=_of(
        lambda confidence, correct: stats.calibration.selective(confidence, correct).top,
        lambda *resampled: stats.calibration_resamples.selective(*resampled).top,
    ),
    selective_area=_of(
        lambda confidence, correct: stats.calibration.selective(confidence, correct).area,
        lambda *resampled: stats.calibration_resamples.selective(*resampled).area,
    ),
)

BINS = {"mass": (_by_mass, "bins of as many answers each"), "width": (_by_width, "bins of the same width")}
MOST_BINS = 1000


def over_bins(bins: str, kind: str) -> Metric | None:
    """The expected calibration error over so many BINS of this KIND; None where there are no such bins."""
    if kind not in BINS or not bins.isdecimal() or not 1 <= int(bins) <= MOST_BINS:
        return None
    part, about = BINS[kind]
    said = f"Expected calibration error over {int(bins)} {about}: chance makes it larger."
    return Metric(f"ece_{int(bins)}_{kind}", said, "proportion", "low", _over(part, int(bins)))


def wanted(said: str) -> Metric:
    """The error over bins that a user asks for: 20:mass."""
    if found := over_bins(*said.split(":", 1)) if ":" in said else None:
        return found
    raise WrongUse(f"expected bins such as 20:mass or 15:width, at most {MOST_BINS:,}, found {said!r}")


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


def _in_words(section: str) -> tuple[Metric, ...]:
    """What METRICS make of confidence and outcome, among the SECTION's own."""
    accuracy, confidence, *others = metrics_of(section, accuracy=Mean("correct"))
    shared = (metric for metric in METRICS if isinstance(metric.statistic, OfSums | OfRows))
    return (accuracy, confidence, *shared, *others)


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

    errors: tuple[Metric, ...] = ()
    """Expected calibration errors over other bins than the usual."""

    takes = frozenset(("prompts", "bins"))
    official = SETS
    usual: ClassVar[tuple[Metric, ...]]
    confidence: ClassVar[str]
    """Where it comes from."""

    @classmethod
    def build(cls, options: ProbeOptions) -> Self:
        return replace(super().build(options), errors=tuple(map(wanted, options.bins)))

    @property
    def metrics(self) -> tuple[Metric, ...]:
        return distinct((*self.usual, *self.errors))

    @classmethod
    def metric(cls, name: str) -> Metric | None:
        found = re.fullmatch(r"ece_(\d+)_([a-z]+)", name)
        return super().metric(name) or (over_bins(*found.groups()) if found else None)

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
    usual = METRICS
    confidence = "softmax of mean log-probability per token"

    def ask(self, item: Item[Question]) -> Choose:
        # A letter that is merely written has no confidence; calibration_verbal and calibration_sampled ask for one.
        return replace(item.fields.choose(), ways=("loglikelihood", "top_logprobs"))

    def score(self, item: Item[Question], answer: Answer) -> Mapping[str, float | None]:
        gold, taken = item.fields.gold, answer.choice
        shares, surprise = np.array(answer.confidences), None
        if answer.likelihoods:
            known = [likelihood.mean for likelihood in answer.likelihoods if likelihood.mean is not None]
            if len(known) < len(answer.likelihoods):  # an option of no tokens has no mean
                return dict.fromkeys(("confidence", "correct", "brier", "nll")) | {"unparseable": 0.0}
            shares, taken = stats.calibration.softmax(known), int(np.argmax(known))
            # From the logarithms, so that a hopeless option has a large surprise and not an infinite one.
            surprise = float(np.logaddexp.reduce(known)) - known[gold]
        elif taken is None or not answer.confidences:  # a letter, and the endpoint shows no alternatives
            lacking = dict.fromkeys(("confidence", "correct", "brier", "nll"))
            return lacking | {"correct": float(taken == gold), "unparseable": unparseable(answer)}
        elif shares[gold]:  # else the letter is not among the alternatives shown
            surprise = -math.log(shares[gold])
        return {
            "confidence": float(shares[taken]),
            "correct": float(taken == gold),
            "brier": float(((shares - (np.arange(len(shares)) == gold)) ** 2).sum()),
            "nll": surprise,
            "unparseable": unparseable(answer),
        }


@register
class CalibrationVerbal(Confidence):
    """Multiple-choice questions answered by letter, with the probability that the letter is right in percent."""

    name = "calibration_verbal"
    usual = _in_words("calibration_verbal")
    sampling = BRIEF
    confidence = "stated"

    def _asked(self) -> Mapping[str, Setting]:
        return {"question": STATE}

    def ask(self, item: Item[Question]) -> Generate:
        asked = lettered(item.fields.asked, item.fields.options, STATE)
        return Generate(asked, BRIEF, "{prompt}\n\nAnswer:", how="verbal", order=item.fields.choose().places)

    def score(self, item: Item[Question], answer: Answer) -> Mapping[str, float | None]:
        text = "".join(written.text for written in answer.generations)
        options = item.fields.options
        taken = read_letter(text, len(options))
        sure = None if taken is None else stated(text, options)
        return {
            **_columns(taken, sure, item.fields.gold),
            "unparseable": float(taken is None),
            "unstated": float(taken is not None and sure is None),
        }


@register
@dataclass(frozen=True)
class CalibrationSampled(Confidence):
    """Multiple-choice questions answered by letter several times over; confidence is the commonest's part."""

    sampling: Sampling = LETTER
    samples: int = SAMPLES

    name = "calibration_sampled"
    usual = _in_words("calibration_sampled")
    confidence = "proportion of the commonest answer"

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
        asked = item.fields.choose()
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
            "unparseable": letters.count(None) / len(letters) if letters else None,
        }


def stated(text: str, options: Sequence[str] = ()) -> float | None:
    """The probability that a text states; None where it states none, or more than one.

    '85%', '0.85' and 'I am about 85 % sure' are 0.85. A bare 85 counts where it stands after the word confidence or
    alone in its line; a bare 1 never does: it may be one percent or certainty. OPTIONS are not taken for an answer's
    confidence when they are repeated.
    """
    labelled = LABELLED.findall(text)
    for option in () if labelled else sorted(options, key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(option)}(?![\w%])", " ", text)
    lines = labelled or [text]
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
