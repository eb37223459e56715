"""What a model can do in general: the paper's question sets, zero-shot, asked and scored as lm-eval 0.4.13 does."""

import re
from collections.abc import Mapping
from functools import cached_property

import numpy as np

from profiler.datasets import Item, Json, Row, official
from profiler.endpoints import Answer, Choose
from profiler.probes.multiple_choice import (
    MultipleChoice,
    OfficialSet,
    Question,
    listed,
    nested,
    openbook,
    question,
    unparseable,
)
from profiler.probes.probe import Setting, metrics_of, register
from profiler.stats import Columns, FloatArray, OfSums


def arc(row: Row) -> Question:
    choices = nested(row["choices"])
    return _question(row["question"], choices["text"], listed(choices["label"]).index(row["answerKey"]))


def _question(asked: Json, options: Json, gold: Json) -> Question:
    return question(f"Question: {asked}\nAnswer:", listed(options), gold, str(asked))


def boolq(row: Row) -> Question:
    # SuperGLUE put the title before the passage, and calls the answer a label.
    passage = f"{row['title']} -- {row['passage']}" if "title" in row else row["passage"]
    asked = f"{passage}\nQuestion: {row['question']}?"
    truth = row["label"] if "label" in row else row["answer"]
    return question(f"{asked}\nAnswer:", ("no", "yes"), int(bool(truth)), asked)


def hellaswag(row: Row) -> Question:
    context = f"{row['activity_label']}: {row['ctx_a']} {str(row['ctx_b']).capitalize()}"
    return question(_cleaned(context), (_cleaned(str(ending)) for ending in listed(row["endings"])), row["label"])


def _cleaned(text: str) -> str:
    """Without the marks of WikiHow's headings, which HellaSwag carries over."""
    text = re.sub(r"\[.*?\]", "", text.strip().replace(" [title]", ". "))
    return text.replace("  ", " ")


def rte(row: Row) -> Question:
    # Label 0 is entailment, so the order of the options is that of the labels.
    asked = f"{row['sentence1']}\nQuestion: {row['sentence2']} True or False?"
    return question(f"{asked}\nAnswer:", ("True", "False"), row["label"], asked)


def winogrande(row: Row) -> Question:
    # Partial evaluation (Trinh & Le 2018): each option stands in its place, and the rest of the sentence is weighed.
    before, rest = str(row["sentence"]).split("_", 1)
    asked = f"What belongs in the blank?\n\n{row['sentence']}"
    return question(before, (row["option1"], row["option2"]), int(str(row["answer"])) - 1, asked, rest.strip())


SETS = (
    OfficialSet("arc_challenge", "question choices answerKey", arc, "arc"),
    OfficialSet("arc_easy", "question choices answerKey", arc, "arc", 1),
    OfficialSet("boolq", "passage question", boolq),
    OfficialSet("hellaswag", "activity_label ctx_a ctx_b endings label", hellaswag),
    OfficialSet("openbookqa", "question answerKey", openbook),
    OfficialSet("rte", "sentence1 sentence2 label", rte),
    OfficialSet("winogrande", "sentence option1 option2 answer", winogrande),
)
UNTITLED = official("boolq").files[0].same[1:]
"""BoolQ without the titles: its questions are asked a little differently than lm-eval asks them."""
UNNORMED = {"boolq", "rte", "winogrande"}
"""Sets for which lm-eval gives no acc_norm."""
MOST = 8
"""Sets that a mean over sets has room for."""


def _by_set(columns: Columns) -> FloatArray:
    """Right answers and answers, each in the column of its set."""
    right, place = columns["acc"], columns["set"]
    own = (place[:, np.newaxis] == np.arange(MOST)).astype(np.float64)
    own[np.isnan(right)] = np.nan
    return np.hstack([own * right[:, np.newaxis], own])


def _mean_of_sets(sums: FloatArray) -> FloatArray:
    right, asked = sums[..., :MOST], sums[..., MOST:]
    shares = np.divide(right, asked, out=np.zeros_like(right), where=asked > 0)
    return np.asarray(shares.sum(axis=-1) / (asked > 0).sum(axis=-1))


@register
class Ability(MultipleChoice):
    """Questions of science, everyday sense and reading, each set estimated on its own and all in the mean."""

    name = "ability"
    default = True
    metrics = metrics_of("ability", acc_mean=OfSums(_by_set, _mean_of_sets, ("acc", "set")))
    official = SETS

    @staticmethod
    def put(row: Row) -> Question:
        return _question(row["question"], row["choices"], row["answer"])

    @property
    def settings(self) -> Mapping[str, Setting]:
        untitled = {(form.path, form.sha256) for form in UNTITLED} & {(part.file, part.sha256) for part in self.sets}
        return {
            "sets": " ".join(part.name for part in self.sets),
            "shots": 0,
            "missing": ", ".join(self.missing) or None,
            "boolq": "without titles, unlike lm-eval's" if untitled else None,
        }

    @cached_property
    def _places(self) -> Mapping[str | None, float]:
        return {part.name: float(place) for place, part in enumerate(self.sets)}

    def ask(self, item: Item[Question]) -> Choose:
        return item.fields.choose()

    def score(self, item: Item[Question], answer: Answer) -> Mapping[str, float | None]:
        gold = item.fields.gold
        scores: dict[str, float | None] = {"set": self._places[item.group], "unparseable": unparseable(answer)}
        if not answer.likelihoods:
            return scores | {"acc": float(answer.choice == gold), "acc_norm": None}
        totals = [likelihood.total for likelihood in answer.likelihoods]
        scores["acc"] = float(int(np.argmax(totals)) == gold)
        if item.group in UNNORMED:
            return scores | {"acc_norm": None}
        normed = [total / len(option) for total, option in zip(totals, item.fields.options, strict=True)]
        return scores | {"acc_norm": float(int(np.argmax(normed)) == gold)}
