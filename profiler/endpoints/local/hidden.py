"""Hidden states of whole texts: the last layer's, averaged over each text's tokens.

Imports torch: import this module only where a model is about to be used.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch

from profiler.endpoints.local.checkpoint import Checkpoint, Key
from profiler.errors import EndpointDown
from profiler.records import HiddenState, Usage

TOKENS = 2048
"""Tokens of a batch."""


class EmbedJob(NamedTuple):
    """A text's tokens, all that the tokenizer makes of it."""

    key: Key
    tokens: tuple[int, ...]


def embedded(checkpoint: Checkpoint, jobs: Sequence[EmbedJob]) -> Iterator[list[tuple[Key, HiddenState]]]:
    """The states of every text, texts of like length together."""
    waiting = sorted(jobs, key=lambda job: len(job.tokens), reverse=True)
    while waiting:
        many = max(1, TOKENS // len(waiting[0].tokens))
        batch, waiting = waiting[:many], waiting[many:]
        try:
            yield means(checkpoint, batch)
        except torch.OutOfMemoryError:
            raise EndpointDown(f"no memory to read {len(batch):,} texts of {len(batch[0].tokens):,} tokens") from None


@torch.inference_mode()
def means(checkpoint: Checkpoint, batch: Sequence[EmbedJob]) -> list[tuple[Key, HiddenState]]:
    """Padded on the right, where nothing of it reaches a text; the model's head works at one place only."""
    ids = torch.zeros((len(batch), len(batch[0].tokens)), dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, job in enumerate(batch):
        ids[row, : len(job.tokens)] = torch.tensor(job.tokens)
        mask[row, : len(job.tokens)] = 1
    ids, mask = ids.to(checkpoint.device), mask.to(checkpoint.device)
    with checkpoint.head_at(torch.zeros(1, dtype=torch.long, device=checkpoint.device)):
        output = checkpoint.model(input_ids=ids, attention_mask=mask, output_hidden_states=True, use_cache=False)
    states, mask = output.hidden_states[-1].float(), mask.to(output.hidden_states[-1].device)
    mean = (states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
    return [
        (job.key, HiddenState(float32=row.tobytes(), usage=Usage(prompt=len(job.tokens))))
        for job, row in zip(batch, mean.cpu().numpy().astype("<f4"), strict=True)
    ]
