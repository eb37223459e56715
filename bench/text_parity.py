"""Compare our text metrics with TextDescriptives and LexicalRichness, text by text.

    python -m venv PEER
    PEER/bin/pip install textdescriptives==2.8.4 lexicalrichness==0.5.1 "numpy<2"
    python -m bench.text_parity PEER/bin/python [FILE …]

FILE is JSON or JSON Lines, gzipped or not, with a text under "text" or "output"; without one, the answers in
INHERIT_OFFICIAL's are read. Exits 1 where a metric differs on more than one text in a thousand.
"""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from bench import DATA
from profiler import metrics
from profiler.metrics import measure
from profiler.text import Text

FILES = (
    "alpaca/alpaca_data.subset_2000.json.gz",
    "alpaca/alpaca_gpt4_en_demo.json.gz",
    "alpaca_eval/text_davinci_003.model_outputs.json.gz",
    "candidate_pool/alpaca_eval_answers.jsonl.gz",
)
PEER = Path(__file__).with_name("text_peer.py")
CLOSE = 1e-6
ENOUGH = 0.999


def read(path: Path) -> Iterator[str]:
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    rows = json.loads(data) if data[:1] == b"[" else map(json.loads, data.splitlines())
    for row in rows:
        yield row["text"] if "text" in row else row["output"]


def theirs(python: str, texts: list[str]) -> tuple[dict[str, str], dict[str, list[float | None]]]:
    """The peers' versions and scores; a process for each processor, each with its stretch of the texts."""
    parts = os.cpu_count() or 1
    cuts = [len(texts) * part // parts for part in range(parts + 1)]
    with ThreadPoolExecutor() as pool:
        found = [*pool.map(partial(asked, python), (texts[start:end] for start, end in pairwise(cuts)))]
    names = found[0]["scores"]
    return found[0]["versions"], {name: [value for part in found for value in part["scores"][name]] for name in names}


def asked(python: str, texts: list[str]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "texts.json"), Path(folder, "scores.json")
        source.write_text(json.dumps(texts), encoding="utf-8")
        subprocess.run([python, PEER, source, target], check=True)
        found: dict[str, Any] = json.loads(target.read_text(encoding="utf-8"))
    return found


def close(ours: np.ndarray, peer: np.ndarray) -> np.ndarray:
    """Equal to a millionth, or undefined on both sides."""
    both = np.isnan(ours) & np.isnan(peer)
    return both | (np.abs(ours - peer) <= CLOSE * np.abs(peer))


def main(python: str, *files: str) -> int:
    paths = [Path(name) for name in files] or [DATA / name for name in FILES]
    texts = [text for path in paths for text in read(path)]
    versions, scores = theirs(python, texts)
    print(f"{len(texts)} texts; " + ", ".join(f"{name} {number}" for name, number in versions.items()))
    print(f"{'metric':<16}{'equal to 1e-6':>14}{'undefined':>11}{'largest difference':>20}")
    worst = 1.0
    ours = measure([Text(text) for text in texts], [metrics.get(name) for name in scores])
    for name, values in scores.items():
        peer = np.array(values, np.float64)
        equal = close(ours[name], peer)
        worst = min(worst, float(equal.mean()))
        difference = np.nanmax(np.abs(ours[name] / np.where(peer == 0, np.nan, peer) - 1), initial=0.0)
        print(f"{name:<16}{equal.mean():>13.4%}{np.isnan(peer).sum():>12}{difference:>20.1e}")
        for index in np.flatnonzero(~equal)[:3]:
            print(f"    {ours[name][index]!r} {peer[index]!r} {texts[index][:200]!r}")
    return 0 if worst >= ENOUGH else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
