"""The one loop: ask a model every probe, score the answers, end in a profile."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from hashlib import blake2b
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple, TypeVar

import orjson

from profiler.datasets import Item
from profiler.endpoints import Answer, Client, Generate, Request, answer_reader
from profiler.errors import EndpointError
from profiler.metrics import measure
from profiler.probes import Probe, first
from profiler.records import (
    Endpoint,
    Estimate,
    Fingerprint,
    Generation,
    How,
    Profile,
    Sample,
    Section,
    Usage,
)
from profiler.runs import sample_store
from profiler.runs.estimates import estimates
from profiler.runs.scorer_agreement import agreements
from profiler.text import Text

BATCH = 64
"""Answers are scored together up to this many: a scorer is quicker on a batch, a watcher wants to see progress."""
PATIENCE = 1.0
"""What is there is scored after this many seconds, so that a slow endpoint's progress shows."""

READ = 8
"""As long as writing so many tokens takes reading an item."""

T = TypeVar("T")

PACKAGES = ("inheritance-profiler", "numpy", "spacy", "pyphen", "torch", "transformers")


class AnsweredItem(NamedTuple):
    """An item, what was asked of it, and the answer that came."""

    item: Item
    request: Request
    answer: Answer


@dataclass
class Progress:
    """How far a probe is."""

    probe: str
    total: int
    done: int = 0
    errors: int = 0
    cached: int = 0
    """Items answered from the cache, at no cost."""
    usage: Usage = field(default_factory=Usage)
    seconds: float = 0.0
    how: How = "text"
    last_error: str | None = None
    size: int = 1
    """About how many tokens an item takes, at most: by it the probes to come are held against those that were."""
    others: tuple[int, int] = (0, 0)
    """The same of all items of the probes before, and of those after."""
    before: float = 0.0
    """Seconds that the probes before took."""

    @property
    def left(self) -> float | None:
        """Seconds that this probe and those after it may still take, at the pace of the run so far."""
        past, ahead = self.others
        worked = past + self.done * self.size
        if not worked:
            return None
        return (self.before + self.seconds) / worked * ((self.total - self.done) * self.size + ahead)

    def add(self, answer: Answer, error: str | None) -> None:
        self.done += 1
        self.how = answer.how
        self.errors += error is not None
        self.last_error = error or self.last_error
        self.cached += bool(answer.parts) and all(part.cached for part in answer.parts)
        self.usage = self.usage + answer.usage


async def run(
    client: Client,
    probes: Sequence[Probe],
    endpoint: Endpoint,
    out: Path,
    name: str | None = None,
    paged: bool = False,
) -> AsyncIterator[Progress | Profile]:
    """Ask PROBES of a model and leave a profile in a folder under OUT; yields progress, and the profile at the end.

    Stopped at any moment and run again, it resumes in the same folder: answers that were received are in the client's
    cache and cost nothing the second time. Where runs are PAGED, one that lacks nothing but its page is the result.
    """
    started, clock = datetime.now(UTC), time.monotonic()
    refused = await refusals(client, probes)
    for probe in probes:
        if why := refused.get(probe.name):
            instead = f"; {probe.in_words[0]} asks about the same in words" if probe.in_words else ""
            raise EndpointError(f"{probe.name} can't be asked here: {why}{instead}")
    for probe in probes:
        # What the scorers load is loaded now: a missing part shows before anything is paid, no thread imports later.
        measure([Text("", probe.lang)], probe.text_metrics)
    fingerprint = await client.fingerprint()
    how = {probe.name: await client.how(first(probe)) for probe in probes}
    wanted = plan(endpoint, fingerprint, probes, how)
    if paged and (left := sample_store.pageless(out, wanted, name or endpoint.model)):
        yield left
        return
    with sample_store.begin(out, endpoint.model, wanted, sample_store.beginning(out, started)) as folder:
        sections: list[Section] = []
        numbers: list[Estimate] = []
        agreed: list[Estimate] = []
        usage = Usage()
        sizes = [size(first(probe)) for probe in probes]
        whole = [probe.count * each for probe, each in zip(probes, sizes, strict=True)]
        asking = time.monotonic()
        for i, probe in enumerate(probes):
            others, before = (sum(whole[:i]), sum(whole[i + 1 :])), time.monotonic() - asking
            progress = Progress(probe.name, probe.count, size=sizes[i], others=others, before=before)
            async for _ in ask(client, probe, folder, progress):
                yield progress
            sections.append(section(probe, progress))
            asked = sample_store.Run(folder)
            numbers += estimates(probe.name, probe.metrics, asked.columns(probe.name), probe.lang)
            agreed += agreements(probe.name, probe.text_metrics, asked.samples(probe.name))
            usage = usage + progress.usage
        profile = Profile(
            id=folder.name,
            name=name or endpoint.model,
            endpoint=endpoint,
            fingerprint=fingerprint,
            sections=tuple(sections),
            estimates=tuple(numbers),
            agreements=tuple(agreed),
            usage=usage,
            started=started,
            seconds=round(time.monotonic() - clock, 3),
            versions=versions(),
            errors=sum(part.errors for part in sections),
        )
        sample_store.save_profile(folder, profile)
    yield profile


def size(asked: Request) -> int:
    """About how many tokens an item takes, at most: what is read costs little beside what is written."""
    return READ + (asked.n * asked.sampling.max_tokens if isinstance(asked, Generate) else 0)


async def refusals(client: Client, probes: Iterable[Probe]) -> dict[str, str]:
    """The probes that the endpoint can't answer, and why; nothing is paid to find out."""
    found = {probe.name: await client.refusal(first(probe)) for probe in probes}
    return {name: why for name, why in found.items() if why}


async def ask(client: Client, probe: Probe, folder: Path, progress: Progress) -> AsyncIterator[None]:
    """Ask a probe's items, score the answers in batches as they come, seal its samples.

    Yields after each batch, and now and then while none comes.
    """
    clock = time.monotonic()
    with contextlib.closing(sample_store.Journal(folder, probe.name)) as journal:
        async for batch in batches(client, probe):
            made = await asyncio.to_thread(scored, probe, batch) if batch else []
            journal.append(made)
            for asked, sample in zip(batch, made, strict=True):
                progress.add(asked.answer, sample.error)
            progress.seconds = time.monotonic() - clock
            yield
        journal.seal()


async def batches(client: Client, probe: Probe) -> AsyncIterator[list[AnsweredItem]]:
    """Answers in the order they come, a batch at a time, at least one a PATIENCE: an empty one where none has come."""
    requests = ((item, probe.ask(item)) for item in probe.items)
    batch: list[AnsweredItem] = []
    until = time.monotonic()  # that it has begun is told at once
    async with aclosing(client.answer(((item, request), request) for item, request in requests)) as answers:
        coming: asyncio.Task[tuple[tuple[Item, Request], Answer] | None] | None = None
        try:
            while True:
                coming = coming or asyncio.create_task(_next(answers))
                await asyncio.wait([coming], timeout=max(0.0, until - time.monotonic()))
                if coming.done():
                    if not (found := coming.result()):
                        break
                    (item, request), answer = found
                    batch.append(AnsweredItem(item, request, answer))
                    coming = None
                if len(batch) >= BATCH or time.monotonic() >= until:
                    yield batch
                    batch, until = [], time.monotonic() + PATIENCE
        finally:
            if coming:
                coming.cancel()
                await asyncio.wait([coming])
    if batch:
        yield batch


async def _next(answers: AsyncIterator[T]) -> T | None:
    return await anext(answers, None)


def scored(probe: Probe, batch: Sequence[AnsweredItem]) -> list[Sample]:
    """Samples of a batch. A scorer that fails marks the items it failed on, and no others."""
    try:
        return samples(probe, batch)
    except Exception as error:  # the sample boundary: whatever a scorer raises is the sample's error
        if len(batch) == 1:
            return [record(probe, batch[0], {}, f"scorer failed: {type(error).__name__}: {error}")]
        return [sample for asked in batch for sample in scored(probe, [asked])]


def samples(probe: Probe, batch: Sequence[AnsweredItem]) -> list[Sample]:
    """Measure the texts of a batch together, then let the probe score each answer that it can."""
    batch = [asked._replace(answer=_checked(probe, asked.answer)) for asked in batch]
    written = [text for asked in batch for text in asked.answer.generations]
    # A score that came with every text is not measured again.
    lacking = [each for each in probe.text_metrics if any(each.name not in text.scores for text in written)]
    columns = measure([Text(text.text, probe.lang) for text in written], lacking)
    values = {name: iter(column.tolist()) for name, column in columns.items()}

    def with_scores(text: Generation) -> Generation:
        scores = {name: sample_store.or_none(next(column)) for name, column in values.items()}
        return text.model_copy(update={"scores": text.scores | scores})

    made = []
    for asked in batch:
        answer = replace(asked.answer, generations=tuple(map(with_scores, asked.answer.generations)))
        scores = {} if answer.error else probe.score(asked.item, answer)
        made.append(record(probe, asked._replace(answer=answer), scores, answer.error))
    return made


def _checked(probe: Probe, answer: Answer) -> Answer:
    error = None if answer.error else probe.refusal(answer)
    return replace(answer, generations=(), error=error) if error else answer


def record(probe: Probe, asked: AnsweredItem, scores: Mapping[str, float | None], error: str | None) -> Sample:
    item, request, answer = asked
    return Sample(
        probe=probe.name,
        item=item.id,
        group=item.group,
        cluster=item.cluster,
        prompt=answer_reader.asked(request, answer.how),
        answers=answer.generations,
        choice=answer.choice,
        order=answer_reader.order(request, answer.how),
        likelihoods=answer.likelihoods,
        how=answer.how,
        scores=dict(scores),
        error=error,
        options=answer_reader.options(request),
        gold=probe.right(item),
    )


def section(probe: Probe, progress: Progress) -> Section:
    return Section(
        probe=probe.name,
        version=probe.version,
        how=progress.how,
        data=dict(probe.data),
        suite=probe.suite,
        settings=dict(probe.settings),
        writing=probe.writing,
        order=probe.order,
        asks=probe.asks,
        template=probe.template,
        sampling=probe.sampling,
        scorers={metric.name: metric.version for metric in (*probe.text_metrics, *probe.metrics) if metric.version},
        items=progress.done,
        errors=progress.errors,
    )


def plan(endpoint: Endpoint, fingerprint: Fingerprint, probes: Iterable[Probe], how: Mapping[str, How]) -> str:
    """A short name for what is asked HOW of which weights, wherever they are served: a stopped run is found by it."""
    asked = []
    for probe in probes:
        sampling = probe.sampling.model_dump() if probe.sampling else None
        content = [dict(probe.data), dict(probe.settings), sampling]
        asked.append([probe.name, probe.version, how[probe.name], probe.count, *content])
    whole = orjson.dumps([endpoint.model, endpoint.chat, fingerprint.id, asked], option=orjson.OPT_SORT_KEYS)
    return blake2b(whole, digest_size=4).hexdigest()


def versions(packages: Iterable[str] = PACKAGES) -> dict[str, str]:
    """What was installed, of PACKAGES that can change a number."""
    found = {}
    for package in packages:
        with contextlib.suppress(PackageNotFoundError):
            found[package] = version(package)
    return found
