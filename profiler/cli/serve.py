"""Serve a checkpoint through vLLM: `serve`, and the server that `profile` starts for itself."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

import typer

from profiler.cli.console import note, stoppable
from profiler.errors import WrongUse

if TYPE_CHECKING:
    from profiler.endpoints import Server, ServerPlan
    from profiler.records import Endpoint

T = TypeVar("T")


def serve(
    model: Annotated[str, typer.Argument(help="demo, a checkpoint's folder, or a hub id.")],
    more: Annotated[list[str] | None, typer.Argument(help="Options of vLLM's own, after `--`.")] = None,
    name: Annotated[str | None, typer.Option(help="What requests call it; the folder's name if left out.")] = None,
    host: Annotated[str, typer.Option(help="Address to listen at; 0.0.0.0 lets other machines in.")] = "127.0.0.1",
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Else the first free one from 8000 on.")] = None,
    length: Annotated[int | None, typer.Option(min=1, help="Most tokens of a text; else what memory holds.")] = None,
    adapter: Annotated[list[str] | None, typer.Option(help="A LoRA adapter, NAME=FOLDER; may be repeated.")] = None,
    python: Annotated[str | None, typer.Option(help="Interpreter that has vLLM; else INHERIT_VLLM_PYTHON's.")] = None,
    log: Annotated[Path | None, typer.Option(help="File for the server's log; else one in the cache.")] = None,
) -> None:
    """Serve MODEL through vLLM's OpenAI-compatible API until Ctrl-C.

    Waits until it answers, then prints its address. A server that dies is started again.
    """
    from profiler.endpoints.vllm import server as serving

    called = name or (Path(model).expanduser().resolve().name if Path(model).expanduser().is_dir() else model)
    adapters = serving.adapters(adapter or [])
    plan = serving.ServerPlan(serving.source(model), called, host, port, length, adapters, tuple(more or ()))
    if host in {"0.0.0.0", "::"}:  # noqa: S104
        note(f"listening at {host}: whoever reaches this machine can use the model")
    try:
        with stoppable(), started(plan, python, log) as server:
            sys.stdout.write(server.url + "\n")
            sys.stdout.flush()
            note(f"{', '.join([called, *adapters])} at {server.url}; log in {server.log}; Ctrl-C stops it")
            note(f"inherit profile {called} --url {server.url}")
            server.keep()
    except KeyboardInterrupt:
        note("\nstopped")


def choose(engine: Literal["auto", "vllm", "local"], url: str | None, model: str) -> Literal["vllm", "local"]:
    """What runs MODEL: what was asked for; else vLLM where it is installed and has a GPU."""
    from profiler.endpoints.vllm import installed

    if url and engine != "auto":
        raise WrongUse(f"--engine {engine} is for a model that runs here, and --url names a server; leave one out")
    if engine != "auto":
        return engine
    return "vllm" if not url and model != "demo" and installed.gpu() and installed.find() else "local"


@contextmanager
def started(plan: ServerPlan, python: str | None = None, log: Path | None = None) -> Iterator[Server]:
    """A server that answers, with a word on the way there; stopped at the end of the block."""
    from profiler.endpoints.vllm import server as serving
    from profiler.reporting.progress import Waiting

    with Waiting() as waiting, serving.started(plan, note, waiting.say, python, log) as server:
        yield server


def reached(endpoint: Endpoint, ask: Callable[[Endpoint], T]) -> T:
    """What ASK makes of an endpoint, behind a server of our own where vLLM runs it, with a word on the way there."""
    from profiler.endpoints.vllm import server as serving
    from profiler.reporting.progress import Waiting

    if endpoint.url or endpoint.engine == "local":
        return ask(endpoint)
    with stoppable(), Waiting() as waiting:
        return serving.reached(endpoint, ask, note, waiting.say)
