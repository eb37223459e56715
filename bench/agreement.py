"""How fast recorded verdicts are held against humans: 100,000 of them, 1,000 bootstraps behind every number.

    python -m bench.agreement

The peer is the loop that people write: scikit-learn's `cohen_kappa_score` on resampled labels. It is timed on a few
resamples and its time for 1,000 is extrapolated: it makes one number, `inherit agree` all of its table.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import orjson
from sklearn.metrics import cohen_kappa_score

from profiler.judge.ballot import read
from profiler.judge.jury import jury

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
        {"id": i, "prompt": f"Prompt {i // a_prompt}", "gold": int(g), "verdict": int(v)}
        for i, (g, v) in enumerate(zip(*labels(VERDICTS), strict=True))
    )
    path.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    return path


def theirs() -> tuple[float, float]:
    """Seconds a resample, and kappa of all verdicts."""
    gold, judged = labels(VERDICTS)
    whole = cohen_kappa_score(gold, judged)
    rng = np.random.default_rng(0)
    start = time.perf_counter()
    for _ in range(FEW):
        rows = rng.integers(VERDICTS, size=VERDICTS)
        cohen_kappa_score(gold[rows], judged[rows])
    return (time.perf_counter() - start) / FEW, whole


def main() -> None:
    print(f"Load {os.getloadavg()[0]:.1f}.\n")
    each, whole = theirs()
    looped = each * RESAMPLES
    print(f"{VERDICTS:,} verdicts of one judge, {RESAMPLES:,} bootstraps.\n")
    print("| | numbers with intervals | s | scikit-learn's loop to it |")
    print("|---|---:|---:|---:|")
    print(f"| scikit-learn: kappa alone, {FEW} resamples × {RESAMPLES // FEW} (extrapolated) | 1 | {looped:.0f} | |")
    with tempfile.TemporaryDirectory() as folder:
        for a_prompt, what in ((1, "one pair a prompt"), (A_PROMPT, f"{A_PROMPT} pairs a prompt, resampled together")):
            path = written(Path(folder) / "verdicts.jsonl", a_prompt)
            ballots = read([path])
            start = time.perf_counter()
            found = jury(ballots, resamples=RESAMPLES)
            took = time.perf_counter() - start
            print(f"| ours, {what}: the numbers | {len(found.numbers)} | {took:.2f} | {looped / took:,.0f} × |")
            start = time.perf_counter()
            subprocess.run(
                [Path(sys.executable).with_name("inherit"), "agree", path], stdout=subprocess.DEVNULL, check=True
            )
            took = time.perf_counter() - start
            print(
                f"| the command, start and file included | {len(found.numbers)} | {took:.2f} | {looped / took:,.0f} × |"
            )
            ours = next(n.value for n in found.numbers if n.metric == "kappa" and n.reading == "first")
            assert abs((ours or 0) - whole) < 1e-12, (ours, whole)
    print(f"\nBoth give the same kappa, {whole:.6f}. Load average while measuring: {os.getloadavg()[0]:.1f}.")


if __name__ == "__main__":
    sys.exit(main())
