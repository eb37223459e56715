"""Where tasks of work run: processes here, a Ray cluster, Slurm jobs; the work itself knows nothing of it."""

from profiler.places.here import COMMAND, Processes, ThisProcess, refuse_lack
from profiler.places.place import HERE, Failure, Finished, Place, Site, Task, attempted, place_at, run

__all__ = [
    "COMMAND",
    "HERE",
    "Failure",
    "Finished",
    "Place",
    "Processes",
    "Site",
    "Task",
    "ThisProcess",
    "attempted",
    "place_at",
    "refuse_lack",
    "run",
]
