"""Whether every door gives one set of numbers: the same items through each, compared with each other item by item.

    python -m bench.parity [DOOR[/PROBE] …]

Asks what has not been asked yet (through float32, inherit, lm_eval, inherit-vllm, lm_eval-vllm, helm-vllm; every probe,
or the one named), keeps it in .parity/, and writes docs/parity.md of what is there. Stopped and run again, it goes on.
PARITY_ITEMS=10 asks ten items of each probe instead of 100.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench import DATA, parity_page
from bench.doors import DOORS, EXACT, ROOT, Door, Question, passed, ready, served
from profiler.probes import forms

ITEMS = int(os.environ.get("PARITY_ITEMS", parity_page.ITEMS))
PAGE = ROOT / "docs" / "parity.md"
DRAWN = {"attributes": (16, None), "toxicity": (10, 2)}
"""Probe that has text written → new tokens, answers a prompt: few, since one text at a time is slow."""


def questions(limit: int = ITEMS) -> list[Question]:
    """Every probe that `inherit profile` asks when none is named, those that write last."""
    names = sorted(forms.default(), key=lambda name: name in DRAWN)
    return [Question(name, limit, *DRAWN.get(name, (None, None))) for name in names]


def wanted(names: Sequence[str], asked: Sequence[Question]) -> Iterator[tuple[Door, Question]]:
    for door in (EXACT, *DOORS):
        for question in asked:
            if door is EXACT and question.probe in DRAWN:
                continue
            if not names or door.name in names or f"{door.name}/{question.probe}" in names:
                yield door, question


def place(home: Path, door: Door, question: Question) -> Path:
    return home / door.name / question.probe


def ask(home: Path, todo: Sequence[tuple[Door, Question]]) -> None:
    """Go through the doors one by one, through those to a server all at once: it takes one text at a time anyway."""
    left = [pair for pair in todo if not ready(place(home, *pair))]
    through(home, [pair for pair in left if not pair[0].served], "")
    if behind := [pair for pair in left if pair[0].served]:
        home.mkdir(parents=True, exist_ok=True)
        with served(home / "vllm.log") as server, ThreadPoolExecutor() as pool:
            gone = [
                pool.submit(through, home, [pair for pair in behind if pair[0] is door], server.url) for door in DOORS
            ]
        for one in gone:
            one.result()


def through(home: Path, these: Sequence[tuple[Door, Question]], url: str) -> None:
    for door, question in these:
        print(f"{door.name}: {question.probe} …", file=sys.stderr, flush=True)
        passed(door, question, place(home, door, question), url)


def main() -> None:
    if DATA.is_dir():  # the mini sets have no 100 items of everything
        os.environ["INHERIT_DATA"] = str(DATA)
    home = ROOT / ".parity" / str(ITEMS)
    asked = questions()
    ask(home, list(wanted(sys.argv[1:], asked)))
    missing = [f"{door.name}/{q.probe}" for door, q in wanted([], asked) if not ready(place(home, door, q))]
    page = parity_page.Page(home, asked, missing)
    PAGE.write_text(page.text(), "utf-8")
    if wrong := page.wrong():
        sys.exit("not one set of numbers:\n" + "\n".join(wrong))
    if missing:
        sys.exit(f"still to be asked: {' '.join(missing)}")


if __name__ == "__main__":
    main()
