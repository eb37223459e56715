"""Whether a comparison is as it must be: what `--fail-on` forbids, and the outcomes as JUnit."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple
from xml.etree import ElementTree as xml

from profiler.errors import WrongUse
from profiler.records import Change, Comparison
from profiler.reporting import layout
from profiler.reporting.numbers import number, plain
from profiler.runs import matching

KINDS = ("worse", "significant", "inconclusive")
THRESHOLD = re.compile(
    r"(?P<change>change:)?(?P<name>[^<>]+?)\s*(?P<way>[<>])\s*(?P<value>[-+]?\d*\.?\d+(?:e[-+]?\d+)?)"
)
Outcome = Literal["passed", "failed", "can't tell"]


class Threshold(NamedTuple):
    """What a number of the compared run, or its change, may not be."""

    of_change: bool
    name: str
    above: bool
    value: float

    @classmethod
    def of(cls, text: str) -> Threshold:
        """As it is written: PROBE.METRIC>0.05, or change:PROBE.METRIC>0.05."""
        found = THRESHOLD.fullmatch(text.strip())
        if not found:
            kinds = ", ".join(KINDS)
            raise WrongUse(
                f"--fail-on: expected {kinds}, PROBE.METRIC>NUMBER or change:PROBE.METRIC>NUMBER, not {text!r}"
            )
        return cls(bool(found["change"]), found["name"].strip(), found["way"] == ">", float(found["value"]))

    def broken(self, value: float) -> bool:
        return value > self.value if self.above else value < self.value


class Check(NamedTuple):
    """What became of one number under one rule."""

    rule: str
    label: str
    outcome: Outcome
    why: str


def require_rules(rules: Sequence[str]) -> None:
    """Refuse a rule that can't be meant, before anything is compared."""
    for rule in rules:
        if rule not in KINDS:
            Threshold.of(rule)


def checks(comparison: Comparison, rules: Sequence[str]) -> list[Check]:
    """Each number that a rule is about, under that rule; thresholds may name groups, too."""
    return [check for rule in rules for check in _checked(comparison, rule)]


def _checked(comparison: Comparison, rule: str) -> Iterator[Check]:
    if rule not in KINDS:
        threshold = Threshold.of(rule)
        known = {change.label: change for change in comparison.changes}
        try:
            named = matching(threshold.name, known, "--fail-on")
        except WrongUse:
            probe = threshold.name.partition(".")[0]
            if probe not in comparison.refused:
                raise
            yield Check(rule, threshold.name, "failed", f"{probe} could not be compared: {comparison.refused[probe]}")
            return
        yield from (Check(rule, label, *_held(threshold, known[label])) for label in named)
        return
    for probe, why in comparison.refused.items():
        yield Check(rule, probe, "failed" if rule == "inconclusive" else "can't tell", f"could not be compared: {why}")
    for change in comparison.changes:
        if change.group is None and not change.exploratory:
            yield Check(rule, change.label, *_judged(change, rule))


def _judged(change: Change, rule: str) -> tuple[Outcome, str]:
    said = f"{layout.moved(change)} {layout.spread(change.joint())}, {change.verdict}"
    if change.verdict is None:
        return ("failed" if rule == "inconclusive" else "can't tell"), f"no verdict: {change.reason}"
    match rule:
        case "worse":
            failed = change.verdict == "worse"
        case "significant":
            failed = change.significant
        case _:
            failed = change.verdict == "not significant"
            said += f"; a change of {layout.detectable(change)} would be seen"
    return ("failed" if failed else "passed"), said


def _held(threshold: Threshold, change: Change) -> tuple[Outcome, str]:
    value = change.absolute if threshold.of_change else change.other
    if value is None:
        return "failed", f"it has no value: {change.reason or 'undefined'}"
    said = f"{'its change' if threshold.of_change else 'it'} is {number(value)}"
    if threshold.broken(value):
        return "failed", said
    ends = [end for end in (change.low, change.high) if end is not None]
    if threshold.of_change and any(map(threshold.broken, ends)):
        low, high = map(number, ends)
        return "passed", f"{said}, and may be beyond it: its 95 % interval is [{low}, {high}]"
    return "passed", said


def junit(found: Sequence[tuple[Comparison, Sequence[Check]]]) -> bytes:
    """Outcomes as JUnit's XML: a suite a comparison, a test a number and rule; what can't be told is skipped."""
    root = xml.Element("testsuites", name="inherit compare")
    for comparison, checked in found:
        name = f"{layout.other_name(comparison)} compared with {layout.base_name(comparison)}"
        counts = {"failures": "failed", "skipped": "can't tell"}
        numbers = {kind: str(sum(check.outcome == outcome for check in checked)) for kind, outcome in counts.items()}
        about = {"name": plain(name), "tests": str(len(checked)), "errors": "0", **numbers}
        suite = xml.SubElement(root, "testsuite", about)
        for check in checked:
            named = {"classname": plain(check.label), "name": plain(f"{check.label}: {check.rule}")}
            case = xml.SubElement(suite, "testcase", named)
            if check.outcome != "passed":
                kind = "failure" if check.outcome == "failed" else "skipped"
                xml.SubElement(case, kind, message=plain(check.why))
    xml.indent(root)
    return f"<?xml version='1.0' encoding='utf-8'?>\n{xml.tostring(root, encoding='unicode')}\n".encode()
