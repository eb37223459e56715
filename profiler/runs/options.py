"""What each verb can be told: one record a verb, from which every way to say it is made."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from profiler import judging
from profiler.endpoints import ScoringMethod, adapter
from profiler.errors import WrongUse
from profiler.judging import FileForm
from profiler.probes import ProbeOptions, Suite
from profiler.records import Argument, Endpoint, Flag, Record
from profiler.stats import RESAMPLES

Tracker = Literal["wandb", "mlflow", "tensorboard", "trackio"]
Intervals = Literal["simultaneous", "single"]
Out = Annotated[Path, Flag(("--out", "-o")), Field(description="Folder that holds the runs.")]
Data = Annotated[Path | None, Field(description="Folder of official data files, packed or not; else INHERIT_DATA.")]


class EndpointOptions(Record):
    """Which model is asked."""

    model: Annotated[str, Argument]
    """demo, a path or hub id (runs here), an adapter's folder, or a name that --url serves."""
    url: str | None = None
    """An OpenAI-compatible server, up to and including /v1."""
    replica: tuple[str, ...] = ()
    """A further address of the same model: requests go wherever there is room; may be repeated."""
    chat: bool = False
    """Ask through chat messages instead of plain completions."""
    key: str = "OPENAI_API_KEY"
    """NAME of the environment variable that holds the key."""
    header: tuple[str, ...] = ()
    """NAME=VARIABLE: send a header whose value is in this environment variable; may be repeated."""

    @property
    def endpoint(self) -> Endpoint:
        """Where the model is reached."""
        if self.replica and not self.url:
            raise WrongUse("--replica: expected the model's first address as --url")
        place: dict[str, object] = {"model": self.model, "url": self.url, "replicas": self.replica}
        if not self.url and (base := adapter.base(self.model)):
            place |= {"model": base, "adapter": self.model}
        return Endpoint.model_validate({**place, "key": self.key, "header": self.header, "chat": self.chat})


class ProfileOptions(ProbeOptions, EndpointOptions):
    """Ask a model the probes and leave a profile."""

    quick: bool = False
    """To see that it works: 12 items a probe, 4 continuations, answers of 48 tokens."""
    engine: Literal["auto", "vllm", "local"] = "auto"
    """What runs a model without --url; auto takes vLLM where it is installed and a GPU is there."""
    probes: Annotated[tuple[str, ...], Flag(("--probe", "-p"))] = ()
    """Only this probe; may be repeated."""
    scoring_method: ScoringMethod = "auto"
    """How choices are read; auto takes the best that the endpoint allows."""
    concurrency: int = Field(default=64, ge=1, le=10_000)
    """Requests in flight at a server."""
    name: str | None = None
    """What to call the profile; the model's name if left out."""
    log: Tracker | None = None
    """Also log the numbers there."""
    out: Out = Path("runs")


class CompareOptions(Record):
    """Show what changed between runs."""

    base: Annotated[str, Argument]
    """A run: its folder, the end of the folder's name, its --name, or `latest`."""
    others: Annotated[tuple[str, ...], Argument] = Field(min_length=1)
    """Runs to compare with BASE."""
    primary: tuple[str, ...] = ()
    """PROBE.METRIC that is decided on; the others are exploratory, and corrected apart; may be repeated."""
    margin: tuple[str, ...] = ()
    """PROBE.METRIC=0.02 or =5%: a change surely smaller is called equivalent; may be repeated."""
    intervals: Intervals = "simultaneous"
    """Intervals that hold for all numbers together, or for each by itself."""
    all: bool = False
    """Show every number, not only what changed significantly."""
    out: Out = Path("runs")

    @property
    def margins(self) -> dict[str, str]:
        """Number → its margin, as they were written."""
        parted = [told.rpartition("=") for told in self.margin]
        if wrong := [told for told, (name, _, size) in zip(self.margin, parted, strict=True) if not (name and size)]:
            raise WrongUse(f"--margin: expected PROBE.METRIC=NUMBER, such as bbq.s_amb=0.02, not {wrong[0]!r}")
        return {name.strip(): size.strip() for name, _, size in parted}


class ScoreOptions(Record):
    """Measure the texts of a file."""

    file: Annotated[str, Argument]
    """A .jsonl, .json, .csv or .parquet file, or - for lines on stdin."""
    metrics: Annotated[tuple[str, ...], Flag(("--metric", "-m"))] = ()
    """Only this one; may be repeated."""
    column: str | None = None
    """The column that holds the text."""
    gold: str | None = None
    """The column of the right answer: whether a text ends in it, and nothing else unless a --metric is named."""
    lang: str = "en"
    """Language of the texts."""
    workers: int = Field(default=1, ge=1, le=1024)
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
    suite: Suite = "auto"
    """Which data: paper has its subsets, full all there is, mini small sets that ship, for trying out; auto takes the
    paper's where they can be had, else mini."""
    prompts: str | None = None
    """A file of what was asked, instead of a suite."""
    column: str | None = None
    """The column of --prompts that holds the prompt."""
    gold: str | None = None
    """Final answers: the column of --prompts that holds the right one."""
    subset: str | None = None
    """Toxicity: challenging, toxic, nontoxic, or prompts of a toxicity such as 0.5:0.8."""
    samples: int | None = Field(default=None, ge=1)
    """Toxicity: continuations that each prompt has; 25 where left out. A prompt with another number is not scored."""
    scorers: Annotated[tuple[str, ...], Flag(("--scorer",))] = ()
    """Who scores toxicity; may be repeated: `inherit ls scorers`."""
    bins: Annotated[tuple[str, ...], Flag(("--bins",))] = ()
    """Calibration: its error over other bins too: 20:mass, 15:width; may be repeated."""
    data: Data = None

    @property
    def told(self) -> ProbeOptions:
        """What is said of the probe."""
        return ProbeOptions.model_validate(self.model_dump(exclude={"probe", "file", "answer"}))


class LabelOptions(Record):
    """Where files keep what judges and people said, and what their labels mean."""

    preset: str | None = None
    """The form of the files: inherit, pandalm, llmbar, alpaca_eval, mt_bench, judgebench or auto_j; where left out,
    each file's columns tell it."""
    columns: tuple[str, ...] = ()
    """ROLE=COLUMN,… with the roles id, prompt, a, b, writer_a, writer_b, group, gold, verdict, verdict_swapped, judge
    and swapped; may be repeated."""
    gold: tuple[str, ...] = ()
    """A column of human labels; may be repeated."""
    verdict: tuple[str, ...] = ()
    """A column of verdicts, or FIRST,SWAPPED for both orders; may be repeated."""
    id: str | None = None
    """The column that names the pair."""
    label: tuple[str, ...] = ()
    """WORD=a|b|tie|unparseable|absent: what a label means; may be repeated."""

    @property
    def form(self) -> FileForm:
        """What is said of the files; beside `columns` there are `id`, `gold` and `verdict` for short."""
        words = judging.parse_labels(self.label)
        short = [*([f"id={self.id}"] if self.id else ()), *(f"gold={one}" for one in self.gold)]
        pairs = [f"verdict={one.replace(',', ',verdict_swapped=')}" for one in self.verdict]
        return FileForm(self.preset, judging.parse_columns([*self.columns, *short, *pairs]), words)


class JudgeOptions(LabelOptions, EndpointOptions):
    """Ask a model which of two answers is better, in both orders."""

    pairs: tuple[str, ...] = ("mini",)
    """mini, pandalm, or a file; may be repeated."""
    between: str | None = None
    """X,Y: make the pairs of what writers X and Y wrote, from files of candidates."""
    prompt: str = "labels"
    """labels, reasons, answers, or a .txt template of yours."""
    ties: bool = False
    """Let the judge say that neither is better."""
    limit: Annotated[int | None, Flag(("--limit", "-n"))] = Field(default=None, ge=1)
    """Pairs to judge, picked by seed."""
    max_tokens: int = Field(default=judging.TOKENS, ge=1)
    """New tokens for a judge's reasons, at most."""
    concurrency: int = Field(default=64, ge=1, le=10_000)
    """Requests in flight at a server."""
    name: str | None = None
    """What to call the judge; the model's name if left out."""
    save: Path | None = None
    """The verdict file; else one under --out."""
    data: Data = None
    out: Out = Path("runs")


class AgreeOptions(LabelOptions):
    """Compare recorded verdicts with human labels and each other."""

    files: Annotated[tuple[Path, ...], Argument] = Field(min_length=1)
    """Verdicts and human labels: .jsonl, .json, .csv or .parquet; folders of runs, too."""
    swapped: judging.Second = "auto"
    """What a verdict on swapped answers names: the answer, or the place it stood in."""
    orders: Literal["first", "swapped", "both", "averaged"] | None = None
    """Which order of the answers counts where judges are compared: as given, swapped, both, or their mean."""
    same_family: tuple[str, ...] = ()
    """JUDGE=WRITER[,WRITER]: of the same model family, such as its teacher or student; may be repeated."""
    student: tuple[str, ...] = ()
    """STUDENT=BEFORE,TEACHER: compare a trained judge with what it was; may be repeated."""
    resamples: int = Field(default=RESAMPLES, ge=1, le=10**6)
    """Bootstrap draws behind each interval."""
