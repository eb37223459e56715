"""Tells lm-eval where our tasks are when it starts to look for tasks.

Loaded at the start of every interpreter by inheritance_profile.pth, because lm-eval 0.4 knows no plug-ins of tasks.
So it imports nothing, does nothing until somebody imports lm-eval's task manager, and has a name that is nobody else's.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # importing typing would cost every interpreter a few milliseconds
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

MANAGER = "lm_eval.tasks.manager"
FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "lm_eval_tasks")
SWITCH = "INHERIT_LM_EVAL"
"""Environment variable: `off` leaves lm-eval alone."""


class Finder:
    """Stands before Python's own finders for one module's sake."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """lm-eval's task manager as the others find it, told of our folder as soon as it is loaded."""
        if name != MANAGER:
            return None
        specs = (finder.find_spec(name, path, target) for finder in sys.meta_path if finder is not self)
        spec = next(filter(None, specs), None)
        if spec and spec.loader:
            load = spec.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                load(module)
                tell(module)

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def tell(manager: ModuleType) -> None:
    """Make the task manager look into our folder too, wherever it looks for its own tasks."""
    from functools import wraps
    from inspect import signature

    try:
        init = manager.TaskManager.__init__
        shape = signature(init).bind
    except Exception as error:  # a later lm-eval may look otherwise: it must work all the same
        say(error)
        return

    @wraps(init)
    def told(*args: object, **kwargs: object) -> None:
        given = shape(*args, **kwargs)
        if given.arguments.get("include_defaults", True):
            given.arguments["include_path"] = folders(given.arguments.get("include_path"))
        init(*given.args, **given.kwargs)

    manager.TaskManager.__init__ = told


def folders(asked: object) -> list[object]:
    """Our folder, then the user's, which win where a name is in both."""
    users = [] if asked is None else [*asked] if isinstance(asked, (list, tuple)) else [asked]
    return [FOLDER, *(folder for folder in users if str(folder).rstrip(os.sep) != FOLDER)]


def say(error: Exception) -> None:
    """A failure of ours is a warning, never lm-eval's."""
    import warnings

    warnings.warn(
        f"lm-eval was not told of the inherit_* tasks ({error!r}); "
        '`--include_path "$(inherit tasks-path)"` names them, INHERIT_LM_EVAL=off silences this',
        stacklevel=2,
    )


def state() -> str:
    """Whether lm-eval finds our tasks by itself in this environment; else why not."""
    if os.environ.get(SWITCH, "").lower() == "off":
        return f"off, by {SWITCH}"
    if not any(isinstance(finder, Finder) for finder in sys.meta_path):
        return "no: inheritance_profile.pth was not read at start-up"
    return "yes"


def main() -> None:
    """What the .pth file does."""
    if os.environ.get(SWITCH, "").lower() != "off" and not any(isinstance(one, Finder) for one in sys.meta_path):
        sys.meta_path.insert(0, Finder())
