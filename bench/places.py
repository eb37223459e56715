"""Scoring a pool on Ray and by our own processes, two at a time and in turn.

    python -m bench.places [PROMPTS] [--rounds 2] [--words 12]

The same candidates as in bench.selection, all text metrics and tox-block. What a place takes to start, each of its
workers too, is measured with a pool of a segment a worker, and is in no other number. Needs the extra `ray`, and two
cores.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
from hashlib import blake2b
from pathlib import Path
from statistics import median
from typing import NamedTuple

from bench.selection import EACH, family, make, megabytes
from profiler import metrics
from profiler.places import place_at
from selection import BLOCK, Pool, score

PROMPTS = 52_000
WORDS = 12
ROUNDS = 2
CORES = 2
PAUSE = 0.1
"""Seconds between two looks at the processes."""
PLACES = ("here", "ray")
TICK = os.sysconf("SC_CLK_TCK")


class Run(NamedTuple):
    """What scoring a pool took."""

    seconds: float
    processor: float
    """Seconds that all its processes computed, the cluster's own among them."""
    driver: float
    """MB that the process which leads held at most."""
    most: float
    """MB that one of the others held at most."""
    left: str
    """Digest of all files of scores."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("prompts", type=int, nargs="?", default=PROMPTS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--words", type=int, default=WORDS)
    given = parser.parse_args()
    starts: dict[str, list[Run]] = {place: [] for place in PLACES}
    wholes: dict[str, list[Run]] = {place: [] for place in PLACES}
    with tempfile.TemporaryDirectory() as folder:
        few, whole = Path(folder, "few"), Path(folder, "whole")
        make(few, CORES * BLOCK, words=given.words)
        make(whole, given.prompts, words=given.words)
        for turn in range(given.rounds):
            for place in PLACES if turn % 2 else PLACES[::-1]:
                print(f"round {turn + 1}, {place} …", file=sys.stderr)
                starts[place].append(scored(few, place))
                wholes[place].append(scored(whole, place))
    report(starts, wholes, given.prompts, given.words)


def scored(folder: Path, on: str) -> Run:
    """Score a pool that has no scores, and take them away again."""
    start, before = time.perf_counter(), {}
    process = multiprocessing.get_context("spawn").Process(target=work, args=(folder, on))
    process.start()
    driver = most = 0.0
    while process.is_alive():
        for pid in family(process.pid or 0):
            before[pid] = max(before.get(pid, 0.0), processor(pid))
            if pid == process.pid:
                driver = max(driver, megabytes(pid))
            else:
                most = max(most, megabytes(pid))
        process.join(PAUSE)
    seconds = time.perf_counter() - start
    if process.exitcode:
        sys.exit(f"scoring on {on} ended with {process.exitcode}")
    digest = blake2b(digest_size=8)
    for path in sorted((folder / "scores").rglob("*.parquet")):
        digest.update(path.read_bytes())
    for name in ("scores", "index"):
        shutil.rmtree(folder / name, ignore_errors=True)
    return Run(seconds, sum(before.values()), driver, most, digest.hexdigest())


def work(folder: Path, on: str) -> None:
    if on == "ray":  # a cluster of its own, whoever else has one on this machine
        import ray

        ray.init("local", num_cpus=CORES, include_dashboard=False, log_to_driver=False, logging_level="warning")
    for _ in score(Pool(folder), [*metrics.default(), "toxicity"], CORES, place_at(on)):
        pass


def processor(pid: int) -> float:
    """Seconds that a process computed until now; 0 once it is gone."""
    try:
        told = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(told[11]) + int(told[12])) / TICK


def report(starts: dict[str, list[Run]], wholes: dict[str, list[Run]], prompts: int, words: int) -> None:
    print(
        f"{prompts * EACH:,} candidates of {words} words; all metrics of length, readability, diversity and quality, "
        f"and tox-block; two processes measure; the median of {len(wholes['here'])} rounds in turn. The start is a "
        f"pool of {CORES} segments; scoring is what the others take.\n"
    )
    print("| | start, s | processor | scoring, s | processor | candidates/s | driver, MB | another process, MB |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    took = {}
    for place in PLACES:
        began, seconds, begun, computed = (
            median(getattr(one, name) for one in runs[place])
            for name in ("seconds", "processor")
            for runs in (starts, wholes)
        )
        took[place] = seconds - began, computed - begun
        driver, most = (max(getattr(one, name) for one in wholes[place]) for name in ("driver", "most"))
        print(
            f"| {place} | {began:.1f} | {begun:.1f} | {took[place][0]:.1f} | {took[place][1]:.1f} "
            f"| {(prompts - CORES * BLOCK) * EACH / took[place][0]:,.0f} | {driver:,.0f} | {most:,.0f} |"
        )
    ratios = [there / here for there, here in zip(took["ray"], took["here"], strict=True)]
    same = len({run.left for runs in wholes.values() for run in runs}) == 1
    print(
        f"\nRay takes {ratios[0]:.2f} times the time and {ratios[1]:.2f} times the processor of our own processes, the "
        f"start left out; the files of scores are {'the same to the byte' if same else 'NOT THE SAME'}."
    )
    print(f"Load average while measuring: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores.")


if __name__ == "__main__":
    main()
