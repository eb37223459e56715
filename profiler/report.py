"""What was found, told to people and programs: terminal, Markdown, CSV, LaTeX, JSON, HTML and pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Literal

import orjson

from profiler import charts, diagram, layout, page
from profiler.diagram import Diagram
from profiler.errors import WrongUse
from profiler.files import write_whole
from profiler.layout import Key
from profiler.number import DASH, count, interval, number, places, plain
from profiler.records import Capabilities, Change, Comparison, Estimate, Fingerprint, Profile, Sample, Section
from profiler.runs import store
from profiler.runs.compare import registered
from profiler.table import Cell, Row, Table, as_csv, as_latex, as_markdown, as_text

Format = Literal["table", "md", "csv", "latex", "json", "html"]
What = Profile | Comparison | Sequence[Comparison]
Examples = Mapping[str, Sequence[Sample]]
"""A few samples of each probe."""
Diagrams = Mapping[str, Diagram]
"""Probe → how its confidence and its accuracy go together."""

SUFFIXES: Mapping[str, Format] = {
    ".txt": "table",
    ".md": "md",
    ".csv": "csv",
    ".tex": "latex",
    ".json": "json",
    ".html": "html",
}
PICTURES = (".png", ".svg")
MINI = "[mini]"
MINI_NOTE = "[mini] sets are for trying things out: do not publish these numbers."
HOW_SURE = (
    "Intervals: 95 %, paired bootstrap. Verdicts: p < 0.05 after step-down max-T correction over all metrics; "
    "a group's over all groups."
)


def render(what: What, format: Format, examples: Examples | None = None, diagrams: Diagrams | None = None) -> str:
    """A profile, or one or several comparisons with the same base, as text in FORMAT."""
    what = [what] if isinstance(what, Comparison) else what
    match format:
        case "json":
            return _json(what)
        case "csv":
            return as_csv(_estimate_rows(what) if isinstance(what, Profile) else _change_rows(what))
    table = profile_table(what) if isinstance(what, Profile) else comparison_table(what)
    if format == "html":
        if isinstance(what, Profile):
            return page.profile_page(what, table, agreement_table(what), examples or {}, diagrams or {})
        return page.comparison_page(what, table)
    write = {"table": as_text, "md": as_markdown, "latex": as_latex}[format]
    agreed = agreement_table(what) if isinstance(what, Profile) else None
    return write(table) + (f"\n{write(agreed)}" if agreed else "")


def save(what: What, path: Path, examples: Examples | None = None, diagrams: Diagrams | None = None) -> None:
    """Write to PATH, in the format that its ending names."""
    if path.suffix in PICTURES:
        write_whole(path, charts.picture([what] if isinstance(what, Comparison) else what, path.suffix))
    elif path.suffix in SUFFIXES:
        write_whole(path, render(what, SUFFIXES[path.suffix], examples, diagrams).encode())
    else:
        known = " ".join([*SUFFIXES, *PICTURES])
        raise WrongUse(f"can't write a report to {path.name!r}: expected a file that ends in one of {known}")


def save_run(run: store.Run, path: Path) -> None:
    """Write a finished run's profile to PATH, with what a page shows of its samples."""
    save(run.profile, path, examples(run), diagrams(run))


def diagrams(run: store.Run) -> Diagrams:
    """The reliability diagrams of the probes that know a confidence."""
    found = {section.probe: diagram.diagram(run.columns(section.probe)) for section in run.profile.sections}
    return {probe: bins for probe, bins in found.items() if bins}


def examples(run: store.Run, each: int = 3) -> Examples:
    """The first samples of each probe that were answered, in the order of their keys."""
    return {
        section.probe: list(islice((s for s in run.samples(section.probe) if not s.error), each))
        for section in run.profile.sections
    }


def profile_table(profile: Profile) -> Table:
    found = {Key(e.probe, e.metric, e.group): e for e in profile.estimates}
    suites = {section.probe: section.suite for section in profile.sections}
    rows: list[Row] = []
    for block in layout.blocks(found):
        rows += _headings(rows, block, suites)
        rows += [_estimate(key, found[key]) for key in block.keys]
    return Table(
        title=f"{profile.name} · {profile.id}",
        columns=("metric", "value", "95 % interval", "unit", "n", "undefined"),
        rows=tuple(rows),
        head=tuple(_said(section) for section in profile.sections),
        notes=(*_mini(suites), *_few(profile)),
    )


def agreement_table(profile: Profile) -> Table | None:
    """How far scorers of the same texts agree, two by two; None where each text had one scorer."""
    found = {(e.probe, e.group, e.metric): e for e in profile.agreements}
    if not found:
        return None
    measures = tuple(dict.fromkeys(e.metric for e in profile.agreements))
    pairs = dict.fromkeys((e.probe, e.group, e.n) for e in profile.agreements)
    return Table(
        title="How far the scorers agree",
        columns=("scorers", *measures, "texts"),
        rows=tuple(
            Row(str(group), (*(_within(found[probe, group, each]) for each in measures), Cell(count(texts))))
            for probe, group, texts in pairs
        ),
        notes=(Cell("Over all texts that both scored; 95 % intervals resample prompts.", "quiet"),),
    )


def _within(estimate: Estimate) -> Cell:
    """A value with its interval."""
    shown = number(estimate.value, 2)
    return Cell(shown if estimate.low is None else f"{shown} {interval(estimate.low, estimate.high, 2)}")


def _headings(rows: Sequence[Row], block: layout.Block, suites: Mapping[str, str]) -> list[Row]:
    """A probe's name where it begins, and the family's."""
    probe = f"{block.probe} {MINI}" if suites.get(block.probe) == "mini" else block.probe
    new = [] if any(row.label == probe and row.depth == 0 for row in rows) else [Row(probe)]
    return [*new, Row(block.family, depth=1)] if block.family else new


def _mini(suites: Mapping[str, str]) -> tuple[Cell, ...]:
    return (Cell(MINI_NOTE, "loud"),) if "mini" in suites.values() else ()


def _few(profile: Profile) -> tuple[Cell, ...]:
    """Which numbers rest on too few items to be read."""
    short: dict[tuple[str, int], list[str]] = {}
    for estimate in profile.estimates:
        metric = registered(estimate.probe, estimate.metric)
        if metric and estimate.group is None and estimate.value is not None and estimate.n < metric.enough:
            short.setdefault((estimate.probe, metric.enough), []).append(metric.name)
    return tuple(
        Cell(f"{probe}: fewer than {count(enough)} items, too few for {', '.join(names)}", "loud")
        for (probe, enough), names in short.items()
    )


def _said(section: Section) -> Cell:
    """A probe's circumstances in one line."""
    mini = section.suite == "mini"
    parts = [
        f"{section.probe} {MINI if mini else f'[{section.suite}]'}",
        f"{count(section.items)} items",
        f"{count(section.errors)} failed" if section.errors else "none failed",
        f"read by {section.how}",
        *([layout.sampling(section)] if section.sampling else []),
    ]
    return Cell(" · ".join(parts), "loud" if mini else "quiet")


def _estimate(key: Key, estimate: Estimate) -> Row:
    decimals = places(estimate.value, estimate.low, estimate.high)
    cells = (
        Cell(number(estimate.value, decimals)),
        Cell(interval(estimate.low, estimate.high, decimals), None if estimate.low is not None else "quiet"),
        Cell(layout.unit(key), "quiet"),
        Cell(count(estimate.n)),
        Cell(count(estimate.undefined) if estimate.undefined else "", "quiet"),
    )
    if estimate.reason:
        within = "" if estimate.low is None else f"{interval(estimate.low, estimate.high, decimals)} "
        cells = (cells[0], Cell(f"{within}{DASH} {estimate.reason}", "quiet"), *cells[2:])
    return Row(key.group or key.metric, cells, depth=2 if key.group is None else 3)


def estimates(found: Sequence[Estimate]) -> str:
    """A table of numbers that stand on their own, such as `inherit score` makes."""
    metrics = list(dict.fromkeys(e.metric for e in found))
    ordered = sorted(found, key=lambda e: (metrics.index(e.metric), e.group is not None))
    rows = [(e, _estimate(Key(e.probe, e.metric, e.group), e)) for e in ordered]
    flat = tuple(Row(row.label, row.cells, depth=int(e.group is not None)) for e, row in rows)
    return as_text(Table("", ("metric", "value", "95 % interval", "unit", "n", "undefined"), flat))


def comparison_table(comparisons: Sequence[Comparison]) -> Table:
    base = comparisons[0]
    found = [{Key(c.probe, c.metric, c.group): c for c in comparison.changes} for comparison in comparisons]
    rows: list[Row] = []
    for block in layout.blocks(key for changes in found for key in changes):
        rows += _headings(rows, block, base.suites)
        rows += [_changed(key, [changes.get(key) for changes in found]) for key in block.keys]
    alone = len(comparisons) == 1
    columns = ("change", "95 % interval", "verdict", "n") if alone else tuple(map(layout.other_name, comparisons))
    return Table(
        title=f"{layout.listed(map(layout.other_name, comparisons))} against {layout.base_name(base)}",
        columns=("metric", layout.base_name(base), *([layout.other_name(base)] if alone else []), *columns),
        rows=tuple(rows),
        head=tuple(Cell(text) for comparison in comparisons for text in _differs(comparison, alone)),
        notes=(
            *(cell for comparison in comparisons for cell in _refused(comparison, alone)),
            *_mini(base.suites),
            Cell(HOW_SURE, "quiet"),
        ),
    )


def _differs(comparison: Comparison, alone: bool) -> list[str]:
    whose = "" if alone else f"{layout.other_name(comparison)}: "
    return [f"{whose}{text}" for text in comparison.differs] or [f"{whose}no setting differs"]


def _refused(comparison: Comparison, alone: bool) -> list[Cell]:
    whose = "" if alone else f" with {layout.other_name(comparison)}"
    return [Cell(f"{probe} not compared{whose}: {why}", "loud") for probe, why in comparison.refused.items()]


def _changed(key: Key, changes: Sequence[Change | None]) -> Row:
    known = next(change for change in changes if change)
    decimals = places(known.base, *(change.other for change in changes if change))
    base = Cell(number(known.base, decimals))
    cells: tuple[Cell, ...] = (base, *map(_side_by_side, changes))
    if len(changes) == 1:
        cells = (
            base,
            Cell(number(known.other, decimals)),
            Cell(layout.moved(known)),
            Cell(layout.spread(known), "quiet"),
            Cell(known.verdict or f"{DASH} {known.reason}", known.verdict or "quiet"),
            Cell(count(known.n)),
        )
    return Row(key.group or key.metric, cells, depth=2 if key.group is None else 3)


def _side_by_side(change: Change | None) -> Cell:
    if change is None:
        return Cell(DASH, "quiet")
    if change.verdict is None:
        return Cell(f"{DASH} {change.reason}", "quiet")
    return Cell(f"{layout.moved(change)} {layout.spread(change)} {change.verdict}", change.verdict)


def sample(sample: Sample) -> str:
    """One exchange, for a reader: question, answers, scores."""
    head = f"{sample.probe} / {sample.item}" + (f" ({sample.group})" if sample.group else "")
    lines = [plain(head), *_quoted("> ", sample.prompt)]
    for answer in sample.answers:
        lines += _quoted("  ", answer.text or "(empty)") + ([f"  [{answer.finish}]"] if answer.finish else [])
    if sample.choice is not None:
        lines.append(f"  took option {sample.choice + 1}, read by {sample.how}")
    if sample.scores:
        lines.append("  " + ", ".join(f"{plain(name)} {number(value)}" for name, value in sample.scores.items()))
    if sample.error:
        lines.append(f"  FAILED: {plain(sample.error)}")
    return "\n".join(lines)


def _quoted(mark: str, text: str) -> list[str]:
    return [mark + plain(line.expandtabs()) for line in text.splitlines() or [""]]


def capabilities(found: Capabilities, fingerprint: Fingerprint, refusals: Mapping[str, str | None]) -> str:
    """What an endpoint can do, and which probes that allows."""
    able = {name: value for name, value in found.model_dump().items() if name != "notes"}
    said = {True: "yes", False: "no", None: "can't be seen"}
    lines = [f"weights {fingerprint.id}", "", "the endpoint"]
    lines += [_line(name, said.get(value, str(value)), found.notes.get(name)) for name, value in able.items()]
    lines += ["", "the probes that this allows"]
    lines += [_line(probe, said[not why], why) for probe, why in refusals.items()]
    return "\n".join(lines) + "\n"


def _line(name: str, said: str, why: str | None) -> str:
    return f"  {name:<22}{said:<15}{plain(why or '')}".rstrip()


def _json(what: Profile | Sequence[Comparison]) -> str:
    """The stored type; a list of them where several were asked for."""
    records = [what] if isinstance(what, Profile) else what
    whole = [record.model_dump(mode="json") for record in records]
    return orjson.dumps(whole[0] if len(whole) == 1 else whole, option=orjson.OPT_INDENT_2).decode() + "\n"


def _estimate_rows(profile: Profile) -> list[dict[str, str | int | float | None]]:
    suites = {section.probe: section.suite for section in profile.sections}
    head = {"profile": profile.id, "name": profile.name}
    return [
        {**head, **e.model_dump(), "suite": suites[e.probe], "unit": layout.unit(Key(e.probe, e.metric, e.group))}
        for e in (*profile.estimates, *profile.agreements)
    ]


def _change_rows(comparisons: Sequence[Comparison]) -> list[dict[str, str | int | float | None]]:
    return [
        {
            "base_name": comparison.base_name,
            "other_name": comparison.other_name,
            "base_id": comparison.base,
            "other_id": comparison.other,
            **change.model_dump(),
            "unit": layout.unit(Key(change.probe, change.metric, change.group)),
        }
        for comparison in comparisons
        for change in comparison.changes
    ]
