"""One model, in this process and behind a real vLLM server: do its numbers and its choices agree, and how fast is each?

    INHERIT_VLLM_PYTHON=…/bin/python python -m bench.engines [PROBE …] [--limit 200] [--out FOLDER] [--url URL]

Every probe is a run of `inherit profile demo` with each engine. A run that lies in --out is not made again, so that a
long list can be done in parts and printed as one. --url names a server that `inherit serve demo` started; else each
probe starts its own. Seconds are those of the profile: vLLM's start is left out, the loading of weights in process is
not.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from statistics import median

from bench import DATA
from profiler.records import Estimate, Likelihood, Profile, Sample
from profiler.runs import sample_store

ENGINES = ("local", "vllm")
PROBES = ["bbq", "crows_pairs", "stereoset", "stereoset_inter", "calibration", "ability", "toxicity", "attributes"]
COMMAND = "from profiler.cli import main; main()"
SUMMED = {"ability"}
"""Its choices are by the sum of an option's log-probabilities, as lm-eval's `acc`; all others' are by the mean."""


@dataclass(frozen=True)
class Sides:
    """What both engines made of one probe."""

    probe: str
    local: sample_store.Run
    vllm: sample_store.Run

    @property
    def pairs(self) -> list[tuple[Sample, Sample]]:
        """Each item by both."""
        other = {sample.item: sample for sample in self.vllm.samples(self.probe)}
        return [(sample, other[sample.item]) for sample in self.local.samples(self.probe) if sample.item in other]

    @property
    def estimates(self) -> list[tuple[Estimate, Estimate]]:
        """Each number that both have, groups included."""
        other = {(each.metric, each.group): each for each in self.vllm.profile.estimates}
        return [(each, other[each.metric, each.group]) for each in self.local.profile.estimates]


def run(probe: str, engine: str, limit: int, data: Path, out: Path, url: str | None = None) -> sample_store.Run:
    """The run of PROBE by ENGINE: the one that is there, or a new one."""
    folder = out / probe / engine
    if not (found := sample_store.runs(folder)):
        reached = ["--url", url] if url and engine == "vllm" else ["--engine", engine]
        command = ["profile", "demo", "-p", probe, "-n", str(limit), "--data", str(data), *reached]
        print(f"{probe} by {engine}, load average {os.getloadavg()[0]:.1f} …", file=sys.stderr)
        subprocess.run(
            [sys.executable, "-c", COMMAND, *command, "--out", str(folder)], check=True, stdout=subprocess.DEVNULL
        )
        found = sample_store.runs(folder)
    return found[0]


def choice(probe: str, likelihoods: Sequence[Likelihood]) -> tuple[int, float]:
    """The best option, and by how many nats it leads."""
    values = [each.total if probe in SUMMED else each.total / max(1, each.tokens) for each in likelihoods]
    best, second = sorted(values, reverse=True)[:2]
    return values.index(best), best - second


def within(one: Estimate, other: Estimate) -> bool:
    """Each value in the other's interval; where there is none, because all items are alike, the values are equal."""
    if one.value is None or other.value is None:
        return one.value is other.value
    return _holds(one, other.value) and _holds(other, one.value)


def _holds(estimate: Estimate, value: float) -> bool:
    if estimate.low is None or estimate.high is None:
        return estimate.value == value
    return estimate.low <= value <= estimate.high


def rate(profile: Profile) -> str:
    tokens = profile.usage.prompt + profile.usage.completion
    return f"{profile.seconds:.0f} s, {tokens / profile.seconds:,.0f}"


def row(sides: Sides) -> str:
    """A line of the table."""
    pairs, numbers = sides.pairs, sides.estimates
    inside = sum(within(one, other) for one, other in numbers)
    cells = [sides.probe, f"{len(pairs):,}", f"{inside} of {len(numbers)}"]
    weighed = [(one.likelihoods, other.likelihoods) for one, other in pairs if one.likelihoods and other.likelihoods]
    if weighed:
        same = sum(choice(sides.probe, one)[0] == choice(sides.probe, other)[0] for one, other in weighed)
        apart = [abs(x.total - y.total) for one, other in weighed for x, y in zip(one, other, strict=True)]
        cells += [f"{same} ({same / len(weighed):.1%})", f"{median(apart):.3f}"]
    else:
        cells += ["–", "–"]
    return f"| {' | '.join([*cells, rate(sides.local.profile), rate(sides.vllm.profile)])} |"


def apart(sides: Sides) -> list[str]:
    """What does not agree: each choice with the lead that it had, each number with both intervals."""
    found = []
    for one, other in sides.pairs:
        if one.likelihoods and other.likelihoods:
            (mine, lead), (theirs, their_lead) = (
                choice(sides.probe, one.likelihoods),
                choice(sides.probe, other.likelihoods),
            )
            if mine != theirs:
                found.append(
                    f"{sides.probe} {one.item}: option {mine} by {lead:.3f}, option {theirs} by {their_lead:.3f}"
                )
    for one, other in sides.estimates:
        if not within(one, other):
            name = " ".join(filter(None, (one.metric, one.group)))
            found.append(f"{sides.probe} {name}: {_shown(one)} in process, {_shown(other)} by vLLM")
    return found


def _shown(estimate: Estimate) -> str:
    interval = "" if estimate.low is None else f" [{estimate.low:.4g}, {estimate.high:.4g}]"
    return "undefined" if estimate.value is None else f"{estimate.value:.4g}{interval}"


def main() -> None:
    arguments = argparse.ArgumentParser(prog="python -m bench.engines")
    arguments.add_argument("probe", nargs="*", default=PROBES)
    arguments.add_argument("--limit", type=int, default=200)
    arguments.add_argument("--data", type=Path, default=DATA)
    arguments.add_argument("--url")
    arguments.add_argument("--out", type=Path, default=Path("engines"))
    asked = arguments.parse_args()
    done = [
        Sides(probe, *(run(probe, engine, asked.limit, asked.data, asked.out, asked.url) for engine in ENGINES))
        for probe in asked.probe
    ]
    print("| probe | items | numbers within | same choice | nats apart | in process, tokens/s | vLLM, tokens/s |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for sides in done:
        print(row(sides))
    print(f"\nLoad average at the end: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores.")
    if differ := [*chain.from_iterable(map(apart, done))]:
        print("\nWhat differs:\n")
        print("\n".join(f"- {line}" for line in differ))


if __name__ == "__main__":
    main()
