"""How long a user waits before anything happens: the command's help, the import, and loading a large profile."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from profiler.records import Endpoint, Estimate, Fingerprint, Generation, Profile, Sample, Section, Usage
from profiler.runs import sample_store

RUNS = 7
ITEMS = 10_000


def seconds(work: Callable[[], object]) -> float:
    """The median of a few runs, after one that warms the disk."""
    work()
    taken = []
    for _ in range(RUNS):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def command(*words: str) -> Callable[[], object]:
    return lambda: subprocess.run(words, capture_output=True, check=True)


def large(out: Path) -> Path:
    """A finished run of 10,000 samples with 25 scores each."""
    names = [f"metric_{i}" for i in range(25)]
    started = datetime.now(UTC)
    with sample_store.begin(out, "m", "aa", started) as folder:
        journal = sample_store.Journal(folder, "attributes")
        text = "The harbour lay still in the grey light before the boats went out. " * 15
        for i in range(ITEMS):
            scores: dict[str, float | None] = dict.fromkeys(names, i / 7)
            answer = Generation(text=f"{i} {text}", scores=scores)
            journal.append(
                [Sample(probe="attributes", item=str(i), prompt="?", answers=(answer,), how="text", scores=scores)]
            )
        journal.seal()
        section = Section(probe="attributes", version=1, how="text", data={}, suite="mini", items=ITEMS)
        numbers = tuple(Estimate(probe="attributes", metric=name, value=1.0, n=ITEMS) for name in names)
        sample_store.save_profile(
            folder,
            Profile(
                id=folder.name, name="m", endpoint=Endpoint(model="m"), fingerprint=Fingerprint(id="f"),
                sections=(section,), estimates=numbers, usage=Usage(), started=started, seconds=1, versions={},
            ),
        )  # fmt: skip
    return folder


def finder() -> float:
    """Seconds that our .pth file takes of every start of Python: the median of what Python itself measures."""
    taken = []
    for _ in range(RUNS):
        words = [sys.executable, "-X", "importtime", "-c", "pass"]
        compiled = os.environ | {"PYTHONDONTWRITEBYTECODE": ""}  # as pip leaves it
        said = subprocess.run(words, env=compiled, capture_output=True, text=True, check=True).stderr
        taken += [int(line.split("|")[1]) for line in said.splitlines() if line.endswith(" inheritance_profile_finder")]
    return statistics.median(taken) / 1e6


def load(folder: Path) -> None:
    run = sample_store.load(str(folder))
    assert run.profile.sections[0].items == len(run.columns("attributes").items) == ITEMS


def main() -> None:
    inherit = str(Path(sys.executable).with_name("inherit"))
    with tempfile.TemporaryDirectory() as out:
        folder = large(Path(out))
        rows = [
            ("`inherit --help`", seconds(command(inherit, "--help")), 0.3),
            ("`python -c 'import profiler'`", seconds(command(sys.executable, "-c", "import profiler")), 0.3),
            ("our part of every start of Python (`inheritance_profile.pth`)", finder(), 0.001),
            ("a profile of 10,000 samples: estimates and all scores", seconds(lambda: load(folder)), 1.0),
        ]
    print("| what | median s | wanted below |\n|---|---|---|")
    for what, taken, wanted in rows:
        print(f"| {what} | {taken:.4f} | {wanted} |")


if __name__ == "__main__":
    main()
