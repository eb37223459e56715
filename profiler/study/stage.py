"""A stage is one thing to do, known by the hash of all that decides its result: what is done is never done again."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Literal

import orjson
from pydantic import Field, JsonValue, ValidationError

from profiler.endpoints import SharedServer
from profiler.errors import BadData
from profiler.files import held, part_of, sole_writer, wait_locked, write_whole
from profiler.records import Record

Kind = Literal["sample", "score", "select", "train", "profile", "preferences"]
State = Literal["done", "running", "failed", "to do", "waits"]
PAUSE = 1.0
"""Seconds between two words of a stage that others can read."""

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


class StageNews(Record):
    """What is known of a stage that is not over; at-work/KIND-KEY.json."""

    what: str
    done: int = 0
    total: int = 0
    words: str = ""
    error: str | None = None
    """Why it failed, the last time."""

    @property
    def line(self) -> str:
        """In a few words."""
        far = f"{self.done:,} of {self.total:,} " if self.total else ""
        return self.error or f"{far}{self.words}".strip()


class Resources(Record):
    """What a stage wants to have for itself."""

    gpus: float = Field(default=0, ge=0)
    processors: int = Field(default=1, ge=1)
    processes: int = Field(default=1, ge=1)
    """That a training is shared by, one a GPU."""
    engine: Literal["local", "vllm"] = "local"
    """What runs a student while it is profiled: the stage's process, or a vLLM server that it starts; with
    `recipe.merge` off one for all adapters of a base."""


NOTHING = Resources()


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
    asks: bool = False
    """Only asks a server: it takes nobody's place on this machine."""
    wants: Resources = NOTHING
    """What it has to itself while it runs."""
    server: SharedServer | None = None
    """That it shares with other stages, all of which are one piece of work where they are ready at the same time."""

    @property
    def name(self) -> str:
        return f"{self.kind} {self.title}"

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
        return self.record(stage) if all(self.done(need) for need in stage.needs) else None

    def record(self, stage: Stage) -> StageRecord | None:
        """The record of a stage whose needs are done."""
        path = self.path(stage)
        if not path.is_file():
            return None
        try:
            found = StageRecord.model_validate_json(path.read_bytes())
        except ValidationError:
            raise BadData(f"{str(path)!r} can't be read; remove it, and the stage is done again") from None
        return found if (self.folder / found.result).exists() else None

    def unfinished(self, stage: Stage) -> State:
        """How far a stage is that waits for nothing and is not done."""
        if self.at_work(stage):
            return "running"
        return "failed" if (news := self.news(stage)) and news.error else "to do"

    def result(self, stage: Stage) -> Path:
        """Where the result of a stage that is done lies."""
        if found := self.done(stage):
            return self.folder / found.result
        raise BadData(f"{stage.kind} {stage.title!r} is not done; `inherit study` resumes it")

    def do(self, stage: Stage, say: Say) -> StageRecord:
        """Do a stage that is not done; one that somebody does already is waited for, and found done."""
        with wait_locked(self._beside(stage, "lock")):
            if found := self.done(stage):
                return found
            told = 0.0

            def tell(what: str, done: int, total: int, words: str) -> None:
                nonlocal told
                say(what, done, total, words)
                if (now := time.monotonic()) - told > PAUSE:
                    told = now
                    self._tell(stage, StageNews(what=what, done=done, total=total, words=words))

            begun = time.monotonic()
            self._tell(stage, StageNews(what=stage.name))
            result = stage.work(stage.key, tell)
            made = StageRecord(
                kind=stage.kind,
                title=stage.title,
                key=stage.key,
                inputs=stage.given,
                result=str(result.relative_to(self.folder)),
                seconds=round(time.monotonic() - begun, 1),
            )
            write_whole(self.path(stage), made.model_dump_json(indent=1).encode() + b"\n")
            self._beside(stage, "json").unlink(missing_ok=True)
            return made

    def driven(self) -> bool:
        """Whether somebody carries the study out."""
        return held(self.folder / ".lock")

    def at_work(self, stage: Stage) -> bool:
        """Whether somebody does a stage now, wherever that is."""
        return held(self._beside(stage, "lock"))

    def news(self, stage: Stage) -> StageNews | None:
        """How far a stage is, or why it failed; None where nothing was heard of it."""
        try:
            return StageNews.model_validate_json(self._beside(stage, "json").read_bytes())
        except (FileNotFoundError, ValidationError):
            return None

    def fail(self, stage: Stage, why: str) -> None:
        """Keep why a stage failed, until it is tried again."""
        self._beside(stage, "json").parent.mkdir(parents=True, exist_ok=True)
        self._tell(stage, StageNews(what=stage.name, error=why))

    def forget(self, stage: Stage) -> None:
        """Why a stage failed is of the past: it is tried again."""
        self._beside(stage, "json").unlink(missing_ok=True)

    def _tell(self, stage: Stage, news: StageNews) -> None:
        path = self._beside(stage, "json")
        part = part_of(path)
        part.write_text(news.model_dump_json(), "utf-8")  # nothing is lost with it: the disk is not waited for
        part.replace(path)

    def _beside(self, stage: Stage, ending: str) -> Path:
        return self.folder / "at-work" / f"{stage.kind}-{stage.key}.{ending}"

    def lock(self) -> AbstractContextManager[None]:
        """Nobody else works on the study meanwhile."""
        return sole_writer(self.folder)


def short_digest(what: JsonValue | list[JsonValue]) -> str:
    """A short name for a content."""
    return blake2b(orjson.dumps(what, option=orjson.OPT_SORT_KEYS), digest_size=8).hexdigest()
