"""Candidates are asked of one or several teachers, a block of prompts at a time, and none is paid for twice.

The client's cache is the journal: an answer is in it the moment it has arrived. A block is sealed to Parquet when it is
through; whoever starts again skips sealed blocks and finds the rest in the cache.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import orjson

from profiler.datasets import Prompts, found_in, prompts
from profiler.endpoints import Answer, Client, Generate, connect
from profiler.endpoints import fingerprint as canary
from profiler.errors import (
    FAILED,
    BadData,
    EndpointDown,
    EndpointError,
    Incomplete,
    StoreError,
    WeightsChanged,
    WrongUse,
)
from profiler.files import locked, wait_locked
from profiler.records import Endpoint, Fingerprint, Usage
from selection.pool import BLOCK, COLUMNS, Pool, Segment, candidate_table, file_name, prompt_id
from selection.records import PoolContents, SampleOptions, Serving, Teacher
from selection.serving import Served, served
from selection.storage import Storage, storage_at
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
            parts.append(f"cost {self.usage.least}{self.cost:,.2f}{expected}")
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
    answers: dict[str, list[Written] | str] = field(default_factory=dict)
    """Prompt → its samples, or why it has none."""


async def sample(
    spec: SampleOptions, questions: UniquePrompts | None = None, journal: Path | None = None
) -> AsyncIterator[list[TeacherProgress]]:
    """Ask teachers and keep their candidates in the pool at OUT; yields how far each of them is.

    A teacher that goes away keeps what it has answered, says so in its share, and leaves the others at work; the
    same call resumes where it was. Several may draw into one pool at once, each with a JOURNAL of its own.
    """
    import pyarrow.parquet  # noqa: F401 - now: at the first block it would hold up answers for a tenth of a second

    teachers, questions = spec_teachers(spec), questions or UniquePrompts.of(spec)
    survey = questions.survey
    pool = _open_pool(spec, questions.prompts.name, survey.digest, teachers)
    shares = [TeacherProgress(teacher, survey.count) for teacher in teachers]
    journal = journal or pool.storage.journal
    try:
        lock = locked(journal.with_name(f"{journal.name}.lock"))
    except BlockingIOError:
        raise StoreError(f"another inherit is drawing into {spec.out}; both would pay for the same answers") from None
    # Servers are asked side by side; models in this process, which share its processor, one after the other.
    servers: dict[str, list[TeacherProgress]] = {}
    for share in shares:
        if not share.teacher.serve:
            servers.setdefault(share.teacher.endpoint.url or "", []).append(share)
    work = [
        asyncio.create_task(_ask_server(some, questions, pool, journal, spec.concurrency)) for some in servers.values()
    ]
    work += [
        asyncio.create_task(_ask_served(share, share.teacher.serve, questions, pool, journal, spec.concurrency))
        for share in shares
        if share.teacher.serve
    ]
    try:
        while True:
            done, waiting = await asyncio.wait(work, timeout=PAUSE)
            yield shares
            for task in done:
                task.result()
            if not waiting:
                pool.keep_index()
                return
    finally:
        for task in work:
            task.cancel()
        await asyncio.gather(*work, return_exceptions=True)
        lock.release()


async def _ask_served(
    share: TeacherProgress, serve: Serving, questions: UniquePrompts, pool: Pool, journal: Path, concurrency: int
) -> None:
    """A teacher behind servers that are started for it; when one comes, or comes back, asking begins anew with it."""
    share.notice = f"{serve.replicas} vLLM server{'s' * (serve.replicas > 1)} to start"
    try:
        async with served(share.teacher, serve, journal) as servers:
            there: frozenset[Served] = frozenset()
            while True:
                there = await servers.ready(there)
                share.done = share.failed = share.cached = 0
                share.error, share.notice = None, f"{len(there)} of {servers.wanted} servers answer"
                first, *rest = sorted(one.url for one in there)
                at = share.teacher.endpoint.model_copy(update={"url": first, "replicas": tuple(rest)})
                asking = asyncio.create_task(_ask_server([share], questions, pool, journal, concurrency, at))
                others = asyncio.create_task(servers.others(there))
                try:
                    await asyncio.wait([asking, others], return_when=asyncio.FIRST_COMPLETED)
                    if asking.done() and not share.error:
                        return await asking
                finally:
                    for task in (asking, others):
                        task.cancel()
                    await asyncio.gather(asking, others, return_exceptions=True)
    except EndpointError as error:
        share.error = str(error)


async def _ask_server(
    shares: list[TeacherProgress],
    questions: UniquePrompts,
    pool: Pool,
    journal: Path,
    concurrency: int,
    at: Endpoint | None = None,
) -> None:
    """The teachers behind one address; those that are the same endpoint share its client, and its weights in memory."""
    endpoints: dict[str, list[TeacherProgress]] = {}
    for share in shares:
        endpoints.setdefault(share.teacher.endpoint.model_dump_json(), []).append(share)
    for _, mine in sorted(endpoints.items()):
        try:
            async with connect(at or mine[0].teacher.endpoint, journal, concurrency=concurrency) as client:
                for share in mine:
                    share.notice = client.notice
                    fingerprint = _known_weights(pool, share.teacher, await client.fingerprint())
                    uncut = (await client.capabilities()).uncut if share.teacher.sampling.temperature else ()
                    await TeacherBlocks(share, questions, pool, fingerprint, uncut).ask(client)
        except EndpointError as error:
            for share in mine:
                share.error = None if share.done == share.total else str(error)


@dataclass
class TeacherBlocks:
    """One teacher's share of the work: every block that is not sealed yet."""

    share: TeacherProgress
    questions: UniquePrompts
    pool: Pool
    fingerprint: str
    uncut: tuple[str, ...]
    """The server's own cuts that are switched off: candidates that were drawn with them are drawn again."""
    open: dict[int, OpenBlock] = field(default_factory=dict)

    async def ask(self, client: Client) -> None:
        started = time.monotonic()
        try:
            async for (number, prompt), answer in client.answer(self._requests()):
                self.share.add(answer)
                self.share.seconds = time.monotonic() - started
                block = self.open[number]
                block.answers[prompt.id] = answer.error or [
                    (one.text, one.finish, one.usage.prompt, one.usage.completion) for one in answer.generations
                ]
                if len(block.answers) == len(block.prompts):
                    # Beside the event loop, which goes on asking meanwhile.
                    await asyncio.to_thread(self._seal, number, self.open.pop(number))
        except EndpointError as error:
            # What was answered is sealed as it is, so that it can be used; the block is asked again next time.
            for number, block in self.open.items():
                self._seal(number, block, str(error))
            raise

    def _requests(self) -> Iterator[tuple[tuple[int, NamedPrompt], Generate]]:
        teacher = self.share.teacher
        drawn = teacher.sampling.model_dump(mode="json")
        decides = [drawn, teacher.k, teacher.prompt_template, teacher.system, teacher.endpoint.chat, self.fingerprint]
        decides += self.uncut
        for number, some in self.questions.blocks():
            said = orjson.dumps([*decides, [prompt.id for prompt in some]])
            plan = blake2b(said, digest_size=16).hexdigest()
            known = self.pool.footer(self._segment(number))
            if known and known.plan == plan and not known.failed:
                self.share.done += len(some)
                self.share.cached += len(some)
                continue
            self.open[number] = OpenBlock(some, plan)
            for prompt in some:
                asked = Generate(prompt.text, teacher.sampling, teacher.prompt_template, teacher.system, teacher.k)
                yield (number, prompt), asked

    def _seal(self, number: int, block: OpenBlock, error: str = "not asked") -> None:
        """Write a block; a prompt without an answer is named with the reason."""
        teacher, rows, failed = self.share.teacher, [], {}
        same = teacher.sampling.model_dump_json(), self.fingerprint
        for prompt in block.prompts:
            answer = block.answers.get(prompt.id, error)
            if isinstance(answer, str):
                failed[prompt.id] = answer
                continue
            for index, (text, finish, read, new) in enumerate(answer):
                key = prompt.id, teacher.name, index
                rows.append((*key, prompt.text, text, finish, teacher.sampling.seed + index, *same, read, new))
        if rows:
            table = candidate_table(dict(zip(COLUMNS, zip(*rows, strict=True), strict=True)))
            if not self.pool.seal(self._segment(number), table, block.plan, failed):
                self.share.notice = f"block {number} was there already, from another writer, and is kept as it is"

    def _segment(self, number: int) -> Segment:
        return Segment(number, file_name(self.share.teacher.name))


def refuse_incomplete(shares: Sequence[TeacherProgress]) -> None:
    """Raise if a teacher went away, or failed too often."""
    if gone := [share for share in shares if share.error]:
        whys = "; ".join(
            f"{share.teacher.name!r} after {share.done:,} of {share.total:,}: {share.error}" for share in gone
        )
        end = "" if whys.endswith("?") else "."
        raise EndpointDown(f"went away: {whys}{end} What was answered is kept: run the same command again to resume")
    if lost := [share for share in shares if share.failed > FAILED * share.total]:
        raise Incomplete.of(
            "; ".join(f"{one.teacher.name!r} {one.failed:,} of {one.total:,}: {one.last_error}" for one in lost)
        )


def _open_pool(spec: SampleOptions, name: str, digest: str, teachers: Sequence[Teacher]) -> Pool:
    """The pool at OUT, with these teachers among those it knows, and beside it what they are asked."""
    where = storage_at(spec.out)
    with _pool_record(where):
        return _told_pool(spec, where, name, digest, teachers)


def _pool_record(where: Storage) -> AbstractContextManager[None]:
    """Nobody else on this machine changes what is told of a pool meanwhile."""
    return wait_locked(where.journal.with_name(f"{where.journal.stem}.record.lock"))


def _told_pool(spec: SampleOptions, where: Storage, name: str, digest: str, teachers: Sequence[Teacher]) -> Pool:
    there = Pool(spec.out).about if where.has("pool.json") else PoolContents(prompts={name: digest}, sources=())
    if digest not in there.prompts.values():
        raise WrongUse(
            f"{where.name!r} holds answers to other prompts ({', '.join(there.prompts)}); choose another --out"
        )
    known = {teacher.name: teacher for teacher in there.teachers}
    for teacher in teachers:
        if _decisive(known.get(teacher.name, teacher)) != _decisive(teacher):
            raise WrongUse(
                f"{teacher.name!r} was asked otherwise in {where.name!r}; give the teacher another `name` in a .toml "
                "file, or choose another --out"
            )
        known[teacher.name] = teacher
    about = PoolContents(
        prompts={name: digest},
        sources=tuple(known),
        teachers=tuple(known.values()),
        fingerprints=there.fingerprints,
        lang=spec.lang,
    )
    pool = Pool.create(spec.out, about)
    pool.segments()  # what is sealed is known from the index, not block by block
    resolved = spec.model_copy(update={"teachers": tuple(map(teacher_fields, teachers))})
    where.write("sample.json", resolved.model_dump_json(indent=1).encode() + b"\n")
    return pool


def _decisive(teacher: Teacher) -> Teacher:
    """What of a teacher decides its answers: not its address, its price, or how many of them there are."""
    endpoint = teacher.endpoint.model_copy(update={"url": None, "replicas": (), "key": ""})
    return teacher.model_copy(update={"endpoint": endpoint, "price": None, "k": 0, "serve": None})


def _known_weights(pool: Pool, teacher: Teacher, measured: Fingerprint) -> str:
    """Which weights answer, by the name that the pool knows them by; other weights would mix two models in one source.

    On another machine, or without its journal, a server that wobbles is known again by what it answers.
    """
    with _pool_record(pool.storage):
        about = Pool(pool.storage.name).about
        before = about.fingerprints.get(teacher.name)
        if before is None:
            known = {**about.fingerprints, teacher.name: measured}
            pool.about = Pool.create(pool.storage.name, about.model_copy(update={"fingerprints": known})).about
    if before is None:
        return measured.id
    if not canary.agree(before, measured):
        raise WeightsChanged(
            f"the model behind {teacher.name!r} is not the one whose candidates are in {pool.storage.name!r}; give the "
            "teacher another `name` in a .toml file, or choose another --out"
        )
    return before.id


def _span(seconds: float) -> str:
    """A time that is still to come, as people say it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
