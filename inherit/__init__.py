"""See, and choose, what a language model inherits from the model that taught it: the command's verbs, as functions.

    import inherit

    base = inherit.profile("demo", probes=["attributes", "bbq"], limit=200)
    student = inherit.profile("./student", like=base)
    inherit.compare(base, student)

`help(inherit.profile)` lists what a verb can be told; `inherit.aio` has the same verbs to be awaited.
"""

VERBS = (
    "profile",
    "compare",
    "score",
    "rescore",
    "judge",
    "agree",
    "sample",
    "select",
    "train",
    "study",
    "load",
)  # fmt: skip
PLACES = {
    **dict.fromkeys(VERBS, "inherit.verbs"),
    **dict.fromkeys(("Result", "ProfileResult", "ScoreResult", "Rows"), "inherit.results"),
    "ProfileCallback": "inherit.callback",
    "InheritError": "profiler.errors",
    "aio": "inherit",
}
"""Public name → where it comes from, once somebody asks for it: nothing but this file is read by `import inherit`."""
__all__ = [*PLACES]


def __getattr__(name: str) -> object:
    if name not in PLACES:
        raise AttributeError(f"module 'inherit' has no attribute {name!r}")
    from importlib import import_module

    _find_profiler()
    if name == "aio":
        return import_module("inherit.aio")
    found = getattr(import_module(PLACES[name]), name)
    if name in VERBS:
        found = import_module("inherit.signature").described(found)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return __all__


def _find_profiler() -> None:
    """Load the package `profiler` that lies beside this one, even where a user's own would be found first."""
    import os
    import sys
    from importlib.machinery import PathFinder
    from importlib.util import module_from_spec

    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    known = sys.modules.get("profiler")
    first = known.__spec__ if known else PathFinder.find_spec("profiler")
    place = os.path.abspath(first.origin) if first and first.origin else ""
    if place.startswith(os.path.join(root, "")):
        return
    if known:
        raise ImportError(f"inherit needs its own package `profiler`, and {place or known} was imported under its name")
    if place:
        sys.stderr.write(f"{place}: called as a package of inherit's, which uses its own and leaves that one alone\n")
    spec = PathFinder.find_spec("profiler", [root])
    if spec and spec.loader:
        sys.modules["profiler"] = module = module_from_spec(spec)
        spec.loader.exec_module(module)
