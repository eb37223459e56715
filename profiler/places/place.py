"""A task that can be done again, and the places that can run many of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, Protocol

from profiler.errors import InheritError, WrongUse

HERE = "here"
TRIES = 4
"""How often a task is begun, where its process or machine dies."""


class Task(NamedTuple):
    """Work that keeps its own result, whole or not at all: done twice, or by two at once, it comes out the same."""

    name: str
    """What a person is told where it fails."""
    work: Callable[..., Any]
    """A function of a module, which another machine can import."""
    given: tuple[Any, ...]
    gpus: float = 0


class Finished(NamedTuple):
    """A task that is done, and the little that it tells of it."""

    task: Task
    told: Any


class Failure(NamedTuple):
    """What a task raised on purpose, as it travels: errors of their own kinds do not."""

    words: str
    exit_code: int


class Place(Protocol):
    """Somewhere that tasks can run."""

    def run(self, tasks: Iterable[Task]) -> Iterator[Finished]:
        """Run TASKS in any order and yield each when it is through; the first that fails ends it."""


def attempted(task: Task) -> Any:
    """What a task tells, or its failure: this is what runs elsewhere."""
    try:
        return task.work(*task.given)
    except InheritError as error:
        return Failure(str(error), error.exit_code)
    except Exception as error:  # what is not foreseen fails the same on every machine: it is not tried again
        return Failure(f"{task.name}: {type(error).__name__}: {error}", 70)


def finished(task: Task, told: Any) -> Finished:
    """A task with what came back of it."""
    if isinstance(told, Failure):
        error = InheritError(told.words)
        error.exit_code = told.exit_code
        raise error
    return Finished(task, told)


def lost(task: Task, why: str) -> InheritError:
    """The error of a task whose process died again and again."""
    kept = "what is done is kept: run the same command again to resume"
    return InheritError(f"{task.name}: its process died {TRIES} times ({why}); {kept}")


def place_at(told: str) -> Place | None:
    """The place that --on names; None is here."""
    kind, _, rest = told.partition(":")
    if told == HERE:
        return None
    if kind == "ray" and (not rest or rest.startswith("//")):
        from profiler.places.ray import RayCluster

        return RayCluster(told if rest else None)
    if kind == "slurm":
        from profiler.places.slurm import SlurmJobs

        return SlurmJobs(rest)
    raise WrongUse(f"--on: expected here, ray, ray://HOST:PORT, slurm or slurm:PARTITION, not {told!r}")
