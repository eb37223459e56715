"""Answers that say nearly the same to different prompts, found by their sequences of three words."""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO, NamedTuple

import numpy as np

from profiler.files import disk
from profiler.stats import IntArray
from selection.random_bits import BoolArray, HashArray, mixed

VERSION = "minhash-4x8/3-words"
BANDS, ROWS = 4, 8
"""Two texts that share nine tenths of their sequences have a band in common nine times in ten; those that share half,
once in sixty."""
SHORT = 20
"""Words below which two answers may well be the same: "Yes, that is right." answers many questions."""
BASE = np.uint64(0x100000001B3)
INVERSE = np.uint64(pow(0x100000001B3, -1, 2**64))
TOGETHER = 320
"""Texts that are hashed at a time: more of them do not stay in the processor's cache."""
USUAL = 18
"""Bits of how many characters they have."""
SCRATCH = ".bands-"
"""How the name of the folder begins where parted bands lie."""
HELD = 1_000_000
"""Bands held at a time; more of them are parted into more files and take no more memory."""


def similarity_bands(texts: Sequence[str]) -> HashArray:
    """(texts, BANDS): numbers of which two texts share one if they share nearly all their sequences; 0 if too short.

    Broder 1997: the least of a random hash over a set's members is the same for two sets as often as they have
    members in common.
    """
    parts = [_bands(texts[start : start + TOGETHER]) for start in range(0, len(texts), TOGETHER)]
    return np.concatenate([np.zeros((0, BANDS), np.uint64), *parts])


def _bands(texts: Sequence[str]) -> HashArray:
    out = np.zeros((len(texts), BANDS), np.uint64)
    hashes, owner = _sequences(texts)
    sizes = np.bincount(owner, minlength=len(texts))
    long = np.flatnonzero(sizes >= SHORT - 2)
    if not len(long):
        return out
    hashes, starts = hashes[np.isin(owner, long)], np.cumsum(sizes[long]) - sizes[long]
    for band in range(BANDS):
        salts = 1 + band * ROWS + np.arange(ROWS)
        joint = np.zeros(len(long), np.uint64)
        for least in np.minimum.reduceat(mixed(hashes, salts[:, np.newaxis]), starts, axis=1):
            joint = mixed(joint ^ least, 0)
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
        powers, inverses = (_powers(base, max(USUAL, len(data).bit_length())) for base in (BASE, INVERSE))
        sums = np.concatenate([[np.uint64(0)], np.cumsum(data * powers[: len(data)])])
        words = mixed((sums[ends] - sums[starts]) * inverses[starts], 0)
        three = mixed(mixed(words[:-2], 1) ^ mixed(words[1:-1], 2) ^ mixed(words[2:], 3), 0)
    owner = text_of[starts]
    same = owner[:-2] == owner[2:]
    return _Sequences(three[same], owner[:-2][same])


@lru_cache(maxsize=2)
def _powers(base: np.uint64, bits: int) -> HashArray:
    """1, BASE, BASE², … to BASE^(2^BITS - 1), modulo 2^64."""
    factors = np.full(1 << bits, base)
    factors[0] = 1
    return np.multiply.accumulate(factors)


def repeated_rows(read: Iterable[tuple[IntArray, HashArray]], parts: int, scratch: Path) -> Iterator[IntArray]:
    """Rows (counted over all that is read) whose answer an earlier prompt has too; some rows more than once.

    All is read once, with prompts numbered in its order. Its bands are parted, in files of a folder that is taken away
    again, so that of so many PARTS only one is held at a time: equal bands are in the same.
    """
    if parts == 1:
        yield from _repeated(_gathered(read))
        return
    with disk(scratch):
        scratch.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=scratch, prefix=SCRATCH) as folder:
            files = [Path(folder, str(part)) for part in range(parts)]
            for bands in _gathered(read):
                turn = bands[:, 0] % np.uint64(parts)
                order = np.argsort(turn, kind="stable")
                ends = np.searchsorted(turn[order], np.arange(1, parts, dtype=np.uint64))
                for file, some in zip(files, np.split(bands[order], ends), strict=True):
                    with file.open("ab") as end:  # closed again: there may be more of them than a process may have open
                        end.write(some.tobytes())
            for file in files:
                with file.open("rb") as start:
                    yield from _repeated(_kept(start))


def _kept(file: BinaryIO) -> Iterator[HashArray]:
    """The bands of a file, as many at a time as are held."""
    while held := file.read(HELD * 24):
        yield np.frombuffer(held, np.uint64).reshape(-1, 3)


def _gathered(read: Iterable[tuple[IntArray, HashArray]]) -> Iterator[HashArray]:
    """Bands, each with its prompt and its row, in the order of prompts: as many at a time as are held."""
    rows, held, some = 0, 0, [_NOTHING]
    for prompt, bands in read:
        where, _ = np.nonzero(bands)
        found = np.stack([bands[bands != 0], prompt[where].astype(np.uint64), (where + rows).astype(np.uint64)], axis=1)
        some.append(found[np.argsort(found[:, 1], kind="stable")])
        rows, held = rows + len(prompt), held + len(found)
        if held >= HELD:
            whole, held = np.concatenate(some), 0
            some.clear()
            yield whole
    if some:
        yield np.concatenate(some)


def _repeated(read: Iterable[HashArray]) -> Iterator[IntArray]:
    """Of bands with their prompt and row, the rows that share one with an earlier prompt.

    Of a band that comes again and again only the earliest prompt is held.
    """
    known = _NOTHING
    for some in read:
        bands = np.concatenate([known, some])
        if not len(bands):
            return
        band, prompt, row = bands[np.argsort(bands[:, 0])].T
        new = np.diff(band, prepend=np.uint64(0)) != 0  # no band is 0, so the first is new as well
        starts = np.flatnonzero(new)
        earliest = np.minimum.reduceat(prompt, starts)
        yield row[prompt != earliest[np.cumsum(new) - 1]].astype(np.int64)  # none of what was known: it is the earliest
        known = np.stack([band[starts], earliest, row[starts]], axis=1)


class RowFlags:
    """A yes or no of each row of a pool, held in a bit."""

    def __init__(self, rows: int) -> None:
        self._bits = np.zeros(-(-rows // 8), np.uint8)

    def __len__(self) -> int:
        """How many are yes."""
        return int(np.bitwise_count(self._bits).sum())

    def add(self, rows: IntArray) -> None:
        np.bitwise_or.at(self._bits, rows >> 3, np.left_shift(1, rows & 7).astype(np.uint8))

    def between(self, start: int, end: int) -> BoolArray:
        """Those of the rows from START on, up to END."""
        first = start // 8
        bits = np.unpackbits(self._bits[first : -(-end // 8)], bitorder="little")
        return bits[start - 8 * first : end - 8 * first].astype(np.bool_)


_NONE = np.zeros(0, np.int64)
_NOTHING = np.zeros((0, 3), np.uint64)
