"""What holds for every test: none goes to the network or sees the official files of the machine."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from hypothesis import settings

VARIABLE = "INHERIT_OFFICIAL"

os.environ["INHERIT_OFFLINE"] = "1"
os.environ.pop("INHERIT_DATA", None)
for name in ("SIGINT", "SIGQUIT", "SIGHUP"):
    # Whoever runs the tests in the background may ignore these, and what a test starts would inherit that.
    if (number := getattr(signal, name, None)) and signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, signal.default_int_handler if name == "SIGINT" else signal.SIG_DFL)
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--official", metavar="DIR", help=f"folder of the official data files, as in {VARIABLE}")


def pytest_configure(config: pytest.Config) -> None:
    """Where the official files lie is known before a test is read: tests/support/official.py asks the variable."""
    folder = config.getoption("official") or os.environ.get(VARIABLE)
    if folder and not Path(folder).is_dir():
        raise pytest.UsageError(f"expected a folder of official data files, not {folder!r}")
    os.environ[VARIABLE] = str(Path(folder).resolve()) if folder else ""


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    from tests.support.official import WANTING  # which asks the variable when it is imported

    if wanting := sum(WANTING in str(report.longrepr) for report in terminalreporter.getreports("skipped")):
        how = f"pytest --official=DIR or {VARIABLE} says where they lie"
        terminalreporter.write_line(f"{wanting} tests were skipped for want of the official data files; {how}")
