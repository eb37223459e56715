"""What `inherit ui` can be told."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from profiler.http import ANY_LOOPBACK, KEYS
from profiler.records import Flag, Record
from profiler.runs.options import Data, Out
from profiler.service.tokens import Role

Jobs = Annotated[int, Field(ge=0, le=1024)]


class WorkerOptions(Record):
    """Do the jobs of a service, which may run on another machine that sees the same folder."""

    jobs: Jobs = 2
    """Jobs at once."""
    allow: tuple[str, ...] = (ANY_LOOPBACK,)
    """HOST, HOST:PORT, network or `loopback` that jobs may call; only loopback if left out; may be repeated."""
    keys: tuple[str, ...] = KEYS
    """Environment variable that jobs may send to servers as a key; a * stands for any letters; may be repeated."""
    trust_proxies: bool = False
    """Let jobs call through the proxies that the environment names, which then decide what may be called."""
    database: str | None = None
    """The service's: postgresql://…; else SQLite in the runs' folder."""
    data: Data = None
    out: Out = Path("runs")


class ServiceOptions(Record):
    """Start the profiler service: pages and an API over the runs of a folder."""

    host: str = "127.0.0.1"
    """Address to listen at; any other than this machine's own needs `inherit token add`, or --proxy-header."""
    port: Annotated[int, Field(ge=0, le=65535)] = 8765
    """Port to listen at; 0 takes a free one."""
    public: Annotated[tuple[str, ...], Flag(("--public",))] = ()
    """https://NAME by which browsers reach the service, such as a proxy's; may be repeated."""
    proxy_header: str | None = None
    """Header in which a proxy that has logged its users in names them, such as X-Forwarded-User."""
    proxy_from: tuple[str, ...] = ()
    """Address or network of that proxy; the header is believed from nowhere else; may be repeated."""
    proxy_role: Role = "viewer"
    """What the proxy's users may do."""
    allow: tuple[str, ...] = (ANY_LOOPBACK,)
    """HOST, HOST:PORT, network or `loopback` that jobs may call; only loopback if left out; may be repeated."""
    keys: tuple[str, ...] = KEYS
    """Environment variable that jobs may send to servers as a key; a * stands for any letters; may be repeated."""
    trust_proxies: bool = False
    """Let jobs call through the proxies that the environment names, which then decide what may be called."""
    database: str | None = None
    """postgresql://… for a team with several workers; else SQLite in the runs' folder."""
    jobs: Jobs = 2
    """Jobs at once in this process; 0 leaves them to `inherit worker`. One server is asked by one job at a time."""
    data: Data = None
    out: Out = Path("runs")
