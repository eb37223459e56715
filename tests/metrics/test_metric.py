"""Any number of texts is measured, in order, in one process or several."""

from __future__ import annotations

import os
from typing import NamedTuple

import numpy as np
import pytest

from profiler import metrics
from profiler.metrics.metric import measure, measured
from profiler.text.counting import Text


class Row(NamedTuple):
    number: int
    text: Text


def process(texts):
    return [os.getpid()] * len(texts)


def rows(count: int) -> list[Row]:
    return [Row(n, Text(f"Row {n} says {'very ' * (n % 7)}little. Or does it?")) for n in range(count)]


def batches(found: list[Row], size: int = 4):
    return (found[start : start + size] for start in range(0, len(found), size))


@pytest.mark.parametrize("workers", [1, 2])
def test_batches_come_back_in_order_with_the_scores_of_their_texts(workers):
    found, every = rows(50), list(metrics.default().values())
    expected = measure([row.text for row in found], every)
    back = list(measured(batches(found), every, workers))
    assert [row for batch, _ in back for row in batch] == found
    for name, column in expected.items():
        assert np.array_equal(np.concatenate([scores[name] for _, scores in back]), column, equal_nan=True), name


def test_workers_are_other_processes():
    metric = metrics.get(f"{__name__}:process")
    pids = {pid for _, scores in measured(batches(rows(20), 1), [metric], 2) for pid in scores[metric.name].tolist()}
    assert os.getpid() not in pids


@pytest.mark.parametrize("workers", [1, 2])
def test_no_batch_gives_nothing(workers):
    assert list(measured([], [metrics.get("words")], workers)) == []


def test_a_long_stream_is_read_only_a_little_ahead():
    taken = 0

    def stream():
        nonlocal taken
        for batch in batches(rows(200), 1):
            taken += 1
            yield batch

    scored = measured(stream(), [metrics.get("words")], 2)
    for _ in range(3):
        next(scored)
    assert taken < 12
    scored.close()
