"""`kill -9` at random moments: what is paid for again, and whether the numbers are those of work that nobody disturbed.

    python -m bench.kills [VERB …] [--kills 20]

Every verb is the real command, asking a fake server on a socket, and killed between its first sign of work and its
end; the same command is given again until it ends, and then begins anew in another folder until there were so many
kills. `service`, `process` and `worker` are jobs of `inherit ui` of which that is killed. `train` and `study` need the
extra `train`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple, get_args

from profiler.runs import sample_store
from tests.support import candidates, recipe, study
from tests.support.forked import Forked, forked
from tests.support.job_kills import JOBS, Victim, killed_jobs
from tests.support.wire import Script, Wire, serving

FLIGHT = 8
"""Requests in flight."""
PROBES = [{"probe": "attributes", "prompts": "asked.jsonl", "samples": 1, "sampling": {"max_tokens": 8}}]


class Work(NamedTuple):
    """What is killed."""

    words: Callable[[Path, str], list[str]]
    """The command, in a folder, with the server's address; makes what it reads where it isn't there."""
    numbers: Callable[[Path], Any]
    """What it left."""
    paid: str = ""
    """What the server's answers that are paid for hold; empty where no server is asked."""
    each: int = 1
    """Answers in a request: samples of a prompt, or a judge's labels, which are weighed together."""


def rows(folder: Path, name: str, made: list[dict[str, object]]) -> str:
    path = folder / name
    if not path.exists():
        candidates.written(path, made)
    return str(path)


def questions(folder: Path, count: int) -> str:
    return rows(folder, "questions.jsonl", [{"prompt": f"question {number} end"} for number in range(count)])


def pairs(folder: Path) -> str:
    made = [{"id": str(i), "prompt": f"question {i}", "a": f"Say {i}.", "b": f"Don't {i}."} for i in range(200)]
    return rows(folder, "pairs.jsonl", made)


def recipe_of(folder: Path) -> str:
    path = folder / "recipe.json"
    if not path.exists():
        asked = {"method": "full", "batch": 4, "precision": "float32", "save": 2, "epochs": 12}
        path.write_text(recipe.made(folder, recipe.PAIRS * 4, **asked).model_dump_json(), "utf-8")
    return str(path)


def plan_of(folder: Path, url: str) -> str:
    settings = {**study.PLAIN["recipe"], "batch": 4, "save": 1}
    fields = {"teachers": [{"model": "wire", "url": url, "name": "one"}], "recipe": settings, "guard": {}}
    aim = {"objectives": {"length": study.PLAIN["objectives"]["length"]}, "profile": PROBES}
    return str(study.written(folder, **fields, **aim))


def profile_numbers(folder: Path) -> Any:
    """Of every run: one that was killed after its last number was written is over, and the command begins another."""
    found = []
    for run in sample_store.runs(folder / "runs"):
        kept = run.profile.model_dump(exclude={"id", "started", "seconds", "usage", "endpoint"})
        answers = sorted((one.item, [answer.text for answer in one.answers]) for one in run.samples("attributes"))
        found += [(kept, answers)] if (kept, answers) not in found else []
    return found


def pool_numbers(folder: Path) -> Any:
    return sorted((key, row.text, row.seed) for key, row in candidates_of(folder).items())


def candidates_of(folder: Path) -> Any:
    from tests.support.pool import rows as pool_rows

    return pool_rows(folder / "pool")


def files(*names: str) -> Callable[[Path], Any]:
    """The content of files, by patterns."""
    return lambda folder: [
        sha256(path.read_bytes()).hexdigest() for name in names for path in sorted(folder.glob(name))
    ]


def study_numbers(folder: Path) -> Any:
    found = json.loads((folder / "study" / "report.json").read_bytes())
    return [(one["change"], one["gain"]) for one in found["outcomes"]], len([*(folder / "study/stages").iterdir()])


WORKS = {
    "profile": Work(
        lambda at, url: [
            *("profile", "wire", "--url", url, "-p", "attributes", "--prompts", questions(at, 400), "--samples", "2"),
            *("--temperature", "1", "--max-tokens", "20", "--concurrency", str(FLIGHT), "--out", str(at / "runs")),
        ],
        profile_numbers,
        "question",
        2,
    ),
    "sample": Work(
        lambda at, url: [
            *("sample", f"wire@{url}", "--prompts", questions(at, 400), "-k", "2", "--max-tokens", "20"),
            *("--concurrency", str(FLIGHT), "--out", str(at / "pool")),
        ],
        pool_numbers,
        "question",
        2,
    ),
    "judge": Work(
        lambda at, url: [
            *("judge", "wire", "--url", url, "--pairs", pairs(at), "--concurrency", str(FLIGHT), "-o", str(at)),
            *("--save", str(at / "verdicts.jsonl")),
        ],
        files("verdicts.jsonl"),
        "question",
        2,
    ),
    "score": Work(
        lambda at, _: [
            *("score", rows(at, "texts.jsonl", candidates.rows(1500, 4)), "-m", "mtld", "-m", "words", "-m", "flesch"),
            *("--save", str(at / "scores.jsonl")),
        ],
        files("scores.jsonl"),
    ),
    "select": Work(
        lambda at, url: [
            *("select", rows(at, "answers.jsonl", candidates.rows(60, 4)), "-O", f"max:judge:wire@{url}"),
            *("--skip-filter", "all", "--out", str(at / "chosen")),
        ],
        files("chosen/*.jsonl"),
        "number",
        2,
    ),
    "train": Work(lambda at, _: ["train", recipe_of(at)], files("out/model/*.safetensors")),
    "study": Work(lambda at, url: ["study", plan_of(at, url)], study_numbers, "teach", 4),
}


class Row(NamedTuple):
    """What came of a verb."""

    kills: int
    began: int
    """How often the work was begun from nothing."""
    paid: int | None
    """Answers of the server; None where none is asked."""
    again: int
    """Those of them that it had given before."""
    most: int
    """What can have been in flight at the kills."""
    equal: bool

    def cells(self, name: str) -> str:
        paid = ("–",) * 3 if self.paid is None else (f"{self.paid:,}", f"{self.again:,}", f"{self.most:,}")
        cells = (name, str(self.kills), str(self.began), *paid, "yes" if self.equal else "NO")
        return f"| {' | '.join(cells)} |"


@dataclass
class Attempt:
    """One start of a command."""

    work: Work
    at: Path
    wire: Wire
    command: Forked

    async def run(self, moment: float | None) -> tuple[int, float]:
        """How it ended, and when, in seconds after its first sign of work; killed at a moment, if it lasts so long."""
        sent, since = len(self.wire.sent), time.time_ns()
        words = self.work.words(self.at, self.wire.url)
        running = await self.command.start(words)
        while not running.done() and len(self.wire.sent) == sent and not self._wrote(since):
            await asyncio.sleep(0.02)
        start = time.monotonic()
        await asyncio.wait([running], timeout=moment)
        if not running.done():
            self.command.send()
        code = await running
        assert code in (0, -9), f"{words} ended with {code}"
        return code, time.monotonic() - start

    def _wrote(self, since: int) -> bool:
        """Whether there is something new in the folder, which work without a server shows."""
        return not self.work.paid and any(path.stat().st_mtime_ns > since for path in self.at.rglob("*"))


async def killed(work: Work, most: int, root: Path, rng: random.Random, command: Forked) -> Row:
    async with serving(Script(latency=0.02)) as wire:
        (whole := root / "whole").mkdir()
        _, span = await Attempt(work, whole, wire, command).run(None)
        expected, flight = work.numbers(whole), 64 if work.paid in ("number", "teach") else FLIGHT
        kills = began = paid = again = 0
        equal = True
        while kills < most:
            (at := root / str(began)).mkdir()
            began, before, turns, code = began + 1, len(wire.sent), 0, -9
            while code:
                moment = rng.uniform(0, span) if kills < most else None
                code, lasted = await Attempt(work, at, wire, command).run(moment)
                kills, turns = kills + (code == -9), turns + 1
                await asyncio.sleep(0.1)
            if turns == 1:  # no later than this is there anything left to kill
                span = min(span, lasted)
            units = [unit for unit, _ in wire.sent[before:] if work.paid in unit]
            paid, again = paid + len(units), again + len(units) - len({*units})
            equal &= work.numbers(at) == expected
    bound = kills * flight * work.each
    return Row(kills, began, paid if work.paid else None, again, bound, equal)


async def jobs(victim: Victim, most: int, root: Path, rng: random.Random) -> Row:
    kills = began = paid = again = 0
    equal = True
    while kills < most:
        (at := root / str(began)).mkdir()
        found = await killed_jobs(victim, min(5, most - kills), at, rng)
        began, kills = began + 1, kills + found.kills
        paid, again = paid + found.units, again + found.units - found.different
        equal &= found.states == ["done"] * JOBS and found.runs == JOBS
    return Row(kills, began, paid, again, kills * 2, equal)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("verbs", nargs="*", metavar="VERB", choices=[[], *WORKS, *get_args(Victim)])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--log", default=os.devnull)
    told = parser.parse_args()
    print("| killed | kills | begun | answers paid | paid again | in flight at the kills, at most | numbers equal |")
    print("|---|---:|---:|---:|---:|---:|---|")
    async with forked(told.log) as command:
        for name in told.verbs or (*WORKS, *get_args(Victim)):
            if name in ("train", "study") and not find_spec("trl"):
                print(f"{name}: left out, it needs the extra `train`", file=sys.stderr)
                continue
            with tempfile.TemporaryDirectory() as folder:
                rng, root = random.Random(name), Path(folder)
                row = await (
                    killed(WORKS[name], told.kills, root, rng, command)
                    if name in WORKS
                    else jobs(name, (told.kills + 1) // 2, root, rng)
                )
            print(row.cells(name), flush=True)
    sys.stdout.write(f"\nLoad average at the end: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores.\n")


if __name__ == "__main__":
    asyncio.run(main())
