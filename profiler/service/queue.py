"""The queue: what is to be done, in a database that the service and its workers share."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import JsonValue
from sqlalchemy import (
    JSON,
    URL,
    Boolean,
    Column,
    Connection,
    Engine,
    Float,
    Integer,
    MetaData,
    Row,
    String,
    Table,
    Text,
    case,
    create_engine,
    event,
    exc,
    func,
    literal,
    make_url,
    select,
    text,
    update,
)

from profiler.errors import StoreError, WrongUse
from profiler.records import Record
from profiler.service.problems import Missing

State = Literal["queued", "running", "done", "failed", "cancelled", "interrupted"]
STATES: tuple[State, ...] = get_args(State)
WAITING = ("interrupted", "queued")
"""States that a worker takes a job from."""

LEASE = 30.0
"""Seconds after which a worker that has not said again that it lives has lost its jobs."""
STAMP = "%Y%m%d-%H%M%S-%f"
LOCK = 1_768_845_929
"""PostgreSQL's name of the lock under which jobs are given out."""

TABLE = Table(
    "job",
    MetaData(),
    Column("id", String(40), primary_key=True),
    Column("verb", String(20), nullable=False),
    Column("options", JSON, nullable=False),
    Column("endpoints", JSON, nullable=False),
    Column("owner", Text, nullable=False),
    Column("state", String(12), nullable=False, index=True),
    Column("why", Text),
    Column("result", Text),
    Column("made", Float, nullable=False),
    Column("started", Float),
    Column("ended", Float),
    Column("worker", Text),
    Column("lease", Float),  # how often its worker has said that it lives: no time, as clocks are set and differ
    Column("turn", Integer, nullable=False),
    Column("stopping", Boolean, nullable=False),
)
JOB = TABLE.c


class Job(Record):
    """Something to do, as a verb's record says it, and how it goes."""

    id: str
    """When it was made, and a few letters: later jobs come later in the order of ids."""
    verb: str
    """The command that does it: profile, judge, …"""
    options: dict[str, JsonValue]
    """The verb's record. It names variables that hold keys, and never holds one."""
    endpoints: tuple[str, ...] = ()
    """HOST:PORT of the servers that it asks."""
    owner: str
    """Who submitted it."""
    state: State
    why: str | None = None
    """Why it is in this state, in one sentence, where that is not plain."""
    result: str | None = None
    """What it left in the service's folder: a run's name, or a folder."""
    made: datetime
    started: datetime | None = None
    """When it was last taken up."""
    ended: datetime | None = None
    worker: str | None = None
    """HOST:PROCESS that does it, or did it last."""
    turn: int = 0
    """How often it was taken up."""
    stopping: bool = False
    """It was cancelled while it ran, and its process is being ended."""


class Queue:
    """Jobs, and who does them. A job is given out under a lock, to one worker, for as long as that one lives."""

    def __init__(self, database: str | None, out: Path) -> None:
        self.out = out
        self.url = _address(database) if database else URL.create("sqlite", database=str(out / "service.sqlite"))
        self._heard: dict[tuple[Any, ...], float] = {}
        """A running job, its turn and its lease → when they were first seen here, by a clock that nobody sets."""

    def submit(self, verb: str, options: Mapping[str, Any], endpoints: Sequence[str], owner: str) -> Job:
        """A new job, the last of the queue."""
        now = datetime.now(UTC)
        told = {"verb": verb, "options": dict(options), "endpoints": [*endpoints], "owner": owner}
        with self._changing() as database:
            last = database.execute(select(func.max(JOB.id))).scalar()
            told["id"] = _id(now, last)
            row = TABLE.insert().values(**told, state="queued", made=now.timestamp(), turn=0, stopping=False)
            return _job(database.execute(row.returning(TABLE)).one())

    def get(self, id: str) -> Job:
        """The job of this id."""
        with self._reading() as database:
            return _found(database, id)

    def jobs(self, state: State | None = None, before: str | None = None, limit: int = 50) -> list[Job]:
        """Jobs, newest first: those in STATE, made BEFORE that of this id."""
        asked = select(TABLE).order_by(JOB.id.desc()).limit(limit)
        asked = asked.where(JOB.state == state) if state else asked
        asked = asked.where(JOB.id < before) if before else asked
        with self._reading() as database:
            return [*map(_job, database.execute(asked))]

    def counts(self) -> dict[State, int]:
        """How many jobs are in each state."""
        with self._reading() as database:
            asked = select(JOB.state, func.count().label("jobs")).group_by(JOB.state)
            found: dict[State, int] = {row.state: row.jobs for row in database.execute(asked)}
        return {state: found.get(state, 0) for state in STATES}

    def ahead(self, job: Job) -> int:
        """How many jobs wait that are taken up before this one."""
        sooner = JOB.state.in_(WAITING) & ((JOB.state < job.state) | ((JOB.state == job.state) & (JOB.id < job.id)))
        with self._reading() as database:
            return database.execute(select(func.count()).where(sooner)).scalar_one()

    def take(self, worker: str, an_endpoint: int = 1) -> Job | None:
        """The next job, now WORKER's; what asks a server that AN_ENDPOINT jobs ask already is passed over."""
        with self._changing() as database:
            self._let_go(database, JOB.id.in_(self._lost(database)), "its worker was heard of no more")
            running = database.execute(select(JOB.endpoints).where(JOB.state == "running")).scalars()
            busy = [place for places in running for place in places]
            waiting = select(JOB.id, JOB.endpoints).where(JOB.state.in_(WAITING)).order_by(JOB.state, JOB.id)
            for id, places in database.execute(waiting).all():
                if all(busy.count(place) < an_endpoint for place in places):
                    change = update(TABLE).where(JOB.id == id).values(
                        state="running", worker=worker, lease=0, turn=JOB.turn + 1,
                        started=self._now(database), ended=None, why=None,
                    )  # fmt: skip
                    return _job(database.execute(change.returning(TABLE)).one())
        return None

    def beat(self, worker: str) -> dict[str, Job]:
        """Say that WORKER lives; the jobs that are still its own."""
        with self._changing() as database:
            mine = (JOB.worker == worker) & (JOB.state == "running")
            change = update(TABLE).where(mine).values(lease=JOB.lease + 1)
            return {job.id: job for job in map(_job, database.execute(change.returning(TABLE)))}

    def finish(self, job: Job, state: State, why: str | None = None, result: str | None = None) -> bool:
        """Leave JOB in STATE; nothing, and False, where another has taken it over."""
        with self._changing() as database:
            mine = (JOB.id == job.id) & (JOB.worker == job.worker) & (JOB.turn == job.turn) & (JOB.state == "running")
            told = {"state": state, "why": why, "result": result, "stopping": False, "lease": None}
            change = update(TABLE).where(mine).values(**told, ended=self._now(database))
            return database.execute(change).rowcount == 1

    def workers(self) -> list[str]:
        """Who has jobs."""
        with self._reading() as database:
            return [*database.execute(select(JOB.worker).where(JOB.state == "running").distinct()).scalars()]

    def give_back(self, worker: str) -> None:
        """Let others have the jobs of a WORKER that is known to have ended."""
        with self._changing() as database:
            self._let_go(database, (JOB.worker == worker) & (JOB.state == "running"), "its worker ended")

    def cancel(self, id: str) -> Job:
        """End a job; where it runs, its worker does that."""
        with self._changing() as database:
            job = _found(database, id)
            if job.state not in (*WAITING, "running"):
                raise WrongUse(f"job {id} is {job.state} already")
            lives = job.state == "running"
            ended = {} if lives else {"state": "cancelled", "why": None, "ended": self._now(database)}
            change = update(TABLE).where(JOB.id == id).values(stopping=lives, **ended)
            return _job(database.execute(change.returning(TABLE)).one())

    def resume(self, id: str) -> Job:
        """Put a job that ended early back into the queue: it goes on where it stopped."""
        with self._changing() as database:
            job = _found(database, id)
            if job.state not in ("failed", "cancelled"):
                raise WrongUse(f"job {id} is {job.state}; what has failed or was cancelled can be resumed")
            change = update(TABLE).where(JOB.id == id).values(state="queued", why=None, ended=None, turn=0)
            return _job(database.execute(change.returning(TABLE)).one())

    def close(self) -> None:
        """Let the database go."""
        if "_engine" in vars(self):
            self._engine.dispose()

    def _lost(self, database: Connection) -> list[str]:
        """Running jobs whose workers said nothing for so long as this process has looked."""
        now, running = time.monotonic(), select(JOB.id, JOB.turn, JOB.lease).where(JOB.state == "running")
        seen = [tuple(row) for row in database.execute(running)]
        self._heard = {row: self._heard.get(row, now) for row in seen}
        return [row[0] for row, since in self._heard.items() if now - since > LEASE]

    def _let_go(self, database: Connection, which: Any, why: str) -> None:
        state = case((JOB.stopping, "cancelled"), else_="interrupted")
        ended = {"lease": None, "ended": self._now(database), "stopping": False}
        database.execute(
            update(TABLE).where(which).values(state=state, why=case((JOB.stopping, None), else_=why), **ended)
        )

    def _now(self, database: Connection) -> Any:
        """The time, which several machines have to agree on."""
        if database.dialect.name == "postgresql":
            return database.execute(text("SELECT extract(epoch FROM clock_timestamp())::float8")).scalar_one()
        return time.time()

    @cached_property
    def _engine(self) -> Engine:
        """The database, made where there is none."""
        lite = self.url.get_backend_name() == "sqlite"
        if lite:
            self.out.mkdir(parents=True, exist_ok=True)
        engine = create_engine(self.url, pool_pre_ping=not lite, connect_args={"timeout": 30} if lite else {})
        if lite:
            event.listen(engine, "connect", _plain)
            event.listen(engine, "begin", lambda database: database.exec_driver_sql("BEGIN IMMEDIATE"))
        with _told(), engine.begin() as database:
            self._alone(database)
            TABLE.metadata.create_all(database)
        return engine

    @contextmanager
    def _changing(self) -> Iterator[Connection]:
        """A transaction beside which no other changes jobs."""
        with _told(), self._engine.begin() as database:
            self._alone(database)
            yield database

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with _told(), self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as database:
            yield database

    def _alone(self, database: Connection) -> None:
        if database.dialect.name == "postgresql":
            database.execute(select(func.pg_advisory_xact_lock(literal(LOCK))))


@contextmanager
def _told() -> Iterator[None]:
    """Say in a sentence what the database refuses; it never repeats what was to be stored."""
    try:
        yield
    except exc.DBAPIError as error:
        words = str(error.orig).strip().partition("\n")[0]
        raise StoreError(f"the service's database can't be used: {words}") from None


def _plain(connection: Any, _: object) -> None:
    """SQLite as several processes use it: transactions begin where we say, and readers don't wait for writers."""
    connection.isolation_level = None
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")


def _address(database: str) -> URL:
    try:
        url = make_url(database)
    except exc.ArgumentError:
        raise WrongUse("--database takes postgresql://USER@HOST/NAME; its password may be in PGPASSWORD") from None
    if url.get_backend_name() not in ("postgresql", "sqlite"):
        raise WrongUse(f"--database takes postgresql://…, not {url.get_backend_name()}://…")
    return url.set(drivername="postgresql+psycopg") if url.drivername == "postgresql" else url


def _found(database: Connection, id: str) -> Job:
    row = database.execute(select(TABLE).where(JOB.id == id)).one_or_none()
    if row is None:
        raise Missing(f"no job {id!r}; /jobs lists them")
    return _job(row)


def _id(now: datetime, last: str | None) -> str:
    """A new job's, after the LAST one's in the order of ids, even where the clock was set back."""
    if last and last >= f"{now:{STAMP}}":
        now = datetime.strptime(last.rpartition("-")[0], STAMP).replace(tzinfo=UTC) + timedelta(microseconds=1)
    return f"{now:{STAMP}}-{secrets.token_hex(2)}"


def _job(row: Row[Any]) -> Job:
    found = {name: value for name, value in row._mapping.items() if name != "lease"}
    times = {name: datetime.fromtimestamp(found[name], UTC) for name in ("made", "started", "ended") if found[name]}
    return Job.model_validate({**found, **times})
