"""Where tasks of work run: on a Ray cluster or as Slurm jobs; the work itself knows nothing of it."""

from profiler.places.place import Finished, Place, Task, place_at

__all__ = ["Finished", "Place", "Task", "place_at"]
