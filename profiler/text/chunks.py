"""The chunks of texts, runs of characters between blanks: each different one once, and which stands where."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]

_BLANK = np.array([chr(code).isspace() for code in range(128)] + [False] * 128)


class Chunks(NamedTuple):
    """The chunks of some texts."""

    kinds: list[str]
    """Each different chunk, once."""
    places: IntArray
    """Text by text, which of the kinds stands there."""
    sizes: IntArray
    """How many chunks each text has."""
    characters: IntArray
    """How many characters of each text are no blanks."""


def chunks(texts: Sequence[str], whole: bool = False) -> Chunks:
    """Part texts at blanks, as str.split does, or take each WHOLE.

    Arrow finds the same chunk again some three times as fast as Python's dictionaries do.
    """
    import pyarrow as pa

    # What is a blank beyond ASCII is Python's to know.
    plain = [text if text.isascii() else " ".join(text.split()) for text in texts]
    encoded = [text.encode("utf-8", "surrogatepass") for text in plain]
    lengths = np.fromiter(map(len, encoded), np.int64, len(encoded))
    data = np.frombuffer(b" ".join([*encoded, b""]), np.uint8)
    inside = ~_BLANK[data]
    edges = np.flatnonzero(inside[1:] != inside[:-1]) + 1
    edges = np.concatenate([[0], edges]) if inside[:1].any() else edges  # each text ends in a blank
    starts, stops = edges[::2], edges[1::2]
    offsets = np.concatenate([[0], np.cumsum(stops - starts)])
    before = np.searchsorted(starts, np.cumsum(lengths + 1))
    characters = np.diff(offsets[before], prepend=0)
    for place in np.flatnonzero(lengths != np.fromiter(map(len, plain), np.int64, len(plain))):
        characters[place] = len(plain[place]) - plain[place].count(" ")
    if whole:
        numbers: dict[str, int] = {}
        places = [numbers.setdefault(text, len(numbers)) for text in map(str, texts) if text]
        sizes = np.array([bool(text) for text in texts], np.int64)
        return Chunks([*numbers], np.array(places, np.int64), sizes, characters)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(data[inside])]
    coded = pa.Array.from_buffers(pa.large_binary(), len(starts), buffers).dictionary_encode()
    kinds = [kind.decode("utf-8", "surrogatepass") for kind in coded.dictionary.to_numpy(zero_copy_only=False)]
    return Chunks(kinds, coded.indices.to_numpy().astype(np.int64), np.diff(before, prepend=0), characters)
