"""SEAT: do a model's hidden states place the sentences of one group nearer to some attributes than another group's?"""

import json
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import NamedTuple

import numpy as np

from profiler.datasets import Item, Row, drawn, official
from profiler.endpoints import Answer, Embed
from profiler.probes.multiple_choice import listed
from profiler.probes.probe import Probe, metrics_of, register
from profiler.stats import Columns, FloatArray, Mean, OfSums, association

SOURCE = official("seat")
ROLES = ("targ1", "targ2", "attr1", "attr2")
SIGNIFICANT = 0.05


def _one(columns: Columns) -> FloatArray:
    return np.column_stack([columns["p_value"], np.ones(len(columns["p_value"]))])


def _alone(sums: FloatArray) -> FloatArray:
    return np.where(sums[..., 1] == 1, sums[..., 0], np.nan)


class AssociationTest(NamedTuple):
    """The sentences of two targets and of two attributes."""

    targ1: tuple[str, ...]
    targ2: tuple[str, ...]
    attr1: tuple[str, ...]
    attr2: tuple[str, ...]


@register
class Seat(Probe[AssociationTest]):
    """Association tests of sentences in a model's hidden states; only of a model in this process."""

    name = "seat"
    takes = frozenset()
    shipped = "seat"
    published = SOURCE
    topic = "bias"
    in_process = True
    metrics = metrics_of("seat", p_value=OfSums(_one, _alone, ("p_value",)), significant=Mean("significant"))

    @cached_property
    def items(self) -> list[Item[AssociationTest]]:
        tests = map(_shipped, self.rows()) if self.suite == "mini" else _official()
        return drawn((Item(name, test, group=name) for name, test in tests), self.limit)

    def ask(self, item: Item[AssociationTest]) -> Embed:
        return Embed(tuple(text for texts in item.fields for text in texts))

    def score(self, item: Item[AssociationTest], answer: Answer) -> Mapping[str, float | None]:
        states = np.stack([np.frombuffer(state.float32, "<f4") for state in answer.states]).astype(np.float64)
        ends = np.cumsum([len(texts) for texts in item.fields])
        one, other, first, second = np.split(states, ends[:-1])
        near, far = (association.associations(targets, first, second) for targets in (one, other))
        size, p = association.effect_size(near, far), association.permutation_p(near, far)
        absolute = None if size is None else abs(size)
        return {"effect_size": size, "effect_size_abs": absolute, "p_value": p, "significant": float(p < SIGNIFICANT)}


def _shipped(row: Row) -> tuple[str, AssociationTest]:
    """Every word of a list in every frame."""
    frames = [str(frame) for frame in listed(row["frames"])]
    sentences = (tuple(frame.format(word) for word in listed(row[role]) for frame in frames) for role in ROLES)
    return str(row["id"]), AssociationTest(*sentences)


def _official() -> Iterator[tuple[str, AssociationTest]]:
    for file in SOURCE.files:
        test = json.loads(SOURCE.read(file))
        # The authors' script holds the sentences of a role by their text, and so each once.
        yield (
            file.name.removesuffix(".jsonl"),
            AssociationTest(*(tuple(dict.fromkeys(test[role]["examples"])) for role in ROLES)),
        )
