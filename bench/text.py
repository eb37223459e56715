"""How fast the text metrics are, against TextDescriptives and LexicalRichness making those of them that they know.

    INHERIT_PARITY_PYTHON=…/bin/python python -m bench.text

Each side runs in a fresh process, one after the other, on the real answers of many models to the same prompts.
"""

from __future__ import annotations

import gzip
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from string import ascii_lowercase, ascii_uppercase
from typing import Any, NamedTuple

from bench import DATA
from profiler.text import Text

PEER = Path(__file__).with_name("text_peer.py")
ANSWERS = DATA / "candidate_pool" / "alpaca_eval_answers.jsonl.gz"
BATCH = 320
ROUNDS = 5


@dataclass(frozen=True)
class Timing:
    """What one process took."""

    load: float
    """Seconds until the libraries were there."""
    seconds: float
    """Seconds for the texts, start of workers included."""
    process: float = 0.0
    """Seconds from its start to its end."""
    memory: float = 0.0
    """MB held at most."""


class Answer(NamedTuple):
    """A line of the file."""

    text: Text


def answers(copies: int = 1) -> Iterator[str]:
    """Every model's answers, prompt by prompt; each further copy in an alphabet of its own, so that no word repeats."""
    with gzip.open(ANSWERS, "rt", encoding="utf-8") as lines:
        rows = sorted(map(json.loads, lines), key=lambda row: row["prompt_id"])
    for copy in range(copies):
        turned = [letters[copy:] + letters[:copy] for letters in (ascii_lowercase, ascii_uppercase)]
        alphabet = str.maketrans(ascii_lowercase + ascii_uppercase, "".join(turned))
        yield from (row["text"].translate(alphabet) for row in rows)


def work(workers: int, count: int, copies: int) -> Timing:
    """Measure every metric on the answers, in this process."""
    begin = time.perf_counter()
    from profiler import metrics
    from profiler.metrics import measure, measured

    every = list(metrics.default().values())
    measure([Text("Ready?")], every)
    texts = (Answer(Text(text)) for text in islice(answers(copies), count * copies))
    if copies == 1:
        texts = iter(list(texts))
    start = time.perf_counter()
    done = sum(len(batch) for batch, _ in measured(iter(lambda: list(islice(texts, BATCH)), []), every, workers))
    end = time.perf_counter()
    assert done == count * copies
    return Timing(start - begin, end - start, memory=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def ours(workers: int, count: int, copies: int = 1) -> Timing:
    command = [sys.executable, "-m", "bench.text", *map(str, (workers, count, copies))]
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return Timing(**{**json.loads(done.stdout), "process": time.perf_counter() - start})


def theirs(python: str, texts: list[str]) -> Timing:
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "texts.json"), Path(folder, "scores.json")
        source.write_text(json.dumps(texts), encoding="utf-8")
        start = time.perf_counter()
        subprocess.run([python, PEER, source, target], check=True)
        process = time.perf_counter() - start
        found: dict[str, Any] = json.loads(target.read_text(encoding="utf-8"))
    return Timing(found["load"], found["seconds"], process)


def best(count: int) -> tuple[Timing, Timing]:
    """The quickest of a few runs on one worker and on two, in turn: others use this machine too."""
    rounds = [(ours(1, count), ours(2, count)) for _ in range(ROUNDS)]
    one, two = (min(timings, key=lambda timing: timing.seconds) for timings in zip(*rounds, strict=True))
    return one, two


def main() -> None:
    python = os.environ.get("INHERIT_PARITY_PYTHON") or sys.exit("INHERIT_PARITY_PYTHON names the peer's Python")
    texts = list(answers())
    (few, _), (many, two) = best(1000), best(len(texts))
    peer_few, peer_many = theirs(python, texts[:1000]), theirs(python, texts)
    once, four = ours(1, len(texts)), ours(1, len(texts), copies=4)
    print(f"Load {os.getloadavg()[0]:.1f}; {len(texts)} answers, {sum(map(len, texts)) / 1e6:.1f} M characters.\n")
    print("| | ours | theirs | |")
    print("|---|---|---|---|")
    print(row("first 1,000, the whole process from cold", few.process, peer_few.process))
    print(row("first 1,000, libraries loaded", few.seconds, peer_few.seconds))
    print(row("all, the whole process from cold", many.process, peer_many.process))
    print(row("all, libraries loaded", many.seconds, peer_many.seconds))
    print(f"\nAll on two workers, their start included: {two.seconds:.2f} s, {many.seconds / two.seconds:.2f} × one.")
    print(f"Memory at most: {once.memory:.0f} MB for the answers, {four.memory:.0f} MB for four times as many.")


def row(what: str, ours: float, theirs: float) -> str:
    return f"| {what} | {ours:.2f} s | {theirs:.1f} s | {theirs / ours:.1f} × |"


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(asdict(work(*map(int, sys.argv[1:])))))
    else:
        main()
