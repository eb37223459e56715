"""How a command's help reads: what it takes by its place, then its options, by what they are about."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand

TAKES = {"int": "N", "float": "X", "str": "TEXT", "path": "PATH"}
"""A type → what stands for a value of it."""

WIDTH = 26
"""The most that stands left of what an option does."""

ABOUT = {
    "Which model": ("url", "replica", "chat", "key", "header", "engine", "concurrency", "price"),
    "What it is asked": (
        *("probes", "suite", "data", "prompts", "column", "gold", "lang", "subset", "limit", "quick", "order"),
        *("pairs", "between", "prompt", "ties", "preset", "columns", "verdict", "id", "label"),
    ),
    "How it answers": (
        *("samples", "k", "temperature", "top_p", "top_k", "repetition_penalty", "max_tokens", "stop", "seed"),
        *("decoding", "prompt_template", "system", "scoring_method"),
    ),
    "Where it runs": ("on", "gpus", "processors", "service"),
}
"""What an option of a command that asks a model is about → its name; all others stand at the end."""


class HelpfulCommand(TyperCommand):
    """A command whose help names its arguments as its text does, and its options by purpose."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        return ["[OPTIONS]", *(_placed(param) for param in self.get_params(ctx) if _by_place(param))]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        params = self.get_params(ctx)
        asks = any(param.name == "key" for param in params)
        headings = {name: heading for heading, names in ABOUT.items() for name in names} if asks else {}
        parts: dict[str, list[tuple[str, str]]] = {heading: [] for heading in ("Arguments", *ABOUT, "Options")}
        for param in params:
            if record := param.get_help_record(ctx):
                heading = "Arguments" if _by_place(param) else headings.get(param.name or "", "Options")
                parts[heading].append((_written(param, ctx), record[1]))
        width = min(WIDTH, max(len(written) for rows in parts.values() for written, _ in rows))
        for heading, rows in parts.items():
            if rows:
                with formatter.section(heading):
                    formatter.write_dl([(f"{written:{width}}", about) for written, about in rows], WIDTH)


def _by_place(param: Any) -> bool:
    return bool(param.param_type_name == "argument")


def _placed(param: Any) -> str:
    name = f"{_called(param)}{'...' if param.nargs != 1 else ''}"
    return name if param.required else f"[{name}]"


def _called(param: Any) -> str:
    return str(param.metavar or param.name.upper())


def _written(param: Any, ctx: Any) -> str:
    """An argument's name, or an option's names and what it takes."""
    label = str(param.display_type(ctx)).strip("<>").removeprefix("list[").removesuffix("]").removesuffix(" range")
    if _by_place(param):
        return f"{_called(param)}  {label}" if "|" in label else _called(param)
    names = [", ".join(sorted(names, key=len)) for names in (param.opts, param.secondary_opts) if names]
    value = "" if param.is_flag else param.metavar or TAKES.get(label.lower(), label)
    return f"{' / '.join(names)} {value}".rstrip()
