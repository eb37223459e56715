"""lm-eval's `hf` backend scores the same choices, in an environment of its own; called by bench/local.py."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import torch
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM

TRIAL = 60
"""Requests that each batch size is tried on."""


def main(checkpoint: str, asked: Path, answered: Path, sizes: list[int]) -> None:
    """Time each batch size on the first requests, then score all with the best."""
    pairs = [tuple(pair) for pair in json.loads(asked.read_text(encoding="utf-8"))]
    model = HFLM(pretrained=checkpoint, dtype="bfloat16", device="cpu", batch_size=sizes[0])
    scored(model, pairs[:6])
    trials = {size: scored(model, pairs[:TRIAL], size)[1] for size in sizes}
    likely, seconds = scored(model, pairs, min(trials, key=trials.__getitem__))
    result = {"seconds": seconds, "trials": trials, "likelihoods": likely, "threads": torch.get_num_threads()}
    answered.write_text(json.dumps(result), encoding="utf-8")


def scored(model: HFLM, pairs: list[tuple[str, str]], size: int | None = None) -> tuple[list[float], float]:
    """The pairs' log-likelihoods and how long they took."""
    model.batch_size_per_gpu = size or model.batch_size_per_gpu
    requests = [Instance("loglikelihood", {}, pair, number) for number, pair in enumerate(pairs)]
    begun = time.perf_counter()
    found = model.loglikelihood(requests, disable_tqdm=True)
    return [likelihood for likelihood, _ in found], time.perf_counter() - begun


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), [int(size) for size in sys.argv[4].split(",")])
