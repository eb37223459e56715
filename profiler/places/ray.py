"""Tasks on a Ray cluster: the one at an address, the one that runs here, or one made for the while."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

from profiler.errors import EndpointDown, MissingExtra
from profiler.places.place import TRIES, Finished, Task, attempted, finished, lost

AHEAD = 4
"""Tasks handed over for each processor of the cluster: enough that none waits, few enough to hold."""


class RayCluster:
    """Tasks on Ray; a worker process keeps what its tasks load, so a scorer is read once a process."""

    def __init__(self, address: str | None = None) -> None:
        self.address = address

    def run(self, tasks: Iterable[Task]) -> Iterator[Finished]:
        with _connected(self.address) as ray:

            def begun(task: Task) -> Any:
                wants = {"num_gpus": task.gpus, "max_retries": TRIES - 1, "name": task.name}
                return ray.remote(attempted).options(**wants).remote(task)

            coming = iter(tasks)
            most = AHEAD * max(1, int(ray.cluster_resources().get("CPU", 1)))
            running = {begun(task): task for task in islice(coming, most)}
            died = (ray.exceptions.WorkerCrashedError, ray.exceptions.NodeDiedError, ray.exceptions.OutOfMemoryError)
            while running:
                (ended,), _ = ray.wait([*running], num_returns=1)
                task = running.pop(ended)
                try:
                    told = ray.get(ended)
                except died as error:
                    raise lost(task, type(error).__name__) from None
                running |= {begun(after): after for after in islice(coming, 1)}
                yield finished(task, told)


@contextmanager
def _connected(address: str | None) -> Iterator[Any]:
    """Ray, connected; who was connected before stays so."""
    try:
        import ray
    except ImportError:
        raise MissingExtra("ray", "--on ray") from None
    if ray.is_initialized():
        yield ray
        return
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "warning"}
    try:
        try:
            ray.init(address or "auto", **quiet)
        except ConnectionError:
            if address:
                raise
            ray.init(include_dashboard=False, **quiet)
    except (ConnectionError, TimeoutError, RuntimeError, ImportError) as error:
        where = f"at {address}" if address else "on this machine"
        raise EndpointDown(f"can't reach a Ray cluster {where}: {str(error).partition(chr(10))[0][:200]}") from None
    try:
        yield ray
    finally:
        ray.shutdown()
