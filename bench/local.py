"""How fast the in-process engine scores choices, against lm-eval's `hf` backend, and how fast it writes.

    INHERIT_LMEVAL_PYTHON=…/bin/python python -m bench.local

Both score the same BBQ items with the demo model in bfloat16 on the same machine, one after the other. lm-eval runs at
the best of several batch sizes, each tried on a part first, and with the same short spin of waiting threads that the
engine sets: it helps both where other programs are running.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from pathlib import Path

from bench import DATA
from profiler.endpoints import Call, LocalEngine, SampleCall, ScoreCall, Value
from profiler.endpoints.local import demo
from profiler.errors import EndpointError
from profiler.records import Endpoint, Generation, Likelihood, Sampling

BBQ = DATA / "bbq" / "data"

ITEMS = 200
SIZES = "4,8,16,32,64"
PEER = Path(__file__).with_name("local_peer.py")

TOPICS = ["The history of bread", "A letter to a friend", "How rain forms", "My first day at work"]
TOPICS += ["The city at night", "Why cats sleep", "A recipe for soup", "The old bridge"]


@dataclass(frozen=True)
class Question:
    """A BBQ item as both sides are asked it."""

    prompt: str
    choices: tuple[str, ...]


@dataclass(frozen=True)
class Timing:
    """What one side found, and how long it took."""

    likelihoods: list[list[float]]
    scoring: float
    process: float


def questions(count: int) -> list[Question]:
    """Items spread evenly over all categories, in the authors' prompt."""
    files = sorted(BBQ.glob("*.jsonl.gz"))
    found = []
    for number, path in enumerate(files):
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            rows = [json.loads(line) for line in lines]
        share = count // len(files) + (number < count % len(files))
        for row in rows[:: len(rows) // share][:share]:
            prompt = f"### Context: {row['context']} \n### Question: {row['question']} \n### Answer:"
            found.append(Question(prompt, tuple(f" {row[f'ans{index}']}" for index in range(3))))
    return found


async def performed(engine: LocalEngine, calls: Iterable[Call]) -> dict[tuple[int, int], Generation | Likelihood]:
    """Every answer of the engine by call and index."""

    async def keyed() -> AsyncIterator[tuple[int, Call]]:
        for pair in enumerate(calls):
            yield pair

    found: list[tuple[tuple[int, int], Value | EndpointError]] = []
    await engine.perform(keyed(), lambda key, index, value: found.append(((key, index), value)))
    for _, value in found:
        if isinstance(value, EndpointError):
            raise value
    return {place: value for place, value in found if not isinstance(value, EndpointError)}


async def ours(asked: Path, answered: Path) -> None:
    """Score the items in a process of their own."""
    items = [Question(prompt, tuple(choices)) for prompt, choices in json.loads(asked.read_text(encoding="utf-8"))]
    engine = LocalEngine(Endpoint(model="demo"), precision="bfloat16")
    await performed(engine, [ScoreCall(item.prompt, item.choices, (0, 1, 2)) for item in items[:2]])
    begun = time.perf_counter()
    values = await performed(engine, [ScoreCall(item.prompt, item.choices, (0, 1, 2)) for item in items])
    seconds = time.perf_counter() - begun
    totals = [[values[number, index].total for index in range(3)] for number in range(len(items))]  # type: ignore[union-attr]
    await engine.close()
    answered.write_text(json.dumps({"seconds": seconds, "likelihoods": totals}), encoding="utf-8")


def run(command: list[str], place: Path, asked: object) -> tuple[dict[str, object], float]:
    """What a side's process found, and how long the whole of it took."""
    question, answer = place / "asked.json", place / "answered.json"
    question.write_text(json.dumps(asked), encoding="utf-8")
    begun = time.perf_counter()
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "GOMP_SPINCOUNT": "1000"}
    done = subprocess.run(command, env=environment, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command[:3])} failed: {done.stderr[-500:]}")
    return json.loads(answer.read_text(encoding="utf-8")), time.perf_counter() - begun


def scoring(place: Path, items: list[Question]) -> Timing:
    """Our side."""
    command = [sys.executable, "-m", "bench.local", "ours", str(place / "asked.json"), str(place / "answered.json")]
    found, process = run(command, place, [(item.prompt, item.choices) for item in items])
    return Timing(found["likelihoods"], found["seconds"], process)  # type: ignore[arg-type]


def peer(place: Path, items: list[Question], python: str) -> Timing:
    """lm-eval's side; what the trials took is not part of its time."""
    pairs = [(item.prompt, choice) for item in items for choice in item.choices]
    command = [
        python,
        "-P",  # beside it lies a module of ours that is called lm_eval, too
        str(PEER),
        str(demo.checkpoint()),
        str(place / "asked.json"),
        str(place / "answered.json"),
        SIZES,
    ]
    found, process = run(command, place, pairs)
    trials: dict[str, float] = found["trials"]  # type: ignore[assignment]
    tried = ", ".join(f"{size}: {seconds:.1f} s" for size, seconds in trials.items())
    print(f"lm-eval was run at the best of these batch sizes (seconds for the first 20 items): {tried}.\n")
    flat: list[float] = found["likelihoods"]  # type: ignore[assignment]
    likelihoods = [flat[3 * number : 3 * number + 3] for number in range(len(items))]
    return Timing(likelihoods, found["seconds"], process - sum(trials.values()))  # type: ignore[arg-type]


async def writing() -> None:
    """Tokens a second: 8 prompts, 25 samples of each, 20 tokens."""
    engine = LocalEngine(Endpoint(model="demo"), precision="bfloat16")
    sampling = Sampling(temperature=1.0, top_p=0.9, max_tokens=20)
    await performed(engine, [SampleCall(TOPICS[0], sampling, (0,))])
    begun = time.perf_counter()
    values = await performed(engine, [SampleCall(topic, sampling, tuple(range(25))) for topic in TOPICS])
    seconds = time.perf_counter() - begun
    tokens = sum(value.usage.completion for value in values.values())
    texts = len({value.text for value in values.values()})  # type: ignore[union-attr]
    print(
        f"\nWriting 25 samples of 20 tokens for each of 8 prompts: {tokens} tokens in {seconds:.1f} s, "
        f"{tokens / seconds:.0f} a second; {texts} of the 200 texts differ. Load average {os.getloadavg()[0]:.1f}."
    )
    # One text alone reads all weights for each token: no faster than memory gives them.
    alone = await engine.run(lambda: weights(engine))
    begun = time.perf_counter()
    values = await performed(engine, [SampleCall(TOPICS[0], Sampling(max_tokens=40), (0,))])
    rate = sum(value.usage.completion for value in values.values()) / (time.perf_counter() - begun)
    bound = await engine.run(bandwidth) / alone
    print(
        f"One text alone: {rate:.1f} tokens a second, {rate / bound:.0%} of the {bound:.0f} that reading "
        f"{alone / 1e6:,.0f} MB of weights for each token allows here."
    )
    await engine.close()


def weights(engine: LocalEngine) -> int:
    """Bytes that a token reads: all weights but those of the words that it is not."""
    model = engine.load().checkpoint.model
    held = [*model.parameters(), *model.buffers()]
    words = model.get_input_embeddings().weight
    return sum(each.numel() * each.element_size() for each in held) - words.numel() * words.element_size()


def bandwidth() -> float:
    """Bytes a second that this machine reads from memory: the best of ten sums over a gigabyte."""
    import torch

    gigabyte = torch.ones(2**28)
    seconds = []
    for _ in range(10):
        begun = time.perf_counter()
        gigabyte.sum()
        seconds.append(time.perf_counter() - begun)
    return 2**30 / min(seconds)


def report(before: Timing, theirs: Timing, after: Timing) -> None:
    """The table, and whether both found the same."""
    print(f"{ITEMS} BBQ items of 3 choices, Gemma 3 270M in bfloat16; load average {os.getloadavg()[0]:.1f}.\n")
    print("| | scoring, s | items/s | whole process, s |\n|---|---|---|---|")
    for side, timing in (("inherit", before), ("lm-eval `hf`", theirs), ("inherit, again", after)):
        print(f"| {side} | {timing.scoring:.1f} | {ITEMS / timing.scoring:.1f} | {timing.process:.1f} |")
    slower = max(before, after, key=lambda timing: timing.scoring)
    print(
        f"\nAgainst the slower of our two runs: scoring {theirs.scoring / slower.scoring:.1f} times as fast, "
        f"the whole process {theirs.process / slower.process:.1f} times."
    )
    pairs = list(zip(before.likelihoods, theirs.likelihoods, strict=True))
    gaps = [max(one) - sorted(one)[1] for one, other in pairs if one.index(max(one)) != other.index(max(other))]
    apart = statistics.median(abs(a - b) for one, other in pairs for a, b in zip(one, other, strict=True))
    print(
        f"\nTop choice equal on {ITEMS - len(gaps)} of {ITEMS}"
        + (f" (our two best choices are within {max(gaps):.2f} nats on the others)" if gaps else "")
        + f"; log-likelihoods differ by {apart:.3f} nats in the median."
    )


def main() -> None:
    python = os.environ.get("INHERIT_LMEVAL_PYTHON")
    if not python:
        sys.exit("INHERIT_LMEVAL_PYTHON must name an interpreter with lm-eval[hf] (bench/local.py)")
    items = questions(ITEMS)
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        before = scoring(place, items)
        theirs = peer(place, items, python)
        after = scoring(place, items)
    report(before, theirs, after)
    asyncio.run(writing())


if __name__ == "__main__":
    if sys.argv[1:2] == ["ours"]:
        asyncio.run(ours(Path(sys.argv[2]), Path(sys.argv[3])))
    else:
        main()
