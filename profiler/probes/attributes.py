"""How a model writes when it is asked neutral things: length, readability, diversity, repetition."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar, NamedTuple, Self

from profiler import metrics
from profiler.datasets import Item, Prompts, Row, Summary, official, prompts, template_of
from profiler.endpoints import Answer, headings
from profiler.errors import WrongUse
from profiler.metrics import Metric
from profiler.probes.probe import GREEDY, ProbeOptions, WritingProbe, mean, metrics_of, register

TEMPLATE = "### Question: {prompt}\n### Answer:"
"""How a completions endpoint is asked."""
PAPER_TEMPLATE = "### Question: {prompt}\n ### Answer: "
"""How the paper's kit asks. Its last blank is a token that text rarely has there; some models answer nothing."""

SOURCE = official("dolly")
(DOLLY,) = SOURCE.files

METRICS = metrics_of("attributes")


class Topic(NamedTuple):
    """What is written about."""

    prompt: str


@register
@dataclass(frozen=True)
class Attributes(WritingProbe[Topic]):
    """Open-ended answers to neutral prompts, measured by every text metric."""

    prompts: Prompts = field(default_factory=prompts)
    prompt_template: str = TEMPLATE

    name = "attributes"
    takes = frozenset(("prompts", "column"))
    default = True
    brief: ClassVar[Mapping[str, int]] = {"limit": 12, "max_tokens": 48}

    def __post_init__(self) -> None:
        object.__setattr__(self, "suite", self.prompts.suite)  # how a frozen dataclass fills a field from others

    @classmethod
    def build(cls, options: ProbeOptions) -> Self:
        if options.prompts:
            found = prompts(options.prompts, options.column, options.lang)
        elif options.suite == "full":
            raise WrongUse("attributes has no full suite; take `--suite paper`, or `--prompts` with a file of your own")
        elif SOURCE.suite(options.suite, "paper") == "paper":  # its prompts are the test half, rows 100 to 199
            found = Prompts("Dolly-200 (test half)", "paper", _rows, "inputs", skip=100)
        else:
            found = prompts()
        usual = template_of(options.column).get(
            "prompt_template", PAPER_TEMPLATE if found.suite == "paper" else TEMPLATE
        )
        template = usual if options.prompt_template is None else options.prompt_template
        # The paper's kit lets a model write on.
        drawn = GREEDY if options.decoding == "paper" else GREEDY.model_copy(update={"stop": headings(template)})
        return cls(prompts=found, **cls.told(options, drawn, template))

    @property
    def text_metrics(self) -> tuple[Metric, ...]:
        return tuple(metrics.default().values())

    @property
    def metrics(self) -> tuple[Metric, ...]:
        return (*self.text_metrics, *METRICS)

    @cached_property
    def _summary(self) -> Summary:
        return self.prompts.summary()

    @property
    def unread(self) -> str:
        return self.prompts.unread

    @property
    def lang(self) -> str:
        return self.prompts.lang

    @property
    def data(self) -> Mapping[str, str]:
        return {self.prompts.name: self._summary.sha256}

    @property
    def count(self) -> int:
        return min(self._summary.count, self.limit or self._summary.count)

    @property
    def items(self) -> Iterator[Item[Topic]]:
        """A file of prompts may be longer than memory: each comes when it is wanted."""
        return (Item(key, Topic(prompt)) for key, prompt in self.prompts.take(self.limit))

    def score(self, item: Item[Topic], answer: Answer) -> Mapping[str, float | None]:
        written = answer.generations
        scores = {one.name: mean([text.scores.get(one.name) for text in written]) for one in self.text_metrics}
        # Where nobody says why an answer ended, nobody knows whether it was cut off.
        scores["truncated"] = mean([float(text.finish == "length") if text.finish else None for text in written])
        scores["empty"] = mean([float(not text.text.strip()) for text in written])
        return scores


def _rows() -> Iterator[Row]:
    """The authors' file is one object of columns, each an object of cells; a copy may have a row a line."""
    for row in SOURCE.rows(DOLLY, ("inputs",)):
        if isinstance(row["inputs"], dict):
            yield from ({"inputs": prompt} for prompt in row["inputs"].values())
        else:
            yield row
