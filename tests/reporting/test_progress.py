"""What a person who waits is told: where there is no terminal, a line every five seconds with the time that is left."""

import time

import pytest

from profiler.records import Usage
from profiler.reporting.progress import Bar, speed
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
    assert lines[0].endswith("about 94 s left")


def test_the_time_that_is_left_counts_the_probes_to_come_by_what_they_write() -> None:
    half = Progress("bbq", 100, done=50, seconds=10, size=10, others=(500, 2000), before=10)
    assert half.left == pytest.approx(50)  # 1,000 of 3,500 took 20 s
    assert speed(half).endswith("about 50 s left")


def test_how_many_tokens_a_second_are_written_is_told() -> None:
    writing = Progress("attributes", 10, done=10, seconds=4, usage=Usage(prompt=10, completion=1000))
    assert speed(writing) == "2.5 items/s · 1,000 tokens written, 250/s"
