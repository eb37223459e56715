"""A stage is one thing to do, known by the hash of all that decides its result: what is done is never done again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Literal

import orjson
from pydantic import JsonValue, ValidationError

from profiler.errors import BadData, StoreError
from profiler.files import locked, write_whole
from profiler.records import Record

Kind = Literal["sample", "score", "select", "train", "profile", "preferences"]
State = Literal["done", "to do", "waits"]
Say = Callable[[str, int, int, str], None]
"""What it is about, so many done, of so many, and a few words."""


class StageRecord(Record):
    """A stage that is over; stages/KIND-KEY.json."""

    kind: Kind
    title: str
    key: str
    inputs: dict[str, JsonValue]
    """All that decides the result."""
    result: str
    """Where it lies, seen from the study's folder."""
    seconds: float
    """That it took, from the first start to the end where it was never stopped; else since the last start."""


@dataclass(eq=False)
class Stage:
    """One thing to do once what it needs is done."""

    kind: Kind
    title: str
    inputs: Callable[[], dict[str, JsonValue]]
    """All that decides the result; asked for only when everything that is needed is done."""
    work: Callable[[str, Say], Path]
    """Does it under its key, and says where the result lies."""
    needs: Sequence[Stage] = ()
    size: Mapping[str, float] = field(default_factory=dict)
    """What it will cost, by unit: prompts, candidates, tokens, items, cost."""
    shared: bool = False
    """May turn out to be the same as another that is before it: a control that several objectives share."""

    @cached_property
    def given(self) -> dict[str, JsonValue]:
        return self.inputs()

    @cached_property
    def key(self) -> str:
        return short_digest([self.kind, self.given])


@dataclass(frozen=True)
class Workspace:
    """The folder of a study, and what has been done in it."""

    folder: Path

    def path(self, stage: Stage) -> Path:
        return self.folder / "stages" / f"{stage.kind}-{stage.key}.json"

    def done(self, stage: Stage) -> StageRecord | None:
        """The record of a stage; None where it, or anything that it needs, is not done."""
        if not all(self.done(need) for need in stage.needs):
            return None
        path = self.path(stage)
        if not path.is_file():
            return None
        try:
            found = StageRecord.model_validate_json(path.read_bytes())
        except ValidationError:
            raise BadData(f"{str(path)!r} can't be read; remove it, and the stage is done again") from None
        return found if (self.folder / found.result).exists() else None

    def state(self, stage: Stage) -> State:
        if self.done(stage):
            return "done"
        return "to do" if all(self.done(need) for need in stage.needs) else "waits"

    def result(self, stage: Stage) -> Path:
        """Where the result of a stage that is done lies."""
        if found := self.done(stage):
            return self.folder / found.result
        raise BadData(f"{stage.kind} {stage.title!r} is not done; `inherit study` resumes it")

    def do(self, stage: Stage, say: Say) -> StageRecord:
        """Do a stage that is not done."""
        if found := self.done(stage):
            return found
        begun = time.monotonic()
        result = stage.work(stage.key, say)
        made = StageRecord(
            kind=stage.kind,
            title=stage.title,
            key=stage.key,
            inputs=stage.given,
            result=str(result.relative_to(self.folder)),
            seconds=round(time.monotonic() - begun, 1),
        )
        write_whole(self.path(stage), made.model_dump_json(indent=1).encode() + b"\n")
        return made

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Nobody else works on the study meanwhile."""
        try:
            lock = locked(self.folder / ".lock")
        except BlockingIOError:
            raise StoreError(f"another inherit works on {str(self.folder)!r}; wait for it") from None
        try:
            yield
        finally:
            lock.release()


def short_digest(what: JsonValue | list[JsonValue]) -> str:
    """A short name for a content."""
    return blake2b(orjson.dumps(what, option=orjson.OPT_SORT_KEYS), digest_size=8).hexdigest()
