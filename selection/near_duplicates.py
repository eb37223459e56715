"""Answers that say nearly the same to different prompts, found by their sequences of three words."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np

from profiler.files import disk
from profiler.stats import IntArray
from selection.random_bits import HashArray, mixed

VERSION = "minhash-4x8/3-words"
BANDS, ROWS = 4, 8
"""Two texts that share nine tenths of their sequences have a band in common nine times in ten; those that share half,
once in sixty."""
SHORT = 20
"""Words below which two answers may well be the same: "Yes, that is right." answers many questions."""
BASE = np.uint64(0x100000001B3)
INVERSE = np.uint64(pow(0x100000001B3, -1, 2**64))
HELD = 4_000_000
"""Bands held at a time; more of them are parted into more files and take no more memory."""


def similarity_bands(texts: Sequence[str]) -> HashArray:
    """(texts, BANDS): numbers of which two texts share one if they share nearly all their sequences; 0 if too short.

    Broder 1997: the least of a random hash over a set's members is the same for two sets as often as they have
    members in common.
    """
    out = np.zeros((len(texts), BANDS), np.uint64)
    hashes, owner = _sequences(texts)
    sizes = np.bincount(owner, minlength=len(texts))
    long = np.flatnonzero(sizes >= SHORT - 2)
    if not len(long):
        return out
    inside = np.isin(owner, long)
    hashes, starts = hashes[inside], np.cumsum(sizes[long]) - sizes[long]
    with np.errstate(over="ignore"):
        for band in range(BANDS):
            joint = np.zeros(len(long), np.uint64)
            for row in range(ROWS):
                joint = mixed(joint ^ np.minimum.reduceat(mixed(hashes, 1 + band * ROWS + row), starts), 0)
            out[long, band] = joint
    return out


class _Sequences(NamedTuple):
    """A hash of each three words in a row, and the text that they stand in."""

    hashes: HashArray
    owner: IntArray


def _sequences(texts: Sequence[str]) -> _Sequences:
    plain = [text.lower().replace("\n", " ") for text in texts]
    data = np.frombuffer("\n".join(plain).encode("utf-8", "replace"), np.uint8)
    line = data == 10
    text_of = np.cumsum(line)
    letter = (data > 127) | ((data >= 97) & (data <= 122)) | ((data >= 48) & (data <= 57))
    edge = np.diff(letter.astype(np.int8), prepend=0, append=0)
    starts, ends = np.flatnonzero(edge == 1), np.flatnonzero(edge == -1)
    if len(starts) < 3:
        return _Sequences(np.zeros(0, np.uint64), _NONE)
    with np.errstate(over="ignore"):
        # A word's polynomial hash from prefix sums: (H[end] - H[start]) / BASE^start, all modulo 2^64.
        powers, inverses = _powers(BASE, len(data)), _powers(INVERSE, len(data))
        sums = np.concatenate([[np.uint64(0)], np.cumsum(data.astype(np.uint64) * powers)])
        words = mixed((sums[ends] - sums[starts]) * inverses[starts], 0)
        three = mixed(mixed(words[:-2], 1) ^ mixed(words[1:-1], 2) ^ mixed(words[2:], 3), 0)
    owner = text_of[starts]
    same = owner[:-2] == owner[2:]
    return _Sequences(three[same], owner[:-2][same])


def _powers(base: np.uint64, size: int) -> HashArray:
    """1, BASE, BASE², …, modulo 2^64."""
    factors = np.full(size, base)
    factors[:1] = 1
    return np.multiply.accumulate(factors)


def repeated_rows(read: Iterable[tuple[IntArray, HashArray]], parts: int, scratch: Path) -> Iterator[IntArray]:
    """Rows (counted over all that is read) whose answer an earlier prompt has too; some rows more than once.

    All is read once. Its bands are parted, in files of a folder that is taken away again, so that of so many PARTS only
    one is held at a time: equal bands are in the same.
    """
    if parts == 1:
        yield _repeated(np.concatenate([_NOTHING, *_numbered(read)]))
        return
    with disk(scratch), ExitStack() as stack:
        scratch.mkdir(parents=True, exist_ok=True)
        folder = stack.enter_context(TemporaryDirectory(dir=scratch, prefix=".bands-"))
        files = [stack.enter_context(Path(folder, str(part)).open("wb+")) for part in range(parts)]
        for bands in _numbered(read):
            turn = bands[:, 0] % np.uint64(parts)
            for part, file in enumerate(files):
                file.write(bands[turn == part].tobytes())
        for file in files:
            file.seek(0)
            yield _repeated(np.frombuffer(file.read(), np.uint64).reshape(-1, 3))


def _numbered(read: Iterable[tuple[IntArray, HashArray]]) -> Iterator[HashArray]:
    """Bands, each with its prompt and its row."""
    rows = 0
    for prompt, bands in read:
        where, _ = np.nonzero(bands)
        yield np.stack([bands[bands != 0], prompt[where].astype(np.uint64), (where + rows).astype(np.uint64)], axis=1)
        rows += len(prompt)


def _repeated(bands: HashArray) -> IntArray:
    """Of bands with their prompt and row, the rows that share one with an earlier prompt."""
    if not len(bands):
        return _NONE
    band, prompt, row = bands[np.argsort(bands[:, 0])].T
    new = np.diff(band, prepend=np.uint64(0)) != 0  # no band is 0, so the first is new as well
    earliest = np.minimum.reduceat(prompt, np.flatnonzero(new))[np.cumsum(new) - 1]
    return np.unique(row[prompt != earliest]).astype(np.int64)


_NONE = np.zeros(0, np.int64)
_NOTHING = np.zeros((0, 3), np.uint64)
