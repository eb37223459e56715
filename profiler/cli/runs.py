"""Look at what runs left: `compare`, `show`, `ls`, `export`."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from profiler.cli.console import Format, Json, Out, Run, Save, keep_options, note, publish
from profiler.errors import CheckFailed

if TYPE_CHECKING:
    from profiler.records import Comparison
    from profiler.runs.options import CompareOptions


def compare(
    options: CompareOptions,
    fail_on: Annotated[Literal["worse", "moved"] | None, typer.Option(help="Exit 3 if any number got so.")] = None,
    format: Annotated[Format, typer.Option("--format", "-f")] = "table",
    save: Save = None,
    json: Json = False,
) -> None:
    """Show what changed between runs.

    In percent of BASE, with intervals that separate change from noise, and a verdict for each number.
    """
    from profiler.reporting.comparison import comparison_report
    from profiler.runs import compare, sample_store

    base = sample_store.load(options.base, options.out)
    comparisons = [compare.compare(base, sample_store.load(other, options.out)) for other in options.others]
    publish(comparison_report(comparisons), "json" if json else format, save)
    keep_options(options, save)
    if fail_on:
        guard(comparisons, fail_on)


def guard(comparisons: Sequence[Comparison], fail_on: str) -> None:
    """Raise if a number over all items got worse, or (on "moved") changed at all."""
    bad = {"worse"} if fail_on == "worse" else {"worse", "moved", "better"}
    changes = [change for comparison in comparisons for change in comparison.changes if change.group is None]
    hit = [change for change in changes if change.verdict in bad]
    if hit:
        named = ", ".join(f"{change.probe}.{change.metric} ({change.verdict})" for change in hit)
        raise CheckFailed(f"{len(hit)} of the numbers changed as --fail-on {fail_on} forbids: {named}")


def show(
    run: Run,
    probe: Annotated[str | None, typer.Argument(help="Show this probe's samples instead of the estimates.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", help="Samples to show.")] = 10,
    errors: Annotated[bool, typer.Option("--errors", help="Only samples that failed.")] = False,
    format: Annotated[Format, typer.Option("--format", "-f")] = "table",
    save: Save = None,
    out: Out = Path("runs"),
    json: Json = False,
) -> None:
    """Show a run's estimates, or the samples of one of its probes."""
    from profiler.reporting import profile
    from profiler.runs import sample_store

    found = sample_store.load(run, out)
    if probe:
        samples = (sample for sample in found.samples(probe) if sample.error or not errors)
        for sample in itertools.islice(samples, limit):
            sys.stdout.write(sample.model_dump_json() + "\n" if json else profile.sample_text(sample) + "\n\n")
        if rest := sum(1 for _ in samples):
            note(f"{limit:,} of {limit + rest:,} samples; --limit {limit + rest} shows them all")
    else:
        publish(
            profile.run_report(found) if save else profile.profile_report(found.profile),
            "json" if json else format,
            save,
        )


def ls(
    what: Annotated[Literal["runs", "metrics", "probes", "scorers"], typer.Argument()] = "runs",
    out: Out = Path("runs"),
    json: Json = False,
) -> None:
    """List runs, metrics or probes."""
    from profiler.reporting import listing

    sys.stdout.write(listing.text(listing.rows(what, out), json))


def export(
    run: Run,
    probe: Annotated[str, typer.Argument(help="Whose samples.")],
    save: Annotated[Path, typer.Option(help="A .jsonl, .csv or .parquet file: a row for each answer.")],
    out: Out = Path("runs"),
) -> None:
    """Write answers and scores as a flat table."""
    from profiler.reporting import listing
    from profiler.runs import sample_store

    count = listing.export(sample_store.load(run, out), probe, save)
    note(f"{save}: {count:,} rows")
