"""What a pool's files say of themselves is asked of each once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import IO

import numpy as np
import pytest

from profiler.errors import StoreError
from selection import Pool, PoolContents, Segment, candidate_table, pool_index, score
from selection.score import score_segment, stored_scores
from selection.storage import FolderStorage
from tests.support.candidates import run


def made(folder: Path, blocks: int = 3) -> Pool:
    pool = Pool.create(folder, PoolContents(sources=("a",)))
    for block in range(blocks):
        write(pool, block, f"Say it {block} times.")
    return pool


def write(pool: Pool, block: int, text: str) -> None:
    names = {"prompt_id": [f"p{block}"], "source": ["a"], "index": [0], "prompt": [f"Why {block}?"], "text": [text]}
    pool.write(Segment(block, "a"), candidate_table(names))


def known(pool: Pool) -> list[object]:
    return [stored_scores(pool), *((pool.size(one), pool.footer(one), pool.versions(one)) for one in pool.segments())]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that were opened, in order."""
    paths: list[str] = []
    way = FolderStorage.open

    def noted(storage: FolderStorage, path: str) -> IO[bytes]:
        paths.append(path)
        return way(storage, path)

    monkeypatch.setattr(FolderStorage, "open", noted)
    return paths


def test_whoever_opens_a_pool_again_asks_none_of_its_files(tmp_path: Path, opened: list[str]) -> None:
    assert [*score(made(tmp_path), ["words"])]
    pool = Pool(tmp_path)
    expected = known(pool)
    pool.keep_index()
    opened.clear()
    assert known(Pool(tmp_path)) == expected
    assert opened == ["pool.json", "index/00000.parquet"]


def test_selecting_leaves_nothing_to_ask(tmp_path: Path, opened: list[str]) -> None:
    made(tmp_path / "pool")
    words = ("-O", "max:words", "-m", "words", "--skip-filter", "all")
    run("select", tmp_path / "pool", *words, "-o", tmp_path / "out")
    opened.clear()
    known(Pool(tmp_path / "pool"))
    assert opened == ["pool.json", "index/00000.parquet"]


def test_a_file_that_another_replaced_is_asked_again(tmp_path: Path) -> None:
    pool, other = made(tmp_path), Pool(tmp_path)
    assert [*score(pool, ["words"])]
    known(pool)
    pool.keep_index()
    write(other, 1, "Something else.")
    found = Pool(tmp_path)
    first, second, third = found.segments()
    assert found.footer(second) == other.footer(second) != pool.footer(second)
    assert [bool(found.versions(one)) for one in (first, second, third)] == [True, False, True]
    pool.look_again()
    assert pool.footer(second) == other.footer(second)


def test_what_this_process_wrote_is_known_of_its_new_content(tmp_path: Path) -> None:
    pool = made(tmp_path)
    before = known(pool)
    write(pool, 1, "Something else.")
    write(pool, 3, "One more.")
    pool.add(Segment(0, "a"), {"score.x": np.zeros(1)}, {"x": "1"})
    after = known(pool)
    assert after == known(Pool(tmp_path)) != before
    pool.keep_index()
    assert known(Pool(tmp_path)) == after


def test_a_new_file_makes_its_own_part_to_be_written_again(
    tmp_path: Path, opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool_index, "SPAN", 2)
    pool = made(tmp_path, 6)
    known(pool)
    pool.keep_index()
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "index").iterdir()}
    write(pool, 3, "Something else.")
    pool.look_again()
    opened.clear()
    known(pool)
    pool.keep_index()
    assert opened == ["candidates/00003/a.parquet"]
    after = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "index").iterdir()}
    assert {name for name in after if after[name] != before[name]} == {"00001.parquet"}


def test_an_index_that_is_not_whole_is_made_again(tmp_path: Path) -> None:
    pool = made(tmp_path)
    expected = known(pool)
    pool.keep_index()
    whole = (tmp_path / "index/00000.parquet").read_bytes()
    for odd in (b"", whole[: len(whole) // 2], (tmp_path / "candidates/00000/a.parquet").read_bytes()):
        (tmp_path / "index/00000.parquet").write_bytes(odd)
        again = Pool(tmp_path)
        assert known(again) == expected
        again.keep_index()
        assert (tmp_path / "index/00000.parquet").read_bytes() == whole


def test_a_task_writes_no_index(tmp_path: Path) -> None:
    pool = made(tmp_path)
    assert score_segment(str(tmp_path), pool.segments()[0], ("words",)) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["candidates", "pool.json", "scores"]


def test_a_task_that_another_has_done_by_now_measures_nothing(tmp_path: Path) -> None:
    segment, calls = made(tmp_path).segments()[0], []

    def counted(texts: Sequence[str]) -> list[float]:
        calls.append(len(texts))
        return [1.0] * len(texts)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.support.scorers_elsewhere.vowels", counted)
        name = "tests.support.scorers_elsewhere:vowels"
        for names in ((name,), (name,), ("words",), ("words",)):
            assert score_segment(str(tmp_path), segment, names) == 1
    assert calls == [1]
    assert set(Pool(tmp_path).versions(segment)) == {name, "words"}


def test_a_pool_that_cannot_be_written_to_is_read_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pool = made(tmp_path)
    expected = known(pool)

    def refused(*_: object) -> None:
        raise StoreError("read only")

    monkeypatch.setattr(FolderStorage, "write", refused)
    pool.keep_index()
    assert known(Pool(tmp_path)) == expected
