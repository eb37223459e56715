"""The command as a whole: its list of commands by purpose, what goes for all of them, and wrong use in one sentence."""

import re
import sys
import traceback
from collections.abc import Sequence
from contextlib import redirect_stderr
from io import StringIO
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from profiler.cli.console import stoppable
from profiler.cli.job import at_work
from profiler.errors import InheritError, UnknownName, WrongUse

ANYWHERE = {"-q": "--quiet", "--quiet": "--quiet", "-v": "--verbose", "--verbose": "--verbose"}
"""Options of every command, wherever they stand."""

WHOLE = 1000
"""Characters that the first sentence of a command's help may have in the list: all of them."""


class Commands(TyperGroup):
    """The list of commands."""

    def main(self, args: Sequence[str] | None = None, *others: Any, **extra: Any) -> Any:
        words = [*(sys.argv[1:] if args is None else args)]
        try:
            code = super().main(words, *others, **extra | {"standalone_mode": False})
        except TyperException as error:
            if type(error).__name__ == "NoArgsIsHelpError":
                sys.stderr.write(error.format_message() + "\n")
                sys.exit(2)
            raise wrong_use(error) from None
        except InheritError:
            if "--verbose" in map(ANYWHERE.get, words):
                traceback.print_exc()
            raise
        sys.exit(code if isinstance(code, int) else 0)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        end = args.index("--") if "--" in args else len(args)
        flags = [word for word in args[:end] if word in ANYWHERE]
        return super().parse_args(ctx, flags + [word for word in args[:end] if word not in ANYWHERE] + args[end:])

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args[0] not in self.commands:
            raise UnknownName("command", args[0], self.commands, "inherit --help")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        width = max(map(len, self.commands))
        for purpose, commands in groupby(
            self.commands.values(), lambda command: getattr(command, "rich_help_panel", "")
        ):
            with formatter.section(purpose):
                formatter.write_dl(
                    [(f"{command.name:{width}}", command.get_short_help_str(WHOLE)) for command in commands]
                )


def print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        sys.stdout.write(f"inherit {version('inheritance-profiler')}\n")
        raise typer.Exit


def everywhere(
    context: typer.Context,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Say nothing beside the result, unless something is wrong.")
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Say where in the program an error comes from.")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=print_version)
    ] = False,
    job: Annotated[Path | None, typer.Option(hidden=True, help="Folder of the job that a worker does by this.")] = None,
) -> None:
    """What goes for every command."""
    if quiet:
        context.with_resource(redirect_stderr(StringIO()))
    context.with_resource(stoppable())
    if job:
        context.with_resource(at_work(job))


def wrong_use(error: TyperException) -> WrongUse:
    """What of the command line was wrong: which option, what was expected, what came."""
    context, kind = getattr(error, "ctx", None), type(error).__name__
    help = f"{context.command_path} --help" if context else "inherit --help"
    param = getattr(error, "param", None)
    option = param and (param.name.upper() if param.param_type_name == "argument" else param.opts[0])
    match kind:
        case "NoSuchOption":
            known = [name for each in context.command.params for name in each.opts] if context else []
            return UnknownName("option", getattr(error, "option_name", ""), known, help)
        case "MissingParameter":
            about = f" ({param.help.rstrip('.')})" if param and getattr(param, "help", None) else ""
            return WrongUse(f"expected {option}{about}, found none; `{help}` says more")
        case "BadOptionUsage":
            return WrongUse(f"{getattr(error, 'option_name', '')}: expected a value, found none")
    cause: Any = error.__cause__
    if type(cause).__name__ == "ValidationError":  # pydantic takes as long to import as all commands
        from profiler.datasets import settings

        return WrongUse(f"{option}: {settings.expected(cause.errors()[0])}")
    if extra := re.fullmatch(r".*unexpected extra argument.*? \((.*)\)", error.message):
        return WrongUse(f"expected nothing more, found {extra[1]!r}; `{help}` says what it takes")
    if error.message == "Missing command.":
        return WrongUse(f"expected a command, found none; `{help}` lists them")
    return WrongUse(f"{option}: {error.message}" if option else error.message)
