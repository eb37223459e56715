"""The files that lm-eval leaves, read as a finished run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import orjson
from pydantic import ValidationError

from profiler.datasets import Json, Row, read
from profiler.errors import BadData
from profiler.harnesses.imported import ImportedProbe, ImportedRun
from profiler.records import Endpoint, Sample, Section

ROUTES = ("/chat/completions", "/completions")


def harvest(where: Path) -> ImportedRun:
    """The run whose results file is at WHERE, or the newest one anywhere below it."""
    path = newest(where)
    results = _read(path)
    configs = {task: _metadata(config) for task, config in _mapping(results, "configs").items()}
    ours = {task: metadata for task, metadata in configs.items() if "inherit" in metadata}
    if not ours:
        raise BadData(f"{path} holds none of the inherit_* tasks; its tasks are {', '.join(configs) or 'none'}")
    parts = [_part(path, results, task, metadata["inherit"]) for task, metadata in ours.items()]
    versions = _mapping(next(iter(ours.values())), "versions")
    return ImportedRun(
        "lm-eval",
        _endpoint(results),
        parts,
        datetime.fromtimestamp(float(str(results["date"])), UTC),
        round(float(str(results.get("total_evaluation_time_seconds", 0))), 3),
        {name: str(version) for name, version in versions.items()} | {"lm-eval": str(results["lm_eval_version"])},
    )


def newest(where: Path) -> Path:
    """The results file meant by WHERE."""
    if where.is_file():
        return where
    found = sorted(where.rglob("results_*.json"), key=lambda path: path.name)
    if not found:
        raise BadData(
            f"no results of lm-eval under {str(where)!r}: expected a results_*.json, as `lm_eval --output_path` leaves"
        )
    return found[-1]


def _read(path: Path) -> Row:
    try:
        found: Row = orjson.loads(path.read_bytes())
    except orjson.JSONDecodeError as error:
        raise BadData(f"{path} is not a results file of lm-eval: {error}") from None
    if lacking := [key for key in ("configs", "config", "date", "lm_eval_version") if key not in found]:
        raise BadData(f"{path} is not a results file of lm-eval 0.4.13 or later: it has no {lacking[0]!r}")
    return found


def _part(path: Path, results: Row, task: str, section: Json) -> ImportedProbe:
    try:
        known = Section.model_validate(section)
        samples = list(_samples(path, task))
    except ValidationError as error:
        raise BadData(f"{path}: {task} was written by another version of inherit: {error}") from None
    wanted = _mapping(_mapping(results, "n-samples"), task)["effective"]
    if len(samples) != wanted:
        raise BadData(f"{path}: {task} asked {wanted} items, but {len(samples)} samples are beside it; some are lost")
    return ImportedProbe(known, samples)


def _samples(path: Path, task: str) -> Iterator[Sample]:
    when = path.stem.rpartition("_")[2]
    beside = path.with_name(f"samples_{task}_{when}.jsonl")
    if not beside.is_file():
        raise BadData(f"no {beside.name} beside {path.name}: run lm_eval with --log_samples, which keeps the answers")
    for row in read(beside):
        if "items" not in row:
            raise BadData(f"{beside.name} has answers without scores: lm_eval ran with --predict_only")
        yield Sample.model_validate(row["items"])


def _endpoint(results: Row) -> Endpoint:
    arguments = _mapping(results, "config").get("model_args")
    if isinstance(arguments, str):
        arguments = dict(pair.partition("=")[::2] for pair in arguments.split(","))
    given = cast(Mapping[str, Json], arguments or {})
    model = given.get("model") or given.get("pretrained") or results.get("model_name") or "model"
    url = str(given["base_url"]) if given.get("base_url") else None
    for route in ROUTES:
        url = url.removesuffix(route) if url else None
    return Endpoint(model=str(model), url=url, chat=results.get("chat_template") is not None)


def _metadata(config: Json) -> Mapping[str, Json]:
    metadata = config.get("metadata") if isinstance(config, dict) else None
    return metadata if isinstance(metadata, dict) else {}


def _mapping(of: Mapping[str, Json], key: str) -> Mapping[str, Json]:
    found = of.get(key)
    return found if isinstance(found, dict) else {}
