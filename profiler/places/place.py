"""A task that can be done again, and the places that can run many of them."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from itertools import islice
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
    processors: int = 1
    """0 where it only waits for a server: it takes nobody's place."""
    outlives: bool = False
    """It goes on where the process that began it dies, and has a process of its own."""


class Failure(NamedTuple):
    """What a task raised on purpose, as it travels: errors of their own kinds do not."""

    words: str
    exit_code: int = 1


class Finished(NamedTuple):
    """A task that is over, and the little that it tells of it, or why it failed."""

    task: Task
    told: Any


class Site(Protocol):
    """A place that is at work."""

    most: int
    """Tasks that it may be handed before one of them is over."""

    def begin(self, tasks: Sequence[Task]) -> None:
        """Take tasks; each starts when there is room for it."""

    def ended(self) -> Sequence[Finished]:
        """Those that are over and were not told of yet; waits a moment for the first."""


class Place(Protocol):
    """Somewhere that tasks can run."""

    def open(self) -> AbstractContextManager[Site]:
        """Set to work; what still runs at the end is stopped."""


def run(place: Place, tasks: Iterable[Task]) -> Iterator[Finished]:
    """Run TASKS in any order and yield each when it is through; the first that fails ends it."""
    coming = iter(tasks)
    with place.open() as site:
        site.begin(begun := [*islice(coming, site.most)])
        running = len(begun)
        while running:
            over = site.ended()
            site.begin(more := [*islice(coming, len(over))])
            running += len(more) - len(over)
            for done in over:
                if isinstance(done.told, Failure):
                    error = InheritError(done.told.words)
                    error.exit_code = done.told.exit_code
                    raise error
                yield done


def attempted(task: Task) -> Any:
    """What a task tells, or its failure: this is what runs elsewhere."""
    try:
        return task.work(*task.given)
    except InheritError as error:
        return Failure(str(error), error.exit_code)
    except Exception as error:  # what is not foreseen fails the same on every machine: it is not tried again
        traceback.print_exc()
        return Failure(f"{task.name}: {type(error).__name__}: {error}", 70)


def lost(task: Task, why: str) -> Failure:
    """What is told of a task whose process died again and again."""
    kept = "what is done is kept: run the same command again to resume"
    return Failure(f"{task.name}: its process died {TRIES} times ({why}); {kept}")


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
