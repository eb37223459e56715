"""Tasks as arrays of Slurm jobs, handed in by submitit."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from typing import Any

from profiler.errors import EndpointDown, MissingExtra
from profiler.places.place import TRIES, Finished, Task, attempted, lost

JOBS = 500
"""Jobs of an array at most; of more tasks several go into a job."""
LOGS = Path("slurm-logs")
"""Where jobs leave what they say: under the working folder, which the cluster's machines have to share."""
PAUSE = 1.0
"""Seconds between two looks at the queue."""
LAG = 10.0
"""Seconds that a result may take to show after its job has left the queue, on a disk that machines share."""


class SlurmJobs:
    """An array of jobs for tasks that want the same; what died is handed in again.

    Whether a job lives is read from the queue alone: not every cluster keeps accounts.
    """

    def __init__(self, partition: str = "") -> None:
        self.partition = partition

    def open(self) -> AbstractContextManager[SlurmSite]:
        return closing(SlurmSite(self.partition))


@dataclass
class _Running:
    """A job, the tasks that it does, how often they were handed in, and when it was last seen in the queue."""

    job: Any
    tasks: Sequence[Task]
    tries: int
    seen: float = field(default_factory=time.monotonic)


@dataclass
class SlurmSite:
    """The jobs that were handed in."""

    partition: str
    most: int = 2**31
    running: list[_Running] = field(default_factory=list)

    def begin(self, tasks: Sequence[Task], tries: int = 1) -> None:
        for wants in dict.fromkeys((task.gpus, task.processors) for task in tasks):
            alike = [task for task in tasks if (task.gpus, task.processors) == wants]
            self.running += [_Running(job, group, tries) for job, group in self._handed_in(alike)]

    def ended(self) -> Sequence[Finished]:
        queued = {*_queued([one.job.job_id for one in self.running])}
        over: list[Finished] = []
        died: list[_Running] = []
        for one in tuple(self.running):
            if one.job.job_id in queued:
                one.seen = time.monotonic()
            if one.job.paths.result_pickle.exists():
                self.running.remove(one)
                over += map(Finished, one.tasks, one.job.result())
            elif time.monotonic() - one.seen > LAG:
                self.running.remove(one)
                died.append(one)
        for tries in {one.tries for one in died}:
            tasks = [task for one in died if one.tries == tries for task in one.tasks]
            if tries < TRIES:
                self.begin(tasks, tries + 1)
            else:
                over += [Finished(task, lost(task, f"what it said is in {LOGS}")) for task in tasks]
        time.sleep(0 if over else PAUSE)
        return over

    def close(self) -> None:
        """Take back what waits or runs."""
        for one in self.running:
            one.job.cancel(check=False)

    def _handed_in(self, tasks: Sequence[Task]) -> list[tuple[Any, Sequence[Task]]]:
        """The jobs that do tasks which want the same, and which each does."""
        try:
            import submitit
        except ImportError:
            raise MissingExtra("slurm", "--on slurm") from None
        together = ceil(len(tasks) / JOBS)
        groups = [tuple(tasks[start : start + together]) for start in range(0, len(tasks), together)]
        wants = {"cpus_per_task": max(1, tasks[0].processors), "gpus_per_node": ceil(tasks[0].gpus)}
        try:
            executor = submitit.AutoExecutor(folder=LOGS / "%j", cluster="slurm")
            executor.update_parameters(name="inherit", **wants, timeout_min=24 * 60)
            if self.partition:
                executor.update_parameters(slurm_partition=self.partition)
            with executor.batch():
                jobs = [executor.submit(several, group) for group in groups]
        except (RuntimeError, submitit.core.utils.FailedJobError) as error:
            raise EndpointDown(f"Slurm took no job: {str(error).strip().splitlines()[-1][:300]}") from None
        return [*zip(jobs, groups, strict=True)]


def several(tasks: Sequence[Task]) -> list[Any]:
    """What tasks tell, one after the other: the work of a job."""
    return [attempted(task) for task in tasks]


def _queued(known: Iterable[str]) -> Iterable[str]:
    """The jobs that wait or run, as submitit names them; all that are KNOWN where the queue gives no answer."""
    asked = subprocess.run(["squeue", "--me", "-h", "-r", "-o", "%i"], capture_output=True, text=True, check=False)  # noqa: S607
    return known if asked.returncode else asked.stdout.split()
