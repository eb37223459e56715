"""All that is stored or sent: one schema for disk, API and page."""

from __future__ import annotations

import operator
from datetime import datetime
from typing import Annotated, ClassVar, Literal, NamedTuple, TypeVar

import orjson
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
)

from profiler.errors import FAILED, BadData, StoreError

SCHEMA = 1

Ideal = float | Literal["high", "low"] | None
"""Where a metric would like to be; None for a description such as length."""


Json = str | int | float | bool | None | list["Json"] | dict[str, "Json"]

How = Literal["text", "loglikelihood", "top_logprobs", "letter", "verbal", "sampled", "hidden_states"]
"""The instrument that read an answer. Numbers from two instruments are never compared."""

Verdict = Literal["better", "worse", "higher", "lower", "equivalent", "not significant"]


class Record(BaseModel):
    """A frozen value that rejects what it does not know; field docstrings become the schema's descriptions."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


R = TypeVar("R", bound=Record)


def stored(record: type[R], raw: bytes, where: str) -> R:
    """The RECORD that was written as RAW; what another version wrote, or another hand, is refused in a sentence."""
    try:
        found = orjson.loads(raw)  # which knows no NaN and no infinity
        version = found.get("schema_version", 0) if isinstance(found, dict) else 0
        if isinstance(version, int) and version > SCHEMA:
            raise StoreError(f"{where!r} has schema {version}, this inherit knows up to {SCHEMA}; upgrade inherit")
        return record.model_validate_json(raw, strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        told = f"`{'.'.join(map(str, first['loc'])) or 'the whole'}`: {first['msg']}"
    except (ValueError, RecursionError) as error:
        told = str(error)
    raise BadData(f"{where!r} is damaged, or not what inherit writes there: {told}")


MOST_SEED = 2**62
"""What every server and every generator of random numbers can take, with room for the samples after it."""


class Flag(NamedTuple):
    """How the command line writes a field of a verb's record; one that says nothing is --its-name."""

    names: tuple[str, ...] = ()
    argument: bool = False
    """It stands by its place, without a name."""


Argument = Flag(argument=True)


class Endpoint(Record):
    """Where a model is reached."""

    model: str
    """The name that the server lists, or a path or hub id that runs in this process."""
    url: str | None = None
    """Address of an OpenAI-compatible server, up to and including /v1; None runs the model here."""
    replicas: tuple[str, ...] = ()
    """Further addresses of the same model: a request goes wherever there is room."""
    adapter: str | None = None
    """Folder of a LoRA adapter that the model answers with."""
    engine: Literal["local", "vllm"] = "local"
    """What runs a model that has no url: this process, or a vLLM server that is started for it."""
    key: str = "OPENAI_API_KEY"
    """Name of the environment variable that holds the key; the key itself is never stored."""
    header: tuple[str, ...] = ()
    """NAME=VARIABLE: a further header, whose value this environment variable holds and nothing stores."""
    chat: bool = False
    """Ask through /chat/completions (or the checkpoint's chat template) instead of plain completions."""

    @model_serializer(mode="wrap")
    def _stored(self, whole: SerializerFunctionWrapHandler) -> dict[str, object]:
        """What is not used is left out, so that what was stored without it stays the same to the byte."""
        rare = ("header", "replicas", "adapter")
        return {name: value for name, value in whole(self).items() if name not in rare or value}

    @property
    def answering(self) -> str:
        """What answers, for a reader."""
        return f"{self.model} with the adapter {self.adapter}" if self.adapter else self.model

    @property
    def place(self) -> str:
        """Where the model is, for a reader."""
        return self.url or ("a vLLM server of its own" if self.engine == "vllm" else "this process")


class Capabilities(Record):
    """What an endpoint was found able to do, by asking it."""

    completions: bool = False
    """Continues a plain text prompt."""
    chat: bool = False
    """Answers a list of messages."""
    echo: bool = False
    """Returns the log-probabilities of a text it is given."""
    n: bool = False
    """Draws several different samples in one request."""
    prompt_lists: bool = False
    """Takes many prompts in one request."""
    hidden_states: bool = False
    """Gives the hidden states of a text it is given, as only a model in this process does."""
    top_logprobs: int = 0
    """How many alternatives it returns for a generated token; 0 when none."""
    thinks: bool = False
    """Thinks before it answers, in chat: it is given room for that where an answer is short."""
    seed: bool = False
    """The same seed gives the same sample again."""
    sampled: bool = True
    """There is chance in a sample: not all of them are the likeliest text."""
    temperature: bool = True
    """Takes a temperature; otherwise it draws at 1, from all tokens, and is asked nothing else."""
    bos: bool | None = None
    """Whether the first token of a text has a begin-of-text token before it; None when it can't be seen."""
    uncut: tuple[str, ...] = Field(default=(), exclude_if=operator.not_)
    """Settings that are sent as 0 with all that is drawn, since it has values of its own for them."""
    adapted: tuple[str, ...] = ()
    """What is asked otherwise than of most servers, in words."""
    notes: dict[str, str] = {}
    """Why a capability is missing, in the endpoint's own words."""


class Fingerprint(Record):
    """What stands behind an endpoint's name, so that swapped weights are noticed."""

    id: str
    """Short stable name of these weights; part of every cache key."""
    served: str = ""
    """What the server says of the model (`/models`), or the checkpoint's path."""
    canary: str = ""
    """Greedy text of the fixed canary prompt, or the digest of the weight files."""
    logprobs: tuple[float, ...] = ()
    """Log-probabilities of the canary text's tokens, where the endpoint gives them."""


def _holding_prompt(template: str) -> str:
    if "{prompt}" not in template:
        raise ValueError("must hold {prompt}, where the prompt goes")
    return template


Template = Annotated[str, AfterValidator(_holding_prompt)]
"""What a prompt is put into; one without a place for it would ask everybody the same."""


class Sampling(Record):
    """How text is drawn."""

    temperature: float = Field(default=0.0, ge=0, le=100)
    """0 is greedy decoding, always the most likely token."""
    top_p: float = Field(default=1.0, ge=0, le=1)
    """Draw from the smallest set of tokens that holds this much probability."""
    top_k: int = Field(default=0, ge=0)
    """Draw from this many of the most likely tokens, before `top_p` cuts; 0 is all of them."""
    repetition_penalty: float = Field(default=1.0, gt=0, le=100)
    """Divides the score of each token that stands in the prompt or the answer so far; 1 changes nothing."""
    max_tokens: int = Field(default=256, ge=0, le=10**7)
    """Stop after this many new tokens."""
    stop: tuple[str, ...] = ()
    """Stop before any of these strings."""
    seed: int = Field(default=0, ge=0, le=MOST_SEED)
    """Sample i is drawn with seed + i."""

    @model_serializer(mode="wrap")
    def _stored(self, whole: SerializerFunctionWrapHandler) -> dict[str, object]:
        """What changes nothing is left out, so that what was stored without it stays the same to the byte."""
        neutral = {"top_k": 0, "repetition_penalty": 1}
        return {name: value for name, value in whole(self).items() if neutral.get(name, "") != value}

    @property
    def rarer(self) -> dict[str, int | float]:
        """What not every server knows, as far as it decides what is drawn here; in vLLM's and transformers' names."""
        said = self.model_dump(include={"top_k", "repetition_penalty"})
        return {name: value for name, value in said.items() if name != "top_k" or self.temperature}


class Usage(Record):
    """Tokens that were paid for."""

    prompt: int = 0
    completion: int = 0
    short: bool = Field(default=False, exclude_if=operator.not_)
    """The server does not bill all that it writes: it was at least so much."""

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            prompt=self.prompt + other.prompt,
            completion=self.completion + other.completion,
            short=self.short or other.short,
        )

    @property
    def least(self) -> str:
        """What stands before the number, for a reader."""
        return "at least " if self.short else ""


class Generation(Record):
    """One text that a model wrote."""

    text: str
    """Empty when the model stopped at once: an empty answer is an answer."""
    thought: str = Field(default="", exclude_if=operator.not_)
    """What the model thought aloud before it; nothing is scored in it."""
    finish: str | None = None
    """Why it ended, as the server says: stop, length, …"""
    top: dict[str, float] = Field(default_factory=dict)
    """Log-probabilities of the first token's alternatives, where they were asked for."""
    usage: Usage = Usage()
    seconds: float = 0.0
    """How long the request took that brought it."""
    cached: bool = False
    """Taken from the cache; nothing was paid in this run."""
    scores: dict[str, float | None] = Field(default_factory=dict)
    """What text metrics make of it."""


class Likelihood(Record):
    """How likely a model finds a text."""

    total: float
    """Sum of the log-probabilities of its tokens, in nats."""
    tokens: int
    """How many tokens were counted; the first token of a text counts only where something precedes it."""
    usage: Usage = Usage()
    cached: bool = False

    @property
    def mean(self) -> float | None:
        """Log-probability a token; None for a text of no tokens."""
        return self.total / self.tokens if self.tokens else None


class HiddenState(Record):
    """Where a model places a text: the states of its last layer, averaged over the text's tokens."""

    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    float32: bytes
    """The numbers, four bytes each, little-endian."""
    usage: Usage = Usage()
    cached: bool = False


class Sample(Record):
    """One item, asked and scored; one row of samples/<probe>."""

    probe: str
    item: str
    """The item's key; samples are matched by it, never by position."""
    group: str | None = None
    """A category that is estimated on its own as well."""
    cluster: str | None = None
    """Items of one cluster are resampled together; None when the item stands alone."""
    prompt: str
    answers: tuple[Generation, ...] = ()
    choice: int | None = None
    """Index of the option taken; None when none was offered or it could not be read."""
    order: tuple[int, ...] = ()
    """Which option each listed letter stood for (2, 0, 1: A was option 2); empty when none were listed by letter."""
    likelihoods: tuple[Likelihood, ...] = ()
    how: How
    scores: dict[str, float | None] = {}
    """The item's columns; None where a score is undefined."""
    error: str | None = None
    """Why the item has no answer: a failure of the endpoint or of a scorer, never the model's score."""
    options: tuple[str, ...] = ()
    """What could be taken, or the texts that were weighed."""
    gold: int | None = None
    """Index of the right option; None where no option is right, or none was offered."""

    @model_serializer(mode="wrap")
    def _stored(self, whole: SerializerFunctionWrapHandler) -> dict[str, object]:
        """What an item does not have is left out, so that what was stored without it stays the same to the byte."""
        lacking = {*(() if self.options else ("options",)), *(("gold",) if self.gold is None else ())}
        return {name: value for name, value in whole(self).items() if name not in lacking}


class Estimate(Record):
    """One number about a model, with its interval."""

    probe: str
    metric: str
    group: str | None = None
    value: float | None
    """None when undefined; `reason` says why."""
    low: float | None = None
    """Lower end of the 95 % bootstrap interval."""
    high: float | None = None
    stderr: float | None = None
    """Standard error, from the same resamples as the interval."""
    n: int
    """Items that the value rests on."""
    undefined: int = 0
    """Items whose score is undefined; they are left out and counted here."""
    reason: str | None = None


class Writing(Record):
    """How a probe asks for texts, as far as a user may set it; None where it is not for that probe to say."""

    prompt_template: str | None = None
    """What a completions endpoint is given: the prompt stands where {prompt} is."""
    system: str | None = None
    samples: int
    """Samples per prompt."""
    lang: str | None = None
    subset: str | None = None
    """Which of the prompts are asked."""


class Section(Record):
    """What one probe did in a run: everything that two profiles must share to be compared."""

    probe: str
    version: int
    how: How
    data: dict[str, str]
    """Name of each data file → SHA-256."""
    suite: str
    """Where the items came from: mini, paper, full, or a file of the user's."""
    settings: dict[str, str | int | float | bool | None] = {}
    """What was asked, and how, for a reader: prompt template, samples per prompt, language, …"""
    writing: Writing | None = None
    """Those of them that shape the texts a model writes."""
    order: int = 0
    """Seed of the order in which options were listed by letter."""
    asks: int = 1
    """How often each item of the data was asked."""
    template: str = ""
    """Id of the prompt template, where it was one of a judge's."""
    sampling: Sampling | None = None
    """None for a probe that only weighs."""
    scorers: dict[str, str] = {}
    """Metric of a text, or made from such → the implementation that made its number."""
    items: int
    errors: int = 0


class Profile(Record):
    """A model's numbers, with everything that is needed to get them again."""

    schema_version: int = SCHEMA
    id: str
    name: str
    endpoint: Endpoint
    fingerprint: Fingerprint
    sections: tuple[Section, ...]
    estimates: tuple[Estimate, ...]
    agreements: tuple[Estimate, ...] = ()
    """How far scorers of the same texts agree; the group names the two of them, n counts texts."""
    usage: Usage
    """Tokens paid in this run; answers from the cache cost nothing."""
    started: datetime
    seconds: float
    versions: dict[str, str]
    errors: int = 0

    @property
    def incomplete(self) -> list[str]:
        """Probes of whose items more failed than a number over the others can do without."""
        return [
            f"{part.probe} {part.errors:,} of {part.items:,}"
            for part in self.sections
            if part.errors > FAILED * part.items
        ]


class Change(Record):
    """How one number differs between two profiles."""

    probe: str
    metric: str
    group: str | None = None
    base: float | None
    other: float | None
    absolute: float | None
    low: float | None
    """Lower end of the paired 95 % interval of the absolute change, by itself."""
    high: float | None
    percent: float | None
    """In percent of the base; None where the base is too near zero for a ratio to mean anything."""
    percent_low: float | None
    percent_high: float | None
    joint_low: float | None = None
    """The same ends of intervals that hold together, for all numbers of the family, in 95 of 100 comparisons."""
    joint_high: float | None = None
    joint_percent_low: float | None = None
    joint_percent_high: float | None = None
    p: float | None
    """Chance of a change this large in any of the family's numbers if nothing had changed."""
    detectable: float | None = None
    """The smallest true change that would be found significant in 8 of 10 such comparisons."""
    margin: str | None = None
    """Within which it is called equivalent: a number, or a percentage of the base."""
    n: int
    """Items answered on both sides."""
    verdict: Verdict | None
    """None where a side is undefined."""
    exploratory: bool = False
    """Others were named as primary: it is corrected among those that were not."""
    reason: str | None = None

    ENDS: ClassVar = (
        *("low", "high", "percent_low", "percent_high"),
        *("joint_low", "joint_high", "joint_percent_low", "joint_percent_high", "detectable"),
    )

    @property
    def significant(self) -> bool:
        return self.verdict in ("better", "worse", "higher", "lower")

    @property
    def label(self) -> str:
        """How it is named on a command line: PROBE.METRIC, and its group in brackets."""
        return f"{self.probe}.{self.metric}" + (f"[{self.group}]" if self.group else "")

    def joint(self) -> Change:
        """With the intervals that hold together in the places of those that hold alone."""
        ends = ("low", "high", "percent_low", "percent_high")
        return self.model_copy(update={name: getattr(self, f"joint_{name}") for name in ends})


class Comparison(Record):
    """What moved between two profiles of the same questions."""

    base: str
    """The profile's id."""
    other: str
    base_name: str = ""
    """What the profile is called, for a reader."""
    other_name: str = ""
    changes: tuple[Change, ...]
    suites: dict[str, str] = {}
    """Probe → where its items came from: mini, paper, full, or a file of the user's."""
    differs: tuple[str, ...] = ()
    """Settings that differ and may be why: sampling, weights, …"""
    refused: dict[str, str] = {}
    """Probe → why the two sides can't be compared."""
    resamples: int = 1000
    seed: int = 0
