"""How fast BBQ is scored: 58,492 recorded answers, all numbers of all categories, 1,000 resamples of each.

    python -m bench.bbq

Four of the categories are files made by the authors' generator, not the official ones: as many rows, of the same form.
"""

from __future__ import annotations

import os
import random
import time

from bench import DATA
from profiler.datasets import Item, Row, read
from profiler.probes import Bbq, items
from profiler.runs.rescore import rescore

BBQ = DATA / "bbq"
ROUNDS = 3


def everything() -> list[Item]:
    files = sorted([*(BBQ / "data").glob("*.jsonl.gz"), *(BBQ / "regenerated").glob("*.jsonl.gz")])
    return [item for path in files for item in items(read(path), path.name)]


def main() -> None:
    probe = Bbq()
    probe.__dict__["items"] = found = everything()
    rng = random.Random(0)
    rows: list[Row] = [{"item": item.id, "choice": rng.randrange(3)} for item in found]
    rounds = []
    for _ in range(ROUNDS):
        start = time.perf_counter(), time.process_time()
        estimates = rescore(probe, rows)
        rounds.append((time.perf_counter() - start[0], time.process_time() - start[1]))
    took, worked = min(rounds)
    print(f"| answers | numbers with intervals | s, the best of {ROUNDS} | s of processor | wanted below |")
    print("|---:|---:|---:|---:|---:|")
    print(f"| {len(rows):,} | {len(estimates)} | {took:.2f} | {worked:.2f} | 5 |")
    print(f"\nFrom recorded choices to estimates, reading the items left out. Load average {os.getloadavg()[0]:.1f}.")


if __name__ == "__main__":
    main()
