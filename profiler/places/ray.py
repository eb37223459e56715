"""Tasks on a Ray cluster: the one at an address, the one that runs here, or one made for the while."""

from __future__ import annotations

import os
import secrets
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from typing import Any, NamedTuple

from profiler.errors import EndpointDown, MissingExtra
from profiler.places.place import TRIES, Finished, Task, attempted, lost

AHEAD = 4
"""Tasks handed over for each processor of the cluster: enough that none waits, few enough to hold."""
PAUSE = 1.0
"""Seconds to wait for a task to end, before whoever waits is asked whether there is more to do."""
LINGER = 10.0
"""Seconds that a process of its own stays once its task is over and nobody takes it away."""


class RayCluster:
    """Tasks on Ray; a worker process keeps what its tasks load, so a scorer is read once a process."""

    def __init__(self, address: str | None = None) -> None:
        self.address = address

    @contextmanager
    def open(self) -> Iterator[RaySite]:
        with _connected(self.address) as ray, closing(RaySite(ray)) as site:
            yield site


class _Running(NamedTuple):
    """A task, the process of its own that it may have, and how often it was begun."""

    task: Task
    actor: Any
    tries: int


class RaySite:
    """The tasks that a cluster was handed."""

    def __init__(self, ray: Any) -> None:
        self._ray = ray
        # Made once: to Ray each is another function, for which a worker is looked for anew.
        self._shared, self._own = ray.remote(attempted), ray.remote(_Own)
        self.most = AHEAD * max(1, int(ray.cluster_resources().get("CPU", 1)))
        self._running: dict[Any, _Running] = {}

    def begin(self, tasks: Sequence[Task], tries: int = 1) -> None:
        for task in tasks:
            wants = {"num_gpus": task.gpus, "num_cpus": task.processors}
            if task.outlives:
                own = {"name": f"{task.name} {secrets.token_hex(4)}", "lifetime": "detached", "namespace": "inherit"}
                actor = self._own.options(**wants, **own).remote(task)
                self._running[actor.tell.remote()] = _Running(task, actor, tries)
            else:
                # A worker that dies is replaced by Ray itself.
                work = self._shared.options(**wants, max_retries=TRIES - 1, name=task.name)
                self._running[work.remote(task)] = _Running(task, None, TRIES)

    def ended(self) -> Sequence[Finished]:
        errors = self._ray.exceptions
        died = (errors.WorkerCrashedError, errors.NodeDiedError, errors.OutOfMemoryError, errors.RayActorError)
        if not self._running:
            time.sleep(PAUSE)
            return ()
        over, asked = [], [*self._running]
        if ended := self._ray.wait(asked, num_returns=1, timeout=PAUSE)[0]:
            # All that ended meanwhile: a look at thousands of tasks for each of them would keep the cluster waiting.
            ended = self._ray.wait(asked, num_returns=len(asked), timeout=0)[0]
        for reference in ended:
            one = self._running.pop(reference)
            try:
                told = self._ray.get(reference)
            except died as error:
                if one.tries < TRIES:
                    self.begin([one.task], one.tries + 1)
                    continue
                told = lost(one.task, type(error).__name__)
            self._take_away(one)
            over.append(Finished(one.task, told))
        return over

    def close(self) -> None:
        """End what runs in a process of its own; the rest ends with this one."""
        for one in self._running.values():
            self._take_away(one)

    def _take_away(self, one: _Running) -> None:
        if one.actor is not None:
            with suppress(self._ray.exceptions.RayError):
                self._ray.kill(one.actor)


class _Own:
    """A process for one task, which ends by itself where whoever began it is gone.

    It is made with its task: one that waited for room when that happened would else hold its place for ever.
    """

    def __init__(self, task: Task) -> None:
        self._told = attempted(task)
        leaving = threading.Timer(LINGER, os._exit, [0])
        leaving.daemon = True
        leaving.start()

    def tell(self) -> Any:
        return self._told


def _why(error: Exception) -> str:
    """What keeps from a cluster; Ray tells of a token that it wants in its log and in the error's cause alone."""
    told = f"{error} {error.__cause__ or ''}"
    if "AuthenticationError" in told or "InvalidAuthToken" in told:
        return "it wants a token: set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN where ~/.ray/auth_token is another one"
    if "ray client connection timeout" in told:
        return f"{error}; where it has a token (it lies in ~/.ray/auth_token of its head), set RAY_AUTH_MODE=token"
    return str(error).partition("\n")[0][:200]


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
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "error"}
    named = address or os.environ.get("RAY_ADDRESS")
    try:
        try:
            ray.init(address or "auto", **quiet)
        except ConnectionError:
            if named:
                raise
            ray.init(include_dashboard=False, **quiet)
    except (ConnectionError, TimeoutError, RuntimeError, ImportError, ray.exceptions.AuthenticationError) as error:
        where = f"at {named}" if named else "on this machine"
        raise EndpointDown(f"can't reach a Ray cluster {where}: {_why(error)}") from None
    try:
        yield ray
    finally:
        ray.shutdown()
