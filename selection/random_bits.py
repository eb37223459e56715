"""Random numbers of a candidate's own: decided by its key and a seed, not by who else is there."""

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from profiler.stats import FloatArray, IntArray

BoolArray = NDArray[np.bool_]
HashArray = NDArray[np.uint64]

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
"""Steele, Lea & Flood 2014: the increment of SplitMix64."""


def name_bits(names: Sequence[str]) -> HashArray:
    """64 bits of each name's hash."""
    digests = b"".join(blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest() for name in names)
    return np.frombuffer(digests, np.uint64)


def mixed(values: HashArray, salt: int | IntArray) -> HashArray:
    """SplitMix64's finaliser over VALUES moved by SALT: numbers that have nothing to do with each other."""
    with np.errstate(over="ignore"):
        z = np.asarray(values + GOLDEN * (np.asarray(salt).astype(np.uint64) + np.uint64(1)))
    # In place: of long arrays, memory takes longer than arithmetic.
    moved = z >> np.uint64(30)
    for factor, shift in ((0xBF58476D1CE4E5B9, 27), (0x94D049BB133111EB, 31)):
        z ^= moved
        z *= np.uint64(factor)
        np.right_shift(z, np.uint64(shift), out=moved)
    z ^= moved
    return z


def uniform(values: HashArray) -> FloatArray:
    """Each as a number in (0, 1)."""
    return ((values >> np.uint64(11)).astype(np.float64) + 0.5) / 2**53
