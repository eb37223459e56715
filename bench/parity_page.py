"""docs/parity.md: what came through each door, and how far the doors agree."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from bench.doors import DOORS, EXACT, Door, Numbers, Question
from bench.parity_held import ALIKE, NOISE, SAME, Held, held
from profiler.records import Estimate
from profiler.runs import Run

HEAD = """# One set of numbers

The same {items} items of each probe, asked of Gemma 3 270M in bfloat16 through every door. `make parity` makes this
page anew and fails where the doors disagree.

*{when}; {versions}*

The vLLM server of this page reads one text at a time (`--max-num-seqs 1 --no-enable-prefix-caching`), so that no
rounding depends on what else is in a batch.

## One engine, three doors

Against `inherit profile` on the same vLLM server. Every log-likelihood of an option or sentence, every text that was
written (sample *i* is drawn with seed + *i*), and every score of every item must be equal to {same:g}.

| probe | items | compared | largest difference: `lm_eval` | `helm-run` |
|---|---:|---|---:|---:|
"""
ENGINES = """
## Three engines

Ours in this process, transformers by way of lm-eval's `hf`, and vLLM compute the same model with other kernels, and
bfloat16 keeps eight binary digits of a number. *Same*: items of which both prefer the same option, by its
log-likelihood a token, and the largest lead of the option that the first prefers where they don't. *Apart*: the median
difference of a log-likelihood; both in nats a token. Engines must be apart by at most {noise:g}, and prefer the same
option of {alike:.0%} of all items.

| probe | {pairs} |
|---|{dashes}|
"""
EXACTLY = """
## Whose rounding

The same, each engine against ours in float32: what remains of a difference between two engines is how far each of them
is from that.

| probe | {pairs} |
|---|{dashes}|
"""
TEXTS = """
Text that is written without chance (attributes) parts for good at the first token that falls otherwise: the same to its
end in {same}.
Sampled text (toxicity) is drawn by other random numbers on other engines. Wherever two doors brought the same text, its
scores are the same.
"""
NUMBERS = """
## The numbers

Of lm-eval and HELM what they print themselves.

"""
PAIRS = [("inherit", "lm_eval"), ("inherit", "inherit-vllm"), ("lm_eval", "inherit-vllm")]
ROUNDED = [(EXACT.name, engine) for engine in ("inherit", "lm_eval", "inherit-vllm")]
SHORT = {"inherit": "ours", "lm_eval": "transformers", "inherit-vllm": "vLLM", EXACT.name: "float32"}
OURS = "inherit-vllm"
ITEMS = 100
"""Of each probe, where nothing else is said."""
OTHERS = [door.name for door in DOORS if door.served and door.name != OURS]


class Page:
    """All that was asked, and what is to be said of it."""

    def __init__(self, home: Path, questions: Sequence[Question], missing: Collection[str]) -> None:
        self._home = home
        self._missing = missing
        """What was not asked yet, as DOOR/PROBE; a dash stands in its place."""
        self._limit = questions[0].limit
        self._probes = [question.probe for question in questions]
        self._weighed = [question.probe for question in questions if not question.tokens]
        self._runs: dict[tuple[str, str], Run] = {}

    def run(self, door: str, probe: str) -> Run:
        """What came through a door."""
        if (door, probe) not in self._runs:
            (gone,) = (one for one in (EXACT, *DOORS) if one.name == door)
            self._runs[door, probe] = gone.kept(self._home / door / probe)
        return self._runs[door, probe]

    def asked(self, door: str, probe: str) -> bool:
        return f"{door}/{probe}" not in self._missing

    def held(self, pairs: Sequence[tuple[str, str]], probes: Sequence[str]) -> dict[tuple[str, str, str], Held]:
        """How pairs of doors compare, probe by probe, where both were gone through."""
        return {
            (one, other, probe): held(self.run(one, probe), self.run(other, probe), probe)
            for probe in probes
            for one, other in pairs
            if self.asked(one, probe) and self.asked(other, probe)
        }

    @cached_property
    def server(self) -> dict[tuple[str, str, str], Held]:
        """Our door to the server, another, probe → how they compare."""
        return self.held([(OURS, door) for door in OTHERS], self._probes)

    @cached_property
    def engines(self) -> dict[tuple[str, str, str], Held]:
        """Two engines, probe → how they compare."""
        return self.held(PAIRS, self._probes) | self.held(ROUNDED, self._weighed)

    def text(self) -> str:
        when = f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores"
        shown = "transformers 5.23.0, lm-eval 0.4.13, crfm-helm 0.5.16, vLLM 0.32.0"
        if self._missing:
            shown += "*\n\n*Not all of it has been asked yet: a dash stands for what was not."
        if self._limit < ITEMS:
            shown += f"*\n\n*Made with PARITY_ITEMS={self._limit}; `make parity` asks {ITEMS}."
        head = HEAD.format(items=self._limit, when=when, versions=shown, same=SAME)
        doors = "".join(self.door_row(probe) for probe in self._probes)
        engines = self.table(ENGINES, PAIRS) + self.table(EXACTLY, ROUNDED) + self.texts()
        return head + doors + engines + NUMBERS + self.numbers()

    def door_row(self, probe: str) -> str:
        found = [self.server.get((OURS, door, probe)) for door in OTHERS]
        first = next((two for two in found if two), None)
        if first is None:
            return ""
        what = f"{first.weighed} texts weighed" if first.weighed else f"{first.written} texts written"
        return f"| {probe} | {first.items} | {what} | {' | '.join(map(difference, found))} |\n"

    def table(self, head: str, pairs: Sequence[tuple[str, str]]) -> str:
        titles = " | ".join(f"{SHORT[one]} – {SHORT[other]}: same | apart" for one, other in pairs)
        asked = [probe for probe in self._weighed if any((*pair, probe) in self.engines for pair in pairs)]
        rows = [self.engine_row(probe, pairs) for probe in asked]
        total = " | ".join(f"**{same} of {items}** | " for same, items in (self.same(*pair) for pair in pairs))
        filled = head.format(alike=ALIKE, noise=NOISE, pairs=titles, dashes="|".join(["---:"] * 2 * len(pairs)))
        return f"{filled}{''.join(rows)}| all | {total}|\n"

    def engine_row(self, probe: str, pairs: Sequence[tuple[str, str]]) -> str:
        cells = []
        for pair in pairs:
            found = self.engines.get((*pair, probe))
            if found is None:
                cells += ["–", "–"]
                continue
            lead = f" ({found.gap:.3f})" if found.preferred < found.items else ""
            cells += [f"{found.preferred} of {found.items}{lead}", f"{found.typical:.4f}"]
        return f"| {probe} | {' | '.join(cells)} |\n"

    def same(self, one: str, other: str) -> tuple[int, int]:
        """Items of which both engines prefer the same option, and all items that have options."""
        pairs = [(one, other, probe) for probe in self._weighed]
        found = [self.engines[pair] for pair in pairs if pair in self.engines]
        return sum(two.preferred for two in found), sum(two.items for two in found)

    def texts(self) -> str:
        found = {pair: self.engines[*pair, "attributes"] for pair in PAIRS if (*pair, "attributes") in self.engines}
        if not found:
            return ""
        said = [f"{two.alike} of {two.written} ({SHORT[a]} – {SHORT[b]})" for (a, b), two in found.items()]
        return TEXTS.format(same=", ".join(said))

    def numbers(self) -> str:
        head = f"| | {' | '.join(door.title for door in DOORS)} |\n|---|{'---:|' * len(DOORS)}\n"
        return head + "".join(self.number_rows(probe) for probe in self._probes)

    def number_rows(self, probe: str) -> str:
        shown = [self.printed(door, probe) if self.asked(door.name, probe) else {} for door in DOORS]
        names = dict.fromkeys(name for numbers in shown for name in numbers)
        return "".join(
            f"| {probe}.{name} | {' | '.join(number(numbers.get(name)) for numbers in shown)} |\n" for name in names
        )

    def printed(self, door: Door, probe: str) -> Numbers:
        """The numbers as the door itself prints them."""
        ours = {estimate.metric: estimate.value for estimate in self.overall(door.name, probe)}
        if door.printed is None:
            return ours
        printed = door.printed(self._home / door.name / probe)
        return {name: printed.get(name) for name in ours}

    def overall(self, door: str, probe: str) -> list[Estimate]:
        return [estimate for estimate in self.run(door, probe).profile.estimates if estimate.group is None]

    def wrong(self) -> list[str]:
        """What disagrees, a line each."""
        found = [f"{p}: {one}, {other}: {two}" for (one, other, p), two in self.server.items() if not two.same()]
        found += [f"{p}: {one}, {other}: {two}" for (one, other, p), two in self.engines.items() if not two.noise()]
        for pair in PAIRS:
            same, items = self.same(*pair)
            # A single one is a near tie that tipped, however few there are.
            if items - same > max(1, (1 - ALIKE) * items):
                found.append(f"{' and '.join(pair)} prefer the same option of {same} of {items} items")
        doors = [(door, probe) for door in DOORS for probe in self._probes if self.asked(door.name, probe)]
        return found + [line for door, probe in doors for line in self.misprinted(door, probe)]

    def misprinted(self, door: Door, probe: str) -> Iterator[str]:
        """Numbers that a harness prints otherwise than we read them from what it left."""
        printed = self.printed(door, probe)
        for one in self.overall(door.name, probe):
            if not close(printed[one.metric], one.value):
                yield f"{probe}: {door.name} prints {one.metric} {printed[one.metric]}, ours is {one.value}"


def close(one: float | None, other: float | None) -> bool:
    return one is other if one is None or other is None else abs(one - other) <= SAME


def difference(found: Held | None) -> str:
    """The largest difference of a number, and what else is not the same."""
    if found is None:
        return "–"
    largest = max(found.farthest, found.scores)
    said = "0" if not largest else f"{largest:.0e}"
    return said if found.alike == found.written else f"{said}; {found.written - found.alike} other texts"


def number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"
