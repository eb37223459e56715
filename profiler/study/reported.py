"""Numbers that others reported, read from a file and set beside those of a study."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from profiler.datasets import settings
from profiler.records import Record


class ReportedNumber(Record):
    """One number, and which students of a study have it."""

    what: str
    """What it is, in words."""
    where: str
    """The table or figure that it stands in, or who says so."""
    value: float
    bound: Literal["", "more than", "up to"] = ""
    """Where the account gives no number but a limit."""
    number: str
    """PROBE.METRIC of the profile."""
    group: str | None = None
    """Of one group of items."""
    of: Literal["value", "percent"] = "value"
    """The number itself, or its change against the untouched student, in percent."""
    scale: float = 1.0
    """What a value here is multiplied by before it stands beside theirs."""
    student: str | None = None
    """The last part of its name; any if left out."""
    arms: tuple[str, ...]
    teacher: str | None = None
    """Who alone taught it; any if left out."""
    objective: str | None = None
    """What its answers were chosen for; of no account where nothing was chosen."""
    take: Literal["mean", "highest", "lowest"] = "mean"
    """Of several students."""


class Reported(Record):
    """All numbers of one report."""

    source: str
    """Whose they are."""
    numbers: tuple[ReportedNumber, ...]


class Beside(Record):
    """A reported number, and what the study gives for it."""

    reported: ReportedNumber
    here: float | None
    low: float | None = None
    high: float | None = None
    students: tuple[str, ...] = ()
    """Whose number it is here."""
    reason: str = ""
    """Why there is none."""

    @property
    def lies(self) -> str:
        """Where the reported number lies, seen from our interval."""
        if self.low is None or self.high is None or self.reported.bound:
            return ""
        value = self.reported.value
        return "below our interval" if value < self.low else "above our interval" if value > self.high else "in it"


def read_reported(path: Path) -> Reported:
    """The numbers of a TOML, YAML or JSON file."""
    return settings.validated(Reported, settings.load(path), str(path))
