"""The places that work can be handed to, all of them real."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support import slurm
from tests.support.ray_nodes import ray_cluster


@contextmanager
def engine(name: str, folder: Path) -> Iterator[dict[str, str]]:
    """A place for tasks; yields what a command has to know of it."""
    match name:
        case "ray":
            with ray_cluster(2) as cluster:
                yield {"RAY_ADDRESS": cluster.address}
        case "slurm":
            if why := slurm.missing():
                pytest.skip(why)
            with slurm.slurm(folder / "slurm") as settings:
                yield {"SLURM_CONF": str(settings)}
        case _:
            yield {}
