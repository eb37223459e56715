"""A process that asks the wire a few hundred things and writes down the answers: something to kill."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import asdict
from pathlib import Path

from profiler.endpoints.client import connect
from profiler.endpoints.requests import Answer, Choose, Generate, Request, Weigh
from profiler.records import Endpoint, Sampling


def requests(count: int) -> list[tuple[str, Request]]:
    sampling = Sampling(temperature=1.0, max_tokens=12, seed=3)
    made: list[tuple[str, Request]] = []
    for number in range(count):
        match number % 3:
            case 0:
                made.append((f"draw {number}", Generate(f"item {number}:", sampling, n=5)))
            case 1:
                made.append((f"pick {number}", Choose(f"item {number} is", (" red", " blue", " old"))))
            case _:
                made.append((f"weigh {number}", Weigh((f"item {number} is here.", f"item {number} is there."))))
    return made


def plain(answer: Answer) -> object:
    """An answer without what differs from run to run: who paid, and how long it took."""
    bare = {"usage", "seconds", "cached"}
    return asdict(answer) | {
        "generations": [part.model_dump(exclude=bare) for part in answer.generations],
        "likelihoods": [part.model_dump(exclude=bare) for part in answer.likelihoods],
    }


async def main(url: str, cache: str, out: str, count: str) -> None:
    async with connect(Endpoint(model="wire", url=url), Path(cache), concurrency=4) as client:
        answers = {key: plain(answer) async for key, answer in client.answer(requests(int(count)))}
    Path(out).write_text(json.dumps(answers, sort_keys=True), encoding="utf-8")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
