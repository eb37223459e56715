"""A block of a pool in memory: whose candidate each row is and what was measured of it, without the texts."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from profiler.errors import BadData
from profiler.stats import FloatArray, IntArray
from selection import duplicate, gate
from selection.pool import SCORE, Pool, Segment, codes, column
from selection.slate import BoolArray, HashArray, Slate, slate


@dataclass(frozen=True)
class Block:
    """Every candidate of some prompts, a row each."""

    segments: Sequence[Segment]
    sources: tuple[str, ...]
    prompts: list[str]
    prompt: IntArray
    source: IntArray
    index: IntArray
    stopped: IntArray
    """The gates that stop a candidate, as bits."""
    bands: HashArray
    scores: dict[str, FloatArray]

    def slate(self, passed: BoolArray, seed: int, names: Iterable[str] | None = None) -> Slate:
        """The candidates side by side, with all scores or those called NAMES."""
        scores = {name: self.scores[name] for name in (self.scores if names is None else names)}
        return slate(self.prompts, self.prompt, self.sources, self.source, self.index, scores, passed, seed)

    def passed(self, gates: Collection[str]) -> BoolArray:
        """Candidates that none of these GATES stops; near-duplicates are no business of one block."""
        bits = sum(1 << bit for bit, name in enumerate(gate.CHECKS) if name in gates)
        return np.asarray(self.stopped & bits == 0)


def load(pool: Pool, segments: Sequence[Segment], names: Sequence[str]) -> Block:
    """A block with the scores called NAMES."""
    import pyarrow as pa

    keep = ["prompt_id", "source", "index", "gates", *(f"band.{band}" for band in range(duplicate.BANDS))]
    keep += [f"{SCORE}{name}" for name in names]
    tables = []
    for segment in segments:
        known = pool.measured(segment, keep)
        lacks = [name for name in names if not known or f"{SCORE}{name}" not in known.table.column_names]
        if known is None or lacks:
            wanted = ", ".join(lacks) or "scores"
            raise BadData(f"{pool.place.name!r} has candidates without {wanted}: score the pool first")
        tables.append(known.table.select(keep))
    table = pa.concat_tables(tables)
    prompts, prompt = codes(table["prompt_id"])
    _, source = codes(table["source"], pool.about.sources)
    return Block(
        segments,
        pool.about.sources,
        prompts,
        prompt,
        source,
        table["index"].to_numpy().astype(np.int64),
        table["gates"].to_numpy().astype(np.int64),
        np.stack([table[f"band.{band}"].to_numpy().astype(np.uint64) for band in range(duplicate.BANDS)], axis=1),
        {name: column(table, f"{SCORE}{name}") for name in names},
    )
