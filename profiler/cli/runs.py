"""Look at what runs left: `compare`, `show`, `ls`, `tag`, `export`."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import orjson
import typer

from profiler.cli.console import Format, Json, Out, Run, Save, keep_options, note, publish
from profiler.errors import CheckFailed, WrongUse

if TYPE_CHECKING:
    from profiler.records import Comparison
    from profiler.runs.options import CompareOptions


def compare(
    options: CompareOptions,
    fail_on: Annotated[
        list[str] | None,
        typer.Option(
            help="Exit 3 on: worse, significant, inconclusive, PROBE.METRIC>NUMBER of the compared run, "
            "change:PROBE.METRIC>NUMBER; may be repeated."
        ),
    ] = None,
    junit: Annotated[Path | None, typer.Option(help="Write what --fail-on found to this JUnit file.")] = None,
    format: Format = "table",
    save: Save = None,
    json: Json = False,
) -> None:
    """Show what changed between runs.

    In percent of BASE, with intervals that separate change from noise, and a verdict for each number.
    """
    from profiler.reporting.checks import require_rules
    from profiler.reporting.comparison import comparison_report
    from profiler.runs import compare, sample_store

    if junit and not fail_on:
        raise WrongUse("--junit writes what --fail-on found: say what must not be, such as --fail-on worse")
    require_rules(fail_on or ())
    base, margins = sample_store.load(options.base, options.out), options.margins
    others = [sample_store.load(other, options.out) for other in options.others]
    for other in others:
        if other.folder.resolve() == base.folder.resolve():
            note(f"{options.base} is compared with itself")
    comparisons = [compare.compare(base, other, primary=options.primary, margins=margins) for other in others]
    report = comparison_report(comparisons, options.intervals, options.all, [base, *others])
    publish(report, "json" if json else format, save)
    keep_options(options, save)
    if fail_on:
        guard(comparisons, fail_on, junit)


def guard(comparisons: Sequence[Comparison], rules: Sequence[str], path: Path | None) -> None:
    """Raise if anything is as a rule forbids, or if nothing can be told at all; what can't be told is said."""
    from profiler.files import write_whole
    from profiler.reporting.checks import checks, junit

    found = [(comparison, checks(comparison, rules)) for comparison in comparisons]
    if path:
        write_whole(path, junit(found))
    every = [check for _, checked in found for check in checked]
    failed = [check for check in every if check.outcome == "failed"]
    unknown = [check for check in every if check.outcome == "can't tell"]
    if failed:
        named = "; ".join(f"{check.label} ({check.why})" for check in failed)
        checked = f"{len(failed)} {'check' if len(failed) == 1 else 'checks'}"
        raise CheckFailed(f"{checked} failed of --fail-on {', '.join(rules)}: {named}")
    if unknown and len(unknown) == len(every):
        raise CheckFailed(f"--fail-on {', '.join(rules)} can tell nothing: {unknown[0].label}: {unknown[0].why}")
    if unknown:
        named = ", ".join(dict.fromkeys(check.label for check in unknown))
        note(f"--fail-on can't tell {len(unknown)} of {len(every)}: {named}; --fail-on inconclusive fails on them")


def show(
    run: Run,
    probe: Annotated[str | None, typer.Argument(help="Show this probe's samples instead of the estimates.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="Samples to show.")] = 10,
    errors: Annotated[bool, typer.Option("--errors", help="Only samples that failed.")] = False,
    format: Format = "table",
    save: Save = None,
    out: Out = Path("runs"),
    json: Json = False,
) -> None:
    """Show a run's estimates, or the samples of one of its probes."""
    from profiler.reporting import profile
    from profiler.runs import sample_store

    found = sample_store.load(run, out)
    if probe and (save or format != "table"):
        raise WrongUse(f"samples are printed here; `inherit export {run} {probe} --save FILE` writes all of them")
    if probe:
        samples = (sample for sample in found.samples(probe) if sample.error or not errors)
        for sample in itertools.islice(samples, limit):
            sys.stdout.write(sample.model_dump_json() + "\n" if json else profile.sample_text(sample) + "\n\n")
        if errors and not sum(part.errors for part in found.profile.sections if part.probe == probe):
            note(f"no sample of {probe} failed")
        if rest := sum(1 for _ in samples):
            note(f"{limit:,} of {limit + rest:,} samples; --limit {limit + rest} shows them all")
    else:
        publish(
            profile.run_report(found) if save else profile.profile_report(found.profile),
            "json" if json else format,
            save,
        )


def ls(
    what: Annotated[
        Literal["runs", "metrics", "probes", "scorers"],
        typer.Argument(help="runs, or what there is to measure with: metrics, probes, scorers of toxicity."),
    ] = "runs",
    tag: Annotated[list[str] | None, typer.Option(help="Only runs with this tag; may be repeated.")] = None,
    out: Out = Path("runs"),
    json: Json = False,
) -> None:
    """List runs, metrics, probes or scorers."""
    from profiler.reporting import listing

    if tag and what != "runs":
        raise WrongUse(f"--tag is for runs, and {what} have none")
    found = listing.rows(what, out, tag or ())
    sys.stdout.write(listing.text(found, json) if found or json or not tag else f"no run is tagged {' '.join(tag)}\n")


def tag(
    run: Run,
    tags: Annotated[list[str] | None, typer.Argument(help="Words that the run is to have as well.")] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Take these tags away instead.")] = False,
    out: Out = Path("runs"),
    json: Json = False,
) -> None:
    """Tag a run, to find it again with `inherit ls --tag`; without TAGS, print those that it has."""
    from profiler.runs import sample_store
    from profiler.runs.tags import read_tags, save_tags

    folder = sample_store.load(run, out).folder
    found, given = read_tags(folder), tags or []
    if given:
        found = save_tags(folder, [each for each in found if each not in given] if remove else [*found, *given])
    sys.stdout.write(orjson.dumps(found).decode() + "\n" if json else "".join(f"{each}\n" for each in found))


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
