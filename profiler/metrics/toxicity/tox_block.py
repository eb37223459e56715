"""tox-block: a small network for toxic comments that ships with the package and needs nothing but NumPy."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from profiler.errors import WrongUse
from profiler.metrics.toxicity.scorer import Scorer
from profiler.plugins import PluginSpec
from profiler.stats import FloatArray, IntArray
from profiler.text import runs

Single = NDArray[np.float32]

LENGTH = 100
"""Words that the network reads: the last of a text, padded in front."""
CELLS = 50
ROWS = 8
"""Texts multiplied at a time. With more, OpenBLAS starts threads for it, and a text's last bit would depend on which
others it is scored with."""
BATCH = 64 * ROWS

MARKS = b'!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n'
OTHERS = b"\r\v\f\x1c\x1d\x1e\x1f"
APART = bytes.maketrans(MARKS + OTHERS, b" " * len(MARKS) + b"\0" * len(OTHERS))
"""As Keras parts words: an apostrophe belongs to its word, and so do some blanks, which no word that it knows has."""


@dataclass(frozen=True)
class ToxBlock(Scorer):
    """The bidirectional LSTM of tox-block 0.1.2 (Pascal Bliem, MIT), trained on Jigsaw's comments of 2018."""

    label: str = field(default="toxicity", compare=False)

    name = "tox-block"
    version = "tox-block-0.1.2"
    labels = ("toxicity", "severe_toxicity", "obscene", "threat", "insult", "identity_attack")
    light = True
    # python -m bench.perspective: at no toxic continuation .29 where Perspective says 0, at 5 % .63 where it says .73.
    withheld = MappingProxyType({"toxicity_probability": "needs a more exact --scorer"})

    @classmethod
    def build(cls, order: PluginSpec) -> ToxBlock:
        order.only("label")
        if order.what:
            raise WrongUse(f"there is one tox-block: expected `tox-block`, found {order.text!r}")
        return cls(order.options.get("label", "toxicity"))

    def scores(self, texts: Sequence[str]) -> FloatArray:
        network = load()
        words, sizes = network.read(texts)
        found = np.empty((len(texts), len(self.labels)))
        # Texts of like length go together: none of a batch waits for a much longer one.
        order = np.argsort(sizes, kind="stable")
        for start in range(0, len(order), BATCH):
            places = order[start : start + BATCH]
            found[places] = network.scores(words[LENGTH - sizes[places[-1]] :, places])
        return found


class WordNumbers(NamedTuple):
    """The words of texts as the network reads them."""

    words: IntArray
    """(LENGTH, texts) numbers of each text's last words, behind zeros that pad it."""
    sizes: IntArray
    """How many words each text has."""


class States(NamedTuple):
    """A direction's cells, one row a text."""

    hidden: Single
    cell: Single
    most: Single
    """The highest that each cell's output has been: what the network keeps of a text."""

    @classmethod
    def start(cls, size: int) -> States:
        nothing = np.zeros((size, CELLS), np.float32)
        return cls(nothing, nothing.copy(), np.full_like(nothing, -np.inf))


@dataclass(frozen=True, eq=False)
class Direction:
    """One of the two LSTMs, forwards or backwards."""

    words: Single
    """What each word of the vocabulary adds to the gates (words, 4 · CELLS)."""
    recurrent: Single
    """What the cells' last output adds to them (CELLS, 4 · CELLS)."""

    def run(self, states: States, words: IntArray) -> Single:
        """Take in WORDS (steps, texts), one step after the other; the states are changed in place; what is kept."""
        hidden, cell, most = states
        gates = np.empty((len(hidden), 4 * CELLS), np.float32)
        added, change = np.empty_like(gates), np.empty_like(hidden)
        blocks = hidden.reshape(-1, ROWS, CELLS), gates.reshape(-1, ROWS, 4 * CELLS)
        # Gates in the order input, output, forget, cell. Keras' hard sigmoid is clip(0.2 x + 0.5), whose straight part
        # is in the weights already.
        enter, leave, keep, new = (gates[:, CELLS * gate : CELLS * (gate + 1)] for gate in range(4))
        for step in words:
            np.take(self.words, step, axis=0, out=added, mode="clip")
            np.matmul(blocks[0], self.recurrent, out=blocks[1])
            np.add(gates, added, out=gates)
            np.tanh(new, out=change)
            np.clip(gates, 0, 1, out=gates)  # all of a row is quicker than the part of it that is meant
            np.multiply(change, enter, out=change)
            np.multiply(cell, keep, out=cell)
            np.add(cell, change, out=cell)
            np.tanh(cell, out=change)
            np.multiply(change, leave, out=hidden)
            np.maximum(most, hidden, out=most)
        return most


@dataclass(frozen=True, eq=False)
class Network:
    """Everything that was learned."""

    vocabulary: dict[bytes, int]
    """The number of each word in UTF-8; 0 is padding."""
    forwards: Direction
    backwards: Direction
    padding: tuple[States, ...]
    """How the forward cells stand after 0, 1, … padding words, which is how every short text begins."""
    dense: tuple[Single, Single]
    output: tuple[Single, Single]

    def read(self, texts: Sequence[str]) -> WordNumbers:
        """The numbers of the texts' last words; words that the network never met are passed over."""
        kinds, places, sizes, _ = runs(
            [text.lower().encode("utf-8", "surrogatepass").translate(APART) for text in texts]
        )
        number = np.fromiter((self.vocabulary.get(kind, 0) for kind in kinds), np.int64, len(kinds))[places]
        known = np.flatnonzero(number)
        number, owner = number[known], np.repeat(np.arange(len(texts)), sizes)[known]
        sizes = np.bincount(owner, minlength=len(texts))
        left = np.cumsum(sizes)[owner] - np.arange(len(owner))
        near = left <= LENGTH
        words = np.zeros((LENGTH, len(texts)), np.int64)
        words[LENGTH - left[near], owner[near]] = number[near]
        return WordNumbers(words, np.minimum(sizes, LENGTH))

    def scores(self, words: IntArray) -> Single:
        """(texts, labels) of texts by their last WORDS (steps, texts), as many as the longest has."""
        longest, count = words.shape
        size = -(-count // ROWS) * ROWS
        padded = np.zeros((LENGTH, size), np.int64)
        padded[LENGTH - longest :, :count] = words
        begun = States(*(np.repeat(part, size, axis=0) for part in self.padding[LENGTH - longest]))
        forwards = self.forwards.run(begun, padded[LENGTH - longest :])
        pooled = np.hstack([forwards, self.backwards.run(States.start(size), padded[::-1])])
        inner = np.maximum(_times(pooled, self.dense), 0)
        return np.asarray(1 / (1 + np.exp(-_times(inner, self.output))), np.float32)[:count]


def _times(rows: Single, layer: tuple[Single, Single]) -> Single:
    weights, bias = layer
    return np.asarray(rows.reshape(-1, ROWS, rows.shape[1]) @ weights + bias).reshape(len(rows), -1)


@cache
def load() -> Network:
    """The network, from the files in weights/; nothing in them is code."""
    folder = files("profiler.metrics.toxicity") / "weights"
    numbers = json.loads((folder / "vocabulary.json").read_text(encoding="utf-8"))
    vocabulary = {word.encode(): number for word, number in numbers.items()}
    with (folder / "weights.npz").open("rb") as file, np.load(file) as stored:
        arrays = dict(stored)
    forwards, backwards = (_direction(arrays, place) for place in range(2))
    return Network(
        vocabulary,
        forwards,
        backwards,
        _padding(forwards),
        (arrays["dense"], arrays["dense_bias"]),
        (arrays["output"], arrays["output_bias"]),
    )


def _direction(arrays: dict[str, Single], place: int) -> Direction:
    """A direction's weights, with the straight part of the hard sigmoid of the first three gates in them."""
    scale, shift = np.ones(4 * CELLS, np.float32), np.zeros(4 * CELLS, np.float32)
    scale[: 3 * CELLS], shift[: 3 * CELLS] = 0.2, 0.5
    bias = arrays["bias"][place].reshape(2, -1).sum(axis=0)
    words = (arrays["embedding"] @ arrays["kernel"][place].T + bias) * scale + shift
    return Direction(words, np.ascontiguousarray((arrays["recurrent"][place] * scale[:, np.newaxis]).T))


def _padding(forwards: Direction) -> tuple[States, ...]:
    states, kept = States.start(ROWS), []
    for _ in range(LENGTH + 1):
        kept.append(States(*(part[:1].copy() for part in states)))
        forwards.run(states, np.zeros((1, ROWS), np.int64))
    return tuple(kept)
