"""A judge's preference as a score: how far it prefers a candidate to others of the same prompt."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from profiler.endpoints import Client, connect
from profiler.errors import WrongUse
from profiler.judging import Judgement, Pair, Template, ask_judge, load_template
from profiler.plugins import PluginSpec
from profiler.records import Endpoint
from profiler.stats import FloatArray
from selection.pool import KEY, SCORE, Pool, Segment
from selection.teacher import read_teacher

if TYPE_CHECKING:
    import pyarrow as pa

JUDGE = "judge:"
ROUNDS = 2
"""Opponents ahead of a candidate on its prompt's ring; it meets as many behind it."""


@dataclass(frozen=True)
class CandidateJudge:
    """A judge as one orders it: `judge:MODEL`, a .toml file or MODEL@URL, with `,prompt=reasons` or `,rounds=3`."""

    name: str
    endpoint: Endpoint
    shown: Template
    rounds: int

    @property
    def version(self) -> str:
        """What decides a score besides the judge's weights and who else is there."""
        return f"{self.shown.id}/{self.rounds}-rounds"


class JudgeProgress(NamedTuple):
    """How far judging is, in candidates."""

    done: int
    compared: int
    """Comparisons that were asked for."""
    failed: int
    """Comparisons in which the endpoint failed."""
    unparseable: int
    """Comparisons whose verdict names no answer."""
    error: str | None
    """Why the last one failed."""

    def words(self) -> str:
        """What went wrong, in a few words; nothing where all went well."""
        words = []
        if self.failed:
            words.append(f"{self.failed:,} comparisons failed and are asked again next time, last: {self.error}")
        if self.unparseable:
            words.append(f"{self.unparseable:,} verdicts name no answer")
        return "; ".join(words)


def is_judge(name: str) -> bool:
    return name.startswith(JUDGE)


def read_judge(name: str) -> CandidateJudge:
    """The judge that a score's name orders."""
    order = PluginSpec.read(name.removeprefix(JUDGE))
    order.only("prompt", "rounds")
    head = order.text.partition(",")[0]
    if not head:
        raise WrongUse(f"expected a judge such as judge:demo or judge:MODEL@http://…/v1, found {name!r}")
    rounds = order.options.get("rounds", str(ROUNDS))
    if not rounds.isdecimal() or int(rounds) < 1:
        raise WrongUse(f"expected rounds=1 or more in {name!r}, found {rounds!r}")
    return CandidateJudge(
        name, read_teacher(head, {}).endpoint, load_template(order.options.get("prompt", "labels")), int(rounds)
    )


def unjudged(pool: Pool, segments: Sequence[Segment], judge: CandidateJudge) -> bool:
    """Whether the candidates of a block have no such score, or were judged otherwise, or beside other candidates."""
    wanted = f"{_version(pool, segments, judge)}/"
    return any(not pool.versions(segment).get(judge.name, "").startswith(wanted) for segment in segments)


def judge_blocks(pool: Pool, blocks: Sequence[Sequence[Segment]], judge: CandidateJudge) -> Iterator[JudgeProgress]:
    """Judge whole blocks and store each when it is through; verdicts are journaled, so none is paid for twice."""
    with asyncio.Runner() as runner:
        client = runner.run(_connected(judge, pool))
        try:
            weights = runner.run(client.fingerprint()).id
            for segments in blocks:
                tables = [pool.candidates(segment, [*KEY, "prompt", "text"]) for segment in segments]
                scores, progress = runner.run(_judged(client, judge, tables))
                version = f"{_version(pool, segments, judge)}/{weights}"
                for segment, table in zip(segments, tables, strict=True):
                    own, scores = scores[: len(table)], scores[len(table) :]
                    # A failure is no score: without a version it is asked again next time.
                    made_by = {judge.name: "" if progress.failed else version}
                    pool.add(segment, {f"{SCORE}{judge.name}": own}, made_by, scorer=judge.name)
                yield progress
        finally:
            runner.run(client.close())


async def _connected(judge: CandidateJudge, pool: Pool) -> Client:
    return connect(judge.endpoint, pool.storage.journal)  # which needs a loop that runs


async def _judged(
    client: Client, judge: CandidateJudge, tables: Sequence[pa.Table]
) -> tuple[FloatArray, JudgeProgress]:
    """The score of each candidate of a block; NaN where no comparison gave one."""
    met = list(_pairs(tables, judge.rounds))
    found: dict[str, float] = {}
    won, played = (np.zeros(sum(map(len, tables))) for _ in range(2))
    failed, unparseable, error = 0, 0, None
    async for judgement, _ in ask_judge(client, judge.name, [pair for pair, _, _ in met], judge.shown):
        liked = preference(judgement)
        if liked is None:
            why = next((ruling.error for ruling in judgement.rulings if ruling.error), None)
            failed, unparseable, error = failed + bool(why), unparseable + (not why), why or error
            continue
        found[judgement.pair.id] = liked
    # Added up in the order of the pairs, not of the answers: the same verdicts give the same last digit.
    for pair, one, other in met:
        if (share := found.get(pair.id)) is not None:
            won[[one, other]] += share, 1 - share
            played[[one, other]] += 1
    scores = np.divide(won, played, out=np.full(len(won), np.nan), where=played > 0)
    return scores, JudgeProgress(len(won), len(met), failed, unparseable, error)


def preference(judgement: Judgement) -> float | None:
    """How far answer a is preferred, from 0 to 1, over all orders; None unless each gave a verdict."""
    liked = []
    for ruling in judgement.rulings:
        if ruling.error is not None or ruling.winner is None:
            return None
        a, _, *rest = ruling.shares or {"a": (1.0, 0.0), "b": (0.0, 1.0), "tie": (0.5, 0.5)}[ruling.winner]
        liked.append(a + sum(rest) / 2)
    return sum(liked) / len(liked) if liked else None


def _pairs(tables: Sequence[pa.Table], rounds: int) -> Iterator[tuple[Pair, int, int]]:
    """Who meets whom: each candidate the next ROUNDS on a ring of its prompt's, which hashes put in order."""
    rows = [row for table in tables for row in table.to_pylist()]
    rings: dict[str, list[tuple[str, int]]] = {}
    for place, row in enumerate(rows):
        if row["text"].strip():
            key = f"{row['prompt_id']}\0{row['source']}\0{row['index']}".encode()
            rings.setdefault(row["prompt_id"], []).append((blake2b(key, digest_size=8).hexdigest(), place))
    for ring in rings.values():
        ring.sort()
        size = len(ring)
        ahead = [step for step in range(1, rounds + 1) if step % size]
        meetings = {frozenset((one, (one + step) % size)) for one in range(size) for step in ahead}
        for one, other in sorted(map(sorted, meetings)):
            (name_a, a), (name_b, b) = ring[one], ring[other]
            first, second = rows[a], rows[b]
            texts = {"prompt": first["prompt"], "a": first["text"], "b": second["text"]}
            yield Pair(id=f"{name_a}-{name_b}", **texts, writer_a=first["source"], writer_b=second["source"]), a, b


def _version(pool: Pool, segments: Sequence[Segment], judge: CandidateJudge) -> str:
    """A score rests on all candidates of its prompt: with others beside them it is another."""
    content = "".join(own.content for own in map(pool.footer, segments) if own)
    return f"{judge.version}/{blake2b(content.encode(), digest_size=6).hexdigest()}"
