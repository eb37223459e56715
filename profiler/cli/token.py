"""Who may use the service: `token`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from profiler.cli.console import Json, Out, note
from profiler.errors import WrongUse


def token(
    what: Annotated[Literal["add", "list", "remove"], typer.Argument(help="What to do.")] = "list",
    name: Annotated[str | None, typer.Argument(help="Whose token, to add or to remove.")] = None,
    role: Annotated[
        Literal["viewer", "runner", "admin"],
        typer.Option(help="viewer reads; runner also submits, and cancels what is its own; admin does everything."),
    ] = "viewer",
    out: Out = Path("runs"),
    json: Json = False,
) -> None:
    """Let somebody use the service of `inherit ui`: add, list or remove tokens.

    A token is printed once, when it is added; what is kept is its SHA-256, in the folder of the runs.
    """
    from profiler.reporting import listing
    from profiler.service import tokens

    if (what == "list") != (name is None):
        raise WrongUse(f"`inherit token {what}` takes {'no NAME' if what == 'list' else 'a NAME'}")
    match what:
        case "add":
            sys.stdout.write(tokens.add(out, name or "", role) + "\n")
            note(
                f"{name} may use the service as {role}. The token is not shown again: keep it where passwords are kept"
            )
        case "remove":
            tokens.remove(out, name or "")
            note(f"{name}'s token opens nothing any more")
        case "list":
            rows = [
                {
                    "name": each.name,
                    "role": each.role,
                    "token": f"{each.prefix}…",
                    "made": f"{each.made:%Y-%m-%d %H:%M}",
                }
                for each in tokens.tokens(out)
            ]
            written = listing.text(rows, json) if rows or json else "no tokens; `inherit token add NAME` makes one\n"
            sys.stdout.write(written)
