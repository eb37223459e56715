"""What a person who waits is told: where there is no terminal, a line every five seconds with the time that is left."""

import time

import pytest

from profiler.reporting.progress import Bar
from profiler.runs import Progress


def test_the_time_that_is_left_is_told(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    with Bar() as bar:
        for second in range(1, 13):
            clock[0] = float(second)
            bar.show(Progress("bbq", 100, done=second, seconds=second))
    lines = capsys.readouterr().err.splitlines()
    assert [line.split()[:2] for line in lines] == [["bbq", "6/100"], ["bbq", "12/100"]]
    assert lines[0].endswith("94 s left")
