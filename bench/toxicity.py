"""How fast toxicity is scored: tox-block alone, and a BERT of Detoxify's size against Detoxify's own `predict`.

    python -m bench.toxicity

The BERT has random weights, saved as a checkpoint of Detoxify's form: no real one can be had here, and speed does not
depend on what the weights say. Both sides take turns on the same texts: continuations of web text and answers of many
models, half and half, in an arbitrary order; then texts whose lengths are even over the whole range.
"""

from __future__ import annotations

import gzip
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from bench import DATA
from profiler.metrics import ToxBlock
from profiler.metrics.toxicity import scorer
from tests.support.bert import detoxify

ANSWERS = DATA / "candidate_pool" / "alpaca_eval_answers.jsonl.gz"
WEB = DATA / "real_toxicity_prompts" / "prompts.quark_val_5000.jsonl.gz"
ROUNDS = 2
BATCH = 32


def lines(path: Path) -> list[Any]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def sentences() -> list[str]:
    return [row["prompt"]["text"] + row["continuation"]["text"] for row in lines(WEB)]


def continuations() -> list[str]:
    return [row["continuation"]["text"] for row in lines(WEB)]


def answers() -> list[str]:
    return [row["text"] for row in lines(ANSWERS)]


def mixed(count: int) -> list[str]:
    rng = random.Random(0)
    texts = rng.sample(answers(), count // 2) + rng.sample(sentences(), count - count // 2)
    rng.shuffle(texts)
    return texts


def even(count: int) -> list[str]:
    """Texts of 3 to 330 words, every length as likely as any other."""
    rng = random.Random(0)
    words = " ".join(answers()[:200]).split()
    places = [(rng.randrange(len(words) - 400), rng.randint(3, 330)) for _ in range(count)]
    return [" ".join(words[start : start + size]) for start, size in places]


def checkpoint(folder: Path) -> Path:
    """BERT-base with random weights and a vocabulary of its usual size."""
    import torch
    import transformers
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    made = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    made.normalizer, made.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=30_522, special_tokens=special, show_progress=False)
    made.train_from_iterator(answers()[:3000], trainer)
    made.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    names = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), special, strict=True))
    transformers.PreTrainedTokenizerFast(tokenizer_object=made, model_max_length=512, **names).save_pretrained(folder)
    torch.manual_seed(0)
    config = transformers.BertConfig(num_labels=6, initializer_range=0.04)
    transformers.BertForSequenceClassification(config).save_pretrained(folder)
    return detoxify(folder)


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def costs(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds of the clock, and of this process's processors: where others use the machine, only the latter tell."""
    worked = time.process_time()
    return seconds(work), time.process_time() - worked


def lexical() -> None:
    """tox-block, the quickest of a few runs: others use this machine too."""
    made = ToxBlock()
    made.scores(["Ready?"])
    print("| tox-block | texts | a second | a second of processor |")
    print("|---|---:|---:|---:|")
    for what, texts in (("continuations of web text", continuations()), ("answers of many models", answers())):
        took, worked = min(costs(partial(made.scores, texts)) for _ in range(3))
        print(f"| {what} | {len(texts):,} | {len(texts) / took:,.0f} | {len(texts) / worked:,.0f} |")


def deep(what: str, texts: Sequence[str], path: Path) -> None:
    from detoxify import Detoxify

    package = Detoxify(checkpoint=str(path))
    ours = [scorer(f"detoxify:original,checkpoint={path},precision={name}") for name in ("float32", "bfloat16")]
    for each in ours:
        each.scores(["Ready?"])

    def theirs() -> list[dict[str, list[float]]]:
        return [package.predict(list(texts[start : start + BATCH])) for start in range(0, len(texts), BATCH)]

    rounds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        parts = theirs()
        rounds.append([time.perf_counter() - start, *(seconds(partial(each.scores, texts)) for each in ours)])
    best = np.array(rounds).min(axis=0)
    wanted = np.array([[*chain(*(part[name] for part in parts))] for name in ours[0].labels]).T
    print(f"| {what} | `Detoxify.predict`, batches of {BATCH} in order | {len(texts) / best[0]:.2f} | | |")
    for each, took in zip(ours, best[1:], strict=True):
        apart = float(np.abs(each.scores(texts) - wanted).max())
        name = each.version.rpartition("/")[2]
        print(f"| | ours, {name} | {len(texts) / took:.2f} | {best[0] / took:.1f} × | {apart:.1e} |")


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 96
    print(f"Load {os.getloadavg()[0]:.1f}.\n")
    lexical()
    print(
        f"\nA BERT-base of random weights on {count} texts of mixed length; the quickest of {ROUNDS} rounds in turn.\n"
    )
    print("| texts | | a second | to theirs | scores apart at most |")
    print("|---|---|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as folder:
        path = checkpoint(Path(folder))
        deep("web sentences and answers, half and half", mixed(count), path)
        deep("every length from 3 to 330 words", even(count), path)
    print(f"\nLoad average while measuring: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores.")


if __name__ == "__main__":
    main()
