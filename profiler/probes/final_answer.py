"""Final answers: does a model that works a problem out in words end in the right number, or the right words?"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple, Self

import orjson

from profiler.datasets import Item, Prompts, Row, drawn, mini, official, prompts, template_of
from profiler.endpoints import Answer
from profiler.errors import BadData
from profiler.probes.probe import ProbeOptions, WritingProbe, mean, metrics_of, register
from profiler.records import Json, Sampling
from profiler.text import final_answer

TEMPLATE = "Question: {prompt}\nAnswer:"
"""How a completions endpoint is asked: lm-eval's for GSM8K, without its examples."""
SYSTEM = "Work it out, then end with a line of its own: #### and the final answer."
WORKED = Sampling(max_tokens=512, stop=("\nQuestion:",))
GOLDS = ("gold", "answer", "target", "label", "ground_truth", "solution")
"""Columns that hold the right answer, where none is named."""

SOURCE = official("gsm8k")
(TEST,) = SOURCE.files

METRICS = metrics_of("final_answer")
OF_TEXTS = tuple(metric for metric in METRICS if metric.name != "truncated")
"""Those that a text and its right answer tell alone."""


class Problem(NamedTuple):
    """What is to be worked out."""

    prompt: str
    gold: str


def problems() -> Prompts:
    """The shipped set."""
    return Prompts("mini problems", "mini", lambda: mini.rows("problems"), "question")


@register
@dataclass(frozen=True)
class FinalAnswer(WritingProbe[Problem]):
    """Problems with one right answer, worked out in words; what counts is the final number or words."""

    prompts: Prompts = field(default_factory=problems)
    sampling: Sampling = WORKED
    prompt_template: str = TEMPLATE
    system: str = SYSTEM
    gold: str | None = None
    """The column of the right answer."""

    name = "final_answer"
    takes = frozenset(("prompts", "column", "gold"))
    shipped = "problems"
    metrics = METRICS

    def __post_init__(self) -> None:
        object.__setattr__(self, "suite", self.prompts.suite)  # how a frozen dataclass fills a field from others

    @classmethod
    def build(cls, options: ProbeOptions) -> Self:
        if options.prompts:
            asked = prompts(options.prompts, options.column, options.lang)
        elif SOURCE.suite(options.suite, "full") == "full":
            asked = Prompts("GSM8K (test)", "full", lambda: SOURCE.rows(TEST, ("question", "answer")), "question")
        else:
            asked = problems()
        default = template_of(options.column).get("prompt_template", TEMPLATE)
        return cls(prompts=asked, gold=options.gold, **cls.told(options, WORKED, default))

    @property
    def lang(self) -> str:
        return self.prompts.lang

    @cached_property
    def every(self) -> list[Item[Problem]]:
        """All of them: a bad row is found before anything is paid."""
        rows = zip(self.prompts, self.prompts.rows(), strict=True)
        return [Item(key, Problem(prompt, self._right(key, row))) for (key, prompt), row in rows]

    @cached_property
    def items(self) -> list[Item[Problem]]:
        return drawn(self.every, self.limit)

    @property
    def data(self) -> Mapping[str, str]:
        if self.suite == "full":
            return {TEST.name: TEST.sha256}
        asked = [[item.id, *item.fields] for item in self.every]
        return {self.prompts.name: hashlib.sha256(orjson.dumps(asked)).hexdigest()}

    def _right(self, key: str, row: Row) -> str:
        where = f"{self.prompts.name} row {int(key) + 1}"
        found = [self.gold] if self.gold else [name for name in GOLDS if name in row and name != self.prompts.column]
        if len(found) != 1:
            which = f"either of {' and '.join(found)}" if found else f"none of its columns ({', '.join(row)})"
            raise BadData(f"{where}: the right answer may be in {which}: name its column with --gold")
        return right(row, found[0], where)

    def score(self, item: Item[Problem], answer: Answer) -> Mapping[str, float | None]:
        each = [answer_scores(written.text, item.fields.gold) for written in answer.generations]
        cut = [float(one.finish == "length") if one.finish else None for one in answer.generations]
        return {
            **{metric.name: mean([scores[metric.name] for scores in each]) for metric in OF_TEXTS},
            "truncated": mean(cut),
        }


def right(row: Row, column: str, where: str) -> str:
    """The right answer that a row gives."""
    value: Json = row.get(column)
    found = final_answer.gold(str(value)) if isinstance(value, str | int | float) else ""
    if not found:
        raise BadData(f"{where}: expected the right answer in column {column!r}, found {value!r}")
    return found


def answer_scores(text: str, gold: str) -> dict[str, float | None]:
    """What a text is worth whose right answer is GOLD: one that gives no final answer is wrong, and counted."""
    found, strict = final_answer.matches(text, gold), final_answer.matches_strictly(text, gold)
    return {
        "exact_match": float(found or False),
        "exact_match_strict": None if strict is None else float(strict),
        "unparseable": float(found is None),
    }
