"""The files that lm-eval leaves, read as a finished run."""

from datetime import UTC, datetime
from pathlib import Path

import orjson
from pydantic import ValidationError

from profiler.datasets import Json, read
from profiler.errors import BadData
from profiler.harnesses.imported import ImportedProbe, ImportedRun, digest
from profiler.records import Endpoint, Fingerprint, Sample, Section


def harvest(where: Path) -> ImportedRun:
    """The run whose results file is at WHERE, or the newest one anywhere below it."""
    path = newest(where)
    results = _read(path)
    tasks = list(_mapping(results, "configs"))
    ours = [task for task in tasks if "inherit" in _mapping(results, "configs", task, "metadata")]
    if not ours:
        raise BadData(f"{path} holds none of the inherit_* tasks; its tasks are {', '.join(tasks) or 'none'}")
    versions = _mapping(results, "configs", ours[0], "metadata", "versions")
    endpoint = _endpoint(results)
    # Nobody checked which weights answered: they go by the model's name and where it was reached.
    weights = f"lm-eval-{digest(['lm-eval', endpoint.model, endpoint.url])}"
    return ImportedRun(
        endpoint,
        Fingerprint(id=weights, served=endpoint.model),
        [_part(path, results, task) for task in ours],
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


def _read(path: Path) -> dict[str, Json]:
    try:
        found: dict[str, Json] = orjson.loads(path.read_bytes())
    except orjson.JSONDecodeError as error:
        raise BadData(f"{path} is not a results file of lm-eval: {error}") from None
    if lacking := [key for key in ("configs", "config", "date", "lm_eval_version") if key not in found]:
        raise BadData(f"{path} is not a results file of lm-eval 0.4.13 or later: it has no {lacking[0]!r}")
    return found


def _part(path: Path, results: dict[str, Json], task: str) -> ImportedProbe:
    beside = path.with_name(f"samples_{task}_{path.stem.rpartition('_')[2]}.jsonl")
    try:
        section = Section.model_validate(_mapping(results, "configs", task, "metadata")["inherit"])
        if not beside.is_file():
            raise BadData(
                f"no {beside.name} beside {path.name}: run lm_eval with --log_samples, which keeps the answers"
            )
        samples = []
        for row in read(beside):
            if "items" not in row:
                raise BadData(f"{beside.name} has answers without scores: lm_eval ran with --predict_only")
            samples.append(Sample.model_validate(row["items"]))
    except ValidationError as error:
        raise BadData(f"{path}: {task} was written by another version of inherit: {error}") from None
    wanted = _mapping(results, "n-samples", task)["effective"]
    if len(samples) != wanted:
        raise BadData(f"{path}: {task} asked {wanted} items, but {len(samples)} samples are beside it; some are lost")
    return ImportedProbe(section, samples)


def _endpoint(results: dict[str, Json]) -> Endpoint:
    given = _mapping(results, "config", "model_args")
    if isinstance(arguments := _mapping(results, "config").get("model_args"), str):
        given = dict(pair.partition("=")[::2] for pair in arguments.split(","))
    model = given.get("model") or given.get("pretrained") or results.get("model_name") or "model"
    base = given.get("base_url")
    url = str(base).removesuffix("/chat/completions").removesuffix("/completions") if base else None
    return Endpoint(model=str(model), url=url, chat=results.get("chat_template") is not None)


def _mapping(found: Json, *keys: str) -> dict[str, Json]:
    """What lies that deep in a file; nothing where there is no such mapping."""
    for key in keys:
        found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}
