"""What travels in HELM's own: options as a spec's arguments, an item's address in a prompt, an answer in a result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple, cast, get_args
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from profiler import probes
from profiler.datasets import Item, settings
from profiler.endpoints import Answer, Generate, Request, ScoringMethod, answer_reader
from profiler.errors import BadData, UnknownName, WrongUse
from profiler.probes import Probe, ProbeOptions, first
from profiler.records import Generation, How, Likelihood, Record

Scalar = str | int | float

WORDS = ("suite", "prompts", "column", "lang", "prompt_template", "system", "chat", "scoring_method", "decoding")
NUMBERS = {"limit": int, "order": int, "failures": int, "top_p": float, "max_tokens": int, "seed": int}
NUMBERS |= {"top_k": int, "repetition_penalty": float}
HERE = (*WORDS, *NUMBERS)
"""What a run spec takes; temperature=, num_outputs= and stop= are HELM's own words and come with its adapter spec."""

SCHEME = "inherit:"
KEY = "inherit"
"""Where a result's first completion keeps it, beside the reason that it ended."""


class DrawSettings(NamedTuple):
    """How HELM says that text is drawn, in its adapter spec and in every request."""

    temperature: float = 0.0
    max_tokens: int = 0
    stop: tuple[str, ...] = ()
    samples: int = 1


class AskMode(NamedTuple):
    """How a server is spoken to, as `inherit profile --chat --scoring-method` has it."""

    chat: bool = False
    scoring_method: ScoringMethod = "auto"


@dataclass(frozen=True)
class ProbeSpec:
    """Which probe is asked, and how."""

    probe: str
    given: tuple[tuple[str, Scalar], ...] = ()
    """Options by name, in the order of their names."""

    @classmethod
    def of(cls, probe: str, given: Mapping[str, Scalar]) -> ProbeSpec:
        for name in given:
            if name not in HERE:
                raise UnknownName(f"option of inherit_{probe}", name, HERE, "docs/helm.md")
        here = cls(probe, tuple(sorted(given.items())))
        _ = here.way  # a wrong one is refused before anything is asked
        return here

    def built(self, drawn: DrawSettings | None = None) -> Probe:
        """The probe; one that has text written draws it as HELM says."""
        plain = _built(self, None)
        own = drawing(plain)
        if drawn is None or drawn == own:
            return plain
        if not isinstance(first(plain), Generate):
            raise WrongUse(f"inherit_{self.probe} has nothing written: temperature=, num_outputs=, stop= mean nothing")
        return _built(self, drawn)

    @property
    def way(self) -> AskMode:
        fields = dict(self.given)
        chat, scoring_method = str(fields.get("chat", "false")).lower(), str(fields.get("scoring_method", "auto"))
        if chat not in {"true", "false"}:
            raise WrongUse(f"expected chat=true or chat=false, found {chat!r}")
        if scoring_method not in get_args(ScoringMethod):
            raise WrongUse(
                f"expected scoring_method= one of {', '.join(get_args(ScoringMethod))}, found {scoring_method!r}"
            )
        return AskMode(chat == "true", cast(ScoringMethod, scoring_method))

    @property
    def failures(self) -> int:
        """How many items may fail before a run is refused its numbers: HELM's tables have no place to say it."""
        allowed = dict(self.given).get("failures", 0)
        if not isinstance(allowed, int) or allowed < 0:
            raise WrongUse(f"expected a whole number from 0 up for failures, found {allowed!r}")
        return allowed

    def item(self, key: str) -> Item:
        item = _items(self).get(key)
        if item is None:
            probe = self.built()
            raise BadData(f"no item {key!r} in {probe.name} [{probe.suite}]: the data is not that of the run")
        return item

    def prompt(self, item: Item, request: Request) -> str:
        """What stands in HELM's request: where the item is found, then what it asks, for a reader."""
        ways = request.ways
        question = answer_reader.asked(request, self.way.scoring_method if self.way.scoring_method in ways else ways[0])
        return f"{SCHEME}{self.probe}?{urlencode(self.given)}#{quote(item.id)}\n\n{question}"


class SpecRequest(NamedTuple):
    """What is asked, and in what way."""

    request: Request
    way: AskMode


def read(prompt: str, drawn: DrawSettings) -> SpecRequest:
    """The request that a prompt of ours stands for."""
    parts = urlsplit(prompt.partition("\n")[0])
    given = {name: NUMBERS.get(name, str)(value) for name, value in parse_qsl(parts.query, keep_blank_values=True)}
    spec = ProbeSpec.of(parts.path, given)
    return SpecRequest(spec.built(drawn).ask(spec.item(unquote(parts.fragment))), spec.way)


def drawing(probe: Probe) -> DrawSettings:
    """How a probe draws of its own accord."""
    request = first(probe)
    if not isinstance(request, Generate):
        return DrawSettings()
    sampling = request.sampling
    return DrawSettings(sampling.temperature, sampling.max_tokens, sampling.stop, request.n)


class StoredAnswer(Record):
    """All of an answer but its texts, which are HELM's completions."""

    how: How
    weights: str
    """Id of the fingerprint of the weights that answered."""
    url: str
    generations: tuple[Generation, ...] = ()
    likelihoods: tuple[Likelihood, ...] = ()
    choice: int | None = None
    confidences: tuple[float, ...] = ()

    @classmethod
    def of(cls, answer: Answer, weights: str, url: str) -> StoredAnswer:
        return cls(
            how=answer.how,
            weights=weights,
            url=url,
            generations=tuple(text.model_copy(update={"text": ""}) for text in answer.generations),
            likelihoods=answer.likelihoods,
            choice=answer.choice,
            confidences=answer.confidences,
        )

    def answer(self, texts: Sequence[str]) -> Answer:
        written = tuple(
            generation.model_copy(update={"text": text})
            for generation, text in zip(self.generations, texts, strict=bool(self.generations))
        )
        return Answer(self.how, written, self.likelihoods, self.choice, self.confidences)


@cache
def _items(spec: ProbeSpec) -> dict[str, Item]:
    return {item.id: item for item in spec.built().items}


@cache
def _built(spec: ProbeSpec, drawn: DrawSettings | None) -> Probe:
    fields: dict[str, object] = {key: value for key, value in spec.given if key in ProbeOptions.model_fields}
    if drawn:
        fields |= drawn._asdict()
    options = settings.checked(ProbeOptions, fields, f"inherit_{spec.probe}")
    probes.refuse_idle([spec.probe], options)
    return probes.get(spec.probe).build(options)
