"""Candidates are asked of one or several teachers, a block of prompts at a time, and none is paid for twice.

The client's cache is the journal: an answer is in it the moment it has arrived. A block is sealed to Parquet when it is
through; whoever starts again skips sealed blocks and finds the rest in the cache.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from itertools import groupby, islice
from typing import NamedTuple

import orjson

from profiler.datasets import Prompts, found_in
from profiler.datasets.prompts import prompts
from profiler.endpoints import Answer, Client, Generate, connect
from profiler.endpoints import fingerprint as canary
from profiler.errors import BadData, EndpointError, WeightsChanged, WrongUse
from profiler.records import Fingerprint, Usage
from selection.pool import BLOCK, Pool, Segment, candidate_table, file_name, prompt_id
from selection.records import PoolContents, SampleOptions, Teacher
from selection.storage import storage_at
from selection.teacher import spec_teachers, teacher_fields

PAUSE = 0.5
"""Seconds between two reports of progress."""


class NamedPrompt(NamedTuple):
    """A prompt and its own name."""

    id: str
    text: str


@dataclass(frozen=True)
class PromptSurvey:
    """What a look over all prompts found."""

    count: int
    repeats: int
    """Rows whose prompt had been there before; they are not asked again."""
    digest: str


@dataclass(frozen=True)
class UniquePrompts:
    """Prompts to ask, each once."""

    prompts: Prompts
    limit: int | None = None

    @classmethod
    def of(cls, spec: SampleOptions) -> UniquePrompts:
        with found_in(spec.data):
            return cls(prompts(spec.prompts, spec.column, spec.lang), spec.limit)

    def __iter__(self) -> Iterator[NamedPrompt]:
        seen: set[int] = set()
        for _, text in self.prompts.take(self.limit):
            key = prompt_id(text)
            if (number := int(key, 16)) not in seen:
                seen.add(number)
                yield NamedPrompt(key, text)

    def blocks(self) -> Iterator[tuple[int, list[NamedPrompt]]]:
        rest = iter(self)
        return enumerate(iter(lambda: list(islice(rest, BLOCK)), []))

    @cached_property
    def survey(self) -> PromptSurvey:
        """One pass that finds a bad row before anything is paid."""
        rows = sum(1 for _ in self.prompts.take(self.limit))
        digest, count = blake2b(digest_size=16), 0
        for prompt in self:
            digest.update(prompt.id.encode())
            count += 1
        if not count:
            raise BadData(f"{self.prompts.name} holds no prompts")
        return PromptSurvey(count, rows - count, digest.hexdigest())


@dataclass
class TeacherProgress:
    """How far a teacher is with its share of the work, in prompts."""

    teacher: Teacher
    total: int
    done: int = 0
    failed: int = 0
    cached: int = 0
    usage: Usage = field(default_factory=Usage)
    seconds: float = 0.0
    error: str | None = None
    """Why it went away."""
    last_error: str | None = None
    notice: str | None = None
    """What the user should know of the endpoint."""

    def add(self, answer: Answer) -> None:
        self.done += 1
        self.failed += answer.error is not None
        self.last_error = answer.error or self.last_error
        self.cached += bool(answer.generations) and all(text.cached for text in answer.generations)
        self.usage = self.usage + answer.usage

    @property
    def cost(self) -> float | None:
        """Money paid in this run."""
        if self.teacher.price is None:
            return None
        read, written = self.teacher.price
        return (read * self.usage.prompt + written * self.usage.completion) / 1e6

    def record(self) -> str:
        """As a line of JSON."""
        found = {"teacher": self.teacher.name, "prompts": self.total, "answered": self.done - self.failed}
        found |= {"failed": self.failed, "cached": self.cached, "usage": self.usage.model_dump(), "cost": self.cost}
        return orjson.dumps({**found, "seconds": round(self.seconds, 3), "error": self.error}).decode()

    def words(self) -> str:
        """Tokens a second, time and money left, what the cache gave and what failed, in a few words."""
        paid = self.done - self.cached
        parts = [f"{self.usage.completion / self.seconds if self.seconds else 0:,.0f} tokens/s"]
        left = self.total - self.done
        if paid and left:
            parts.append(f"{_span(self.seconds / paid * left)} left")
        if self.cost is not None:
            expected = f" of about {self.cost / paid * (paid + left):,.2f}" if paid and left else ""
            parts.append(f"cost {self.cost:,.2f}{expected}")
        if self.cached:
            parts.append(f"{self.cached:,} were there")
        if self.failed:
            parts.append(f"{self.failed:,} failed, last: {self.last_error}")
        return " · ".join(parts)


Written = tuple[str, str | None, int, int]
"""A sample's text, why it ended, and the tokens that it cost, read and written: plain tuples, which the garbage
collector does not go through again and again as it would through a block's records."""


@dataclass
class OpenBlock:
    """A block of one teacher's answers that is not whole yet."""

    prompts: list[NamedPrompt]
    plan: str
    written: dict[str, list[Written]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    """Prompt → why it has no answer."""

    def add(self, prompt: NamedPrompt, answer: Answer) -> None:
        if answer.error:
            self.failed[prompt.id] = answer.error
        else:
            self.written[prompt.id] = [
                (one.text, one.finish, one.usage.prompt, one.usage.completion) for one in answer.generations
            ]

    @property
    def whole(self) -> bool:
        return len(self.written) + len(self.failed) == len(self.prompts)


async def sample(spec: SampleOptions, questions: UniquePrompts | None = None) -> AsyncIterator[list[TeacherProgress]]:
    """Ask teachers and keep their candidates in the pool at OUT; yields how far each of them is.

    A teacher that goes away keeps what it has answered, says so in its share, and leaves the others at work; the
    same call goes on where it was.
    """
    import pyarrow.parquet  # noqa: F401 - now: at the first block it would hold up answers for a tenth of a second

    teachers, questions = spec_teachers(spec), questions or UniquePrompts.of(spec)
    survey = questions.survey
    pool = _open_pool(spec, questions.prompts.name, survey.digest, teachers)
    shares = [TeacherProgress(teacher, survey.count) for teacher in teachers]
    work = [
        asyncio.create_task(
            _ask_server([share for share in shares if _server(share) == server], questions, pool, spec.concurrency)
        )
        for server in dict.fromkeys(map(_server, shares))
    ]
    try:
        while True:
            done, waiting = await asyncio.wait(work, timeout=PAUSE)
            yield shares
            for task in done:
                task.result()
            if not waiting:
                return
    finally:
        for task in work:
            task.cancel()
        await asyncio.gather(*work, return_exceptions=True)


def _server(share: TeacherProgress) -> str:
    """Servers are asked side by side; models in this process, which share its processor, one after the other."""
    return share.teacher.endpoint.url or ""


async def _ask_server(
    shares: Sequence[TeacherProgress], questions: UniquePrompts, pool: Pool, concurrency: int
) -> None:
    """The teachers behind one address; those that are the same endpoint share its client, and its weights in memory."""
    for endpoint, some in groupby(sorted(shares, key=_endpoint), key=lambda share: share.teacher.endpoint):
        mine = list(some)
        try:
            async with connect(endpoint, pool.storage.journal, concurrency=concurrency) as client:
                for share in mine:
                    share.notice = client.notice
                    await _ask(share, client, questions, pool)
        except EndpointError as error:
            for share in mine:
                share.error = None if share.done == share.total else str(error)


def _endpoint(share: TeacherProgress) -> str:
    return share.teacher.endpoint.model_dump_json()


async def _ask(share: TeacherProgress, client: Client, questions: UniquePrompts, pool: Pool) -> None:
    """One teacher's share: every block that is not sealed yet."""
    fingerprint = _known_weights(pool, share.teacher, await client.fingerprint())
    started = time.monotonic()
    open_blocks: dict[int, OpenBlock] = {}
    try:
        async for (number, prompt), answer in client.answer(
            _requests(share, questions, pool, fingerprint, open_blocks)
        ):
            share.add(answer)
            share.seconds = time.monotonic() - started
            filling = open_blocks[number]
            filling.add(prompt, answer)
            if filling.whole:
                # Beside the event loop, which goes on asking meanwhile.
                await asyncio.to_thread(_seal, pool, share.teacher, fingerprint, number, open_blocks.pop(number))
    except EndpointError as error:
        # What was answered is sealed as it is, so that it can be used; the block is asked again next time.
        for number, filling in open_blocks.items():
            _seal(pool, share.teacher, fingerprint, number, filling, str(error))
        raise


def _requests(
    share: TeacherProgress, questions: UniquePrompts, pool: Pool, fingerprint: str, open_blocks: dict[int, OpenBlock]
) -> Iterator[tuple[tuple[int, NamedPrompt], Generate]]:
    teacher = share.teacher
    for number, some in questions.blocks():
        plan = _plan(teacher, fingerprint, some)
        known = pool.footer(_segment(teacher, number))
        if known and known.plan == plan and not known.failed:
            share.done += len(some)
            share.cached += len(some)
            continue
        open_blocks[number] = OpenBlock(some, plan)
        for prompt in some:
            yield (number, prompt), Generate(prompt.text, teacher.sampling, teacher.frame, teacher.system, teacher.k)


def _seal(
    pool: Pool, teacher: Teacher, fingerprint: str, number: int, filling: OpenBlock, error: str | None = None
) -> None:
    """Write a block; a prompt without an answer is named with the reason."""
    failed = {
        prompt.id: filling.failed.get(prompt.id) or error or "not asked"
        for prompt in filling.prompts
        if prompt.id not in filling.written
    }
    rows = [
        (prompt, index, *written)
        for prompt in filling.prompts
        for index, written in enumerate(filling.written.get(prompt.id, ()))
    ]
    if not rows:
        return
    prompts, indices, texts, ends, read, new = zip(*rows, strict=True)
    columns: dict[str, Sequence[object]] = {
        "prompt_id": [prompt.id for prompt in prompts],
        "source": [teacher.name] * len(rows),
        "index": indices,
        "prompt": [prompt.text for prompt in prompts],
        "text": texts,
        "finish": ends,
        "seed": [teacher.sampling.seed + index for index in indices],
        "sampling": [teacher.sampling.model_dump_json()] * len(rows),
        "fingerprint": [fingerprint] * len(rows),
        "prompt_tokens": read,
        "tokens": new,
    }
    pool.write(_segment(teacher, number), candidate_table(columns), plan=filling.plan, failed=failed)


def _segment(teacher: Teacher, number: int) -> Segment:
    return Segment(number, file_name(teacher.name))


def _plan(teacher: Teacher, fingerprint: str, prompts: Sequence[NamedPrompt]) -> str:
    """A digest of all that decides a block's answers."""
    drawn = teacher.sampling.model_dump(mode="json")
    whole = [drawn, teacher.k, teacher.frame, teacher.system, teacher.endpoint.chat, fingerprint]
    return blake2b(orjson.dumps([*whole, [prompt.id for prompt in prompts]]), digest_size=16).hexdigest()


def _open_pool(spec: SampleOptions, name: str, digest: str, teachers: Sequence[Teacher]) -> Pool:
    """The pool at OUT, with these teachers among those it knows, and beside it what they are asked."""
    known: dict[str, Teacher] = {}
    fingerprints: dict[str, Fingerprint] = {}
    where = storage_at(spec.out)
    if where.has("pool.json"):
        there = Pool(spec.out).about
        if digest not in there.prompts.values():
            raise WrongUse(
                f"{where.name!r} holds answers to other prompts ({', '.join(there.prompts)}); choose another --out"
            )
        known = {teacher.name: teacher for teacher in there.teachers}
        fingerprints = there.fingerprints
    for teacher in teachers:
        if teacher.name in known and _decisive(known[teacher.name]) != _decisive(teacher):
            raise WrongUse(
                f"{teacher.name!r} was asked otherwise in {where.name!r}; give the teacher another `name` in a .toml "
                "file, or choose another --out"
            )
    known |= {teacher.name: teacher for teacher in teachers}
    about = PoolContents(
        prompts={name: digest},
        sources=tuple(known),
        teachers=tuple(known.values()),
        fingerprints=fingerprints,
        lang=spec.lang,
    )
    pool = Pool.create(spec.out, about)
    resolved = spec.model_copy(update={"teachers": tuple(map(teacher_fields, teachers))})
    where.write("sample.json", resolved.model_dump_json(indent=1).encode() + b"\n")
    return pool


def _decisive(teacher: Teacher) -> Teacher:
    """What of a teacher decides its answers: not its address, its price, or how many of them there are."""
    endpoint = teacher.endpoint.model_copy(update={"url": None, "key": ""})
    return teacher.model_copy(update={"endpoint": endpoint, "price": None, "k": 0})


def _known_weights(pool: Pool, teacher: Teacher, measured: Fingerprint) -> str:
    """Which weights answer, by the name that the pool knows them by; other weights would mix two models in one source.

    On another machine, or without its journal, a server that wobbles is known again by what it answers.
    """
    before = pool.about.fingerprints.get(teacher.name)
    if before is None:
        known = {**pool.about.fingerprints, teacher.name: measured}
        pool.describe(pool.about.model_copy(update={"fingerprints": known}))
    elif not canary.agree(before, measured):
        raise WeightsChanged(
            f"the model behind {teacher.name!r} is not the one whose candidates are in {pool.storage.name!r}; give the "
            "teacher another `name` in a .toml file, or choose another --out"
        )
    return (before or measured).id


def _span(seconds: float) -> str:
    """A time that is still to come, as people say it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
