"""Samples of a prompt share its prefill, and each draws its own random numbers, whatever else is in the batch.

Imports torch: import this module only where a model is about to be used.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from transformers import DynamicCache

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


class RunningSample:
    """A sample while it is being drawn."""

    def __init__(self, job: SampleJob) -> None:
        self.job = job
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

    def draw(self, jobs: Sequence[SampleJob], stopped: Callable[[], bool]) -> Iterator[tuple[Key, Generation]]:
        """Draw every job, a batch at a time; each sample is given out as it ends."""
        waiting = sorted(jobs, key=lambda job: (len(job.prompt), job.prompt, job.sampling.max_tokens))
        while waiting and not stopped():
            size, done = self.fitting(waiting), set[Key]()
            try:
                for key, generation in self.batch(waiting[:size], stopped):
                    done.add(key)
                    yield key, generation
            except torch.OutOfMemoryError:
                if size == 1:
                    length = len(waiting[0].prompt)
                    raise EndpointDown(f"no memory to write after one prompt of {length:,} tokens") from None
                torch.cuda.empty_cache()
                self.rows = size // 2
            waiting = [job for job in waiting if job.key not in done]

    def fitting(self, jobs: Sequence[SampleJob]) -> int:
        """How many of the first jobs make one batch; they come shortest first."""
        most = min(self.rows, len(jobs))
        reach = [len(job.prompt) + job.sampling.max_tokens for job in jobs[:most]]  # tokens that each may come to hold
        return next((n for n in range(most, 1, -1) if n * reach[n - 1] <= self.tokens), 1)

    @torch.inference_mode()
    def remembers(self) -> bool:
        """Whether this architecture goes on from its cache as from the whole text; found by doing both.

        The shorter text is padded, and one that keeps its state elsewhere (Mamba) or counts places in the row fails.
        """
        prompts = [self.checkpoint.encode(text) for text in CANARIES]
        rows = [RunningSample(SampleJob((0, 0), prompt[:-1], Sampling(), 0, False)) for prompt in prompts]
        ids = torch.tensor([prompts[0]], device=self.checkpoint.device)
        whole = self.checkpoint.model(input_ids=ids, use_cache=False)
        try:
            _, state = self.prefill(rows)
            stepped = state.step([prompt[-1] for prompt in prompts])
        except (RuntimeError, ValueError, TypeError, AttributeError):
            return False
        ours, plain = (scores.float().log_softmax(-1) for scores in (stepped[0], whole.logits[0, -1]))
        tolerance = 1e-3 if self.checkpoint.model.dtype == torch.float32 else 0.1
        return float(((ours - plain).abs() * plain.exp()).sum()) <= tolerance

    @torch.inference_mode()
    def batch(self, jobs: Sequence[SampleJob], stopped: Callable[[], bool]) -> Iterator[tuple[Key, Generation]]:
        """Prefill each prompt once, then decode all rows together, dropping those that end."""
        begun = time.perf_counter()
        rows = [RunningSample(job) for job in jobs]
        logits, state = self.prefill(rows)
        while not stopped():
            self.advance(rows, logits)
            kept = []
            for index, row in enumerate(rows):
                if reason := self.ended(row):
                    yield row.job.key, self.finished(row, reason, time.perf_counter() - begun)
                else:
                    kept.append(index)
            if not kept:
                return
            if len(kept) < len(rows):
                state.keep(kept)
            rows = [rows[index] for index in kept]
            logits = state.step([row.tokens[-1] for row in rows])

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

    def finished(self, row: RunningSample, reason: str, seconds: float) -> Generation:
        """The sample's text, up to the first stop string."""
        written = row.tokens[:-1] if row.tokens[-1] in self.checkpoint.ends else row.tokens
        text = self.checkpoint.decode(written, row.job.prompt)
        cuts = [place for stop in row.job.sampling.stop if (place := text.find(stop)) >= 0]
        return Generation(
            text=text[: min(cuts)] if cuts else text,
            finish=reason,
            top=row.top,
            usage=Usage(prompt=len(row.job.prompt) if row.job.first else 0, completion=len(row.tokens)),
            seconds=seconds,
        )


class BatchState:
    """What the model remembers of the rows being drawn."""

    def __init__(self, checkpoint: Checkpoint, mask: torch.Tensor) -> None:
        self.model = checkpoint.model
        self.cache = DynamicCache(config=self.model.config)
        self.mask = mask.to(checkpoint.device)
        self.lengths = self.mask.sum(-1)

    def read(self, ids: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        """The logits after the last of these tokens, one row each."""
        output = self.model(
            input_ids=ids.to(self.mask.device),
            attention_mask=self.mask,
            position_ids=positions.to(self.mask.device),
            past_key_values=self.cache,
            use_cache=True,
            logits_to_keep=1,
        )
        logits: torch.Tensor = output.logits[:, -1]
        return logits

    def step(self, tokens: Sequence[int]) -> torch.Tensor:
        """Read one more token of each row."""
        self.mask = torch.cat([self.mask, self.mask.new_ones((len(tokens), 1))], dim=-1)
        self.lengths = self.lengths + 1
        return self.read(torch.tensor(tokens)[:, None], self.lengths[:, None] - 1)

    def keep(self, rows: Sequence[int]) -> None:
        """Go on with these rows, in this order; a row named twice is copied."""
        index = torch.tensor(rows, device=self.mask.device)
        self.cache.reorder_cache(index)
        self.mask, self.lengths = self.mask[index], self.lengths[index]


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
