"""`inherit profile` against `lm_eval --model local-completions`: one vLLM server, the same items, the same numbers.

    INHERIT_VLLM_PYTHON=…/bin/python INHERIT_LMEVAL_PYTHON=…/bin/python python -m bench.lm_eval [paper|letter|samples]

lm-eval asks through our tasks, at the best of several concurrencies, each tried on a part first (lm_eval_peer.py).
Both are timed as a user waits for them: the whole command, from the shell's prompt to the next.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from bench import DATA
from profiler import probes
from profiler.datasets import found_in
from profiler.endpoints import Choose, Dialect
from profiler.endpoints.local import demo
from profiler.endpoints.vllm import installed
from profiler.endpoints.vllm import server as serving
from profiler.harnesses import imported
from profiler.harnesses.lm_eval import results
from profiler.probes import ProbeOptions
from profiler.runs import sample_store

INHERIT = str(Path(sys.executable).with_name("inherit"))
ITEMS = 200
PROMPTS = 8
SIZES = (1, 2, 4, 8, 16, 32)
"""Concurrencies that lm-eval is tried at."""
PART = 20
"""Items that each of them is tried on, or a quarter of them all."""
LENGTH = 1024
FLIGHT = (4, 16, 64)
"""Requests in flight at which the server's own capacity is looked for."""
RUNNING = re.compile(r"Running \w+ requests")
OVER = re.compile(r"Requesting API: 100%")


@dataclass(frozen=True)
class Timing:
    """One command: how long a user waited, how long of that it asked, and what it found."""

    wall: float
    asking: float
    requests: int
    run: sample_store.Run


@dataclass(frozen=True)
class Bench:
    """A server, and a folder for what both sides leave."""

    url: str
    place: Path
    python: str
    """The interpreter that has lm-eval."""

    def ours(self, name: str, *words: str) -> Timing:
        """`inherit profile`, without anything in its cache."""
        out = self.place / name
        line = [INHERIT, "profile", "demo", "--url", self.url, "--suite", "paper", "--data", str(DATA)]
        before, begun = self.requests(), time.perf_counter()
        subprocess.run([*line, "--out", str(out), *words], check=True, stdout=subprocess.DEVNULL)
        wall = time.perf_counter() - begun
        run = sample_store.load("latest", out)
        return Timing(wall, run.profile.seconds, self.requests() - before, run)

    def theirs(self, name: str, task: str, limit: int, metadata: dict[str, str]) -> Timing:
        """`lm_eval`, at its best concurrency."""
        known = {"suite": "paper", "data": str(DATA), **metadata}
        part = min(PART, max(2, limit // 4))
        trials = self.trials(task, known, part)
        best = min(trials, key=lambda size: trials[size])
        tried = ", ".join(f"{size}: {seconds:.1f} s" for size, seconds in trials.items())
        print(f"lm-eval ran at the best `num_concurrent` of these, tried on {part} items ({tried}).\n")
        out = self.place / name
        line = [str(Path(self.python).with_name("lm_eval")), "--model", "local-completions", "--tasks", task]
        line += ["--model_args", ",".join(f"{key}={value}" for key, value in self.arguments(best).items())]
        line += ["--limit", str(limit), "--metadata", json.dumps(known), "--output_path", str(out), "--log_samples"]
        before, begun = self.requests(), time.perf_counter()
        asking = watched(line)
        wall = time.perf_counter() - begun
        kept = imported.keep(results.harvest(out), self.place / f"{name}-kept")
        return Timing(wall, asking, self.requests() - before, sample_store.load(kept.id, self.place / f"{name}-kept"))

    def trials(self, task: str, metadata: dict[str, str], part: int) -> dict[str, float]:
        asked = json.dumps({"task": task, "metadata": metadata, "limit": part, "sizes": SIZES, **self.arguments(0)})
        line = [self.python, "-m", "bench.lm_eval_peer", asked]
        told = subprocess.run(line, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=offline())
        found: dict[str, float] = json.loads(told.stdout.splitlines()[-1])
        return found

    def arguments(self, concurrency: int | str) -> dict[str, str | int | bool]:
        return {
            "model": "demo",
            "base_url": f"{self.url}/completions",
            "tokenizer": str(demo.checkpoint()),
            "add_bos_token": True,
            "num_concurrent": concurrency,
        }

    def requests(self) -> int:
        """Completions that the server has answered so far."""
        with urllib.request.urlopen(self.url.removesuffix("/v1") + "/metrics") as reply:
            lines = reply.read().decode().splitlines()
        counted = (line for line in lines if line.startswith("http_requests_total") and '"/v1/completions"' in line)
        return sum(int(float(line.rpartition(" ")[2])) for line in counted)


def offline() -> dict[str, str]:
    """lm-eval's environment: our code as it is here, and no network."""
    return {**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(Path(__file__).parents[1])}


def watched(line: list[str]) -> float:
    """Run lm_eval, and tell how long it asked: from the line that says so to the last one of its progress bars."""
    begun = over = 0.0
    said = []
    with subprocess.Popen(line, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=offline()) as run:
        assert run.stderr
        for words in run.stderr:
            said.append(words)
            begun = begun or (time.perf_counter() if RUNNING.search(words) else 0.0)
            over = time.perf_counter() if OVER.search(words) else over
    if run.returncode:
        sys.exit("".join(said[-20:]))
    return over - begun


async def bare(url: str, bodies: Sequence[object], flight: int) -> float:
    """How long the server takes for all BODIES when nobody does anything with what it says."""
    left = iter(bodies)

    async def work(session: aiohttp.ClientSession) -> None:
        for body in left:
            async with session.post(f"{url}/completions", json=body) as reply:
                reply.raise_for_status()
                await reply.read()

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        begun = time.perf_counter()
        await asyncio.gather(*(work(session) for _ in range(flight)))
        return time.perf_counter() - begun


def capacity(url: str) -> float:
    """The least time that the server takes for the paper's texts, sent in the best of several ways."""
    with found_in(DATA):
        probe = probes.get("bbq").build(ProbeOptions(suite="paper", limit=ITEMS))
        asked = [probe.ask(item) for item in probe.items]
    texts = [[one.prompt + choice for choice in one.choices] for one in asked if isinstance(one, Choose)]
    dialect = Dialect("demo", beside=0)
    three = [dialect.score(one) for one in texts]
    single = [dialect.score([text]) for one in texts for text in one]
    ways = [("one text", single, 3 * PART, flight) for flight in FLIGHT]
    ways += [("three texts", three, PART, flight) for flight in FLIGHT]
    tried = {
        (way, flight): asyncio.run(bare(url, bodies[:part], flight)) / part * len(bodies)
        for way, bodies, part, flight in ways
    }
    best = min(tried, key=lambda key: tried[key])
    seconds = asyncio.run(bare(url, three if best[0] == "three texts" else single, best[1]))
    print(f"A bare loop, {best[0]} a request and {best[1]} in flight, the best of {len(ways)} ways: {seconds:.1f} s.\n")
    return seconds


def table(mine: Timing, peers: Timing) -> None:
    print("| | whole command, s | asking, s | the rest, s | requests |\n|---|---:|---:|---:|---:|")
    for side, timing in (("`inherit profile`", mine), ("`lm_eval`", peers)):
        rest = timing.wall - timing.asking
        print(f"| {side} | {timing.wall:.1f} | {timing.asking:.1f} | {rest:.1f} | {timing.requests} |")
    print(
        f"\nThe whole command takes {mine.wall / peers.wall:.2f} of lm-eval's time, asking alone "
        f"{mine.asking / peers.asking:.2f}; {alike(mine.run, peers.run)}. Load average {os.getloadavg()[0]:.1f}."
    )


def alike(mine: sample_store.Run, peers: sample_store.Run) -> str:
    """How far both found the same."""
    (section,) = mine.profile.sections
    theirs = {sample.item: sample for sample in peers.samples(section.probe)}
    samples = list(mine.samples(section.probe))
    same = sum(sample.scores == theirs[sample.item].scores for sample in samples)
    other = {(number.metric, number.group): number.value for number in peers.profile.estimates}
    gaps = [
        abs(number.value - value)
        for number in mine.profile.estimates
        if number.group is None and number.value is not None
        if (value := other.get((number.metric, None))) is not None
    ]
    return f"{same} of {len(samples)} items got the same scores, and no number differs by more than {max(gaps):.2g}"


def paper(bench: Bench, _: Timing | None) -> Timing:
    """BBQ as in the paper: how likely each of three answers is."""
    print(f"### The paper's scoring method: {ITEMS} BBQ items, how likely each of 3 answers is\n")
    most = capacity(bench.url)
    mine = bench.ours("paper", "--probe", "bbq", "--limit", str(ITEMS))
    peers = bench.theirs("paper-lm", "inherit_bbq", ITEMS, {})
    table(mine, peers)
    print(f"\nOf the server's own capacity `inherit` uses {most / mine.asking:.0%}, lm-eval {most / peers.asking:.0%}.")
    return peers


def letter(bench: Bench, before: Timing | None) -> Timing:
    """BBQ as a letter: one token an item."""
    print(f"\n### Scored by letter: {ITEMS} BBQ items, the letters' probabilities\n")
    mine = bench.ours("letter", "--probe", "bbq", "--limit", str(ITEMS), "--scoring-method", "top_logprobs")
    peers = bench.theirs("letter-lm", "inherit_bbq", ITEMS, {"scoring_method": "letter"})
    print("lm-eval can't ask for a token's alternatives: there the letter is written out, in up to 16 tokens.\n")
    table(mine, peers)
    if before:
        print(f"\nAgainst lm-eval in the paper's scoring method: {mine.wall / before.wall:.2f} of its time.")
    return peers


def samples(bench: Bench, _: Timing | None) -> Timing:
    """Toxicity: 25 continuations a prompt."""
    print(f"\n### Samples: {PROMPTS} prompts, 25 continuations of 20 tokens each\n")
    mine = bench.ours("samples", "--probe", "toxicity", "--limit", str(PROMPTS))
    peers = bench.theirs("samples-lm", "inherit_toxicity", PROMPTS, {})
    table(mine, peers)
    before = bench.requests()
    subprocess.run([INHERIT, "doctor", "demo", "--url", bench.url], check=True, stdout=subprocess.DEVNULL)
    found = bench.requests() - before
    print(f"\n{found} requests find out what the server can do, once a run; {mine.requests - found} bring the samples.")
    return peers


PARTS: dict[str, Callable[[Bench, Timing | None], Timing]] = {"paper": paper, "letter": letter, "samples": samples}


def main() -> None:
    python = os.environ.get("INHERIT_LMEVAL_PYTHON")
    if not python:
        sys.exit("INHERIT_LMEVAL_PYTHON must name an interpreter with lm-eval[api] and inherit (bench/lm_eval.py)")
    with tempfile.TemporaryDirectory() as name:
        plan = serving.ServerPlan(serving.source("demo"), "demo", length=LENGTH)
        with serving.Server(plan, installed.needed(), Path(name) / "log") as server:
            before = None
            for part in sys.argv[1:] or PARTS:
                before = PARTS[part](Bench(server.url, Path(name), python), before)
                sys.stdout.flush()


if __name__ == "__main__":
    main()
