"""A probe as HELM carries it: options as a spec's arguments, an item's address at the head of a prompt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple, cast, get_args
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from profiler import probes
from profiler.datasets import Item, settings
from profiler.endpoints import Generate, Reading, Request, instruments
from profiler.errors import BadData, UnknownName, WrongUse
from profiler.probes import Probe, ProbeOptions, first

Scalar = str | int | float

WORDS = ("suite", "prompts", "column", "lang", "frame", "system")
SAMPLING = ("top_p", "max_tokens", "seed")
FAILURES = "failures"
"""How many items may fail before a run is refused its numbers: HELM's tables have no place to say it."""
CHAT, READING = "chat", "reading"
HERE = (*WORDS, "limit", "order", CHAT, READING, FAILURES, *SAMPLING)
"""What a run spec takes; temperature=, num_outputs= and stop= are HELM's own words and come with its adapter spec."""

SCHEME = "inherit:"


class DrawSettings(NamedTuple):
    """How HELM says that text is drawn, in its adapter spec and in every request."""

    temperature: float = 0.0
    max_tokens: int = 0
    stop: tuple[str, ...] = ()
    samples: int = 1


class AskMode(NamedTuple):
    """How a server is spoken to, as `inherit profile --chat --reading` has it."""

    chat: bool = False
    reading: Reading = "auto"


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
        plain = _built(self.probe, self.given, None)
        own = drawing(plain)
        if drawn is None or drawn == own:
            return plain
        if not isinstance(first(plain), Generate):
            raise WrongUse(f"inherit_{self.probe} has nothing written: temperature=, num_outputs=, stop= mean nothing")
        return _built(self.probe, self.given, drawn)

    @property
    def way(self) -> AskMode:
        fields = dict(self.given)
        chat, reading = str(fields.get(CHAT, "false")).lower(), str(fields.get(READING, "auto"))
        if chat not in {"true", "false"}:
            raise WrongUse(f"expected {CHAT}=true or {CHAT}=false, found {chat!r}")
        if reading not in get_args(Reading):
            raise WrongUse(f"expected {READING}= one of {', '.join(get_args(Reading))}, found {reading!r}")
        return AskMode(chat == "true", cast(Reading, reading))

    @property
    def failures(self) -> int:
        return _whole(FAILURES, dict(self.given).get(FAILURES, 0), least=0)

    def item(self, key: str) -> Item:
        item = _items(self).get(key)
        if item is None:
            probe = self.built()
            raise BadData(f"no item {key!r} in {probe.name} [{probe.suite}]: the data is not that of the run")
        return item

    def address(self, item: Item) -> str:
        return f"{SCHEME}{self.probe}?{urlencode(self.given)}#{quote(item.id)}"

    def prompt(self, item: Item, request: Request) -> str:
        """What stands in HELM's request: where the item is found, then what it asks, for a reader."""
        ways = instruments.ways(request)
        question = instruments.asked(request, self.way.reading if self.way.reading in ways else ways[0])
        return f"{self.address(item)}\n\n{question}"


class SpecRequest(NamedTuple):
    """What is asked, and in what way."""

    request: Request
    way: AskMode


def read(prompt: str, drawn: DrawSettings) -> SpecRequest:
    """The request that a prompt of ours stands for."""
    parts = urlsplit(prompt.partition("\n")[0])
    given = {name: _scalar(name, value) for name, value in parse_qsl(parts.query, keep_blank_values=True)}
    spec = ProbeSpec.of(parts.path, given)
    return SpecRequest(spec.built(drawn).ask(spec.item(unquote(parts.fragment))), spec.way)


def drawing(probe: Probe) -> DrawSettings:
    """How a probe draws of its own accord."""
    request = first(probe)
    if not isinstance(request, Generate):
        return DrawSettings()
    sampling = request.sampling
    return DrawSettings(sampling.temperature, sampling.max_tokens, sampling.stop, request.n)


@cache
def _items(spec: ProbeSpec) -> dict[str, Item]:
    return {item.id: item for item in spec.built().items}


@cache
def _built(name: str, given: tuple[tuple[str, Scalar], ...], drawn: DrawSettings | None) -> Probe:
    fields: dict[str, object] = {key: value for key, value in given if key in ProbeOptions.model_fields}
    if drawn:
        fields |= drawn._asdict()
    return probes.get(name).build(settings.checked(ProbeOptions, fields, f"inherit_{name}"))


def _whole(name: str, value: Scalar, least: int) -> int:
    if not isinstance(value, int) or value < least:
        raise WrongUse(f"expected a whole number from {least} up for {name}, found {value!r}")
    return value


def _scalar(name: str, value: str) -> Scalar:
    if name in (*WORDS, CHAT, READING):
        return value
    return float(value) if name == "top_p" else int(value)
