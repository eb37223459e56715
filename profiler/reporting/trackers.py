"""A profile's numbers where a user watches runs already: W&B, MLflow, TensorBoard, trackio."""

import os
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from profiler.errors import InheritError, UnknownName
from profiler.records import Profile

PROJECT = "inherit"
"""What W&B, MLflow and trackio file profiles under, unless their own environment variables say otherwise."""

Numbers = Mapping[str, float]
Settings = Mapping[str, str]


def log(profile: Profile, tracker: str, folder: Path, step: int | None = None) -> None:
    """Log every number over all items with its interval, at a STEP of a training that is being logged, or as a run."""
    numbers = {
        f"{one.probe}/{one.metric}{end}": value
        for one in profile.estimates
        if one.group is None
        for end, value in (("", one.value), ("_low", one.low), ("_high", one.high))
        if value is not None
    }
    settings = {"run": profile.id, "model": profile.endpoint.model, "weights": profile.fingerprint.id}
    TRACKERS[tracker][1](profile.name, settings, numbers, folder, step)


def require(tracker: str) -> None:
    """Say in one sentence what is missing, before anything is paid for."""
    if tracker not in TRACKERS:
        raise UnknownName("tracker", tracker, TRACKERS, "inherit train --help")
    packages = TRACKERS[tracker][0]
    if not any(find_spec(package) for package in packages):
        raise InheritError(f"`--log {tracker}` needs the package {packages[0]}: pip install {packages[0]}")


def _wandb(name: str, settings: Settings, numbers: Numbers, folder: Path, step: int | None) -> None:
    import wandb

    if step is not None and wandb.run:
        wandb.run.log({**numbers, "train/global_step": step})  # the axis that transformers' callback has
        return
    with wandb.init(
        project=os.environ.get("WANDB_PROJECT", PROJECT), name=name, config={**settings}, dir=str(folder)
    ) as run:
        run.log({**numbers}, step=step)


def _mlflow(name: str, settings: Settings, numbers: Numbers, folder: Path, step: int | None) -> None:
    import mlflow

    if step is not None and mlflow.active_run():
        mlflow.log_metrics({**numbers}, step=step)
        return
    mlflow.set_experiment(os.environ.get("MLFLOW_EXPERIMENT_NAME", PROJECT))
    with mlflow.start_run(run_name=name):
        mlflow.log_params({**settings})
        mlflow.log_metrics({**numbers}, step=step)


def _tensorboard(name: str, settings: Settings, numbers: Numbers, folder: Path, step: int | None) -> None:
    """Files in the run's folder: `tensorboard --logdir runs` shows one beside the other."""
    module = import_module("tensorboardX" if find_spec("tensorboardX") else "torch.utils.tensorboard")
    with module.SummaryWriter(str(folder / "tensorboard")) as writer:
        for number, value in numbers.items():
            writer.add_scalar(number, value, step or 0)
        for setting, text in settings.items():
            writer.add_text(setting, text, step or 0)


def _trackio(name: str, settings: Settings, numbers: Numbers, folder: Path, step: int | None) -> None:
    import trackio

    if step is not None and trackio.context_vars.current_run.get():
        trackio.log({**numbers}, step=step)
        return
    trackio.init(project=os.environ.get("TRACKIO_PROJECT", PROJECT), name=name, config={**settings})
    trackio.log({**numbers}, step=step)
    trackio.finish()


Log = Callable[[str, Settings, Numbers, Path, int | None], Any]
TRACKERS: dict[str, tuple[tuple[str, ...], Log]] = {
    "wandb": (("wandb",), _wandb),
    "mlflow": (("mlflow",), _mlflow),
    "tensorboard": (("tensorboard", "tensorboardX"), _tensorboard),
    "trackio": (("trackio",), _trackio),
}
"""Tracker → the packages of which it needs one, and how a run is logged."""
