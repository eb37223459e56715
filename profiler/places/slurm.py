"""Tasks as arrays of Slurm jobs, handed in by submitit."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterable, Iterator, Sequence
from math import ceil
from pathlib import Path
from typing import Any

from profiler.errors import EndpointDown, MissingExtra
from profiler.places.place import TRIES, Finished, Task, attempted, finished, lost

JOBS = 500
"""Jobs of an array at most; of more tasks several go into a job."""
LOGS = Path("slurm-logs")
"""Where jobs leave what they say: under the working folder, which the cluster's machines have to share."""
PAUSE = 1.0
"""Seconds between two looks at the queue."""
LAG = 10.0
"""Seconds that a result may take to show after its job has left the queue, on a disk that machines share."""


class SlurmJobs:
    """An array of jobs for each number of GPUs; what died is handed in again.

    Whether a job lives is read from the queue alone: not every cluster keeps accounts.
    """

    def __init__(self, partition: str = "") -> None:
        self.partition = partition

    def run(self, tasks: Iterable[Task]) -> Iterator[Finished]:
        waiting = [*tasks]
        for _ in range(TRIES):
            died: list[Task] = []
            running = [job for gpus in {task.gpus for task in waiting} for job in self._handed_in(waiting, gpus)]
            seen = dict.fromkeys((job.job_id for job, _ in running), time.monotonic())
            try:
                while running:
                    seen |= dict.fromkeys(seen.keys() & _queued(seen), time.monotonic())
                    for job, group in tuple(running):
                        if job.paths.result_pickle.exists():
                            running.remove((job, group))
                            yield from map(finished, group, job.result())
                        elif time.monotonic() - seen[job.job_id] > LAG:
                            running.remove((job, group))
                            died += group
                    time.sleep(PAUSE if running else 0)
            finally:
                for job, _ in running:
                    job.cancel(check=False)
            if not (waiting := died):
                return
        raise lost(waiting[0], f"what it said is in {LOGS}")

    def _handed_in(self, tasks: Sequence[Task], gpus: float) -> list[tuple[Any, Sequence[Task]]]:
        """The jobs that do the tasks that want so many GPUs, and which each does."""
        try:
            import submitit
        except ImportError:
            raise MissingExtra("slurm", "--on slurm") from None
        alike = [task for task in tasks if task.gpus == gpus]
        together = ceil(len(alike) / JOBS)
        groups = [tuple(alike[start : start + together]) for start in range(0, len(alike), together)]
        try:
            executor = submitit.AutoExecutor(folder=LOGS / "%j", cluster="slurm")
            executor.update_parameters(name="inherit", cpus_per_task=1, gpus_per_node=ceil(gpus), timeout_min=24 * 60)
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
