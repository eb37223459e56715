"""How much of a text says again what it said."""

import zlib
from functools import partial

import numpy as np

from profiler.metrics.metric import register
from profiler.stats import FloatArray
from profiler.text import Batch, ratio

GRAM = 3
LEVEL = 6

metric = partial(register, family="quality")


@metric(unit="proportion", version=f"seq-rep-{GRAM}/lr-words", of_words=True)
def repetition(texts: Batch) -> FloatArray:
    """Proportion of three-word sequences that the text has had before.

    1 - different 3-grams / 3-grams, the seq-rep-n of Welleck et al. 2020, on the words of the diversity metrics.
    Undefined below three words.
    """
    many = np.maximum(texts.sizes - GRAM + 1, 0)
    # A sequence that comes again has no word that stands in its text once.
    often = texts.frequencies[texts.numbers] > 1
    again = often.copy()
    for step in range(1, GRAM):
        again[:-step] &= often[step:]
    begins = np.flatnonzero(again & (texts.place <= (texts.sizes - GRAM)[texts.owner]))
    base = int(texts.types.max(initial=0))
    grams = texts.owner[begins].astype(np.int64 if len(texts) * base**GRAM < 2**63 else object)
    for step in range(GRAM):
        grams = grams * base + texts.kinds[begins + step]
    grams = np.sort(grams)
    same = grams[1:][grams[1:] == grams[:-1]] // base**GRAM
    return 1 - ratio(many - np.bincount(same.astype(np.int64), minlength=len(texts)), many)


@metric(unit="ratio", version=f"zlib-{zlib.ZLIB_RUNTIME_VERSION}/level-{LEVEL}")
def compression(texts: Batch) -> FloatArray:
    """Compression ratio: how many times smaller the text gets when packed; repetitive text packs better.

    UTF-8 bytes / bytes of zlib's packing at level 6, header included; Shaib et al. 2024 use gzip's. Short texts score
    low, below 1 even. Undefined for an empty text.
    """
    plain = [text.encode(errors="surrogatepass") for text in texts]
    return np.array([len(each) / len(zlib.compress(each, LEVEL)) if each else np.nan for each in plain], np.float64)
