"""What is asked of an endpoint, and what it answers."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, Self

from profiler.records import Generation, HiddenState, How, Likelihood, Sampling, Usage


@dataclass(frozen=True)
class Generate:
    """Write an answer, n times over."""

    prompt: str
    """What is asked, as a person would say it: the user's message on a chat endpoint."""
    sampling: Sampling
    prompt_template: str = "{prompt}"
    """What a completions endpoint is given instead: the prompt stands where {prompt} is."""
    system: str = ""
    n: int = 1
    how: Literal["text", "verbal", "sampled"] = "text"
    """What the probe reads from what is written: the text itself, a letter with a stated confidence, many letters."""
    order: tuple[int, ...] = ()
    """Which option each letter stands for, where the prompt lists options."""

    @property
    def ways(self) -> tuple[How, ...]:
        return (self.how,)

    def filled(self) -> str:
        return self.prompt_template.replace("{prompt}", self.prompt)

    @property
    def said(self) -> Self:
        """As a chat endpoint is asked it: without a template, whose headings end nothing there."""
        ends = () if self.sampling.stop == headings(self.prompt_template) else self.sampling.stop
        return replace(self, sampling=self.sampling.model_copy(update={"stop": ends}))


HEADING = re.compile(r"^[ \t]*(?:#+[ \t]*\w[^\n{]*|\w[\w ]*:)", re.MULTILINE)
"""What a line of a prompt template begins with: `### Question:`, `Q:`."""


def headings(template: str) -> tuple[str, ...]:
    """Where a model that goes on past its answer begins the next turn of a prompt template: at one of its headings.

    Four at most, which is what OpenAI's servers take.
    """
    return tuple(f"\n{found.rstrip()}" for found in dict.fromkeys(HEADING.findall(template)))[:4]


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
    ways: ClassVar[tuple[How, ...]] = ("loglikelihood",)


@dataclass(frozen=True)
class Embed:
    """Say where the model places each text, whole."""

    texts: tuple[str, ...]
    ways: ClassVar[tuple[How, ...]] = ("hidden_states",)


Request = Generate | Choose | Weigh | Embed

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
    states: tuple[HiddenState, ...] = ()

    @property
    def taken(self) -> int | None:
        """The option with the highest log-probability a token, the first of equals; else the one that was named."""
        means = [likelihood.mean for likelihood in self.likelihoods]
        known = [mean for mean in means if mean is not None]
        if known:
            return known.index(max(known)) if len(known) == len(means) else None
        return self.choice

    @property
    def parts(self) -> tuple[Generation | Likelihood | HiddenState, ...]:
        """All that was paid for on its own."""
        return (*self.generations, *self.likelihoods, *self.states)

    @property
    def usage(self) -> Usage:
        """Tokens paid for this answer now; what came from the cache was paid before."""
        paid = [part.usage for part in self.parts if not part.cached]
        return Usage(
            prompt=sum(each.prompt for each in paid),
            completion=sum(each.completion for each in paid),
            short=any(each.short for each in paid),
        )
