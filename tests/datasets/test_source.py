"""Official files are found wherever they lie, and one that is not what it should be says so in a sentence."""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from profiler.cli import app
from profiler.datasets import File, Source, found_in, mini, official, officials
from profiler.endpoints.local.engine import dozing
from profiler.errors import BadData, NotAvailable, UnknownName
from tests.support.places import ROOT

CONTENT = b'{"id": 1, "text": "one"}\n{"id": 2, "text": "two"}\n{"id": 3, "text": "three"}\n'
SHA256 = hashlib.sha256(CONTENT).hexdigest()
BLOB = hashlib.sha1(b"blob %d\0" % len(CONTENT) + CONTENT).hexdigest()
LINES = File("data/lines.jsonl", SHA256, 3)


def source(*files: File) -> Source:
    return Source("numbers", "Three numbers", "CC0", "Nobody 2026", "https://example.org/0a1b/{path}", files)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "mine").mkdir()
    monkeypatch.setenv("INHERIT_DATA", str(tmp_path / "mine"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "mine"


def put(path: Path, content: bytes = CONTENT) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("place", ["lines.jsonl", "data/lines.jsonl", "a/b/c/data/lines.jsonl", "a/b/lines.jsonl"])
@pytest.mark.parametrize("packed", [False, True])
def test_a_file_is_found_at_any_depth_packed_or_not(folder, place, packed):
    path = put(folder / (place + ".gz" * packed), gzip.compress(CONTENT) if packed else CONTENT)
    assert source(LINES).find(LINES) == path
    assert source(LINES).read(LINES) == CONTENT
    assert [row["text"] for row in source(LINES).rows(LINES, ["id", "text"])] == ["one", "two", "three"]


def test_the_cache_is_looked_into_after_the_folder(folder, tmp_path):
    cached = put(tmp_path / "cache/inheritance-profiler/data/numbers/data/lines.jsonl")
    assert source(LINES).find(LINES) == cached
    mine = put(folder / "lines.jsonl")
    assert source(LINES).find(LINES) == mine


def test_a_file_of_the_same_name_and_other_content_is_not_taken_for_it(folder):
    put(folder / "regenerated/lines.jsonl", b'{"id": 9}\n')
    assert source(LINES).find(LINES) is None
    right = put(folder / "z/lines.jsonl")
    assert source(LINES).find(LINES) == right


def test_a_file_of_the_same_name_is_named_where_the_right_one_is_not_found(folder):
    path = put(folder / "regenerated/lines.jsonl", b'{"id": 9}\n')
    with pytest.raises(NotAvailable, match=rf"is unavailable.*; {path} is called so, but its checksum is another"):
        source(LINES).read(LINES)


def test_a_file_known_by_its_blob_only_is_verified_by_it(folder):
    file = File("data/lines.jsonl", "", 3, git=BLOB)
    put(folder / "lines.jsonl")
    assert source(file).read(file) == CONTENT


def test_a_missing_file_says_where_to_get_it_and_where_to_put_it():
    with pytest.raises(BadData, match=r"unavailable.*https://example\.org/0a1b/data/lines\.jsonl.*INHERIT_DATA"):
        source(LINES).read(LINES)


def test_a_wrong_checksum_is_one_sentence(folder):
    put(folder / "data/lines.jsonl", CONTENT.replace(b"two", b"zwo"))
    with pytest.raises(BadData, match=r"is not the official data/lines.jsonl of numbers: its checksum is another"):
        source(LINES).read(LINES)


def test_a_cut_off_file_is_called_so(folder):
    put(folder / "data/lines.jsonl", CONTENT[:40])
    with pytest.raises(BadData, match="it is cut off after 1 of 3 rows"):
        source(LINES).read(LINES)


def test_a_file_of_one_piece_that_is_cut_off_is_called_so(folder):
    whole = File("data/all.json", SHA256, 0, size=len(CONTENT))
    put(folder / "data/all.json", CONTENT[:40])
    with pytest.raises(BadData, match="it is cut off after 40 of 77 bytes"):
        source(whole).read(whole)


def test_a_file_that_says_the_same_in_another_form_stands_in(folder):
    other = b'{"id":1,"text":"one"}\n'
    form = File("lines.short.jsonl", hashlib.sha256(other).hexdigest(), 1)
    file = File(LINES.path, SHA256, 3, same=(form,))
    put(folder / "somewhere/lines.short.jsonl.gz", gzip.compress(other))
    held = source(file).held(file)
    assert held is not None
    assert held.form == form
    assert [row["text"] for row in source(file).rows(file, ["id", "text"])] == ["one"]
    put(folder / "lines.jsonl")
    assert source(file).get(file).form == file


@pytest.mark.parametrize("content", [gzip.compress(CONTENT)[:30], b"not gzip at all"], ids=["cut off", "no archive"])
def test_a_broken_archive_is_called_so(folder, content):
    put(folder / "data/lines.jsonl.gz", content)
    with pytest.raises(BadData, match="is cut off or not gzip"):
        source(LINES).read(LINES)


def test_a_missing_column_is_named_with_the_row(folder):
    put(folder / "lines.jsonl")
    with pytest.raises(BadData, match=r"data/lines.jsonl of numbers row 1: no column label; found id, text"):
        list(source(LINES).rows(LINES, ["id", "label"]))


def test_shipped_sets_are_read_by_name():
    assert len(list(mini.rows("prompts"))) == 64
    assert len(mini.sha256("prompts")) == 64


UNPINNED = {"real_toxicity_prompts"}
"""Sets whose revision and checksum nobody here knows: who fetches them is told."""


def test_every_official_set_says_where_it_is_from_and_what_may_be_done_with_it():
    assert len(officials()) >= 10
    for known in officials():
        assert known.about
        assert known.licence
        assert known.citation
        for file in known.files:
            address = known.address(file)
            assert re.fullmatch(r"https://[^{} ]+", address), address
            if known.name in UNPINNED:
                continue
            # A revision of git, or an archive whose content the checksum pins.
            assert re.search(r"/[0-9a-f]{40}/", address) or address.endswith(".zip"), address
            for form in (file, *file.same):
                assert re.fullmatch(r"[0-9a-f]{64}", form.sha256) or re.fullmatch(r"[0-9a-f]{40}", form.git)


def test_a_data_set_that_nobody_knows_is_met_with_the_nearest_name():
    with pytest.raises(UnknownName, match="no data set 'bbbq'; did you mean 'bbq'"):
        official("bbbq")


def test_a_look_up_imports_no_probe():
    code = "import sys; from profiler import datasets; datasets.officials(); print([*map(str, sys.modules)])"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "profiler.datasets.official" in said
    assert "profiler.probes" not in said


def test_a_folder_is_looked_into_within_its_block_only(folder, tmp_path):
    mine = put(folder / "lines.jsonl")
    other = put(tmp_path / "other" / "lines.jsonl")
    before = dict(os.environ)
    with found_in(tmp_path / "other"):
        assert source(LINES).find(LINES) == other
        with found_in(None):
            assert source(LINES).find(LINES) == other
        assert os.environ == before
    assert source(LINES).find(LINES) == mine


def test_a_command_leaves_the_environment_as_it_is(tmp_path):
    before = dict(os.environ)
    put(tmp_path / "other" / "a.jsonl", b'{"prompt": "Why?"}\n')
    for words in (["data", "ls"], ["rescore", "bbq", str(tmp_path / "other" / "a.jsonl")], ["study", "nothing.toml"]):
        CliRunner().invoke(app, [*words, "--data", str(tmp_path / "other")])
        assert os.environ == before


def test_nothing_sets_the_environment_of_the_process():
    writes = re.compile(r"os\.environ(\[[^]]*\] *\|?= |\.(update|setdefault|pop)\()|os\.(putenv|unsetenv)\(")
    root = ROOT
    packages = ("inherit", "profiler", "selection", "training", "lm_eval_tasks")
    found = {
        path.relative_to(root).as_posix()
        for package in packages
        for path in (root / package).rglob("*.py")
        if writes.search(path.read_text("utf-8"))
    }
    # Torch and trackers take some things from there and nowhere else; both are put back. A job of EvalHub is a process
    # of its own, which is handed its key as a file; so is a task of a study, which is told which GPUs are its own.
    known = {
        "profiler/endpoints/local/engine.py",
        "training/trainer.py",
        "profiler/harnesses/evalhub/job.py",
        "profiler/places/here.py",
    }
    assert found <= known, "give it to the subprocess, or take a ContextVar"


def test_torch_is_told_how_to_wait_and_nobody_else(monkeypatch):
    for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT"):
        monkeypatch.delenv(name, raising=False)
    before = dict(os.environ)
    with dozing():
        assert os.environ == before | {"GOMP_SPINCOUNT": "1000"}
    assert os.environ == before
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    with dozing():
        assert "GOMP_SPINCOUNT" not in os.environ
