"""The garbage collector, kept out of the way of work that makes many short-lived values and no cycles."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

YOUNG = 20_000
"""Values made and not freed that start a collection. Python's own 700 are what a few replies bring, so that it would go
through all that is in flight once for each of them."""

_usual: list[tuple[int, int, int]] = []
"""Python's own pace, once for each piece of work that runs now."""


@contextmanager
def held_off() -> Iterator[None]:
    """Leave alone what is there already, which takes 50 ms to go through each time, and look less often at the rest."""
    _usual.append(gc.get_threshold())
    gc.freeze()
    gc.set_threshold(YOUNG, *_usual[0][1:])
    try:
        yield
    finally:
        gc.set_threshold(*_usual.pop())
        if not _usual:
            gc.unfreeze()
