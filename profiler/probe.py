"""A probe asks a model things and scores each answer into columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Literal, Protocol

from profiler.datasets import Json
from profiler.metric import Metric
from profiler.records import Generation, How, Likelihood, Sampling, Usage


@dataclass(frozen=True)
class Item:
    """One thing to ask."""

    id: str
    fields: Mapping[str, Json] = field(default_factory=dict)
    group: str | None = None
    """A category that is estimated on its own as well."""
    cluster: str | None = None
    """Items of one cluster are resampled together."""


def limited(items: Iterable[Item], limit: int | None, seed: int = 0) -> list[Item]:
    """All ITEMS, or the LIMIT of them that a seeded draw picks, in their own order; a larger limit keeps them."""
    every = list(items)
    if limit is None or limit >= len(every):
        return every
    drawn = sorted(every, key=lambda item: blake2b(f"{seed}:{item.id}".encode()).digest())[:limit]
    kept = {item.id for item in drawn}
    return [item for item in every if item.id in kept]


@dataclass(frozen=True)
class Generate:
    """Write an answer, n times over."""

    prompt: str
    """What is asked, as a person would say it: the user's message on a chat endpoint."""
    sampling: Sampling
    frame: str = "{prompt}"
    """What a completions endpoint is given instead: the prompt stands where {prompt} is."""
    system: str = ""
    n: int = 1
    how: Literal["text", "verbal", "sampled"] = "text"
    """What the probe reads from what is written: the text itself, a letter with a stated confidence, many letters."""
    order: tuple[int, ...] = ()
    """Which option each letter stands for, where the prompt lists options."""

    def framed(self) -> str:
        return self.frame.replace("{prompt}", self.prompt)


@dataclass(frozen=True)
class Choose:
    """Take one of the choices."""

    prompt: str
    """The text that each choice continues."""
    choices: tuple[str, ...]
    """Each with the space that parts it from the prompt."""
    question: str = ""
    """What is asked, with the choices listed by letter, where likelihoods can't be had; made from the rest if empty."""
    given: tuple[str, ...] = ()
    """What each choice begins with and is not weighed, where options stand in the middle of a sentence: of
    " Ann slept." after " Ann" only " slept."."""
    ways: tuple[How, ...] = ("loglikelihood", "top_logprobs", "letter")
    """The instruments that may read it, the best first; an endpoint that allows none of them can't be asked this."""
    order: tuple[int, ...] = ()
    """The order in which the question lists the choices, as they come if empty; answers always go by `choices`."""

    @property
    def places(self) -> tuple[int, ...]:
        """Which choice each letter stands for."""
        return self.order or tuple(range(len(self.choices)))

    def lettered(self) -> str:
        """The question with its choices listed by letter, for an endpoint that gives no likelihoods."""
        return self.question or lettered(self.prompt, [self.choices[place].strip() for place in self.places])


BY_LETTER = "Answer with the letter of one option and nothing else."


def lettered(question: str, options: Sequence[str], answer: str = BY_LETTER) -> str:
    """A question with its options listed by letter, and how to ANSWER it."""
    listed = "\n".join(f"{letter}. {option}" for letter, option in zip(LETTERS, options, strict=False))
    return f"{question}\n\n{listed}\n\n{answer}"


@dataclass(frozen=True)
class Weigh:
    """Say how likely each text is, whole."""

    texts: tuple[str, ...]


Request = Generate | Choose | Weigh

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True)
class Answer:
    """What an endpoint gave for a request, and how it was read."""

    how: How
    generations: tuple[Generation, ...] = ()
    likelihoods: tuple[Likelihood, ...] = ()
    choice: int | None = None
    """Index of the option taken; None when a written answer could not be read."""
    confidences: tuple[float, ...] = ()
    """Probability of each choice, where the instrument gives one."""
    error: str | None = None
    """Why there is no answer; everything else is then empty."""

    @property
    def usage(self) -> Usage:
        """Tokens paid for this answer now; what came from the cache was paid before."""
        parts: list[Generation | Likelihood] = [*self.generations, *self.likelihoods]
        paid = [part.usage for part in parts if not part.cached]
        return Usage(prompt=sum(each.prompt for each in paid), completion=sum(each.completion for each in paid))


@dataclass(frozen=True)
class Options:
    """What a user may set about a probe; None leaves it to the probe."""

    suite: str = "auto"
    """auto, mini, paper or full."""
    prompts: str | None = None
    """A file or `hub:` data set of prompts instead of the suite's."""
    column: str | None = None
    lang: str = "en"
    limit: int | None = None
    """Ask only this many items, picked by a seeded draw."""
    samples: int | None = None
    """Answers a prompt."""
    frame: str | None = None
    system: str = ""
    sampling: Mapping[str, float | int | tuple[str, ...]] = field(default_factory=dict)
    """Fields of Sampling that replace the probe's own."""
    order: int = 0
    """Seed of the order in which options are listed by letter, where the data has none of its own."""
    subset: str | None = None
    """Only the items of a set that are so: challenging, toxic, nontoxic, or a range of toxicity such as 0.5:0.8."""
    scorers: tuple[str, ...] = ()
    """Who scores, where a probe can be scored by several."""

    def drawn(self, default: Sampling) -> Sampling:
        return Sampling.model_validate({**default.model_dump(), **self.sampling})


class Probe(Protocol):
    """Something a model can be asked, one file in profiler/probes/."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> int:
        """Goes up whenever the same answers would give other numbers."""
        ...

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """What is estimated from the columns."""
        ...

    @property
    def text_metrics(self) -> tuple[Metric, ...]:
        """Measured on every generated text, in batches, before `score` sees the answer."""
        ...

    @property
    def suite(self) -> str:
        """Where the items came from: mini, paper, full, or a file of the user's."""
        ...

    @property
    def lang(self) -> str:
        """Language of the texts that a model writes for it."""
        ...

    @property
    def count(self) -> int:
        """How many items there are."""
        ...

    @property
    def data(self) -> Mapping[str, str]:
        """Name of each data file → SHA-256."""
        ...

    @property
    def settings(self) -> Mapping[str, str | int | float | bool | None]:
        """Options that change what is asked; two profiles must share them to be compared."""
        ...

    @property
    def sampling(self) -> Sampling | None:
        """How text is drawn; None for a probe that only weighs."""
        ...

    def items(self) -> Iterable[Item]: ...

    def ask(self, item: Item) -> Request: ...

    def score(self, item: Item, answer: Answer) -> Mapping[str, float | None]:
        """The item's columns; pure: the same answer gives the same scores in every shell."""
        ...
