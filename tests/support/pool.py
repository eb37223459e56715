"""Prompts, teachers at the wire, and the pool of what they answer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from profiler.datasets import prompts
from profiler.records import Endpoint, Sampling
from selection.pool import Pool
from selection.records import Candidate, SampleOptions, Teacher
from selection.sample import TeacherProgress, UniquePrompts, sample
from selection.teacher import teacher_fields
from tests.support.wire import Wire


def questions(folder: Path, count: int = 5, also: Sequence[str] = ()) -> UniquePrompts:
    path = folder / "questions.jsonl"
    texts = [f"question {number} end" for number in range(count)] + list(also)
    path.write_text("".join(json.dumps({"prompt": text}) + "\n" for text in texts), "utf-8")
    return UniquePrompts(prompts(str(path)))


def teacher(wire: Wire, name: str = "wire", **fields: object) -> Teacher:
    drawn = Sampling(temperature=1.0, max_tokens=20, seed=3)
    plain = {"name": name, "endpoint": Endpoint(model="wire", url=wire.url), "sampling": drawn, "k": 3}
    return Teacher.model_validate(plain | fields)


async def asked(asking: UniquePrompts, some: Sequence[Teacher], folder: Path | str) -> list[TeacherProgress]:
    shares: list[TeacherProgress] = []
    spec = SampleOptions.model_validate(
        {"teachers": list(map(teacher_fields, some)), "out": str(folder), "concurrency": 8, "prompts": "mini"}
    )
    async for found in sample(spec, asking):
        shares = found
    return shares


def rows(folder: Path | str) -> dict[tuple[str, str, int], Candidate]:
    return {(row.prompt, row.source, row.index): row for row in Pool(folder).rows()}
