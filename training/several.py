"""A training that several processes share, one a GPU, as accelerate starts them."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from contextlib import nullcontext
from pathlib import Path

from profiler.errors import TrainingFailed
from training.checkpoint import Training, finished_training
from training.recipe import Recipe
from training.sft import check

OURS = Path(__file__).resolve().parent


def train_together(recipe: Recipe, processes: int, log: str | None = None, said: Path | None = None) -> Training:
    """Train in so many processes of this machine; what they say goes where ours goes, or into a file."""
    recipe.share(processes)  # or it is refused
    check(recipe)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "recipe.json"
        path.write_text(recipe.model_dump_json(), "utf-8")
        line = [sys.executable, "-m", "accelerate.commands.launch", *_sharing(recipe)]
        line += ["--num_processes", str(processes), "--main_process_port", "0"]  # 0: whichever port is free
        line += ["-m", "training", str(path), *([log] if log else [])]
        with said.open("wb") if said else nullcontext() as words:
            begun = subprocess.Popen(line, env=environment(processes), stdout=words, stderr=words)  # noqa: S603 - ours
            code = begun.wait()
    made, there = finished_training(recipe), f"in {said}" if said else "above"
    if code or not made:
        raise TrainingFailed(f"one of the {processes} processes ended with {code}; what it said is {there}")
    return made


def _sharing(recipe: Recipe) -> list[str]:
    """How accelerate shares the work: all weights are too much for one of several devices, an adapter's are not."""
    if recipe.method == "full":
        return ["--config_file", str(OURS / "fsdp.yaml")]
    return ["--multi_gpu", "--mixed_precision", "no", "--dynamo_backend", "no", "--num_machines", "1"]


def environment(processes: int) -> dict[str, str]:
    """Our packages first and nothing from the working directory; processors shared, unless the user says otherwise."""
    threads = {"OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // processes))}
    path = [str(OURS.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    return threads | os.environ | {"PYTHONSAFEPATH": "1", "PYTHONPATH": os.pathsep.join(path)}
