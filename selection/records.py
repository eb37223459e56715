"""What selection is told, stores or hands on: teachers, candidates and their pool, objectives, what was chosen."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, JsonValue

from profiler.records import MOST_SEED, SCHEMA, Argument, Endpoint, Fingerprint, Flag, Record, Sampling, Template, Usage

GIVEN = "given"
"""The version of a score that came with the candidates."""

RowForm = Literal["chat", "completion"]
"""chat: `messages` of a user and an assistant. completion: `prompt` and `completion`. Never both in one row: TRL takes
whichever of them it meets first."""


class SampleOptions(Record):
    """All that asking teachers for candidates can be told; sample.json, as it was resolved."""

    teachers: Annotated[tuple[str | dict[str, JsonValue], ...], Argument]
    """demo, a path or hub id, MODEL@http://…/v1, a .toml file that says more, or such a file's fields."""
    out: Annotated[str, Flag(("--out", "-o"))]
    """Folder for the candidates, or an address such as s3://bucket/pool."""
    prompts: str
    """A .jsonl, .csv or .parquet file, hub:OWNER/NAME, or mini, a few for trying things out."""
    column: str | None = None
    """The column of `prompts` that holds the prompt; alpaca: instruction and input in Alpaca's template."""
    lang: str = "en"
    """Language of the answers."""
    limit: Annotated[int | None, Flag(("--limit", "-n"))] = Field(default=None, ge=1)
    """Ask only so many prompts, picked by seed."""
    k: Annotated[int, Flag(("-k",))] = Field(default=10, ge=1, le=10_000)
    """Candidates per prompt and teacher."""
    temperature: float = Field(default=1.0, ge=0, le=100)
    """0 is greedy decoding, always the most likely token; higher is more random."""
    top_p: float = Field(default=0.95, ge=0, le=1)
    """Draw from the most likely tokens that together have this probability."""
    top_k: int = Field(default=0, ge=0)
    """Draw from this many of the most likely tokens; 0 from all."""
    repetition_penalty: float = Field(default=1.0, gt=0, le=100)
    """Above 1, tokens that have come before become less likely."""
    max_tokens: int = Field(default=512, ge=1, le=10**7)
    """New tokens an answer, at most."""
    stop: tuple[str, ...] = ()
    """Stop before this string; may be repeated."""
    seed: int = Field(default=0, ge=0, le=MOST_SEED)
    """Candidate i is drawn with seed + i."""
    prompt_template: Template | None = None
    """Text with {prompt} in it, for a completions endpoint."""
    system: str = ""
    """System message, for a chat endpoint."""
    chat: bool = False
    """Ask through chat messages instead of plain completions."""
    key: str = "OPENAI_API_KEY"
    """NAME of the environment variable that holds the key."""
    header: tuple[str, ...] = ()
    """NAME=VARIABLE: send a header whose value is in this environment variable; may be repeated."""
    price: str | None = None
    """0.5/1.5: money for a million tokens read, and for a million written."""
    concurrency: int = Field(default=64, ge=1, le=10_000)
    """Requests in flight at a server."""
    data: Path | None = None
    """Folder of official data files, packed or not; else INHERIT_DATA."""


class Serving(Record):
    """vLLM servers that are started for a teacher, and stopped once it has answered."""

    replicas: int = Field(default=1, ge=1)
    gpus: int = Field(default=0, ge=0)
    """Of each; several share its weights."""
    on: str = "here"
    """here, ray, ray://HOST:PORT, slurm or slurm:PARTITION; where a study runs, for a study's teacher."""


class Teacher(Record):
    """Whoever is asked for candidates, and how."""

    name: str = Field(min_length=1)
    """What its candidates are labelled with: their source."""
    endpoint: Endpoint
    sampling: Sampling = Sampling(temperature=1.0, top_p=0.95, max_tokens=512)
    k: int = Field(default=10, ge=1, le=10_000)
    """Candidates per prompt."""
    prompt_template: Template = "### Question: {prompt}\n### Answer:"
    """How a completions endpoint is asked."""
    system: str = ""
    """System message, for a chat endpoint."""
    price: tuple[float, float] | None = None
    """Money for a million tokens read, and for a million written."""
    serve: Serving | None = None
    """Servers to start for its weights, which are here or on the hub; without, they run in this process."""


class Candidate(Record):
    """One answer of one source to one prompt; one row of a pool."""

    prompt_id: str
    source: str
    index: int
    """Which of the source's answers to this prompt it is: 0, 1, …"""
    prompt: str
    text: str
    finish: str | None = None
    """Why it ended, as the server says: stop, length, …"""
    seed: int | None = None
    sampling: Sampling | None = None
    fingerprint: str | None = None
    """Which weights wrote it."""
    usage: Usage = Usage()
    scores: dict[str, float | None] = Field(default_factory=dict)


class PoolContents(Record):
    """What a pool of candidates holds; pool.json."""

    schema_version: int = SCHEMA
    prompts: dict[str, str] = Field(default_factory=dict)
    """Name of the file or data set that the prompts came from → digest of its content."""
    sources: tuple[str, ...]
    teachers: tuple[Teacher, ...] = ()
    """Who was asked, where the candidates were sampled here."""
    fingerprints: dict[str, Fingerprint] = Field(default_factory=dict)
    """Teacher → which weights answer under its name."""
    lang: str = "en"


class Footer(Record):
    """What a file of candidates, or of their scores, says of itself."""

    content: str
    """Digest of the candidates' keys and texts; scores of other candidates are not taken for theirs."""
    plan: str = ""
    """Digest of what was asked; it is asked again when that is another."""
    failed: dict[str, str] = Field(default_factory=dict)
    """Prompt → why it has no answer yet."""
    versions: dict[str, str] = Field(default_factory=dict)
    """Score → the implementation that made it."""


class Goal(Record):
    """What a metric should be like in the answer that is kept."""

    metric: str
    want: Literal["max", "min", "near"]
    value: float | None = None
    """Where `near` wants it."""
    weight: float = 1.0


class Bound(Record):
    """What an answer must satisfy to be kept at all."""

    metric: str
    sign: Literal["<=", ">=", "<", ">"]
    value: float


class Hold(Record):
    """A metric that may not move: candidates too far from the middle one of their prompt are left out."""

    metric: str
    share: float
    """How far from it, as a proportion of it."""


class Objective(Record):
    """Which of a prompt's candidates is best."""

    goals: tuple[Goal, ...]
    combine: Literal["sum", "lexicographic", "pareto"] = "sum"
    """sum: of standardised scores by weight; lexicographic: the first goal decides, the next breaks ties; pareto: of
    those that none beats in everything, the one whose worst goal is best."""
    require: tuple[Bound, ...] = ()
    hold: tuple[Hold, ...] = ()
    temperature: float = 0.0
    """0 takes the best; above, a candidate is drawn with weight exp(utility / temperature), utility in standard
    deviations."""


class SelectOptions(Record):
    """All that choosing from candidates can be told; selection.json holds it as it was resolved."""

    pool: Annotated[str, Argument]
    """What `inherit sample` made, here or at an address; or a file of prompts and answers."""
    objective: Annotated[tuple[str, ...], Flag(("--objective", "-O"))]
    """max:M, min:M, near:M=V or 2*max:M; may be repeated."""
    out: Annotated[Path, Flag(("--out", "-o"))]
    """Folder for the data sets and their card."""
    combine: Literal["sum", "lexicographic", "pareto"] = "sum"
    """How several objectives make one choice."""
    require: Annotated[tuple[str, ...], Flag(("--require", "-r"))] = ()
    """Only answers with, say, 'toxicity<=0.2'."""
    hold: tuple[str, ...] = ()
    """words=0.25: within a quarter of the prompt's middle candidate."""
    temperature: float = Field(default=0.0, ge=0)
    """Draw softly: exp(utility / temperature); 0 takes the best."""
    top: int = Field(default=1, ge=1)
    """Answers kept per prompt."""
    k: Annotated[int | None, Flag(("-k",))] = Field(default=None, ge=1)
    """Look at the first k candidates of a prompt only."""
    source: tuple[str, ...] = ()
    """Only this source's candidates; may be repeated."""
    metric: Annotated[tuple[str, ...] | None, Flag(("--metric", "-m"))] = None
    """Report this metric as well; else all of length, readability, diversity and quality."""
    skip_filter: tuple[str, ...] = ()
    """empty, truncated, refusal, loop, language, copy, duplicate or all: let through what it would stop."""
    form: RowForm = "chat"
    """messages, or prompt and completion."""
    parquet: bool = False
    """Parquet instead of JSON lines."""
    lang: str = "en"
    """Language of the answers in a file."""
    seed: int = Field(default=0, ge=0, le=MOST_SEED)
    """Decides ties, random controls and soft choices."""
    workers: int = Field(default=1, ge=1, le=1024)
    """Processes that measure here."""
    on: str = "here"
    """Where candidates are measured: here, ray, ray://HOST:PORT, slurm or slurm:PARTITION."""


class Centre(Record):
    """The middle of a metric over the prompts of an arm."""

    mean: float | None
    median: float | None


class Distribution(Record):
    """How a metric is distributed over candidates; the first and the last bin hold what lies beyond, too."""

    edges: tuple[float, ...]
    arms: dict[str, tuple[int, ...]]
    """Candidates in each bin: of the pool, the chosen and the random ones."""


class MetricShift(Record):
    """What choosing does to one metric."""

    metric: str
    version: str
    arms: dict[str, Centre]
    """The middle over the pool, and over each arm."""
    gain: float | None
    """Chosen minus random, prompt by prompt."""
    low: float | None
    high: float | None
    percent: float | None
    """The gain in percent of the random arm."""
    n: int
    """Prompts with a value in both."""
    aim: bool = False
    """Whether the objective names it."""


class Contrast(Record):
    """A prompt, the candidate that was chosen, and the one that the objective liked least."""

    prompt: str
    chosen: Candidate
    rejected: Candidate


class Selection(Record):
    """What was chosen from a pool, and what it does; the data card shows it."""

    schema_version: int = SCHEMA
    pool: str
    objective: Objective
    seed: int
    top: int
    """Answers kept per prompt."""
    k: int | None
    """Only the first k candidates of each prompt were looked at; None for all."""
    sources: tuple[str, ...]
    prompts: int
    candidates: int
    kept: int
    """Prompts that every arm has an answer to."""
    left_out: dict[str, int]
    """Why the other prompts have none."""
    filters: dict[str, int]
    """Filter → candidates that it stopped."""
    undefined: dict[str, int]
    """Metric → candidates without such a score: they can't be chosen by it."""
    shares: dict[str, dict[str, float]]
    """Arm → source → its proportion of the rows."""
    headroom: dict[str, float | None]
    """Metric of the objective → mean spread (best minus mean) inside a prompt's candidates that may be chosen."""
    curve: dict[str, tuple[float | None, ...]]
    """Metric of the objective → its expected mean when the best of 1, 2, … candidates is kept."""
    shifts: tuple[MetricShift, ...]
    distributions: dict[str, Distribution] = Field(default_factory=dict)
    """Metric of the objective → how it is distributed before and after."""
    sampled: int
    """Prompts that the numbers rest on: all, up to 65,536 drawn by seed."""
    files: dict[str, str]
    """Arm → data file."""
    form: RowForm
    examples: tuple[Contrast, ...] = ()
    """A few, with their texts cut where they are long."""
    versions: dict[str, str] = Field(default_factory=dict)
