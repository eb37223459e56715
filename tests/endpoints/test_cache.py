"""What has been received is kept, and a cache that can't be used says why."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from profiler.endpoints.cache import Cache, CacheKey
from profiler.errors import StoreError
from profiler.records import Fingerprint


async def filled(path: Path, count: int = 100) -> None:
    cache = Cache(path)
    for number in range(count):
        cache.keep(CacheKey("a").part(number), b"value %d" % number)
    cache.close()


async def test_what_is_kept_is_found_by_another_who_opens_the_file(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "deep" / "cache.sqlite")
    cache.keep(CacheKey("a").part(1), b"one")
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    other = Cache(tmp_path / "deep" / "cache.sqlite")
    assert other.find([CacheKey("a").part(1), CacheKey("a").part(2)]) == {CacheKey("a").part(1): b"one"}
    other.close()
    cache.close()


async def test_everything_a_turn_of_the_loop_brings_is_one_commit(tmp_path: Path) -> None:
    cache, other = Cache(tmp_path / "c"), Cache(tmp_path / "c")
    keys = [CacheKey("a").part(number) for number in range(1000)]
    for key in keys:
        cache.keep(key, b"x")
    assert other.find(keys) == {}
    await asyncio.sleep(0)
    assert len(other.find(keys)) == 1000
    cache.close()
    other.close()


async def test_two_who_keep_the_same_agree_on_the_first(tmp_path: Path) -> None:
    cache, other = Cache(tmp_path / "c"), Cache(tmp_path / "c")
    key = CacheKey("a").part(0)
    cache.keep(key, b"first")
    cache.commit()
    other.keep(key, b"second")
    other.commit()
    assert cache.find([key]) == other.find([key]) == {key: b"first"}
    cache.close()
    other.close()


async def test_many_processes_may_share_one_file(tmp_path: Path) -> None:
    script = """
        import asyncio, sys
        from pathlib import Path
        from profiler.endpoints.cache import CacheKey, Cache
        async def main():
            cache = Cache(Path(sys.argv[1]))
            for number in range(200):
                cache.keep(CacheKey(sys.argv[2]).part(number), b"v" * 500)
                await asyncio.sleep(0)
            cache.close()
        asyncio.run(main())
    """
    path = tmp_path / "cache.sqlite"
    command = [sys.executable, "-c", textwrap.dedent(script), str(path)]
    running = [subprocess.Popen([*command, name]) for name in "abc"]
    assert [process.wait() for process in running] == [0, 0, 0]
    cache = Cache(path)
    assert len(cache.find([CacheKey(name).part(number) for name in "abc" for number in range(200)])) == 600
    cache.close()


def test_the_address_depends_on_everything_that_decides_an_answer_and_on_nothing_else() -> None:
    assert CacheKey("a", "b").part(1) == CacheKey("a", "b").part(1)
    different = [
        CacheKey("a", "b").part(1),
        CacheKey("ab").part(1),
        CacheKey("a", "b").part(2),
        CacheKey("a", "c").part(1),
    ]
    assert len(set(different)) == 4
    assert CacheKey("half \ud83d").part("half \ud83d") != CacheKey("half \ud83d").part("half ?")


def test_a_cache_from_a_newer_version_is_refused_with_what_to_do(tmp_path: Path) -> None:
    Cache(tmp_path / "c").close()
    with sqlite3.connect(tmp_path / "c") as database:
        database.execute("pragma user_version = 99")
    database.close()
    with pytest.raises(StoreError, match=r"newer version \(schema 99; this one reads up to 1\); upgrade"):
        Cache(tmp_path / "c")


def test_another_programs_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "c") as database:
        database.execute("create table mine (x)")
    database.close()
    before = (tmp_path / "c").read_bytes()
    with pytest.raises(StoreError, match="not a cache of ours"):
        Cache(tmp_path / "c")
    assert (tmp_path / "c").read_bytes() == before


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "c").write_text("hello " * 1000)
    with pytest.raises(StoreError, match=r"damaged.*move it away"):
        Cache(tmp_path / "c")


async def test_a_torn_database_is_told_and_what_to_do(tmp_path: Path) -> None:
    await filled(tmp_path / "c")
    whole = (tmp_path / "c").read_bytes()
    (tmp_path / "c").write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))
    with pytest.raises(StoreError, match=r"damaged.*move it away"):
        Cache(tmp_path / "c").find([CacheKey("a").part(number) for number in range(100)])


async def test_a_journal_torn_in_its_last_page_loses_only_what_was_not_committed(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "c")
    for number in range(20):
        cache.keep(CacheKey("a").part(number), b"x" * 2000)
        cache.commit()
    # A copy taken while it is open, its write-ahead log cut in the middle: what a power cut leaves.
    log = (tmp_path / "c-wal").read_bytes()
    (tmp_path / "torn").write_bytes((tmp_path / "c").read_bytes())
    (tmp_path / "torn-wal").write_bytes(log[: len(log) * 3 // 4])
    cache.close()
    torn = Cache(tmp_path / "torn")
    found = torn.find([CacheKey("a").part(number) for number in range(20)])
    assert 5 < len(found) < 20
    torn.close()


@contextmanager
def without_the_super_users_rights() -> Iterator[None]:
    """No folder refuses the super-user."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(before)


@pytest.mark.parametrize("there", [False, True])
def test_a_read_only_folder_is_told(there: bool) -> None:
    folder = Path(tempfile.mkdtemp())
    if there:
        Cache(folder / "c").close()
        (folder / "c").chmod(0o444)
    folder.chmod(0o555)
    told = r"can't write the cache .*a folder that you may write to"
    with without_the_super_users_rights(), pytest.raises(StoreError, match=told):
        Cache(folder / "c")
    folder.chmod(0o755)
    shutil.rmtree(folder)


def test_a_path_below_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="a folder that you may write to"):
        Cache(tmp_path / "file" / "cache.sqlite")


def test_a_full_disk_is_told_and_what_was_committed_stays(tmp_path: Path) -> None:
    code = """
        import asyncio, resource, signal, sys
        from pathlib import Path
        from profiler.endpoints.cache import CacheKey, Cache
        from profiler.errors import StoreError
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
        async def main():
            cache = Cache(Path(sys.argv[1]))
            number = 0
            try:
                for number in range(100_000):
                    cache.keep(CacheKey("a").part(number), b"x" * 1000)
                    await asyncio.sleep(0)
                    cache.commit()
            except StoreError as error:
                print(number, "told:", error)
        asyncio.run(main())
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), str(tmp_path / "c")], capture_output=True, text=True, check=False
    )
    kept, said = done.stdout.split(" told: ")
    assert "make room on that disk and run again to resume" in said
    cache = Cache(tmp_path / "c")
    assert len(cache.find([CacheKey("a").part(number) for number in range(int(kept))])) == int(kept) > 10
    cache.close()


def test_fingerprints_are_remembered_with_when_they_were_met(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "c")
    one, two = Fingerprint(id="1", canary="a"), Fingerprint(id="2", logprobs=(-0.5,))
    for fingerprint in (one, two, one):
        cache.meet("m", "http://there/v1", fingerprint)
    cache.meet("other", None, Fingerprint(id="3"))
    assert [known.fingerprint for known in cache.known("m")] == [one, two]
    assert cache.known("m")[0].seen > cache.known("m")[1].seen
    cache.close()
