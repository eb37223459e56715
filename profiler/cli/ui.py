"""The profiler service: `ui` starts it, `worker` does its jobs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from profiler.cli.console import note
from profiler.errors import WrongUse

if TYPE_CHECKING:
    from profiler.service import ServiceOptions, WorkerOptions


def ui(
    options: ServiceOptions,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page in a browser.")] = True,
) -> None:
    """Start the profiler service: pages and an API over the runs of a folder, until Ctrl-C."""
    import socket
    import webbrowser

    from profiler.service import application

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
    # Who watches a job does not keep the service from stopping.
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=2,
    )
    uvicorn.Server(config).run(sockets=[listening])


def worker(options: WorkerOptions) -> None:
    """Do jobs of a service, here or on any machine that sees its folder and its database, until Ctrl-C.

    A worker that dies gives its jobs back: another takes each of them up, where it stopped.
    """
    import signal

    from profiler.service import made_worker

    made = made_worker(options)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    note(f"{made.name}: up to {made.most} jobs at once from {made.queue.url.render_as_string()}; Ctrl-C stops it")
    try:
        made.work()
    except KeyboardInterrupt:
        note("stopped; its jobs are left to be taken up again")
        raise typer.Exit(130) from None
