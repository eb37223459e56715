"""Pools that lie elsewhere: sampled, scored and chosen from as those in a folder are."""

from __future__ import annotations

import errno
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from typer.testing import CliRunner

from profiler.cli import app
from profiler.errors import BadData, MissingExtra, StoreError, WrongUse
from profiler.files import create_whole
from profiler.places import Finished, Task
from selection import Pool, PoolContents, Segment, candidate_table, score
from selection.import_file import import_file
from selection.storage import FolderStorage, RemoteStorage
from tests.support.candidates import lines, run, written
from tests.support.candidates import rows as candidates
from tests.support.pool import asked, questions, rows, teacher
from tests.support.wire import serving

fsspec = pytest.importorskip("fsspec")


class Backwards:
    """A place that does the last task first, each twice."""

    most = 2**31

    def __init__(self) -> None:
        self.waiting: list[Task] = []

    def open(self) -> AbstractContextManager[Backwards]:
        return nullcontext(self)

    def begin(self, tasks: Sequence[Task]) -> None:
        self.waiting += tasks

    def ended(self) -> Sequence[Finished]:
        task = self.waiting.pop()
        task.work(*task.given)
        return [Finished(task, task.work(*task.given))]


def test_a_place_leaves_the_files_that_are_made_here_in_whatever_order(tmp_path: Path) -> None:
    found = []
    for name, place in (("here", None), ("there", Backwards())):
        pool = import_file(written(tmp_path / "rows.jsonl", candidates(prompts=6, sources=("a", "b"))), tmp_path / name)
        steps = [*score(pool, ["words", "tests.support.scorers_elsewhere:vowels"], place=place)]
        assert steps[-1].done == steps[-1].total == 48
        assert [*score(pool, ["words", "tests.support.scorers_elsewhere:vowels"])] == [], "it is all there"
        scores = tmp_path / name / "scores"
        found.append({path.relative_to(scores): path.read_bytes() for path in scores.rglob("*.parquet")})
    assert found[0] == found[1]
    assert len(found[0]) == 2 * len(pool.segments()), "a scorer that is costly to load has a file of its own"


def test_a_score_that_lies_among_others_is_read_and_replaced_by_its_own_file(tmp_path: Path) -> None:
    pool = import_file(written(tmp_path / "rows.jsonl", candidates(prompts=2)), tmp_path / "pool")
    (segment,) = pool.segments()
    pool.add(segment, {"score.x": np.zeros(8)}, {"x": "1"})
    assert pool.versions(segment)["x"] == "1"
    pool.add(segment, {"score.x": np.ones(8)}, {"x": "2"}, scorer="x")
    for each in (pool, Pool(tmp_path / "pool")):
        assert each.versions(segment)["x"] == "2"
        assert {row.scores["x"] for row in each.rows()} == {1.0}


def test_a_place_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "rows.jsonl", candidates(prompts=2))
    done = CliRunner().invoke(
        app, ["select", str(path), "-O", "max:words", "-o", str(tmp_path / "out"), "--on", "moon"]
    )
    assert isinstance(done.exception, WrongUse)
    assert "expected here, ray, ray://HOST:PORT, slurm or slurm:PARTITION, not 'moon'" in str(done.exception)


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An empty bucket, in memory; journals go to a folder of the test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    address = f"memory://{tmp_path.name}/pool"
    yield address
    files = fsspec.filesystem("memory")
    if files.exists(f"/{tmp_path.name}"):
        files.rm(f"/{tmp_path.name}", recursive=True)


async def test_a_pool_in_a_bucket_is_the_one_in_a_folder(tmp_path: Path, bucket: str) -> None:
    asking = questions(tmp_path)
    async with serving() as wire:
        await asked(asking, [teacher(wire)], tmp_path / "pool")
        paid = len(wire.units("question"))
        await asked(asking, [teacher(wire)], bucket)
        await asked(asking, [teacher(wire)], bucket)
        assert len(wire.units("question")) == 2 * paid, "the second time it is all there"
    found = []
    for where in (tmp_path / "pool", bucket):
        pool = Pool(where)
        assert sum(step.done for step in score(pool, ["words"])) == 15
        assert list(score(Pool(where), ["words"])) == []
        found.append({(row.prompt, row.index): (row.text, row.scores) for row in pool.rows()})
    assert found[0] == found[1]
    names = ("candidates", "index", "pool.json", "sample.json", "scores")
    assert fsspec.filesystem("memory").glob(f"{bucket.removeprefix('memory:/')}/*") == [
        f"{bucket.removeprefix('memory:/')}/{name}" for name in names
    ], "the journal stays on this machine"


async def test_choosing_from_a_bucket(tmp_path: Path, bucket: str) -> None:
    async with serving() as wire:
        await asked(questions(tmp_path), [teacher(wire)], bucket)
        await asked(questions(tmp_path), [teacher(wire)], tmp_path / "pool")
    for name, where in (("there", bucket), ("here", tmp_path / "pool")):
        words = ["-O", "max:words", "-m", "words", "--skip-filter", "all", "-o", tmp_path / name]
        assert f'"pool": "{where}"' in run("select", where, *words, "--json")
    assert lines(tmp_path / "there" / "chosen.jsonl") == lines(tmp_path / "here" / "chosen.jsonl")


async def test_what_was_answered_before_a_bucket_failed_is_not_paid_again(
    tmp_path: Path, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = fsspec.get_filesystem_class("memory")
    write = kind.pipe_file

    def full(files: object, path: str, content: bytes, **mode: str) -> None:
        if "candidates" in path:
            raise RuntimeError("quota exceeded")
        write(files, path, content, **mode)

    asking = questions(tmp_path)
    async with serving() as wire:
        monkeypatch.setattr(kind, "pipe_file", full)
        with pytest.raises(StoreError, match=r"memory://.*RuntimeError: quota exceeded; run the same command again"):
            await asked(asking, [teacher(wire)], bucket)
        monkeypatch.setattr(kind, "pipe_file", write)
        await asked(asking, [teacher(wire)], bucket)
        assert len(wire.units("question")) == 15
    assert len(rows(bucket)) == 15


def answers(text: str, plan: str = "plan", **failed: str) -> tuple[pa.Table, str, dict[str, str]]:
    names = {"prompt_id": ["p"], "source": ["a"], "index": [0], "prompt": ["Why?"]}
    return candidate_table({**names, "text": [text]}), plan, failed


@pytest.mark.parametrize("there", ["folder", "bucket"])
def test_of_two_writers_of_a_block_the_first_wins(tmp_path: Path, bucket: str, there: str) -> None:
    where = bucket if there == "bucket" else tmp_path / "pool"
    one, two = Pool.create(where, PoolContents(sources=("a",))), Pool(where)
    part = Segment(0, "a")
    assert one.seal(part, *answers("half", q="timed out"))
    assert two.seal(part, *answers("whole")), "what failed is asked again, by whoever can"
    assert not one.seal(part, *answers("late"))
    assert [row.text for row in Pool(where).rows()] == ["whole"]
    assert two.seal(part, *answers("more", plan="another")), "another plan is another block"
    assert [row.text for row in one.rows()] == ["more"]


def test_a_file_system_without_links_keeps_the_first_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr("os.link", refused)
    assert [create_whole(tmp_path / "file", content) for content in (b"first", b"late")] == [True, False]
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"first"]


async def test_a_writer_that_is_late_says_so_and_goes_on(tmp_path: Path, bucket: str) -> None:
    async with serving() as wire:
        await asked(questions(tmp_path), [teacher(wire)], bucket)
        first = {path: files.cat(path) for files in [fsspec.filesystem("memory")] for path in files.find(bucket)}
        footer = Pool.footer
        with pytest.MonkeyPatch.context() as patch:
            # The other has not sealed yet when this one looks, once.
            patch.setattr(Pool, "footer", lambda *_: patch.setattr(Pool, "footer", footer))
            (share,) = await asked(questions(tmp_path), [teacher(wire)], bucket)
    assert share.done == 5
    assert share.notice == "block 0 was there already, from another writer, and is kept as it is"
    assert {path: fsspec.filesystem("memory").cat(path) for path in first} == first


def test_a_selection_lists_the_pool_once_for_candidates_and_once_for_scores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = import_file(written(tmp_path / "rows.jsonl", candidates(prompts=6, sources=("a", "b"))), tmp_path / "pool")
    assert [*score(pool, ["words"])]
    listed, find = [], FolderStorage.find
    monkeypatch.setattr(FolderStorage, "find", lambda self, kind: listed.append(kind) or find(self, kind))
    run("select", tmp_path / "pool", "-O", "max:words", "-m", "words", "-o", tmp_path / "out")
    assert sorted(listed) == ["candidates", "scores"], pool.storage.name


def test_a_file_address_is_a_folder_of_this_machine(tmp_path: Path) -> None:
    source = tmp_path / "a.jsonl"
    source.write_text(json.dumps({"prompt": "Why?", "text": "Because it is so."}) + "\n", "utf-8")
    run("select", source, "-O", "max:words", "-m", "words", "-o", tmp_path / "out")
    assert Pool(f"file://{tmp_path}/out/pool").about == Pool(tmp_path / "out" / "pool").about


@pytest.mark.parametrize(
    ("address", "error", "says"),
    [
        ("memory://nowhere/pool", BadData, r"expected a pool at 'memory://nowhere/pool', found no pool\.json"),
        ("nosuch://bucket/pool", WrongUse, "can't go to 'nosuch://bucket/pool': Protocol not known: nosuch"),
    ],
)
def test_an_address_without_a_pool_is_named(address: str, error: type[Exception], says: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["select", address, "-O", "max:words", "-o", str(tmp_path / "out")])
    assert isinstance(result.exception, error)
    with pytest.raises(error, match=says):
        raise result.exception


def test_without_fsspec_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(MissingExtra, match=r"pip install 'inheritance-profiler\[remote\]'"):
        RemoteStorage("s3://bucket/pool")
