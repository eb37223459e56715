"""A small study, its file and what lies beside it."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from safetensors.numpy import save_file

from profiler.records import Endpoint
from profiler.study.stage import Stage
from profiler.study.stage_order import Schedule
from profiler.study.stages import weights
from selection.select import read_selection
from tests.support import tiny
from training import Training
from training.student import student_digest

PROMPTS = 16


PLAIN: dict[str, Any] = {
    "students": ["student"],
    "prompts": "prompts.jsonl",
    "k": 4,
    "sampling": {"max_tokens": 24, "temperature": 1.0},
    "objectives": {"length": {"goals": ["max:words"]}, "short": {"goals": ["min:words"]}},
    "arms": ["base", "random", "single", "multi"],
    "single": ["one"],
    "skip_filters": ["all"],
    "recipe": {"method": "full", "batch": 8, "length": 128, "precision": "float32"},
    "profile": [
        {"probe": "attributes", "prompts": "asked.jsonl", "sampling": {"temperature": 1.0, "max_tokens": 12}},
        {"probe": "ability", "suite": "mini", "limit": 6},
    ],
    "guard": {"ability.acc_mean": 1.0},
}


def written(folder: Path, **fields: Any) -> Path:
    """A study's file, with its prompts beside it and a tiny student."""
    if not (folder / "student").exists():
        tiny.checkpoint(folder / "student", "llama")
    for name, word, count in (("prompts", "teach", PROMPTS), ("asked", "ask", 8)):
        lines = [json.dumps({"prompt": f"{word} question {number} end"}) for number in range(count)]
        (folder / f"{name}.jsonl").write_text("\n".join(lines), "utf-8")
    whole = {**PLAIN, "teachers": ["demo"], "single": [], "arms": ["random", "single"], **fields}
    path = folder / "study.json"
    path.write_text(json.dumps(whole), "utf-8")
    return path


def trained(schedule: Schedule, seed: int = 7) -> int:
    """Put finished trainings where the study would make them; says how many it put there."""
    count = 0
    for stage in schedule.stages:
        if stage.kind != "train" or schedule.workspace.done(stage):
            continue
        out = schedule.workspace.folder / "students" / stage.key
        if not (out / "training.json").exists():
            count += 1
            _settled(schedule, stage, out, seed + count)
    return count


def _settled(schedule: Schedule, stage: Stage, out: Path, seed: int) -> None:
    """A training that is over, as `inherit train` leaves it: weights, and the record that it is done."""
    student = next(one for one in schedule.study.students if weights(Endpoint(model=one)) == stage.given["student"])
    data = schedule.workspace.folder / "examples" / f"{stage.given['examples']}.jsonl"
    made = Training(
        recipe=schedule.study.taught(student, str(data), str(out), int(str(stage.given["seed"]))),
        data="",
        student="",
        examples=PROMPTS,
        tokens=0,
        learned=0,
        trained=0,
        parameters=0,
        steps=0,
        losses=(),
        seconds=0,
        **_weights(schedule, student, out, seed),
        versions={},
    )
    claim = {"recipe": made.recipe.model_dump(), "data": _digest(schedule, stage), "student": _student(student)}
    (out / "claim.json").write_text(json.dumps(claim), "utf-8")
    (out / "training.json").write_text(made.model_dump_json(), "utf-8")


def _weights(schedule: Schedule, student: str, out: Path, seed: int) -> dict[str, str | None]:
    if schedule.study.stays_adapter(student):
        return {"model": None, "adapter": str(adapter(out / "adapter", seed))}
    return {"model": str(tiny.checkpoint(out / "model", "llama", seed=seed))}


def adapter(folder: Path, seed: int, rank: int = 16) -> Path:
    """What looks like an adapter, and differs by its seed."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = np.random.default_rng(seed).normal(size=(rank, 4)).astype(np.float32)
    save_file({"lora_A.weight": rows}, folder / "adapter_model.safetensors")
    (folder / "adapter_config.json").write_text(json.dumps({"r": rank, "target_modules": ["up"]}), "utf-8")
    return folder


def _digest(schedule: Schedule, stage: Stage) -> str:
    selected = schedule.workspace.result(stage.needs[0])
    for file in read_selection(selected).files.values():
        rows = [json.loads(line) for line in (selected / file).read_text("utf-8").splitlines()]
        lines = b"".join(
            orjson.dumps({"prompt": row["prompt"], "completion": row["completion"]}) + b"\n" for row in rows
        )
        if sha256(lines).hexdigest()[:16] == stage.given["examples"]:
            return sha256(lines).hexdigest()
    raise AssertionError("no arm has these examples")


def _student(name: str) -> str:
    return student_digest(Path(name))
