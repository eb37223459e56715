"""A run is a folder: what a reader finds in it after everything that can happen to a disk."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pyarrow.parquet as pq
import pytest

from profiler.errors import BadData, InheritError, StoreError, UnknownName
from profiler.records import SCHEMA, Endpoint, Fingerprint, Generation, Profile, Sample, Usage
from profiler.runs import compare, sample_store
from tests.support.command import inherit

NOW = datetime(2026, 11, 21, 9, 0, 0, tzinfo=UTC)


def sample(item: str, words: float | None = 1.0, error: str | None = None) -> Sample:
    scores = {} if error else {"words": words}
    answers = (Generation(text=f"answer {item}"),)
    return Sample(probe="p", item=item, prompt="?", answers=answers, how="text", scores=scores, error=error)


def profile(name: str) -> Profile:
    return Profile(
        id=name, name="m", endpoint=Endpoint(model="m"), fingerprint=Fingerprint(id="f"), sections=(), estimates=(),
        usage=Usage(), started=NOW, seconds=1, versions={},
    )  # fmt: skip


def finished(out: Path, plan: str, *samples: Sample) -> Path:
    with sample_store.begin(out, "my/model", plan, NOW) as folder:
        journal = sample_store.Journal(folder, "p")
        journal.append(samples)
        journal.seal()
        sample_store.save_profile(folder, profile(folder.name))
    return folder


def test_samples_come_back_as_they_went_in(tmp_path: Path) -> None:
    gone_in = [sample("b", 2.5), sample("a", None), sample("c", error="timeout")]
    run = sample_store.Run(finished(tmp_path, "aa", *gone_in))
    assert list(run.samples("p")) == gone_in


def test_columns_leave_failed_items_out_and_keep_undefined_ones(tmp_path: Path) -> None:
    run = sample_store.Run(finished(tmp_path, "aa", sample("b", 2.5), sample("a", None), sample("c", error="timeout")))
    found = run.columns("p")
    assert found.items == ["a", "b"]
    assert [str(value) for value in found.columns["words"]] == ["nan", "2.5"]


def test_columns_do_not_depend_on_the_order_of_arrival(tmp_path: Path) -> None:
    one = sample_store.Run(finished(tmp_path, "aa", sample("a", 1), sample("b", 2))).columns("p")
    two = sample_store.Run(finished(tmp_path, "bb", sample("b", 2), sample("a", 1))).columns("p")
    assert one.items == two.items
    assert one.columns["words"].tolist() == two.columns["words"].tolist()


def test_a_torn_last_line_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_bytes(sample("a").model_dump_json().encode() + b"\n" + sample("b").model_dump_json().encode()[:40])
    sample_store.seal(path, tmp_path / "p.parquet")
    assert sample_store.read_columns(tmp_path / "p.parquet").items == ["a"]


def test_a_stopped_run_of_the_same_plan_is_gone_on_with(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), sample_store.begin(tmp_path, "m", "aa", NOW) as first:
        raise KeyboardInterrupt
    later = datetime(2026, 11, 22, tzinfo=UTC)
    with (
        sample_store.begin(tmp_path, "m", "aa", later) as second,
        sample_store.begin(tmp_path, "m", "bb", later) as other,
    ):
        assert second == first != other


def test_a_finished_run_is_never_written_over(tmp_path: Path) -> None:
    assert finished(tmp_path, "aa") != finished(tmp_path, "aa")  # within the same second


def test_two_runs_of_one_plan_at_once_do_not_share_a_folder(tmp_path: Path) -> None:
    later = datetime(2026, 11, 22, tzinfo=UTC)
    with (
        sample_store.begin(tmp_path, "m", "aa", NOW) as first,
        sample_store.begin(tmp_path, "m", "aa", later) as second,
    ):
        assert first != second
        with (
            pytest.raises(StoreError, match="another inherit is writing"),
            sample_store.begin(tmp_path, "m", "aa", NOW),
        ):
            pass


def test_a_run_is_found_by_folder_name_end_of_name_and_latest(tmp_path: Path) -> None:
    folder = finished(tmp_path, "aa")
    newest = finished(tmp_path, "bb")
    for name in (str(folder), str(folder / "profile.json"), folder.name, "aa"):
        assert sample_store.load(name, tmp_path).folder.name == folder.name
    assert sample_store.load("latest", tmp_path).folder == newest


def test_an_unknown_run_or_probe_is_met_with_a_suggestion(tmp_path: Path) -> None:
    folder = finished(tmp_path, "aa", sample("a"))
    with pytest.raises(UnknownName, match=f"no run '{folder.name}x'; did you mean '{folder.name}'"):
        sample_store.load(folder.name + "x", tmp_path)
    with pytest.raises(UnknownName, match="no probe in this run 'q'"):
        sample_store.Run(folder).columns("q")


def test_a_name_that_means_two_runs_is_refused(tmp_path: Path) -> None:
    finished(tmp_path, "aa")
    with sample_store.begin(tmp_path, "other", "aa", datetime(2026, 11, 22, tzinfo=UTC)) as folder:
        sample_store.save_profile(folder, profile(folder.name))
    with pytest.raises(InheritError, match="means 2 runs"):
        sample_store.load("aa", tmp_path)


def test_a_profile_of_a_newer_schema_asks_for_an_upgrade(tmp_path: Path) -> None:
    folder = finished(tmp_path, "aa")
    path = folder / "profile.json"
    path.write_bytes(orjson.dumps({**orjson.loads(path.read_bytes()), "schema_version": SCHEMA + 1, "new": 1}))
    with pytest.raises(StoreError, match=rf"schema {SCHEMA + 1}, this inherit knows up to {SCHEMA}; upgrade"):
        sample_store.load(str(folder)).profile  # noqa: B018 - reading it is the point


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"schema_version": 1}'])
def test_a_file_that_is_no_profile_is_said_to_be_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "profile.json").write_bytes(content)
    with pytest.raises(BadData, match="not what inherit writes there"):
        sample_store.read_profile(tmp_path / "profile.json")


def test_a_full_disk_is_one_sentence_that_says_what_to_do(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    old = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    journal = sample_store.Journal(tmp_path, "p")
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, before[1]))
        with pytest.raises(StoreError, match=r"the disk is full; make room and run the same command again"):
            journal.append([sample(str(i)) for i in range(100)])
        journal.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, old)


def test_a_folder_that_can_not_be_written_is_one_sentence(tmp_path: Path) -> None:
    code = (
        "import filelock, os; from pathlib import Path; from datetime import datetime\n"
        "from profiler.runs import sample_store\n"
        "from profiler.errors import StoreError\n"
        "if os.geteuid() == 0: os.setuid(65534)  # root may write anywhere\n"
        "try: sample_store.begin(Path('runs'), 'm', 'aa', datetime.now()).__enter__()\n"
        "except StoreError as error: print(error)"
    )
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o555)
    done = subprocess.run([sys.executable, "-c", code], cwd=closed, capture_output=True, text=True, check=False)
    assert "the folder can't be written to; choose another with --out or --save" in done.stdout, done.stderr


def test_the_order_of_listed_options_and_the_option_taken_stand_in_parquet(tmp_path: Path) -> None:
    journal = sample_store.Journal(tmp_path, "bbq")
    journal.append([Sample(probe="bbq", item="a", prompt="Who?", choice=2, order=(2, 0, 1), how="letter")])
    journal.append([Sample(probe="bbq", item="b", prompt="Who?", how="loglikelihood")])
    journal.seal()
    table = pq.read_table(journal.sealed, columns=["item", "choice", "order"]).to_pylist()
    assert table == [{"item": "a", "choice": 2, "order": [2, 0, 1]}, {"item": "b", "choice": None, "order": []}]


def named(out: Path, second: int, name: str) -> Path:
    folder = out / f"20260101-00000{second}-model-{second}aaaa"
    folder.mkdir(parents=True)
    sample_store.save_profile(folder, profile(name).model_copy(update={"name": name}))
    return folder


def test_a_run_is_found_by_the_name_that_it_was_given(tmp_path):
    first, _ = named(tmp_path, 1, "teacher"), named(tmp_path, 2, "student")
    assert sample_store.load("teacher", tmp_path).folder == first


def test_a_name_that_several_runs_were_given_is_refused_with_their_folders_newest_first(tmp_path):
    folders = [named(tmp_path, second, "student").name for second in (1, 2, 3)]
    with pytest.raises(InheritError, match=rf"'student' means 3 runs, newest first: {', '.join(folders[::-1])}; give"):
        sample_store.load("student", tmp_path)


def test_a_name_that_no_run_has_is_told_the_nearest(tmp_path):
    named(tmp_path, 1, "student")
    with pytest.raises(InheritError, match=r"no run 'studnet'; did you mean 'student'"):
        sample_store.load("studnet", tmp_path)


def test_the_runs_that_ship_are_found_by_name_and_can_be_compared(tmp_path):
    teacher, student = (sample_store.load(f"example/{name}", tmp_path) for name in ("teacher", "student"))
    assert compare.compare(teacher, student).changes
    assert (
        sum(path.stat().st_size for path in sample_store.EXAMPLES.rglob("example/**/*") if path.is_file()) < 1_000_000
    )
    with pytest.raises(UnknownName, match="did you mean 'example/student'"):
        sample_store.load("example/studnt", tmp_path)


async def test_a_damaged_run_is_listed_as_that_and_hides_no_other(tmp_path, monkeypatch):
    named(tmp_path / "runs", 1, "mine")
    broken = tmp_path / "runs" / "20261121-090000-broken-1234"
    broken.mkdir()
    (broken / "profile.json").write_text("{torn", "utf-8")
    monkeypatch.chdir(tmp_path)
    listed = await inherit("ls")
    assert (listed.code, listed.err) == (0, "")
    assert "damaged" in next(line for line in listed.out.splitlines() if line.startswith(broken.name))
    assert sample_store.load("mine", tmp_path / "runs").profile.name == "mine"
