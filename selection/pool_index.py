"""What a pool's files say of themselves, in parts beside them: an index that can be thrown away and is made again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from selection.records import Footer

if TYPE_CHECKING:
    import pyarrow as pa

SPAN = 1024
"""Blocks that one part tells of: a file that is new makes no more than that to be written again."""


class KnownFile(NamedTuple):
    """What a file says of itself, and how many rows it holds."""

    stamp: str
    """What a listing told of the file before it was read: where it tells something else, the file is read again.
    Empty where it was not listed."""
    rows: int
    footer: Footer


def index_part(path: str) -> str:
    """The part of the index that tells of a file of a block."""
    return f"index/{int(path.split('/')[1]) // SPAN:05}.parquet"


def as_table(files: Mapping[str, KnownFile]) -> pa.Table:
    import pyarrow as pa

    known = [one for _, one in sorted(files.items())]
    columns = {
        "path": sorted(files),
        "stamp": [one.stamp for one in known],
        "rows": [one.rows for one in known],
        "content": [one.footer.content for one in known],
        "plan": [one.footer.plan for one in known],
        "failed": [json.dumps(one.footer.failed) for one in known],
        "versions": [json.dumps(one.footer.versions) for one in known],
    }
    kinds = {name: pa.int64() if name == "rows" else pa.string() for name in columns}
    return pa.table({name: pa.array(values, kinds[name]) for name, values in columns.items()})


def from_table(table: pa.Table) -> dict[str, KnownFile]:
    """The files that a part tells of; what many of them say alike is held once."""
    said: dict[str, dict[str, str]] = {}

    def read(text: str) -> dict[str, str]:
        if text not in said:
            said[text] = json.loads(text)
        return said[text]

    rows = zip(*(column.to_pylist() for column in table.columns), strict=True)
    return {
        path: KnownFile(
            stamp,
            count,
            # Not validated, which would copy it: it was when its file was read.
            Footer.model_construct(content=content, plan=plan, failed=read(failed), versions=read(versions)),
        )
        for path, stamp, count, content, plan, failed, versions in rows
    }
