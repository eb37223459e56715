"""Flat tables of what there is: runs, metrics, probes, and the answers of a run."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Literal

import orjson

from profiler import metrics, probes
from profiler.datasets import File, Source, cached, folder, mini, official, officials
from profiler.errors import BadData, FetchFailed, WrongUse
from profiler.files import disk
from profiler.metrics.toxicity import KINDS
from profiler.records import Sample
from profiler.runs import store

Cell = str | int | float | None
Row = dict[str, Cell]


def rows(what: Literal["runs", "metrics", "probes", "scorers"], out: Path) -> list[Row]:
    match what:
        case "runs":
            return [*map(_finished, store.runs(out)), *map(_stopped, store.stopped(out))]
        case "metrics":
            return [
                {"metric": metric.name, "unit": metric.unit, "made by": metric.version, "about": metric.about}
                for metric in metrics.every()
            ]
        case "probes":
            return [
                {"probe": name, "about": (probe.__doc__ or "").strip().partition("\n")[0]}
                for name, probe in probes.every().items()
            ]
        case "scorers":
            return [{"scorer": kind, "what it is": about} for kind, about in KINDS.items()]


def sources() -> list[Row]:
    """The data sets that the probes read, how much of each is at hand and where; then the small ones of our own."""
    return [*map(_source, officials()), *map(_shipped, mini.names())]


def _source(source: Source) -> Row:
    found = [held.path for file in source.files if (held := source.held(file))]
    return {
        "data": source.name,
        "at hand": f"{len(found)} of {len(source.files)} files",
        "rows": sum(file.rows for file in source.files),
        "size": size(sum(file.size for file in source.files)),
        "licence": source.licence,
        "where": ", ".join(dict.fromkeys(map(_room, found))) or None,
        "cite": source.citation,
    }


def _room(path: Path) -> str:
    """The folder in which a file was looked for."""
    if path.is_relative_to(cached()):
        return str(cached())
    return str(folder() or path.parent)


def _shipped(name: str) -> Row:
    return {
        "data": f"mini/{name}",
        "at hand": "shipped",
        "rows": sum(1 for _ in mini.rows(name)),
        "size": None,
        "licence": "Apache-2.0",
        "where": "in the package",
        "cite": "for trying things out, not for publishing",
    }


def size(count: int) -> str | None:
    """Bytes as a person says them."""
    if not count:
        return None
    return f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count / 1e3:.0f} kB"


def files(names: Sequence[str] = ()) -> list[Row]:
    """Every file of those data sets: right, missing, or wrong and why."""
    return [
        {
            "data": source.name,
            "file": file.path,
            "rows": file.rows or None,
            "size": size(file.size),
            **_state(source, file),
        }
        for source in officials(names)
        for file in source.files
    ]


def _state(source: Source, file: File) -> Row:
    found = source.find(file)
    if found is None:
        return {"state": "missing", "where": source.address(file) + source.namesake(file)}
    try:
        source.read(file)
    except BadData as error:
        return {"state": "wrong", "where": str(error)}
    return {"state": "right" if file.pinned else "unpinned", "where": str(found)}


def fetched(names: Sequence[str] = ()) -> Iterator[Row]:
    """Every file of the data sets called NAMES, downloaded where it is not at hand."""
    for source in officials(names):
        for file in source.files:
            row: Row = {"data": source.name, "file": file.path, "size": size(file.size)}
            yield row | (_state(source, file) if source.held(file) else _fetched(source, file))


def _fetched(source: Source, file: File) -> Row:
    try:
        return {"state": "fetched", "where": str(source.fetch(file))}
    except FetchFailed as error:
        return {"state": "failed", "where": str(error)}


def card(name: str) -> str:
    """What there is to know of a data set, or of one of our own (mini/NAME)."""
    if name.startswith("mini/") and (own := name.removeprefix("mini/")) in mini.names():
        return mini.card(own)
    source = official(name)
    lines = [
        f"# {source.name}",
        "",
        source.about,
        "",
        f"Licence: {source.licence}",
        f"Cite: {source.citation}",
        f"Address: {source.url}",
    ]
    for file in source.files:
        found = source.find(file)
        lines += [
            "",
            f"{file.path}  {file.rows:,} rows, {size(file.size) or 'size not known'}",
            _checksum(file),
            f"  {'at ' + str(found) if found else 'missing: ' + source.address(file)}",
        ]
    return "\n".join(lines) + "\n"


def _checksum(file: File) -> str:
    if not file.pinned:
        return "  checksum not known: its number of rows must do"
    return f"  sha256 {file.sha256}" if file.sha256 else f"  git blob {file.git}"


def _finished(run: store.Run) -> Row:
    profile = run.profile
    return {
        "run": profile.id,
        "name": profile.name,
        "probes": ", ".join(f"{part.probe} [{part.suite}]" for part in profile.sections),
        "items": sum(part.items for part in profile.sections),
        "failed": profile.errors,
        "state": "done",
    }


def _stopped(folder: Path) -> Row:
    return {"run": folder.name, "name": None, "probes": None, "items": None, "failed": None, "state": "stopped"}


def as_json(table: list[Row]) -> str:
    return orjson.dumps(table, option=orjson.OPT_INDENT_2).decode() + "\n"


def as_table(table: list[Row]) -> str:
    """Columns as wide as they need to be; the last one runs free."""
    if not table:
        return "nothing here yet; `inherit profile demo` makes a first run\n"
    lines = [list(table[0]), *([("–" if cell is None else str(cell)) for cell in row.values()] for row in table)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = ("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)
    return "".join(f"{line.rstrip()}\n" for line in padded)


def export(run: store.Run, probe: str, path: Path) -> int:
    """Write a row for each answer of a probe; returns how many."""
    table = chain.from_iterable(map(_answers, run.samples(probe)))
    with disk(path):
        match path.suffix:
            case ".jsonl":
                return _write_jsonl(table, path)
            case ".csv":
                return _write_csv(list(table), path)
            case ".parquet":
                return _write_parquet(list(table), path)
    raise WrongUse(f"can't export to {path.name!r}: expected a file that ends in .jsonl, .csv or .parquet")


def _answers(sample: Sample) -> Iterator[Row]:
    head: Row = {"item": sample.item, "group": sample.group, "prompt": sample.prompt, "error": sample.error}
    taken: Row = {"choice": sample.choice, "order": " ".join(map(str, sample.order)) or None}
    if not sample.answers:
        yield {**head, "index": None, "text": None, "finish": None, **taken, **sample.scores}
    for index, answer in enumerate(sample.answers):
        scores = answer.scores or sample.scores
        yield {
            **head,
            "index": index,
            "text": answer.text,
            "finish": answer.finish,
            **taken,
            **scores,
        }


def _write_jsonl(table: Iterator[Row], path: Path) -> int:
    with path.open("wb") as file:
        return sum(1 for row in table if file.write(orjson.dumps(row) + b"\n"))


def _write_csv(table: list[Row], path: Path) -> int:
    names = list(dict.fromkeys(name for row in table for name in row))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(table)
    return len(table)


def _write_parquet(table: list[Row], path: Path) -> int:
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = list(dict.fromkeys(name for row in table for name in row))
    pq.write_table(pa.table({name: [row.get(name) for row in table] for name in names}), path, compression="zstd")
    return len(table)
