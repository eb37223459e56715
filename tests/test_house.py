"""The house in rooms: a name means one thing, a room is entered by its face, and the map shows every file."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.support.places import ROOT

PACKAGES = ("inherit", "profiler", "selection", "training", "lm_eval_tasks")
OTHERS = ("bench", "examples", "docs")


def module(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def files(*folders: str) -> Iterator[Path]:
    for folder in folders:
        yield from sorted((ROOT / folder).rglob("*.py"))


@cache
def faces() -> dict[str, set[str]]:
    """Room → what others may use: names, or whole modules; a room within a room has a face of its own."""
    rooms = [module(path) for path in files(*PACKAGES) if path.name == "__init__.py"]
    return {name: {*getattr(import_module(name), "__all__", ())} for name in rooms}


def room(name: str) -> str:
    """The room that a module lies in: a folder of profiler/, or another package."""
    parts = name.split(".")
    return ".".join(parts[:2]) if parts[0] == "profiler" else parts[0]


def open_to_others(name: str) -> bool:
    """Whether a module may be named outside its room: it is a face, or a face lists it."""
    if name in faces():
        return True
    parent, _, leaf = name.rpartition(".")
    return leaf in faces().get(parent, ())


def test_a_class_name_means_one_thing_in_the_whole_house() -> None:
    places = defaultdict(list)
    for path in files(*PACKAGES):
        for node in parsed(path).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(module(path))
    assert {name: where for name, where in places.items() if len(where) > 1} == {}


@pytest.mark.parametrize("path", [*files(*PACKAGES, *OTHERS)], ids=module)
def test_a_room_is_entered_by_its_face(path: Path) -> None:
    here, wrong = room(module(path)), []
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] in PACKAGES:
            there = node.module
            if room(there) in (here, "profiler") or there in ("profiler",):
                continue
            names = [alias.name for alias in node.names]
            if there in faces():
                wrong += [f"{there}: {name}" for name in names if name not in faces()[there]]
            elif (ROOT / there.replace(".", "/")).with_suffix(".py").exists() and there.count(".") > 1:
                wrong += [] if open_to_others(there) else [there]
    assert wrong == [], f"{module(path)} enters by the window; list it in the room's __init__, or use what is listed"


def test_every_room_says_in_a_sentence_what_it_is() -> None:
    folders = [path for path in (ROOT / "profiler").iterdir() if (path / "__init__.py").is_file()]
    assert len(folders) <= 14
    assert len([path for path in (ROOT / "profiler").glob("*.py") if path.name != "__init__.py"]) <= 5
    for folder in folders:
        assert ast.get_docstring(parsed(folder / "__init__.py")), folder.name


@pytest.mark.parametrize("path", sorted((ROOT / "bench").glob("*.py")), ids=lambda path: path.name)
def test_a_bench_imports_from_us_what_there_is(path: Path) -> None:
    """The benches run by themselves, long after whoever renamed a thing has left."""
    ours = ("inherit", "profiler", "selection", "training", "lm_eval_tasks")
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.partition(".")[0] in ours:
            room = import_module(node.module)
            for name in node.names:
                assert hasattr(room, name.name) or find_spec(f"{node.module}.{name.name}"), name.name
