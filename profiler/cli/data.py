"""The data sets that probes read: `data`."""

import sys
from typing import Annotated, Literal

import typer

from profiler.cli.console import Data, Json
from profiler.errors import CheckFailed, FetchFailed, WrongUse


def data(
    what: Annotated[
        Literal["ls", "check", "fetch", "show"],
        typer.Argument(help="All data sets, the state of each file, download what is missing, or one set's card."),
    ] = "ls",
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Data sets to check, fetch or show; all if left out.", metavar="NAME"),
    ] = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """List the official data sets, check their files, or fetch them.

    A file is looked for in the folder of --data or INHERIT_DATA, then in the cache; `fetch` downloads it into the cache
    from its pinned address. It counts only if its checksum is the published one. INHERIT_OFFLINE=1 forbids connections.
    """
    from profiler.datasets import found_in
    from profiler.reporting import listing
    from profiler.reporting.progress import Downloads

    with found_in(data):
        match what:
            case "ls":
                sys.stdout.write(listing.text(listing.sources(), json))
            case "check":
                rows = list(listing.files(names or ()))
                sys.stdout.write(listing.text(rows, json))
                if wrong := [str(row["file"]) for row in rows if row["state"] == "wrong"]:
                    raise CheckFailed(f"{len(wrong)} files are not what their authors published: {', '.join(wrong)}")
            case "fetch":
                with Downloads():
                    rows = list(listing.files(names or (), fetch=True))
                sys.stdout.write(listing.text(rows, json))
                if failed := [str(row["file"]) for row in rows if row["state"] in ("failed", "wrong")]:
                    raise FetchFailed(f"{len(failed)} of {len(rows)} files could not be fetched: {', '.join(failed)}")
            case "show":
                if not names:
                    raise WrongUse("expected the names of data sets to show; `inherit data ls` lists them")
                sys.stdout.write("\n".join(map(listing.card, names)))
