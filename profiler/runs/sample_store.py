"""A run is a folder: samples appended while it runs, sealed to Parquet, and a profile on top."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from itertools import count, islice
from operator import itemgetter
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
import orjson

from profiler.errors import BadData, InheritError, StoreError, UnknownName, WrongUse
from profiler.files import disk, locked, whole_lines, write_whole
from profiler.records import Profile, Sample, stored
from profiler.stats import FloatArray

BATCH = 1000
STAMP = "%Y%m%d-%H%M%S"
SECOND = timedelta(seconds=1)
KEYS = ("item", "group", "cluster", "prompt", "how", "error")
"""Fields of a sample that stand as columns of their own; the scores do too, and the whole sample as JSON."""
UNREAD = ("json", "prompt", "choice", "order")
"""Columns that no number is made of."""


class SampleColumns(NamedTuple):
    """The scores of one probe's answered items, in the order of their keys."""

    items: list[str]
    groups: list[str | None]
    clusters: list[str | None]
    columns: dict[str, FloatArray]
    """NaN where an item has no such score."""

    def take(self, rows: Sequence[int]) -> SampleColumns:
        """Some of the items, in the order of ROWS."""
        index = np.array(rows, np.int64)
        return SampleColumns(
            [*map(self.items.__getitem__, rows)],
            [*map(self.groups.__getitem__, rows)],
            [*map(self.clusters.__getitem__, rows)],
            {name: column[index] for name, column in self.columns.items()},
        )

    def of(self, group: str | None) -> SampleColumns:
        """The items of a group; all of them for None."""
        return self if group is None else self.take([row for row, name in enumerate(self.groups) if name == group])


def columns(samples: Iterable[Sample]) -> SampleColumns:
    """The scores of SAMPLES as a finished run has them: in the order of their keys, without those that failed."""
    found = [(sample.item, sample.group, sample.cluster, sample.scores) for sample in samples if sample.error is None]
    rows = sorted(found, key=itemgetter(0))
    names = dict.fromkeys(name for *_, scores in rows for name in scores)
    return SampleColumns(
        [item for item, *_ in rows],
        [group for _, group, _, _ in rows],
        [cluster for _, _, cluster, _ in rows],
        # None becomes NaN
        {name: np.array([scores.get(name) for *_, scores in rows], np.float64) for name in names},
    )


def or_none(value: float) -> float | None:
    """NaN lives in arrays only; everywhere else undefined is None."""
    return None if value != value else value


class Run:
    """A finished run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @cached_property
    def profile(self) -> Profile:
        return read_profile(self.folder / "profile.json")

    @property
    def name(self) -> str:
        """What it is called; nothing where its profile is damaged."""
        with contextlib.suppress(BadData, StoreError):
            return self.profile.name
        return ""

    @property
    def address(self) -> str:
        """What a command calls it, in the folder where this one was given."""
        shipped = self.folder.is_relative_to(EXAMPLES)
        return str(self.folder.relative_to(EXAMPLES) if shipped else self.folder)

    def samples(self, probe: str) -> Iterator[Sample]:
        """Every sample of a probe, one at a time."""
        import pyarrow.parquet as pq

        path = self._parquet(probe)
        with sealed(path), pq.ParquetFile(path) as file:
            for batch in file.iter_batches(BATCH, columns=["json"]):
                for line in batch.column(0):
                    yield Sample.model_validate_json(line.as_py())

    def chosen(self, probe: str, items: Sequence[str]) -> dict[str, Sample]:
        """Some samples of a probe, by the keys of their items."""
        import pyarrow.parquet as pq

        rows = (
            pq.read_table(self._parquet(probe), columns=["json"], filters=[("item", "in", [*items])]) if items else None
        )
        found = map(Sample.model_validate_json, rows["json"].to_pylist() if rows else ())
        return {sample.item: sample for sample in found}

    def columns(self, probe: str) -> SampleColumns:
        """The scores of a probe; items that failed are left out."""
        return read_columns(self._parquet(probe))

    def _parquet(self, probe: str) -> Path:
        path = self.folder / "samples" / f"{probe}.parquet"
        if not path.is_file():
            known = [file.stem for file in (self.folder / "samples").glob("*.parquet")]
            raise UnknownName("probe in this run", probe, known, f"inherit show {self.address}")
        return path


class Journal:
    """The samples of one probe while it runs: appended and flushed, sealed when it is done."""

    def __init__(self, folder: Path, probe: str) -> None:
        self.path = folder / "samples" / f"{probe}.jsonl"
        self.sealed = self.path.with_suffix(".parquet")
        with disk(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # Answers live in the cache, so a resumed run scores them anew and starts its samples over.
            self._file: IO[bytes] = self.path.open("wb")

    def append(self, samples: Iterable[Sample]) -> None:
        with disk(self.path):
            for sample in samples:
                self._file.write(sample.model_dump_json().encode() + b"\n")
            self._file.flush()

    def close(self) -> None:
        # A flush that failed for a full disk was reported by `append`; closing tries once more and may fail again.
        with contextlib.suppress(OSError):
            self._file.close()

    def seal(self) -> None:
        """Turn the lines into Parquet, whole or not at all."""
        self.close()
        seal(self.path, self.sealed)
        self.path.unlink()


@contextlib.contextmanager
def sealed(path: Path) -> Iterator[None]:
    """Say in a sentence that a file is not what `seal` left."""
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError, LookupError, ValueError) as error:
        words = str(error).partition("\n")[0]
        raise BadData(f"{str(path)!r} is damaged, or not what inherit writes there: {words}") from None


def seal(lines: Path, target: Path) -> None:
    """Write a journal's samples as Parquet: keys and scores as columns, each whole sample as JSON beside them."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = sorted({name for line in whole_lines(lines) for name in orjson.loads(line)["scores"]})
    schema = pa.schema(
        [(key, pa.string()) for key in (*KEYS, "json")]
        + [("choice", pa.int64()), ("order", pa.list_(pa.int64()))]
        + [(f"score.{name}", pa.float64()) for name in names]
    )
    part = target.with_suffix(".parquet.part")
    with disk(target), pq.ParquetWriter(part, schema, compression="zstd") as writer:
        left = whole_lines(lines)
        while batch := list(islice(left, BATCH)):
            writer.write_table(pa.Table.from_pylist(list(map(_row, batch)), schema=schema))
    part.replace(target)


def _row(line: bytes) -> dict[str, object]:
    """What a line of a journal says, by column."""
    sample = orjson.loads(line)
    scores = {f"score.{name}": value for name, value in sample["scores"].items()}
    return {**sample, **scores, "json": line.rstrip(b"\n").decode()}


def read_columns(path: Path) -> SampleColumns:
    """Keys and scores of a sealed file, without its texts."""
    import pyarrow.parquet as pq

    with sealed(path):
        with pq.ParquetFile(path) as file:
            table = file.read([name for name in file.schema_arrow.names if name not in UNREAD])
        # By way of NumPy: pyarrow makes a scalar of each text, and its sorting takes longer to load than to do.
        found = SampleColumns(
            items=table["item"].to_numpy().tolist(),
            groups=table["group"].to_numpy().tolist(),
            clusters=table["cluster"].to_numpy().tolist(),
            columns={
                name.removeprefix("score."): table[name].to_numpy().astype(np.float64)
                for name in table.column_names
                if name.startswith("score.")
            },
        )
        answered = [row for row, error in enumerate(table["error"].to_numpy().tolist()) if error is None]
        return found.take(sorted(answered, key=found.items.__getitem__))


@contextlib.contextmanager
def begin(out: Path, model: str, plan: str, started: datetime) -> Iterator[Path]:
    """The folder for a plan: the one that an unfinished run of it left, or a new one; held while it is written."""
    left = [folder for folder in sorted(out.glob(f"*-{plan}"), reverse=True) if folder.is_dir() and unfinished(folder)]
    slug = re.sub(r"[^A-Za-z0-9.]+", "-", Path(model).name).strip("-")[:40]
    later = (started + tick * SECOND for tick in count())
    new = (out / f"{moment:{STAMP}}-{slug}-{plan}" for moment in later)
    for folder in (*left, next(folder for folder in new if not (folder / "profile.json").exists())):
        try:
            lock = locked(folder / ".lock")
        except BlockingIOError:
            continue
        try:
            (folder / "profile.json").unlink(missing_ok=True)
            yield folder
            with contextlib.suppress(PermissionError):  # Windows lets nobody remove an open file; there the lock does
                (folder / ".lock").unlink(missing_ok=True)
            return
        finally:
            lock.release()
    raise StoreError(f"another inherit is writing {str(folder)!r}; wait for it, or choose another folder with --out")


def beginning(out: Path, now: datetime) -> datetime:
    """When a run that is asked NOW begins: after all that stand under OUT, even where the clock was set back."""
    stamps = (folder.name[:15] for folder in out.glob(f"{'[0-9]' * 8}-{'[0-9]' * 6}-*") if folder.is_dir())
    with contextlib.suppress(ValueError):  # no time that ever was
        return max(now, datetime.strptime(max(stamps, default=""), STAMP).replace(tzinfo=now.tzinfo) + SECOND)
    return now


def save_profile(folder: Path, profile: Profile) -> None:
    write_whole(folder / "profile.json", profile.model_dump_json(indent=1).encode() + b"\n")


def read_profile(path: Path) -> Profile:
    try:
        return stored(Profile, path.read_bytes(), str(path))
    except FileNotFoundError:
        raise BadData(f"expected a profile at {str(path)!r}, found none; was the run stopped? run it again") from None


EXAMPLES = Path(__file__).parent
"""Where the finished runs lie that ship with the package: example/teacher and example/student."""


def load(name: str, out: Path = Path("runs")) -> Run:
    """A run by its folder, its profile.json, the end of a folder's name under OUT, or its --name; or `latest`."""
    path = Path(name)
    if path.name == "profile.json":
        path = path.parent
    if path.is_dir():
        return Run(path)
    if (shipped := EXAMPLES / name) in EXAMPLES.glob("example/*"):
        return Run(shipped)
    finished = runs(out)
    if name == "latest" and finished:
        return finished[0]
    if name == "latest":
        raise WrongUse(f"no run is finished in {str(out)!r} yet; `inherit profile demo --quick` makes one in a minute")
    matches = [run for run in finished if run.folder.name == name or run.folder.name.endswith(f"-{name}")]
    matches = matches or [run for run in finished if run.name == name]
    if len(matches) > 1:
        meant = ", ".join(run.folder.name for run in matches)
        raise WrongUse(f"{name!r} means {len(matches)} runs, newest first: {meant}; give the whole name of a folder")
    if not matches:
        raise UnknownName("run", name, known(finished), f"inherit ls --out {out}")
    return matches[0]


def known(finished: Sequence[Run]) -> list[str]:
    """All that the runs are called."""
    shipped = [f"example/{folder.name}" for folder in EXAMPLES.glob("example/*")]
    return [*(name for run in finished for name in (run.folder.name, run.name) if name), *shipped]


def runs(out: Path) -> list[Run]:
    """Finished runs, newest first."""
    return [Run(path.parent) for path in sorted(out.glob("*/profile.json"), reverse=True)]


def unfinished(folder: Path) -> bool:
    """Whether a run was stopped, or too much of it failed."""
    if not (folder / "profile.json").exists():
        return True
    with contextlib.suppress(InheritError):
        return bool(read_profile(folder / "profile.json").incomplete)
    return False


def pageless(out: Path, plan: str, name: str) -> Profile | None:
    """The finished run of a plan whose command was killed before it made the page, the newest."""
    for folder in sorted(out.glob(f"*-{plan}"), reverse=True):
        if not unfinished(folder) and not (folder / "report.html").exists():
            with contextlib.suppress(InheritError):  # such as of a newer version
                if (found := read_profile(folder / "profile.json")).name == name:
                    return found
    return None


def stopped(out: Path) -> list[Path]:
    """Folders of runs that were not finished."""
    folders = (path for path in sorted(out.glob("*-*"), reverse=True) if path.is_dir())
    return [folder for folder in folders if not (folder / "profile.json").exists()]
