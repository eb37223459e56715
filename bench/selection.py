"""What scoring and selecting cost: 52,000 prompts of ten candidates each, against a tenth of them.

    python -m bench.selection [PROMPTS …] [--each 10] [--words 100] [options of `inherit select` instead of the usual]

Candidates have 100 words of tox-block's vocabulary, drawn by rank as words of a language are, and among them numbers
that no other text has. `inherit select` runs twice for each size: once it measures everything, then it only chooses.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import numpy as np

from selection import BLOCK, Pool, PoolContents, Segment, candidate_table, prompt_id

SIZES = (5_200, 52_000)
EACH = 10
WORDS = 100
PAUSE = 0.2
"""Seconds between two looks at memory."""
COMMAND = [sys.executable, "-c", "from profiler.cli import main; main()", "select"]
WANTED = ["-O", "max:mtld", "--hold", "words=0.25", "--require", "toxicity<=0.5", "--workers", "2"]


class Run(NamedTuple):
    """What one run of the command took."""

    seconds: float
    processor: float
    """Seconds that its processes computed."""
    memory: float
    """MB that its processes held together at most, shared pages counted once."""
    most: float
    """MB that one of them held at most."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("prompts", type=int, nargs="*", default=SIZES)
    parser.add_argument("--each", type=int, default=EACH)
    parser.add_argument("--words", type=int, default=WORDS)
    given, told = parser.parse_known_args()
    wanted = told or WANTED
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for prompts in given.prompts:
            pool = Path(folder) / str(prompts)
            make(pool, prompts, given.each, given.words)
            found[prompts] = [run(pool, pool.with_name(f"{prompts}-out"), wanted) for _ in range(2)]
            shutil.rmtree(pool)
            shutil.rmtree(pool.with_name(f"{prompts}-out"))
    report(found, given.each, given.words, wanted)


def make(folder: Path, prompts: int, each: int = EACH, words: int = WORDS) -> None:
    """A pool as `inherit sample` leaves it."""
    pool = Pool.create(folder, PoolContents(sources=("made",)))
    for block, start in enumerate(range(0, prompts, BLOCK)):
        pool.write(Segment(block, "made"), candidate_table(columns(start, min(start + BLOCK, prompts), each, words)))


def columns(start: int, end: int, each: int, words: int) -> dict[str, list[object]]:
    rng = np.random.default_rng(start)
    made: dict[str, list[object]] = {name: [] for name in ("prompt_id", "index", "prompt", "text")}
    for number in range(start, end):
        prompt = f"Question {number}: {texts(rng, 1, 12)[0]}"
        made["prompt_id"] += [prompt_id(prompt)] * each
        made["index"] += range(each)
        made["prompt"] += [prompt] * each
        made["text"] += texts(rng, each, words)
    count = len(made["text"])
    return {
        **made,
        "source": ["made"] * count,
        "finish": ["stop"] * count,
        "seed": made["index"],
        "tokens": [words] * count,
    }


def texts(rng: np.random.Generator, count: int, size: int) -> list[str]:
    """Sentences of some fifteen words."""
    ranks = np.searchsorted(CHANCES, rng.random((count, size)))
    ends = rng.random((count, size)) < 1 / 15
    ends[:, -1] = True
    numbers = rng.random((count, size)) < 0.01
    made = []
    for words, stops, odd in zip(ranks.tolist(), ends.tolist(), numbers.tolist(), strict=True):
        plain = [str(rng.integers(10**9)) if out else VOCABULARY[word] for word, out in zip(words, odd, strict=True)]
        made.append(" ".join(f"{word}." if stop else word for word, stop in zip(plain, stops, strict=True)))
    return made


LISTED = files("profiler.metrics.toxicity") / "weights/vocabulary.json"
VOCABULARY = [word for word in json.loads(LISTED.read_text("utf-8")) if word.isascii() and word.isalpha()]  # fmt: skip
CHANCES = np.cumsum(1 / np.arange(2, len(VOCABULARY) + 2))
CHANCES /= CHANCES[-1]
"""Zipf 1949: a word's share falls with its rank."""


def run(pool: Path, out: Path, wanted: Sequence[str]) -> Run:
    start, before = time.perf_counter(), computed()
    process = subprocess.Popen([*COMMAND, str(pool), *wanted, "--out", str(out)], stdout=subprocess.DEVNULL)
    held = [(0.0,)]
    watch = threading.Thread(target=watched, args=(process, held))
    watch.start()
    code = process.wait()
    seconds = time.perf_counter() - start
    watch.join()
    if code:
        sys.exit(f"`inherit select` ended with {code}")
    return Run(seconds, computed() - before, max(map(sum, held)), max(map(max, held)))


def computed() -> float:
    """Seconds that all processes computed that this one has waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def watched(process: subprocess.Popen[bytes], held: list[tuple[float, ...]]) -> None:
    while process.poll() is None:
        held.append(tuple(map(megabytes, family(process.pid))))
        time.sleep(PAUSE)


def family(pid: int) -> Iterator[int]:
    """A process and all that came of it."""
    yield pid
    try:
        children = [each.read_text("utf-8").split() for each in Path(f"/proc/{pid}/task").glob("*/children")]
    except OSError:
        return
    for child in (int(word) for words in children for word in words):
        yield from family(child)


def megabytes(pid: int) -> float:
    """What a process holds, a page that several share in equal parts; 0 once it is gone."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text("utf-8").splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("Pss:")), 0.0)


def report(found: dict[int, list[Run]], each: int, words: int, wanted: Sequence[str]) -> None:
    print(
        f"{each} candidates of {words} words a prompt; `inherit select … {' '.join(wanted)}`; whole commands from "
        "start to end, the card included.\n"
    )
    print("| prompts | candidates | | s | processor, s | a candidate, µs | memory, MB | of one process |")
    print("|---:|---:|---|---:|---:|---:|---:|---:|")
    for prompts, runs in found.items():
        for what, one in zip(("score and select", "select alone"), runs, strict=True):
            print(
                f"| {prompts:,} | {prompts * each:,} | {what} | {one.seconds:,.1f} | {one.processor:,.1f} "
                f"| {one.processor / prompts / each * 1e6:,.1f} | {one.memory:,.0f} | {one.most:,.0f} |"
            )
    (few, (less, _)), *others = found.items()
    for many, (more, _) in others:
        print(
            f"\n{many / few:.0f} times the prompts take {more.seconds / less.seconds:.1f} times the time, "
            f"{more.processor / less.processor:.1f} times the processor's, and {more.memory / less.memory:.2f} times "
            "the memory."
        )
    print(f"\nLoad average while measuring: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores.")


if __name__ == "__main__":
    main()
