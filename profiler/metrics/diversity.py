"""How varied the words are.

Words are taken as LexicalRichness takes them: small letters, digits and dashes deleted, other ASCII punctuation made a
blank, so "don't" is "don" and "t".
"""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from profiler.metrics.metric import register
from profiler.stats import FloatArray
from profiler.text import Batch, IntArray, ratio

LR = "lr-0.5"
"""Values of LexicalRichness 0.5.1."""

Places = NDArray[np.int32] | IntArray

THRESHOLD = 0.72
WINDOW = 100
DRAWS = 42

metric = partial(register, family="diversity", of_words=True)


@metric(unit="words", version=LR)
def mtld(texts: Batch) -> FloatArray:
    """MTLD: how many words run on average before fewer than 72 % of them are different ones.

    Read forwards, a factor is complete, and the count of types starts anew, where types / words falls to 0.72; the
    words left at the end are (1 - types / words) / (1 - 0.72) of a factor. MTLD is words / factors, averaged over
    reading forwards and backwards; McCarthy & Jarvis 2010. It leans on length below some hundred words: a text that
    repeats no word scores its number of words. Undefined for a text without words.
    """
    return np.array([_mtld(terms.previous) for _, terms in texts.counted], np.float64)


def _mtld(previous: Places) -> float:
    size = len(previous)
    if size == 0:
        return np.nan
    # Read backwards, a word comes again where it stood before, with places counted from the other end.
    later = np.flatnonzero(previous >= 0)
    follower = np.zeros(size, np.int64)
    follower[previous[later]] = later
    earlier = np.flatnonzero(follower)[::-1]
    forwards = _factors(later, previous[later], size)
    backwards = _factors(size - 1 - earlier, size - 1 - follower[earlier], size)
    return (size / forwards + size / backwards) / 2


def _factors(places: Places, before: Places, size: int) -> float:
    """Count factors; PLACES are those of the words that stood BEFORE, for only there can types / words fall."""
    factors, start, repeated = 0, 0, 0
    for place, last in zip(places.tolist(), before.tolist(), strict=True):
        if last >= start:
            repeated += 1
            words = place - start + 1
            if (words - repeated) / words <= THRESHOLD:
                factors, start, repeated = factors + 1, place + 1, 0
    words = size - start
    rest = (1 - (words - repeated) / words) / (1 - THRESHOLD) if words else 0.0
    # A text that repeats no word at all counts as one factor.
    return factors + rest or 1.0


@metric(unit="proportion", version=f"{LR}/window-{WINDOW}")
def mattr(texts: Batch) -> FloatArray:
    """MATTR: proportion of different words among 100, averaged over every 100 words that stand together.

    Covington & McFall 2010. Undefined below 100 words.
    """
    windows = texts.sizes - WINDOW + 1
    # A word counts in each window that holds it but not the same word's place before.
    first = np.maximum(texts.previous + 1, texts.place - WINDOW + 1)
    last = np.minimum(texts.place, windows[texts.owner] - 1)
    counted = np.maximum(0, last - np.maximum(first, 0) + 1)
    return ratio(np.bincount(texts.owner, counted, len(texts)), WINDOW * np.maximum(windows, 0))


@metric(unit="proportion", version=f"{LR}/draws-{DRAWS}")
def hdd(texts: Batch) -> FloatArray:
    """HD-D: proportion of different words to expect among 42 drawn from the text.

    Σ over words (1 - P(not among 42 draws without replacement)) / 42; McCarthy & Jarvis 2007. Undefined below 42 words.
    """
    # Words that stand equally often in a text count equally, and most stand there once: a few sums a text.
    owner = np.repeat(np.arange(len(texts)), texts.types)
    base = texts.frequencies.max(initial=0) + 1
    pairs = np.sort(owner * base + texts.frequencies)
    begins = np.flatnonzero(np.diff(pairs, prepend=-1))
    words = np.diff(begins, append=len(pairs))
    owner, frequency = np.divmod(pairs[begins], base)
    expected = np.bincount(owner, words * _drawn(texts.sizes[owner], frequency), len(texts))
    return np.where(texts.sizes < DRAWS, np.nan, expected / DRAWS)


def _drawn(sizes: IntArray, frequencies: IntArray) -> FloatArray:
    """The chance that a word is among the draws: 1 - C(size - frequency, draws) / C(size, draws)."""
    step = np.arange(DRAWS)[:, None]
    left = np.maximum(sizes - frequencies - step, 0)
    absent: FloatArray = np.prod(left / np.maximum(sizes - step, 1), axis=0)
    return 1 - absent


@metric(unit="proportion", version=LR)
def ttr(texts: Batch) -> FloatArray:
    """Type-token ratio: proportion of the words that are different ones.

    It falls with length: compare texts of equal length only. Undefined for a text without words.
    """
    return ratio(texts.types, texts.sizes)
