"""Samples of a prompt share its prefill, and each draws its own random numbers, whatever else is in the batch.

Imports torch: import this module only where a model is about to be used.
"""

from __future__ import annotations

import hashlib
import inspect
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from transformers.cache_utils import DynamicCache, DynamicLayer, DynamicSlidingWindowLayer

from profiler.endpoints.local.checkpoint import Checkpoint, Key
from profiler.errors import EndpointDown
from profiler.records import Generation, Sampling, Usage

CANARIES = ("The capital of France is", "Water boils at a hundred degrees and freezes at")

BLOCK = 512
"""Tokens whose probability is summed before one of them is looked for."""


@dataclass(frozen=True)
class SampleJob:
    """One sample to draw."""

    key: Key
    prompt: tuple[int, ...]
    sampling: Sampling
    top: int
    first: bool
    """Whether it stands for its call, and carries what the prompt cost."""

    @property
    def reach(self) -> int:
        """Tokens that it may come to hold."""
        return len(self.prompt) + self.sampling.max_tokens


class RunningSample:
    """A sample while it is being drawn."""

    def __init__(self, job: SampleJob) -> None:
        self.job = job
        self.begun = time.perf_counter()
        self.tokens: list[int] = []
        self.top: dict[str, float] = {}
        # Its random numbers depend on its prompt and its own seed only, so that it can be drawn again alone.
        name = hashlib.sha256(f"{job.sampling.seed + job.key[1]} {job.prompt}".encode()).digest()
        self.random = np.random.Generator(np.random.Philox(key=int.from_bytes(name[:16], "little")))


class Sampler:
    """Draws samples in batches that fit the device."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.checkpoint = checkpoint
        cpu = checkpoint.device.type == "cpu"
        self.rows = 64 if cpu else 256
        self.tokens = 8192 if cpu else 65536
        self.able = self.remembers()

    @torch.inference_mode()
    def draw(self, jobs: Sequence[SampleJob], stopped: Callable[[], bool]) -> Iterator[tuple[Key, Generation]]:
        """Draw every job; each sample is given out as it ends, and others take the places that become free."""
        waiting, rows, state = in_order(jobs), list[RunningSample](), None
        while (waiting or rows) and not stopped():
            free = self.room(rows, waiting) if not rows or (state and state.joins) else 0
            fresh = [RunningSample(job) for job in waiting[:free]]
            try:
                if fresh or state is None:
                    logits, read = self.prefill(fresh)
                    state = state.joined(read) if state and rows else read
                else:
                    logits = state.step([row.tokens[-1] for row in rows])
                self.advance(fresh or rows, logits)
            except torch.OutOfMemoryError:
                if len(rows) + len(fresh) == 1:
                    length = len([*rows, *fresh][0].job.prompt)
                    raise EndpointDown(f"no memory to write after one prompt of {length:,} tokens") from None
                # All begin anew, fewer at a time: each draws what it drew before.
                self.rows = (len(rows) + len(fresh)) // 2
                waiting, rows, state = in_order([*waiting, *(row.job for row in rows)]), [], None
                torch.cuda.empty_cache()
                continue
            del waiting[: len(fresh)]
            rows += fresh
            kept = []
            for index, row in enumerate(rows):
                if reason := self.ended(row):
                    yield row.job.key, self.finished(row, reason)
                else:
                    kept.append(index)
            if len(kept) < len(rows):
                rows = [rows[index] for index in kept]
                state.keep(kept)

    def room(self, rows: Sequence[RunningSample], waiting: Sequence[SampleJob]) -> int:
        """How many of the first that wait can be begun now; they come shortest first."""
        reach = max((row.job.reach for row in rows), default=0)
        free = 0
        for job in waiting[: self.rows - len(rows)]:
            reach = max(reach, job.reach)
            if (len(rows) + free + 1) * reach > self.tokens and (rows or free):
                break
            free += 1
        # To read one prompt takes as long as a token of every row: not for less than an eighth of the places.
        return free if free == len(waiting) or 8 * free >= len(rows) + free else 0

    @torch.inference_mode()
    def remembers(self) -> bool:
        """Whether this architecture goes on from its cache as from the whole text; found by doing both.

        The shorter text is padded, and one that keeps its state elsewhere (Mamba) or counts places in the row fails;
        one that keeps it only until it is first used fails at the second token.
        """
        prompts = [self.checkpoint.encode(text) for text in CANARIES]
        rows = [RunningSample(SampleJob((0, 0), prompt[:-2], Sampling(), 0, False)) for prompt in prompts]
        ids = torch.tensor([prompts[0]], device=self.checkpoint.device)
        whole = self.checkpoint.model(input_ids=ids, use_cache=False)
        try:
            _, state = self.prefill(rows)
            _, stepped = (state.step([prompt[place] for prompt in prompts]) for place in (-2, -1))
        except (RuntimeError, ValueError, TypeError, AttributeError):
            return False
        ours, plain = (scores.float().log_softmax(-1) for scores in (stepped[0], whole.logits[0, -1]))
        tolerance = 1e-3 if self.checkpoint.model.dtype == torch.float32 else 0.1
        return float(((ours - plain).abs() * plain.exp()).sum()) <= tolerance

    def prefill(self, rows: Sequence[RunningSample]) -> tuple[torch.Tensor, BatchState]:
        """Read each distinct prompt once; its cache is then copied to the rows that continue it."""
        prompts = list(dict.fromkeys(row.job.prompt for row in rows))
        length = max(len(prompt) for prompt in prompts)
        mask = torch.tensor([[0] * (length - len(prompt)) + [1] * len(prompt) for prompt in prompts])
        ids = torch.tensor([[0] * (length - len(prompt)) + list(prompt) for prompt in prompts])
        state = BatchState(self.checkpoint, mask)
        logits = state.read(ids, (mask.cumsum(-1) - 1).clamp(min=0))
        owners = [prompts.index(row.job.prompt) for row in rows]
        state.keep(owners)
        return logits[owners], state

    def advance(self, rows: Sequence[RunningSample], logits: torch.Tensor) -> None:
        """Give each row its next token."""
        wanted = max(row.job.top for row in rows)
        if wanted and not rows[0].tokens:
            likely = logits.float().log_softmax(-1).topk(min(wanted, logits.shape[-1]))
            for row, values, tokens in zip(rows, likely.values.tolist(), likely.indices.tolist(), strict=True):
                for value, token in zip(values[: row.job.top], tokens, strict=False):
                    # Of two tokens that look alike the likelier, which comes first, stays.
                    row.top.setdefault(self.checkpoint.decode([token], row.job.prompt), value)
        for row, token in zip(rows, pick(rows, logits), strict=True):
            row.tokens.append(token)

    def ended(self, row: RunningSample) -> str | None:
        """Why the sample is complete; None while it is not."""
        if row.tokens[-1] in self.checkpoint.ends:
            return "stop"
        stops = row.job.sampling.stop
        if stops:
            # A stop string is as long as its tokens at most; some more, as a character may span several.
            span = max(len(stop.encode()) for stop in stops) + 4
            if any(stop in self.checkpoint.decode(row.tokens[-span:]) for stop in stops):
                return "stop"
        return "length" if len(row.tokens) >= row.job.sampling.max_tokens else None

    def finished(self, row: RunningSample, reason: str) -> Generation:
        """The sample's text, up to the first stop string."""
        written = row.tokens[:-1] if row.tokens[-1] in self.checkpoint.ends else row.tokens
        text = self.checkpoint.decode(written, row.job.prompt)
        cuts = [place for stop in row.job.sampling.stop if (place := text.find(stop)) >= 0]
        return Generation(
            text=text[: min(cuts)] if cuts else text,
            finish=reason,
            top=row.top,
            usage=Usage(prompt=len(row.job.prompt) if row.job.first else 0, completion=len(row.tokens)),
            seconds=time.perf_counter() - row.begun,
        )


class BatchState:
    """What the model remembers of the rows being drawn."""

    def __init__(self, checkpoint: Checkpoint, mask: torch.Tensor) -> None:
        self.model = checkpoint.model
        self.cache = DynamicCache(config=self.model.config)
        named = "cache" in inspect.signature(self.model.forward).parameters  # since transformers 5.24
        self.remembered = {"cache" if named else "past_key_values": self.cache}
        self.mask = mask.to(checkpoint.device)
        self.lengths = self.mask.sum(-1)

    def read(self, ids: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        """The logits after the last of these tokens, one row each."""
        output = self.model(
            input_ids=ids.to(self.mask.device),
            attention_mask=self.mask,
            position_ids=positions.to(self.mask.device),
            use_cache=True,
            logits_to_keep=1,
            **self.remembered,
        )
        logits: torch.Tensor = output.logits[:, -1]
        return logits

    def step(self, tokens: Sequence[int]) -> torch.Tensor:
        """Read one more token of each row."""
        self.mask = torch.cat([self.mask, self.mask.new_ones((len(tokens), 1))], dim=-1)
        self.lengths = self.lengths + 1
        return self.read(torch.tensor(tokens)[:, None], self.lengths[:, None] - 1)

    def keep(self, rows: Sequence[int]) -> None:
        """Go on with these rows, in this order; a row named twice is copied. What only others needed is dropped."""
        index = torch.tensor(rows, device=self.mask.device, dtype=torch.long)
        self.cache.reorder_cache(index)
        self.mask, self.lengths = self.mask[index], self.lengths[index]
        if rows and self.joins and (longest := int(self.lengths.max())) < self.mask.shape[1]:
            self.mask = self.mask[:, -longest:]
            for layer in self.cache.layers:
                self.hold(layer, layer.keys[:, :, -longest:], layer.values[:, :, -longest:])

    @property
    def joins(self) -> bool:
        """Whether all that is remembered is a key and a value a token, which can be laid side by side."""
        return {type(layer) for layer in self.cache.layers} <= {DynamicLayer, DynamicSlidingWindowLayer}

    def joined(self, other: BatchState) -> BatchState:
        """Go on with these rows and then the other's; the shorter ones are padded on the left, as prompts are."""
        self.mask = stacked(self.mask, other.mask, 1)
        self.lengths = torch.cat([self.lengths, other.lengths])
        for layer, beside in zip(self.cache.layers, other.cache.layers, strict=True):
            self.hold(layer, stacked(layer.keys, beside.keys, 2), stacked(layer.values, beside.values, 2))
        return self

    def hold(self, layer: Any, keys: torch.Tensor, values: torch.Tensor) -> None:
        """Let a layer hold these; one with a window holds the last ones only, and counts all."""
        layer.keys, layer.values = keys, values
        if isinstance(layer, DynamicSlidingWindowLayer):
            layer.cumulative_length = self.mask.shape[1]


def in_order(jobs: Iterable[SampleJob]) -> list[SampleJob]:
    """The shortest prompts first, and those that share one together."""
    return sorted(jobs, key=lambda job: (len(job.prompt), job.prompt, job.sampling.max_tokens))


def stacked(first: torch.Tensor, second: torch.Tensor, along: int) -> torch.Tensor:
    """The rows of both, the shorter ones filled up with zeros in front."""
    longest = max(first.shape[along], second.shape[along])
    return torch.cat([filled(each, longest - each.shape[along], along) for each in (first, second)])


def filled(rows: torch.Tensor, many: int, along: int) -> torch.Tensor:
    """Rows with so many zeros in front."""
    shape = [*rows.shape[:along], many, *rows.shape[along + 1 :]]
    return torch.cat([rows.new_zeros(shape), rows], dim=along)


def pick(rows: Sequence[RunningSample], logits: torch.Tensor) -> list[int]:
    """Each row's next token. A few rows at a time on a processor, whose cache does not hold a whole batch."""
    few = 4 if logits.device.type == "cpu" else 64
    starts = range(0, len(rows), few)
    return [token for at in starts for token in taken(rows[at : at + few], logits[at : at + few].float())]


def taken(rows: Sequence[RunningSample], scores: torch.Tensor) -> list[int]:
    """The likeliest token at temperature 0, else one drawn with the row's own random numbers.

    It is drawn from all tokens, and drawn again until it falls into the nucleus: the same distribution as cutting the
    tail off first, without sorting the vocabulary.
    """
    scores = punished(rows, scores)
    pending = [index for index, row in enumerate(rows) if row.job.sampling.temperature > 0]
    chosen: list[int] = [0] * len(rows) if len(pending) == len(rows) else scores.argmax(-1).tolist()
    if not pending:
        return chosen
    heat = torch.tensor([row.job.sampling.temperature or 1.0 for row in rows], device=scores.device)
    likely = torch.nn.functional.pad(highest(rows, scores / heat[:, None]).softmax(-1), (0, -scores.shape[-1] % BLOCK))
    while pending:
        some = likely[pending] if len(pending) < len(rows) else likely
        uniform = torch.tensor([rows[index].random.random() for index in pending], dtype=torch.float64)
        tokens = placed(some, uniform.to(scores.device))
        probability = some.gather(-1, tokens[:, None])
        above = torch.where(some > probability, some, 0).sum(-1)
        found = zip(pending, tokens.tolist(), above.tolist(), probability[:, 0].tolist(), strict=True)
        pending = []
        for index, token, better, own in found:
            chosen[index] = token
            if better >= rows[index].job.sampling.top_p or own == 0:
                pending.append(index)
    return chosen


def punished(rows: Sequence[RunningSample], scores: torch.Tensor) -> torch.Tensor:
    """Scores after the repetition penalty: Keskar et al. 2019, in the form of transformers, prompt included."""
    for index, row in enumerate(rows):
        if (penalty := row.job.sampling.repetition_penalty) != 1:
            seen = torch.tensor(sorted({*row.job.prompt, *row.tokens}), device=scores.device)
            own = scores[index, seen]
            scores = scores.index_put(
                (torch.tensor(index, device=scores.device), seen), torch.where(own < 0, own * penalty, own / penalty)
            )
    return scores


def highest(rows: Sequence[RunningSample], scores: torch.Tensor) -> torch.Tensor:
    """Scores with all but each row's `top_k` at minus infinity; what equals the last one kept stays, as there."""
    for index, row in enumerate(rows):
        if 0 < (k := row.job.sampling.top_k) < scores.shape[-1]:
            least = scores[index].topk(k).values[-1]
            scores[index] = scores[index].masked_fill(scores[index] < least, -torch.inf)
    return scores


def placed(likely: torch.Tensor, uniform: torch.Tensor) -> torch.Tensor:
    """The token at which the summed probability passes the uniform number, found block first."""
    split = likely.view(len(likely), -1, BLOCK)
    blocks = split.sum(-1).double().cumsum(-1)
    target = uniform[:, None] * blocks[:, -1:]
    block = torch.searchsorted(blocks, target, right=True).clamp(max=blocks.shape[-1] - 1)
    before = torch.where(block > 0, blocks.gather(-1, (block - 1).clamp(min=0)), 0)
    inside = split.gather(1, block[:, :, None].expand(-1, -1, BLOCK))[:, 0].double().cumsum(-1)
    token = torch.searchsorted(inside, target - before, right=True).clamp(max=BLOCK - 1)
    return (block * BLOCK + token)[:, 0]
