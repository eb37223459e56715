"""Scorers for workers elsewhere: they import them by name."""

import os
import signal
from collections.abc import Sequence
from pathlib import Path


def vowels(texts: Sequence[str]) -> list[float]:
    return [float(sum(letter in "aeiou" for letter in text)) for text in texts]


def deadly(texts: Sequence[str]) -> list[float]:
    """The first to come dies in the middle of its work."""
    mark = Path(os.environ["INHERIT_TEST_DEADLY"])
    if mark.exists():
        mark.unlink(missing_ok=True)
        os.kill(os.getpid(), signal.SIGKILL)
    return vowels(texts)
