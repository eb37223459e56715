"""Start the profiler service: `ui`."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from profiler.cli.console import note
from profiler.errors import WrongUse

if TYPE_CHECKING:
    from profiler.service import ServiceOptions


def ui(
    options: ServiceOptions,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page in a browser.")] = True,
) -> None:
    """Start the profiler service: pages and an API over the runs of a folder, until Ctrl-C."""
    import socket
    import webbrowser

    from profiler.service import application

    os.environ |= options.bounds.environment()  # for all that this process starts, jobs first
    app = application(options)
    try:
        listening = socket.create_server((options.host, options.port))
    except OSError as error:
        where = f"{options.host}:{options.port}"
        raise WrongUse(f"can't listen at {where}: {error.strerror}; name another --port") from None
    address = f"http://{options.host}:{listening.getsockname()[1]}"
    sys.stdout.write(address + "\n")
    sys.stdout.flush()
    note("Ctrl-C stops the service")
    if browser and sys.stdout.isatty():
        webbrowser.open(address)

    import uvicorn

    # Who is at the other end is what `Safety` goes by: no header of a stranger may say otherwise.
    config = uvicorn.Config(app, log_level="warning", access_log=False, proxy_headers=False, server_header=False)
    uvicorn.Server(config).run(sockets=[listening])
