"""The garbage collector is as it was once all work is done."""

import gc
from contextlib import ExitStack

from profiler.endpoints.collector import YOUNG, held_off


def test_work_side_by_side_leaves_the_collector_as_it_was() -> None:
    usual = gc.get_threshold()
    first, second = ExitStack(), ExitStack()
    first.enter_context(held_off())
    second.enter_context(held_off())
    first.close()
    assert gc.get_threshold()[0] == YOUNG
    assert gc.get_freeze_count()
    second.close()
    assert gc.get_threshold() == usual
    assert not gc.get_freeze_count()


def test_values_in_a_cycle_are_still_freed() -> None:
    class Node:
        made = 0

        def __init__(self) -> None:
            self.self = self
            Node.made += 1

        def __del__(self) -> None:
            Node.made -= 1

    with held_off():
        for _ in range(2 * YOUNG):
            Node()
    assert Node.made < YOUNG
