"""What each verb can be told: one record a verb, from which every way to say it is made."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from profiler.endpoints.instruments import Reading
from profiler.probes.options import ProbeOptions
from profiler.records import Argument, Flag, Record

Out = Annotated[Path, Flag(("--out", "-o"))]


class EndpointOptions(Record):
    """Which model is asked."""

    model: Annotated[str, Argument]
    """demo, a path or hub id (runs here), or a name that --url serves."""
    url: str | None = None
    """An OpenAI-compatible server, up to and including /v1."""
    chat: bool = False
    """Ask through chat messages instead of plain completions."""
    key: str = "OPENAI_API_KEY"
    """NAME of the environment variable that holds the key."""


class ProfileOptions(ProbeOptions, EndpointOptions):
    """Ask a model the probes and leave a profile."""

    engine: Literal["auto", "vllm", "local"] = "auto"
    """What runs a model without --url; auto takes vLLM where it is installed and a GPU is there."""
    probes: Annotated[tuple[str, ...], Flag(("--probe", "-p"))] = ()
    """Only this probe; may be repeated."""
    reading: Reading = "auto"
    """How choices are read; auto takes the best that the endpoint allows."""
    concurrency: int = Field(64, ge=1)
    """Requests in flight at a server."""
    name: str | None = None
    """What to call the profile; the model's name if left out."""
    out: Out = Path("runs")
    """Folder that holds the runs."""


class CompareOptions(Record):
    """Show what changed between runs."""

    base: Annotated[str, Argument]
    """A run: its folder, its name or the end of it, or `latest`."""
    others: Annotated[tuple[str, ...], Argument] = Field(min_length=1)
    """Runs to hold against BASE."""
    out: Out = Path("runs")
    """Folder that holds the runs."""


class ScoreOptions(Record):
    """Measure the texts of a file."""

    file: Annotated[str, Argument]
    """A .jsonl, .json, .csv or .parquet file, or - for lines on stdin."""
    metrics: Annotated[tuple[str, ...], Flag(("--metric", "-m"))] = ()
    """Only this one; may be repeated."""
    column: str | None = None
    """The column that holds the text."""
    lang: str = "en"
    """Language of the texts."""
    workers: int = Field(1, ge=1)
    """Processes that measure."""
    save: Path | None = None
    """Write each text's scores to this .jsonl file."""


class RescoreOptions(Record):
    """Score answers that were recorded elsewhere, without a model."""

    probe: Annotated[str, Argument]
    """Whose questions were answered."""
    file: Annotated[Path, Argument]
    """Rows of an item's id and its choice, likelihoods or texts."""
    answer: str | None = None
    """The column of the answer, if it is called otherwise."""
    suite: Literal["auto", "mini", "paper", "full"] = "auto"
    """Whose items; auto takes the paper's where they can be had, else mini."""
    prompts: str | None = None
    """A file of what was asked, instead of a suite."""
    subset: str | None = None
    """Toxicity: challenging, toxic, nontoxic, or prompts of a toxicity such as 0.5:0.8."""
    scorers: Annotated[tuple[str, ...], Flag(("--scorer",))] = ()
    """Who scores toxicity; may be repeated: `inherit ls scorers`."""
    data: Path | None = None
    """Folder of official data files, packed or not; else INHERIT_DATA."""
