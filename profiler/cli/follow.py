"""A command that a profiler service does: its record is sent there, and the job followed (`--service URL`)."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from typing import Any, Literal

import typer
from pydantic import BaseModel, ValidationError

from profiler.cli.console import note
from profiler.errors import EndpointDown, InheritError, WrongUse
from profiler.http import TOKEN, Failed, Retry, check_address, sent, streamed, wait

SECONDS = 60.0
"""Until the service has to have answered, or said that it is there."""
PATIENCE = Retry(tries=20, first=1.0, longest=10.0)
"""With a service that is being started again."""


class ServiceJob(BaseModel):
    """What is read of a service's job."""

    id: str
    state: Literal["queued", "running", "done", "failed", "cancelled", "interrupted"]
    why: str | None = None
    result: str | None = None


class ServiceStep(BaseModel):
    """How far one task of a job is."""

    what: str
    done: int
    total: int | None = None
    words: str = ""


def follow(service: str, verb: str, record: Mapping[str, Any], own: Mapping[str, Any]) -> None:
    """Have SERVICE do VERB with a RECORD, and say how it goes; OWN is what only the command here could do."""
    check_address(service, "--service")
    if told := [f"--{name.replace('_', '-')}" for name, value in own.items() if value]:
        raise WrongUse(f"{', '.join(told)} can't be asked of a service: leave it out, and look at the job's page")
    service = service.rstrip("/")
    body = json.dumps(record, default=str).encode()
    page = ""

    async def followed() -> ServiceJob:
        # One loop for both: from here on Ctrl-C is its own to take, and can't be lost between two of them.
        nonlocal page
        job = await _submitted(f"{service}/api/jobs/{verb}", body)
        page = f"{service}/jobs/{job.id}"
        note(f"the job: {page}")
        return await _ended(f"{service}/api/jobs/{job.id}/events")

    try:
        job = wait(followed())
    except KeyboardInterrupt:
        if not page:
            raise
        note(f"\nno longer followed; the job goes on, and can be cancelled on its page: {page}")
        raise typer.Exit(130) from None
    sys.stdout.write(f"{page}\n" + (f"{job.result}\n" if job.result else ""))
    if job.state == "cancelled":
        note("the job was cancelled; what was answered is kept: it can be resumed on its page")
        raise typer.Exit(130)
    if job.state == "failed":
        raise InheritError((job.why or "the job failed").removeprefix("inherit: "))


def _headers() -> dict[str, str]:
    token = os.environ.get(TOKEN, "").strip()
    if token and not (token.isascii() and token.isprintable()):
        raise WrongUse(f"the variable {TOKEN} holds no token: one is letters, digits, - and _")
    return {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})


async def _submitted(url: str, body: bytes) -> ServiceJob:
    """The job; it is sent once, since a service that went away may have it already."""
    try:
        return ServiceJob.model_validate_json(await sent(url, body, _headers(), seconds=SECONDS))
    except Failed as error:
        raise _refusal(url, error) from None
    except ValidationError:
        raise WrongUse(f"{url} is no profiler service: its answer is no job") from None


async def _ended(url: str) -> ServiceJob:
    """The job once it is over; each step on the way is shown."""
    from profiler.reporting.progress import WAIT, Bar

    seen = "0"

    async def look() -> ServiceJob:
        nonlocal seen
        fields: dict[str, str] = {}
        async for line in streamed(url, {**_headers(), "Last-Event-ID": seen}, seconds=SECONDS):
            name, _, value = line.partition(":")
            if name:
                fields[name] = value.strip()
            elif line == "" and fields:
                seen = fields.get("id", seen)
                match fields.get("event"):
                    case "step":
                        step = ServiceStep.model_validate_json(fields["data"])
                        if step.what == WAIT:
                            bar.wait(step.words)
                        else:
                            bar.step(step.what, step.done, step.total or 0, step.words)
                    case "state":
                        job = ServiceJob.model_validate_json(fields["data"])
                        if job.state in ("done", "failed", "cancelled"):
                            return job
                fields = {}
        raise Failed("the service ended the stream")

    with Bar() as bar:
        try:
            return await PATIENCE.persist(look)
        except Failed as error:
            raise _refusal(url, error) from None


def _refusal(url: str, error: Failed) -> InheritError:
    """What a service that did not do as it was asked said."""
    try:
        words = str(json.loads(error.body)["detail"])
    except (ValueError, KeyError, TypeError):
        words = f"{url}: {error}"
    if error.status == 401:
        return WrongUse(f"the service wants a token: put one into the variable {TOKEN} (`inherit token add` makes it)")
    if error.status is not None and error.status < 500:
        return WrongUse(words)
    return EndpointDown(f"the service can't be asked: {words}")
