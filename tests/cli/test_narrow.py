"""What fits a terminal: no line is wider, whatever its width, and what is not shown is said."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from tests.support.command import inherit

ROOT = Path(__file__).parents[2]


def seen(width: int, *words: str) -> list[str]:
    """The lines that a terminal of this WIDTH shows."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
    command = [sys.executable, "-c", "from profiler.cli import main; main()", *words]
    plain = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "LINES"}}
    process = subprocess.Popen(command, stdout=theirs, cwd=ROOT, env=plain | {"TERM": "xterm", "NO_COLOR": "1"})
    os.close(theirs)
    told = b""
    try:
        while part := os.read(ours, 65536):
            told += part
    except OSError:  # Linux's word for the end
        pass
    os.close(ours)
    assert process.wait() == 0
    return re.sub(r"\x1b\[[0-9;]*m", "", told.decode()).splitlines()


@pytest.mark.parametrize("width", [80, 50])
@pytest.mark.parametrize("words", [("ls", "metrics"), ("data",), ("show", "example/teacher")])
def test_no_line_is_wider_than_the_terminal(width: int, words: tuple[str, ...]) -> None:
    lines = seen(width, *words)
    assert len(lines) > 10
    assert max(map(len, lines)) <= width


def test_where_there_is_no_terminal_a_row_is_a_line() -> None:
    command = [sys.executable, "-c", "from profiler.cli import main; main()", "ls", "probes"]
    told = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True).stdout
    assert max(map(len, told.splitlines())) > 100


async def test_samples_end_in_how_many_are_not_shown() -> None:
    done = await inherit("show", "example/teacher", "bbq", "-n", "2")
    assert done.err == "2 of 64 samples; --limit 64 shows them all\n"


def test_a_terminal_is_shown_colours_not_their_codes() -> None:
    assert not [line for line in seen(80, "show", "example/teacher") if "\\x1b" in line]
