"""How varied the words are.

Words are taken as LexicalRichness takes them: small letters, digits and dashes deleted, other ASCII punctuation made a
blank, so "don't" is "don" and "t".
"""

from functools import partial

import numpy as np

from profiler.metrics.metric import register
from profiler.stats import FloatArray
from profiler.text import Batch, IntArray, ratio

LR = "lr-0.5"
"""Values of LexicalRichness 0.5.1."""

THRESHOLD = 0.72
NEW, AGAIN = 7, -18
"""types / words falls to 18 / 25 where 25 types - 18 words falls to 0: what a new word and another add to it."""
STRIDE = 64
"""Words of each text that are looked at together."""
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
    count = len(texts.previous)
    later = np.flatnonzero(texts.previous >= 0)
    earlier = later - (texts.place - texts.previous)[later]
    # Behind all texts stand all of them backwards: there a word comes again where it stood before.
    before = np.full(2 * count + STRIDE, -1, np.int64)
    before[later] = earlier
    before[2 * count - 1 - earlier] = 2 * count - 1 - later
    begins = np.concatenate([texts.begins, 2 * count - texts.begins - texts.sizes])
    forwards, backwards = np.split(_factors(before, begins, begins + np.tile(texts.sizes, 2)), 2)
    return np.where(texts.sizes > 0, (texts.sizes / forwards + texts.sizes / backwards) / 2, np.nan)


def _factors(before: IntArray, start: IntArray, end: IntArray) -> FloatArray:
    """Count the factors from each START to its END; BEFORE has the place where the word of a place stood before."""
    place, balance, factors = start.copy(), np.zeros(len(start), np.int64), np.zeros(len(start))
    left = np.flatnonzero(start < end)
    while len(left):
        begun, at = start[left], place[left]
        again = before[at[:, None] + np.arange(STRIDE)] >= begun[:, None]
        sums = np.cumsum(np.where(again, np.int32(AGAIN), np.int32(NEW)), axis=1) + balance[left, None]
        low, last = sums <= 0, np.minimum(end[left] - at, STRIDE) - 1
        first = low.argmax(1)
        complete = low[np.arange(len(left)), first] & (first <= last)
        stop = np.where(complete, first, last)
        place[left] = at + stop + 1
        start[left] = np.where(complete, place[left], begun)
        balance[left] = np.where(complete, 0, sums[np.arange(len(left)), stop])
        factors[left] += complete
        left = left[place[left] < end[left]]
    words = end - start
    types = (balance - AGAIN * words) // (NEW - AGAIN)
    factors += np.where(words > 0, (1 - ratio(types, words)) / (1 - THRESHOLD), 0)
    return np.where(factors > 0, factors, 1.0)  # a text that repeats no word at all counts as one factor


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
    owner, frequency = np.repeat(np.arange(len(texts)), texts.types), texts.frequencies
    base, again = frequency.max(initial=0) + 1, frequency > 1
    once = np.bincount(owner[~again], minlength=len(texts))
    pairs = np.sort(owner[again] * base + frequency[again])
    begins = np.flatnonzero(np.diff(pairs, prepend=-1))
    words = np.concatenate([once, np.diff(begins, append=len(pairs))])
    owner, frequency = np.concatenate([[np.arange(len(texts)), np.ones_like(once)], np.divmod(pairs[begins], base)], 1)
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
