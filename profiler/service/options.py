"""What `inherit ui` can be told."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from profiler.records import Record
from profiler.runs.options import Data, Out

Jobs = Annotated[int, Field(ge=0, le=1024)]


class WorkerOptions(Record):
    """Do the jobs of a service, which may run on another machine that sees the same folder."""

    jobs: Jobs = 2
    """Jobs at once."""
    database: str | None = None
    """The service's: postgresql://…; else SQLite in the runs' folder."""
    data: Data = None
    out: Out = Path("runs")


class ServiceOptions(Record):
    """Start the profiler service: pages and an API over the runs of a folder."""

    host: str = "127.0.0.1"
    """Address to listen at; any other than this machine's own needs tokens."""
    port: Annotated[int, Field(ge=0, le=65535)] = 8765
    """Port to listen at; 0 takes a free one."""
    database: str | None = None
    """postgresql://… for a team with several workers; else SQLite in the runs' folder."""
    jobs: Jobs = 2
    """Jobs at once in this process; 0 leaves them to `inherit worker`. One server is asked by one job at a time."""
    data: Data = None
    out: Out = Path("runs")
