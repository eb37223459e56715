"""Jobs: submitted, watched, cancelled and resumed, on pages and by programs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, Header, Query, Request
from fastapi.responses import RedirectResponse, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import ValidationError

from profiler.errors import WrongUse
from profiler.records import Record
from profiler.service import verbs
from profiler.service.pages import Pages
from profiler.service.queue import WAITING, Job, Queue, State
from profiler.service.safety import check_own, check_submission, user_of
from profiler.service.watching import Seen, watching
from profiler.service.worker import TAIL, folder_of

router = Pages(tags=["jobs"])

Limit = Annotated[int, Query(ge=1, le=500)]


class JobStep(Record):
    """How far one task of a job is."""

    what: str
    """A probe, a teacher, or what is waited for."""
    done: int
    total: int | None = None
    """Of how many; null where nobody knows."""
    words: str
    """Rate, tokens, the time left, what the cache gave, what failed."""
    at: float
    """When, in seconds since 1970."""


class JobPage(Record):
    """A job, and how far it is."""

    job: Job
    ahead: int
    """Jobs that are taken up before it."""
    steps: tuple[JobStep, ...]
    log: str
    """The last of what the command said."""


class JobsPage(Record):
    """Some of the jobs, newest first."""

    counts: dict[State, int]
    """How many jobs there are in each state."""
    jobs: tuple[Job, ...]
    next: str | None
    """Those made before: ?before=… with this."""


def queue(request: Request) -> Queue:
    """The service's queue."""
    found = request.app.state.queue
    assert isinstance(found, Queue)  # noqa: S101 - the application puts it there
    return found


def submit(request: Request, verb: str, told: verbs.Told) -> Job:
    """Put what a verb is told into the queue."""
    check_submission(request, told.record.model_dump())
    job = queue(request).submit(verb, told.options, verbs.endpoints(told.options), user_of(request).name)
    if worker := request.app.state.worker:
        worker.wake.set()
    return job


@router.page("/jobs", "jobs.html", api="/api/jobs")
def jobs(request: Request, state: State | None = None, before: str | None = None, limit: Limit = 50) -> JobsPage:
    """Jobs, newest first."""
    found = queue(request).jobs(state, before, limit)
    return JobsPage(
        counts=queue(request).counts(), jobs=tuple(found), next=found[-1].id if len(found) == limit else None
    )


@router.page("/jobs/{id}", "job.html")
def job(request: Request, id: str) -> JobPage:
    """A job and how far it is."""
    found = queue(request).get(id)
    folder = folder_of(request.app.state.options.out, id)
    steps: dict[str, JobStep] = {}
    for _, step in lines(folder / "progress.jsonl")[0]:
        steps.pop(step.what, None)
        steps[step.what] = step
    ahead = queue(request).ahead(found) if found.state in WAITING else 0
    return JobPage(job=found, ahead=ahead, steps=tuple(steps.values()), log=tail(folder / "log.txt"))


@router.get("/api/jobs/{id}", name="api.job")
def one(request: Request, id: str) -> Job:
    """A job."""
    return queue(request).get(id)


@router.post("/api/jobs/{id}/cancel", name="cancel_job")
def cancel(request: Request, id: str) -> Job:
    """End a job; what was answered is kept, and `resume` goes on from there."""
    check_own(request, queue(request).get(id).owner)
    return queue(request).cancel(id)


@router.post("/api/jobs/{id}/resume", name="resume_job")
def resume(request: Request, id: str) -> Job:
    """Go on with a job that failed or was cancelled, where it stopped; no answer is paid twice."""
    check_own(request, queue(request).get(id).owner)
    return queue(request).resume(id)


@router.post("/jobs/{id}/cancel", include_in_schema=False)
def cancel_by_hand(request: Request, id: str) -> Response:
    cancel(request, id)
    return RedirectResponse(f"/jobs/{id}", 303)


@router.post("/jobs/{id}/resume", include_in_schema=False)
def resume_by_hand(request: Request, id: str) -> Response:
    resume(request, id)
    return RedirectResponse(f"/jobs/{id}", 303)


@router.get("/api/jobs/{id}/events", response_class=EventSourceResponse, name="api.job_events")
@router.get("/jobs/{id}/events", response_class=EventSourceResponse, include_in_schema=False)
async def events(
    request: Request, id: str, found: Annotated[Job, Depends(one)], last_event_id: Annotated[int, Header()] = 0
) -> AsyncIterator[ServerSentEvent]:
    """Each step as it comes, and `state` with the whole job where that changes; the last is the state it ended in.

    An event's id is its number: a client that comes back with Last-Event-ID is told what came since.
    """
    path = folder_of(request.app.state.options.out, id) / "progress.jsonl"
    with watching(request.app.state.watches, id, _look(queue(request), path, id)) as watch:
        async for event in watch.events(last_event_id):
            yield event


def _look(queue: Queue, path: Path, id: str) -> Callable[[], Seen]:
    """How what is new of a job is found."""
    place, number, state = 0, 0, ""
    told: tuple[State, int, bool] | None = None

    def look() -> Seen:
        nonlocal place, number, state, told
        job = queue.get(id)  # before its steps: where it is over, none is missed
        fresh, place, number = lines(path, place, number)
        if (job.state, job.turn, job.stopping) != told:
            told, state = (job.state, job.turn, job.stopping), job.model_dump_json()
        steps = [(place, step.model_dump_json()) for place, step in fresh]
        return Seen(steps, state, job.state not in (*WAITING, "running"))

    return look


def lines(path: Path, place: int = 0, number: int = 0) -> tuple[list[tuple[int, JobStep]], int, int]:
    """The whole lines from PLACE on, each with its number; the place and the number after them."""
    try:
        with path.open("rb") as file:
            file.seek(place)
            raw = file.read()
    except FileNotFoundError:
        return [], place, number
    whole = raw[: raw.rfind(b"\n") + 1]
    found = []
    for line in whole.splitlines():
        number += 1
        try:
            found.append((number, JobStep.model_validate_json(line)))
        except ValidationError:  # its writer was killed in the middle of it
            continue
    return found, place + len(whole), number


def tail(path: Path) -> str:
    """The last of what a command said."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - TAIL))
            return file.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return ""


def _submitting(verb: str, record: type[Record]) -> None:
    """The route by which VERB is submitted: its body is the verb's RECORD, and what is wrong is the command's word."""

    async def fits(request: Request) -> verbs.Told:
        try:
            given = await request.json()
        except (ValueError, RecursionError):
            given = None
        if not isinstance(given, dict):
            raise WrongUse(f"expected the options of inherit {verb} as a JSON object")
        return verbs.options(verb, given, request.app.state.options.out)

    def submitted(request: Request, response: Response, options: Any, told: Any) -> Job:
        job = submit(request, verb, told)
        response.headers["Location"] = f"/api/jobs/{job.id}"
        return job

    # What is submitted is told apart by the record; what is wrong with it is said before FastAPI would.
    submitted.__annotations__ |= {"options": record, "told": Annotated[verbs.Told, Depends(fits)]}
    submitted.__doc__ = f"{(record.__doc__ or '').strip()} As `inherit {verb}`, with the same options."
    router.add_api_route(f"/api/jobs/{verb}", submitted, methods=["POST"], status_code=202, name=f"submit.{verb}")


for _verb, _record in verbs.VERBS.items():
    _submitting(_verb, _record)
