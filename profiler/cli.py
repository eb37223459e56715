"""The command `inherit`: reads like its help, computes nothing itself."""

from __future__ import annotations

import asyncio
import itertools
import sys
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

import typer

from profiler.errors import CheckFailed, InheritError

if TYPE_CHECKING:
    from profiler.probe import Options, Probe
    from profiler.types import Comparison, Endpoint, Profile

T = TypeVar("T")
Suite = Literal["auto", "mini", "paper", "full"]
Format = Literal["table", "md", "csv", "latex", "json"]

app = typer.Typer(
    name="inherit",
    help="See, and choose, what a language model inherits from the model that taught it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Out = Annotated[Path, typer.Option("--out", "-o", help="Folder that holds the runs.")]
Url = Annotated[str | None, typer.Option(help="An OpenAI-compatible server, up to and including /v1.")]
Key = Annotated[str, typer.Option(help="NAME of the environment variable that holds the key.")]
Chat = Annotated[bool, typer.Option("--chat", help="Ask through chat messages instead of plain completions.")]
Json = Annotated[bool, typer.Option("--json", help="Print the stored record instead of a table.")]
Model = Annotated[
    str, typer.Argument(help="demo, a path or hub id (runs in this process), or a name that --url serves.")
]


Run_ = Annotated[str, typer.Argument(help="A run: its folder, its name or the end of it, or `latest`.")]
Data = Annotated[
    Path | None, typer.Option("--data", help="Folder of official data files, packed or not; else INHERIT_DATA.")
]
Save = Annotated[
    Path | None, typer.Option(help="Write to a file instead; its ending says how: .md .csv .tex .json .html .png .svg")
]


@app.command()
def profile(
    model: Model,
    url: Url = None,
    chat: Chat = False,
    key: Key = "OPENAI_API_KEY",
    probe: Annotated[list[str] | None, typer.Option("--probe", "-p", help="Only this probe; may be repeated.")] = None,
    suite: Annotated[Suite, typer.Option(help="Whose items; auto takes the paper's where they are at hand.")] = "auto",
    data: Data = None,
    prompts: Annotated[str | None, typer.Option(help="A .jsonl, .csv or .parquet file, or hub:OWNER/NAME.")] = None,
    column: Annotated[str | None, typer.Option(help="The column of --prompts that holds the prompt.")] = None,
    lang: Annotated[str, typer.Option(help="Language of the answers; readability is defined for en only.")] = "en",
    limit: Annotated[int | None, typer.Option("--limit", "-n", min=1, help="Items a probe, picked by seed.")] = None,
    samples: Annotated[int | None, typer.Option(min=1, help="Answers a prompt.")] = None,
    temperature: Annotated[float | None, typer.Option(min=0.0, help="0 takes the likeliest token.")] = None,
    top_p: Annotated[float | None, typer.Option(min=0.0, max=1.0, help="Nucleus that tokens are drawn from.")] = None,
    max_tokens: Annotated[int | None, typer.Option(min=1, help="New tokens an answer, at most.")] = None,
    stop: Annotated[list[str] | None, typer.Option(help="Stop before this string; may be repeated.")] = None,
    seed: Annotated[int | None, typer.Option(help="Sample i is drawn with seed + i.")] = None,
    frame: Annotated[str | None, typer.Option(help="Text with {prompt} in it, for a completions endpoint.")] = None,
    system: Annotated[str, typer.Option(help="System message, for a chat endpoint.")] = "",
    concurrency: Annotated[int, typer.Option(min=1, help="Requests in flight at a server.")] = 64,
    name: Annotated[str | None, typer.Option(help="What to call the profile; the model's name if left out.")] = None,
    out: Out = Path("runs"),
    json: Json = False,
) -> None:
    """Ask MODEL the probes and leave a profile.

    The run is a folder: profile.json, its samples, and a report.html that needs no network.
    """
    from profiler.data import use
    from profiler.probe import Options
    from profiler.types import Endpoint

    use(data)
    drawn: dict[str, float | int | tuple[str, ...] | None] = {
        "temperature": temperature,
        "top_p": top_p,
        "max_tokens": max_tokens,
        "seed": seed,
        "stop": tuple(stop) if stop else None,
    }
    sampling = {field: value for field, value in drawn.items() if value is not None}
    options = Options(suite, prompts, column, lang, limit, samples, frame, system, sampling)
    endpoint = Endpoint(model=model, url=url, key=key, chat=chat)
    # A user's own prompts are for the probe that takes prompts, unless others are named.
    probes = build(probe or (["attributes"] if prompts else None), options)
    done = finish(_profile(endpoint, probes, out, name, concurrency, picky=not probe))
    show_record(done, "json" if json else "table")
    note(f"{out / done.id}: profile.json, report.html, samples/")


def build(names: Sequence[str] | None, options: Options) -> list[Probe]:
    """The probes called NAMES, or all there are."""
    from profiler import registry

    return [registry.probe(name).build(options) for name in names or registry.probes()]


def announce(probes: Sequence[Probe]) -> None:
    """What a user must know of the data before reading a number."""
    for probe in probes:
        if missing := probe.settings.get("missing"):
            note(f"{probe.name}: left out, because their official files are not at hand: {missing}")
    if mini := [probe.name for probe in probes if probe.suite == "mini"]:
        note(f"asking the MINI sets of {', '.join(mini)}: for trying things out; do not publish their numbers")


async def _profile(
    endpoint: Endpoint, probes: list[Probe], out: Path, name: str | None, concurrency: int, picky: bool
) -> Profile:
    """Profile an endpoint; PICKY leaves out the probes that it can't answer, where the user named none."""
    from profiler import report, store
    from profiler.client import connect
    from profiler.progress import Bar
    from profiler.run import refusals, run
    from profiler.types import Profile

    async with connect(endpoint, out / "cache.sqlite", concurrency=concurrency) as client:
        await client.fingerprint()
        if client.notice:
            note(client.notice)
        refused = await refusals(client, probes) if picky else {}
        for left, why in refused.items():
            note(f"{left}: left out, {why}")
        probes = [probe for probe in probes if probe.name not in refused] or probes
        announce(probes)
        with Bar() as bar:
            async for event in run(client, probes, endpoint, out, name):
                if isinstance(event, Profile):
                    report.save(event, out / event.id / "report.html", report.examples(store.Run(out / event.id)))
                    return event
                bar.show(event)
    raise AssertionError("a run ends in a profile or an error")


@app.command()
def compare(
    base: Run_,
    others: Annotated[list[str], typer.Argument(help="Runs to hold against BASE.")],
    fail_on: Annotated[Literal["worse", "moved"] | None, typer.Option(help="Exit 3 if any number got so.")] = None,
    format: Annotated[Format, typer.Option("--format", "-f")] = "table",
    save: Save = None,
    out: Out = Path("runs"),
    json: Json = False,
) -> None:
    """Show what changed between runs.

    In percent of BASE, with intervals that separate change from noise, and a verdict for each number.
    """
    from profiler import compare as comparing
    from profiler import report, store

    left = store.load(base, out)
    comparisons = [comparing.compare(left, store.load(other, out)) for other in others]
    if save:
        report.save(comparisons, save)
    else:
        show_record(comparisons, "json" if json else format)
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


@app.command()
def show(
    run: Run_,
    probe: Annotated[str | None, typer.Argument(help="Show this probe's samples instead of the estimates.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", help="Samples to show.")] = 10,
    errors: Annotated[bool, typer.Option("--errors", help="Only samples that failed.")] = False,
    format: Annotated[Format, typer.Option("--format", "-f")] = "table",
    save: Save = None,
    out: Out = Path("runs"),
    json: Json = False,
) -> None:
    """Show a run's estimates, or the samples of one of its probes."""
    from profiler import report, store

    found = store.load(run, out)
    if probe:
        samples = (sample for sample in found.samples(probe) if sample.error or not errors)
        for sample in itertools.islice(samples, limit):
            sys.stdout.write(sample.model_dump_json() + "\n" if json else report.sample(sample) + "\n\n")
    elif save:
        report.save(found.profile, save, report.examples(found))
    else:
        show_record(found.profile, "json" if json else format)


@app.command()
def score(
    file: Annotated[str, typer.Argument(help="A .jsonl, .json, .csv or .parquet file, or - for lines on stdin.")],
    metric: Annotated[list[str] | None, typer.Option("--metric", "-m", help="Only this one; may be repeated.")] = None,
    column: Annotated[str | None, typer.Option(help="The column that holds the text.")] = None,
    lang: Annotated[str, typer.Option(help="Language of the texts.")] = "en",
    workers: Annotated[int, typer.Option(min=1, help="Processes that measure.")] = 1,
    save: Annotated[Path | None, typer.Option(help="Write each text's scores to this .jsonl file.")] = None,
    json: Json = False,
) -> None:
    """Measure the texts of a file.

    Prints a table of means with intervals; --save keeps a row of scores for each text.
    """
    from profiler import score as scoring

    texts = scoring.texts(file, column, lang)
    found = scoring.score(texts, metric, workers, save)
    if json:
        for estimate in found:
            sys.stdout.write(estimate.model_dump_json() + "\n")
    else:
        from profiler import report

        sys.stdout.write(report.estimates(found))


@app.command()
def rescore(
    probe: Annotated[str, typer.Argument(help="Whose questions were answered.")],
    file: Annotated[Path, typer.Argument(help="Rows of an item's id and its choice, likelihoods or texts.")],
    suite: Annotated[Suite, typer.Option(help="Whose items; auto takes the paper's where they are at hand.")] = "auto",
    data: Data = None,
    json: Json = False,
) -> None:
    """Score answers that were recorded elsewhere, without a model.

    A row is {"item": ID, "choice": 2}, {"item": ID, "likelihoods": [[-7.5, 3], …]} or {"item": ID, "texts": ["…"]}.
    """
    from profiler import report, rescore
    from profiler.data import read, use
    from profiler.probe import Options

    use(data)
    (asked,) = build([probe], Options(suite))
    announce([asked])
    found = rescore.rescored(asked, read(file))
    if json:
        sys.stdout.writelines(estimate.model_dump_json() + "\n" for estimate in found.estimates)
    else:
        sys.stdout.write(report.estimates(found.estimates))
    note(f"{asked.name} [{asked.suite}]: {found.answered:,} of {asked.count:,} items answered")
    for error in found.errors[:5]:
        note(f"could not be scored: {error}")


@app.command()
def data(
    what: Annotated[Literal["ls", "check"], typer.Argument(help="The data sets, or the state of each file.")] = "ls",
    data: Data = None,
    json: Json = False,
) -> None:
    """List the data sets that probes read, or check each of their files."""
    from profiler import listing
    from profiler.data import use

    use(data)
    rows = listing.sources() if what == "ls" else listing.files()
    sys.stdout.write(listing.as_json(rows) if json else listing.as_table(rows))
    if wrong := [str(row["file"]) for row in rows if row.get("state") == "wrong"]:
        raise CheckFailed(f"{len(wrong)} files are not what their authors published: {', '.join(wrong)}")


@app.command()
def doctor(
    model: Model,
    url: Url = None,
    chat: Chat = False,
    key: Key = "OPENAI_API_KEY",
    json: Json = False,
) -> None:
    """Find out what an endpoint can do, by asking it."""
    from profiler.types import Endpoint

    finish(_doctor(Endpoint(model=model, url=url, key=key, chat=chat), json))


async def _doctor(endpoint: Endpoint, json: bool) -> None:
    from profiler import report
    from profiler.client import connect
    from profiler.probe import Options
    from profiler.run import refusals

    async with connect(endpoint, None) as client:
        found, fingerprint = await client.capabilities(), await client.fingerprint()
        probes = build(None, Options())
        refused = await refusals(client, probes)
    if json:
        sys.stdout.write(found.model_dump_json(indent=1) + "\n")
    else:
        sys.stdout.write(
            report.capabilities(found, fingerprint, {probe.name: refused.get(probe.name) for probe in probes})
        )


@app.command()
def ls(
    what: Annotated[Literal["runs", "metrics", "probes"], typer.Argument()] = "runs",
    out: Out = Path("runs"),
    json: Json = False,
) -> None:
    """List runs, metrics or probes."""
    from profiler import listing

    rows = listing.rows(what, out)
    sys.stdout.write(listing.as_json(rows) if json else listing.as_table(rows))


@app.command()
def export(
    run: Run_,
    probe: Annotated[str, typer.Argument(help="Whose samples.")],
    save: Annotated[Path, typer.Option(help="A .jsonl, .csv or .parquet file: a row for each answer.")],
    out: Out = Path("runs"),
) -> None:
    """Write answers and scores as a flat table."""
    from profiler import listing, store

    count = listing.export(store.load(run, out), probe, save)
    note(f"{save}: {count:,} rows")


def show_record(record: Profile | Sequence[Comparison], format: Format) -> None:
    from profiler import report

    sys.stdout.write(report.render(record, format))


def note(text: str) -> None:
    """What is said beside the result goes to stderr."""
    sys.stderr.write(text + "\n")


def finish(work: Coroutine[None, None, T]) -> T:
    """Run to the end, or say how to go on after Ctrl-C."""
    try:
        return asyncio.run(work)
    except KeyboardInterrupt:
        note("\nstopped; what was answered is kept: run the same command again to go on")
        raise typer.Exit(130) from None


def main() -> None:
    """Entry point: what we raise on purpose is one sentence on stderr and an exit code."""
    try:
        app()
    except InheritError as error:
        note(f"inherit: {error}")
        sys.exit(error.exit_code)
