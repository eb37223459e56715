"""One number of many that judges agree by."""

from __future__ import annotations

from profiler.judging.records import Agreement, Jury


def of(found: Jury, metric: str, reading: str | None = "first", rater: str | None = None, **where: object) -> Agreement:
    """The one number that fits."""
    judges = [one.name for one in found.raters if one.kind == "judge"]
    wanted = {"metric": metric, "reading": reading, "rater": rater or judges[0], "group": None} | where
    fits = [n for n in found.numbers if all(getattr(n, name) == value for name, value in wanted.items())]
    assert len(fits) == 1, (wanted, len(fits))
    return fits[0]


def value(found: Jury, metric: str, reading: str | None = "first", **where: object) -> float | None:
    return of(found, metric, reading, **where).value
