"""Writes what the code itself knows: two pages, and lm-eval's tasks. `--check` fails where they are out of step."""

from __future__ import annotations

import ast
import inspect
import re
import sys
import tomllib
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import cast

import typer
from typer.core import TyperGroup

import inherit
import inheritance_profile_finder as finder
from profiler import cli, metrics, probes
from profiler.metrics import Metric
from profiler.probes import PROBES

HERE = Path(__file__).parent
ROOT = HERE.parent
TASKS = Path(finder.FOLDER)
TASK = "task: inherit_{name}\nclass: !function profiler.harnesses.lm_eval.task.ProbeTask\nprobe: {name}\n"
MADE = "<!-- made by docs/build.py; change the code, then run `make docs` -->\n\n"


def text_metrics() -> str:
    head = (
        "# Text metrics\n\n"
        "Each is a function of a text; `inherit profile` takes them of every answer, `inherit score` of any file.\n"
        "*Made by* names the implementation, because two splitters are two metrics: their numbers are never compared.\n"
        "A dash in *ideal* means that the metric describes and does not judge.\n\n"
        "*With spaced words*: the metric counts words that stand between spaces. It is undefined in languages written\n"
        "without (Chinese, Japanese, Thai, Lao, Khmer, Burmese, Tibetan), whose words only a dictionary finds, and\n"
        "for a text most of whose letters are of a script that its language is not written in: Chinese under\n"
        "`--lang en`.\n\n"
        "| metric | what it is | unit | ideal | languages | made by |\n|---|---|---|---|---|---|\n"
    )
    table = metrics.every()
    return MADE + head + "".join(map(_row, table)) + "\n" + "\n".join(_details(table))


def _row(metric: Metric) -> str:
    made = metric.version.replace(zlib.ZLIB_RUNTIME_VERSION, "…")
    languages = ", ".join(metric.languages) if metric.languages else "with spaced words" if metric.of_words else "any"
    ideal = "–" if metric.ideal is None else metric.ideal
    return f"| `{metric.name}` | {metric.about} | {metric.unit} | {ideal} | {languages} | `{made}` |\n"


def _details(table: Iterable[Metric]) -> Iterable[str]:
    for metric in table:
        text = inspect.getdoc(metrics.FACTORIES.get(metric.name) or metric.score) or ""
        rest = text.partition("\n")[2].strip()
        if rest:
            yield f"## {metric.name}\n\n{rest}\n"


def commands() -> str:
    group = cast(TyperGroup, typer.main.get_command(cli.app))
    pages = []
    for name, command in group.commands.items():
        context = typer.Context(command, info_name=f"inherit {name}", terminal_width=80, max_content_width=80)
        text = "\n".join(line.rstrip() for line in command.get_help(context).splitlines())
        pages.append(f"## inherit {name}\n\n```text\n{text}\n```\n")
    head = "# The command\n\nTables go to stdout, progress and notes to stderr; `--json` prints the stored record.\n"
    head += (
        "Every command takes `-q` (the result and errors only) and `-v` (where an error comes from), wherever they\n"
        "stand. `inherit --version` prints the version, `inherit --install-completion` lets the shell complete\n"
        "commands and options.\n\n"
    )
    codes = "Exit codes: 0 done, 1 something went wrong, 2 wrong use, 3 a check such as `--fail-on worse` was hit,\n"
    codes += (
        "4 too much of what was asked failed (the same command resumes), 70 a fault of ours: a file says where.\n\n"
    )
    return MADE + head + codes + "\n".join(pages)


def tasks() -> dict[Path, str]:
    """A task of lm-eval for every probe, and the groups of those that are asked where nobody names one."""
    ours = {name: kind for name, kind in probes.served().items() if name in PROBES}
    usual = {name: kind for name, kind in ours.items() if kind.default}
    topics: dict[str, list[str]] = {}
    for name, kind in usual.items():
        topics.setdefault(f"inheritance_{kind.topic or name}", []).append(f"inherit_{name}")
    words = [f"inherit_{[*kind.in_words, name][0]}" for name, kind in usual.items()]
    groups = {**topics, "inheritance_profile": [*topics], "inheritance_profile_chat": words}
    return {
        **{TASKS / "tasks" / f"{name}.yaml": TASK.format(name=name) for name in ours},
        **{
            TASKS / "groups" / f"{group}.yaml": f"group: {group}\ntask:\n" + "".join(f"  - {task}\n" for task in inside)
            for group, inside in groups.items()
        },
    }


STUB = """# made by docs/build.py; change the code, then run `make docs`
from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from typing import Literal

from inherit import aio as aio
from inherit.callback import ProfileCallback as ProfileCallback
from inherit.results import ProfileResult as ProfileResult
from inherit.results import Result as Result
from inherit.results import Rows as Rows
from inherit.results import ScoreResult as ScoreResult
from inherit.verbs import Client, Options, Place
from profiler.errors import InheritError as InheritError
from profiler.judging import Jury
from profiler.records import Comparison, Estimate, Json
from profiler.study import Findings
from selection import PoolContents, Selection
from training import Training

VERBS: tuple[str, ...]
"""


def stub() -> str:
    """What an editor reads of `import inherit`: every verb with its options."""
    return STUB + "".join(_written(getattr(inherit, name)) for name in inherit.VERBS)


def _written(verb: Callable[..., object]) -> str:
    """A verb as a stub has it: what may be left out is not said again."""
    shape = inspect.signature(verb)
    given, keywords = [], False
    for each in shape.parameters.values():
        if each.kind is each.KEYWORD_ONLY and not keywords:
            given += [] if any("*" in word for word in given) else ["*"]
            keywords = True
        star = "*" if each.kind is each.VAR_POSITIONAL else ""
        left_out = "" if each.default is each.empty else " = ..."
        given.append(f"{star}{each.name}: {each.annotation}{left_out}")
    about = (verb.__doc__ or "").replace("\\", "\\\\").replace("\n", "\n    ").replace("\n    \n", "\n\n")
    listed = "".join(f"\n    {word}," for word in given)
    return f'\ndef {verb.__name__}({listed}\n) -> {shape.return_annotation}:\n    """{about}"""\n'


HOUSE = """# How it is built

A **probe** asks a model things and scores each answer into columns; a **metric** reduces columns to one number; a
**profile** is those numbers with intervals and everything needed to get them again. Scoring is pure functions, so
the command, Python, lm-eval, HELM and selection call the same ones and get the same numbers. A run is a folder. Every
verb is **one record**: the command's options, a file of them (`inherit VERB @FILE`) and what is written beside the
result are made from it.

A folder is a room. Its `__init__` says what it is and lists what others may use; the rest is its own. A room uses
only those on lower floors:

```text
{floors}
```

`selection` and `training` stand between `study` and `reporting`. `make check` keeps the floors, `tests/test_house.py`
the faces, and that a name means one thing.
"""


def house() -> str:
    """The map: every room, and a line for each of its files."""
    contract = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"][0]
    floors = "\n".join(re.sub(" [:|] ", "   ", floor) for floor in contract["layers"])
    rooms = [ROOT / "profiler", *sorted(path for path in (ROOT / "profiler").rglob("*") if path.is_dir())]
    rooms += [ROOT / "selection", ROOT / "training", ROOT / "lm_eval_tasks", ROOT / "inherit"]
    return MADE + HOUSE.format(floors=floors) + "".join(map(_room, rooms))


def _room(folder: Path) -> str:
    files = sorted(path for path in folder.glob("*.py") if path.name != "__init__.py")
    if not (folder / "__init__.py").is_file() or not (files or _first(folder / "__init__.py")):
        return ""
    lines = "".join(f"| `{path.name}` | {_first(path)} |\n" for path in files)
    table = f"\n| file | what it is |\n|---|---|\n{lines}" if lines else ""
    return f"\n## {folder.relative_to(ROOT)}/\n\n{_first(folder / '__init__.py')}\n{table}"


def _first(path: Path) -> str:
    """The first sentence of a module."""
    return (ast.get_docstring(ast.parse(path.read_text("utf-8"))) or "").partition("\n\n")[0].replace("\n", " ")


def main() -> None:
    pages = {
        HERE / "metrics.md": text_metrics(),
        HERE / "cli.md": commands(),
        HERE / "how_it_is_built.md": house(),
        ROOT / "inherit" / "__init__.pyi": stub(),
        **tasks(),
    }
    stale = {path for path, text in pages.items() if not path.exists() or path.read_text("utf-8") != text}
    stray = {*TASKS.rglob("*.yaml")} - {*pages}
    if "--check" in sys.argv and (wrong := sorted(path.name for path in stale | stray)):
        sys.exit(f"out of step with the code: {', '.join(wrong)}; run `make docs`")
    for path in stray:
        path.unlink()
    for path, text in pages.items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
