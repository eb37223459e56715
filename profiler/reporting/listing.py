"""Flat tables of what there is: runs, metrics, probes, and the answers of a run."""

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Literal

import orjson

from profiler import metrics, probes
from profiler.datasets import File, Source, cached, folder, mini, official, officials
from profiler.errors import BadData, FetchFailed, WrongUse
from profiler.files import disk
from profiler.metrics import KINDS
from profiler.records import Sample
from profiler.reporting.table import FlatRow, as_columns, as_csv, columns
from profiler.runs import sample_store, tags


def text(rows: Sequence[FlatRow], json: bool) -> str:
    """A listing for a terminal, or for a program."""
    if json:
        return orjson.dumps(rows, option=orjson.OPT_INDENT_2).decode() + "\n"
    return as_columns(rows) if rows else "nothing here yet; `inherit profile demo` makes a first run\n"


def rows(what: Literal["runs", "metrics", "probes", "scorers"], out: Path, tag: Sequence[str] = ()) -> list[FlatRow]:
    match what:
        case "runs":
            tagged = [run for run in sample_store.runs(out) if not tag or {*tag} <= {*tags.read_tags(run.folder)}]
            found = [*map(_finished, tagged), *map(_stopped, () if tag else sample_store.stopped(out))]
            return [{**row, "tags": row.get("tags")} for row in found] if any("tags" in row for row in found) else found
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


def sources() -> list[FlatRow]:
    """The data sets that the probes read, how much of each is available and where; then the small ones of our own."""
    return [*map(_source, officials()), *map(_shipped, mini.names())]


def _source(source: Source) -> FlatRow:
    found = [held.path for file in source.files if (held := source.held(file))]
    rooms = [cached() if path.is_relative_to(cached()) else folder() or path.parent for path in found]
    return {
        "data": source.name,
        "available": f"{len(found)} of {len(source.files)} files",
        "rows": sum(file.rows for file in source.files),
        "size": size(sum(file.size for file in source.files)),
        "licence": source.licence,
        "where": ", ".join(dict.fromkeys(map(str, rooms))) or None,
        "cite": source.citation,
    }


def _shipped(name: str) -> FlatRow:
    return {
        "data": f"mini/{name}",
        "available": "shipped",
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


def files(names: Sequence[str] = (), fetch: bool = False) -> Iterator[FlatRow]:
    """Every file of the data sets called NAMES: right, missing, or wrong and why; FETCH gets what is unavailable."""
    for source in officials(names):
        for file in source.files:
            length = {} if fetch else {"rows": file.rows or None}
            state = (_fetched if fetch and not source.held(file) else _state)(source, file)
            yield {"data": source.name, "file": file.path, **length, "size": size(file.size), **state}


def _state(source: Source, file: File) -> FlatRow:
    found = source.find(file)
    if found is None:
        return {"state": "missing", "where": source.address(file) + source.namesake(file)}
    try:
        source.read(file)
    except BadData as error:
        return {"state": "wrong", "where": str(error)}
    return {"state": "right" if file.pinned else "unpinned", "where": str(found)}


def _fetched(source: Source, file: File) -> FlatRow:
    try:
        return {"state": "fetched", "where": str(source.fetch(file))}
    except FetchFailed as error:
        return {"state": "failed", "where": str(error)}


def card(name: str) -> str:
    """What there is to know of a data set, or of one of our own (mini/NAME)."""
    if name.startswith("mini/") and (own := name.removeprefix("mini/")) in mini.names():
        return mini.card(own)
    source = official(name)
    lines = [f"# {source.name}", "", source.about, ""]
    lines += [f"Licence: {source.licence}", f"Cite: {source.citation}", f"Address: {source.url}"]
    for file in source.files:
        found = source.find(file)
        checksum = f"sha256 {file.sha256}" if file.sha256 else f"git blob {file.git}"
        lines += [
            "",
            f"{file.path}  {file.rows:,} rows, {size(file.size) or 'size not known'}",
            f"  {checksum if file.pinned else 'checksum not known: its number of rows must do'}",
            f"  {f'at {found}' if found else f'missing: {source.address(file)}'}",
        ]
    return "\n".join(lines) + "\n"


def _finished(run: sample_store.Run) -> FlatRow:
    try:
        profile = run.profile
    except BadData:
        return _stopped(run.folder, "damaged")
    return {
        "run": profile.id,
        "name": profile.name,
        "probes": ", ".join(f"{part.probe} [{part.suite}]" for part in profile.sections),
        "items": sum(part.items for part in profile.sections),
        "failed": profile.errors,
        "state": "incomplete" if profile.incomplete else "done",
        **({"tags": " ".join(found)} if (found := tags.read_tags(run.folder)) else {}),
    }


def _stopped(folder: Path, state: str = "stopped") -> FlatRow:
    return {"run": folder.name, "name": None, "probes": None, "items": None, "failed": None, "state": state}


def export(run: sample_store.Run, probe: str, path: Path) -> int:
    """Write a row for each answer of a probe; returns how many."""
    rows = chain.from_iterable(map(answers, run.samples(probe)))
    if path.suffix not in (".jsonl", ".csv", ".parquet"):
        raise WrongUse(f"can't export to {path.name!r}: expected a file that ends in .jsonl, .csv or .parquet")
    with disk(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".jsonl":
            with path.open("wb") as file:
                return sum(1 for row in rows if file.write(orjson.dumps(row) + b"\n"))
        table = list(rows)
        if path.suffix == ".csv":
            path.write_bytes(as_csv(table, newline="\r\n").encode())
        else:
            import pyarrow as pa
            import pyarrow.parquet as pq

            held = pa.table({name: [row.get(name) for row in table] for name in columns(table)})
            pq.write_table(held, path, compression="zstd")
        return len(table)


def answers(sample: Sample) -> Iterator[FlatRow]:
    """A row for each answer, or for an item that has none."""
    head: FlatRow = {"item": sample.item, "group": sample.group, "prompt": sample.prompt, "error": sample.error}
    taken: FlatRow = {"choice": sample.choice, "order": " ".join(map(str, sample.order)) or None}
    if not sample.answers:
        yield {**head, "index": None, "text": None, "finish": None, **taken, **sample.scores}
    for index, answer in enumerate(sample.answers):
        thought: FlatRow = {"thought": answer.thought} if answer.thought else {}
        said: FlatRow = {"index": index, "text": answer.text, "finish": answer.finish, **thought}
        yield {**head, **said, **taken, **(answer.scores or sample.scores)}
