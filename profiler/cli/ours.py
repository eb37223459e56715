"""Our packages are those beside this one, whatever else goes by their names."""

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

from profiler.cli.console import note
from profiler.errors import WrongUse

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("inherit", "selection", "training", "lm_eval_tasks")


class Finder:
    """Stands before Python's own finders for our packages' sake."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return PathFinder.find_spec(name, [str(ROOT)], target) if name in PACKAGES else None


def insist() -> None:
    """Load our packages even where a user's own would be found first: those are named in a sentence, and never run."""
    held = (sys.modules.get(name) for name in PACKAGES)
    if theirs := [found.__file__ for found in held if found and found.__file__ and not beside(found.__file__)]:
        raise WrongUse(f"{theirs[0]} was imported under the name of a package of inherit's, which needs its own")
    specs = (PathFinder.find_spec(name) for name in PACKAGES)
    others = [spec.origin for spec in specs if spec and spec.origin and not beside(spec.origin)]
    if others and not any(isinstance(finder, Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, Finder())
        note(f"{', '.join(others)}: called as a package of inherit's, which uses its own and leaves that one alone")


def beside(place: str) -> bool:
    """Whether a file is one of ours."""
    return Path(place).resolve().is_relative_to(ROOT)
