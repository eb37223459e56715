"""Chosen answers as rows that trainers read, each saying where it comes from."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import orjson

from profiler.files import PART, disk, part_of
from profiler.stats import IntArray
from selection.candidate_grid import CandidateGrid
from selection.near_duplicates import SCRATCH
from selection.pool import Pool, Segment
from selection.records import RowForm

if TYPE_CHECKING:
    import pyarrow as pa

PROVENANCE = ("prompt_id", "source", "index", "seed", "sampling", "fingerprint", "finish")
"""Columns of a candidate that its row in the data set keeps."""


class DatasetWriter:
    """One data file: JSON lines or Parquet, there whole once it is closed without an error."""

    def __init__(self, path: Path, form: RowForm, scores: Sequence[str]) -> None:
        self.path, self.form, self.scores = path, form, scores
        self.part = part_of(path)
        self._file: Any = None

    def __enter__(self) -> Self:
        with disk(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if self.path.suffix == ".parquet":
                import pyarrow.parquet as pq

                self._file = pq.ParquetWriter(self.part, _schema(self.form, self.scores), compression="zstd")
            else:
                self._file = self.part.open("wb")
        return self

    def add(self, table: pa.Table, grid: CandidateGrid, places: IntArray) -> None:
        """The candidates of TABLE at these PLACES, prompt by prompt, the best first."""
        prompts, ranks = np.nonzero(places >= 0)
        where = prompts, places[prompts, ranks]
        rows = table.take(grid.row[where])
        scores = {name: grid.scores[name][where].tolist() for name in self.scores}
        told = zip(*(_plain(rows[name]) for name in ("prompt", "text", *PROVENANCE)), strict=True)
        made = [
            {
                **_example(prompt, text, self.form),
                **dict(zip(PROVENANCE, origin, strict=True)),
                "rank": rank,
                "scores": {name: None if isnan(column[number]) else column[number] for name, column in scores.items()},
            }
            for number, ((prompt, text, *origin), rank) in enumerate(zip(told, ranks.tolist(), strict=True))
        ]
        with disk(self.path):
            if self.path.suffix == ".parquet":
                import pyarrow as pa

                self._file.write_table(pa.Table.from_pylist(made, schema=self._file.schema))
            else:
                self._file.writelines(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in made)

    def __exit__(self, error: object, *_: object) -> None:
        try:
            with disk(self.path):
                self._file.close()
                if error is None:
                    self.part.replace(self.path)
        finally:
            self.part.unlink(missing_ok=True)


def clear_half_written(out: Path) -> None:
    """Take away what a killed selection left in its folder, which may be as large as the data set."""
    with disk(out):
        for left in out.glob(f".*{PART}"):
            left.unlink()
        for left in out.glob(f"{SCRATCH}*"):
            shutil.rmtree(left)


def _plain(column: pa.ChunkedArray) -> list[Any]:
    """A column's values; texts come several times as fast by way of NumPy."""
    import pyarrow as pa

    if pa.types.is_integer(column.type):
        return list(column.to_pylist())
    return list(column.cast(pa.string()).to_numpy(zero_copy_only=False).tolist())


def _example(prompt: str, text: str, form: RowForm) -> dict[str, object]:
    if form == "completion":
        return {"prompt": prompt, "completion": text}
    return {"messages": [{"role": "user", "content": prompt}, {"role": "assistant", "content": text}]}


def _schema(form: RowForm, scores: Sequence[str]) -> pa.Schema:
    import pyarrow as pa

    turn = pa.struct([("role", pa.string()), ("content", pa.string())])
    kinds = dict.fromkeys(("index", "seed", "rank"), pa.int64())
    kinds |= {"messages": pa.list_(turn), "scores": pa.struct([(name, pa.float64()) for name in scores])}
    names = [*_example("", "", form), *PROVENANCE, "rank", "scores"]
    return pa.schema([(name, kinds.get(name, pa.string())) for name in names])


def load_texts(pool: Pool, segments: Sequence[Segment]) -> pa.Table:
    """A block's candidates with their texts, in the order in which their scores are read."""
    import pyarrow as pa

    names = ["prompt", "text", *PROVENANCE]
    tables = [pool.candidates(segment, names) for segment in segments]
    return pa.concat_tables([table.select(names) for table in tables], promote_options="permissive")


def llama_factory_info(files: Mapping[str, str], form: RowForm) -> bytes:
    """What LLaMA-Factory's dataset_info.json says of these files."""
    chat = {
        "formatting": "sharegpt",
        "columns": {"messages": "messages"},
        "tags": {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"},
    }
    plain = {"columns": {"prompt": "prompt", "response": "completion"}}
    said = {arm: {"file_name": name, **(chat if form == "chat" else plain)} for arm, name in files.items()}
    return orjson.dumps(said, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
