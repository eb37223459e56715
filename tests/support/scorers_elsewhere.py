"""Scorers for workers elsewhere: they import them by name."""

import os
import signal
import time
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


def noted(texts: Sequence[str]) -> list[float]:
    """Takes its time, and leaves a line that says what was scored."""
    time.sleep(0.2)
    with Path(os.environ["INHERIT_TEST_NOTES"]).open("a", encoding="utf-8") as notes:
        notes.write(f"{texts[0]}\n")
    return vowels(texts)
