"""How fast recorded verdicts are compared with humans: 100,000 of them, 1,000 bootstraps behind every number.

    python -m bench.agreement

The peer is the loop that people write: scikit-learn's `cohen_kappa_score` on resampled labels. It is timed on a few
resamples and its time for 1,000 is extrapolated: it makes one number, `inherit agree` all of its table.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import orjson
from sklearn.metrics import cohen_kappa_score

from profiler.judging import Jury, compare_raters, read_labels

VERDICTS = 100_000
RESAMPLES = 1000
FEW = 10
"""Resamples that the peer is timed on."""
A_PROMPT = 4
"""Pairs of one prompt, where prompts are what is resampled."""


def labels(count: int) -> tuple[np.ndarray, np.ndarray]:
    """What humans and a judge say: 1, 2 or 0 for a tie; the judge says the same on 70 of 100."""
    rng = np.random.default_rng(0)
    gold = rng.choice([1, 2, 0], count, p=[0.45, 0.4, 0.15])
    return gold, np.where(rng.random(count) < 0.7, gold, rng.choice([1, 2, 0], count))


def written(path: Path, a_prompt: int) -> Path:
    rows = (
        {"id": i, "prompt": f"Prompt {i // a_prompt}", "gold": int(g) or "tie", "verdict": int(v) or "tie"}
        for i, (g, v) in enumerate(zip(*labels(VERDICTS), strict=True))
    )
    path.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    return path


class Took(NamedTuple):
    wall: float
    cpu: float


def timed(work: Callable[[], object]) -> Took:
    """Seconds on the wall, and seconds of processor, which a busy machine does not stretch."""
    before, start = spent(), time.perf_counter()
    work()
    return Took(time.perf_counter() - start, spent() - before)


def spent() -> float:
    """Processor seconds of this process and of those that it started."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def theirs() -> tuple[Took, float]:
    """What 1,000 resamples take, and kappa of all verdicts."""
    gold, judged = labels(VERDICTS)
    whole = cohen_kappa_score(gold, judged)
    rng = np.random.default_rng(0)

    def loop() -> None:
        for _ in range(FEW):
            rows = rng.integers(VERDICTS, size=VERDICTS)
            cohen_kappa_score(gold[rows], judged[rows])

    each = timed(loop)
    return Took(*(one * RESAMPLES / FEW for one in each)), whole


def row(what: str, numbers: int, took: Took, peer: Took | None = None) -> str:
    ratio = f"{peer.cpu / took.cpu:,.0f} ×" if peer else ""
    return f"| {what} | {numbers} | {took.cpu:.2f} | {took.wall:.2f} | {ratio} |"


def main() -> None:
    load = os.getloadavg()[0]
    busy = load > (os.cpu_count() or 1)
    print(f"Load {load:.1f}{': others waited for the processor too, so read its seconds' if busy else ''}.\n")
    looped, whole = theirs()
    print(f"{VERDICTS:,} verdicts of one judge, {RESAMPLES:,} bootstraps; the ratio is of processor seconds.\n")
    print("| | numbers with intervals | s of processor | s on the wall | scikit-learn's loop to it |")
    print("|---|---:|---:|---:|---:|")
    print(row(f"scikit-learn: kappa alone, {FEW} resamples × {RESAMPLES // FEW} (extrapolated)", 1, looped))
    with tempfile.TemporaryDirectory() as folder:
        for a_prompt, what in ((1, "one pair a prompt"), (A_PROMPT, f"{A_PROMPT} pairs a prompt, resampled together")):
            path = written(Path(folder) / "verdicts.jsonl", a_prompt)
            labelled = read_labels([path])
            made: list[Jury] = []
            took = timed(lambda found=labelled, made=made: made.append(compare_raters(found, resamples=RESAMPLES)))
            numbers = made[0].numbers
            print(row(f"ours, {what}: the numbers", len(numbers), took, looped))
            command = [Path(sys.executable).with_name("inherit"), "agree", path]
            took = timed(lambda line=command: subprocess.run(line, stdout=subprocess.DEVNULL, check=True))
            print(row("the command, start and file included", len(numbers), took, looped))
            ours = next(n.value for n in numbers if n.metric == "kappa" and n.reading == "first")
            assert abs((ours or 0) - whole) < 1e-12, (ours, whole)
    print(f"\nBoth give the same kappa, {whole:.6f}. Load average while measuring: {os.getloadavg()[0]:.1f}.")


if __name__ == "__main__":
    sys.exit(main())
