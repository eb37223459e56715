"""Our packages are those beside this one, whatever else goes by their names."""

import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from profiler.cli.console import note

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("selection", "training", "lm_eval_tasks")


class Finder:
    """Stands before Python's own finders for our packages' sake."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return PathFinder.find_spec(name, [str(ROOT)], target) if name in PACKAGES else None


def insist() -> None:
    """Load our packages even where a user's own would be found first: those are named in a sentence, and never run."""
    specs = (find_spec(name) for name in PACKAGES)
    places = [Path(spec.origin) for spec in specs if spec and spec.origin]
    if others := [str(place) for place in places if not place.resolve().is_relative_to(ROOT)]:
        sys.meta_path.insert(0, Finder())
        note(f"{', '.join(others)}: called as a package of inherit's, which uses its own and leaves that one alone")


def environment() -> dict[str, str]:
    """For a Python of ours in a process of its own: our packages first, and nothing from the working directory."""
    path = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return os.environ | {"PYTHONSAFEPATH": "1", "PYTHONPATH": os.pathsep.join(path)}
