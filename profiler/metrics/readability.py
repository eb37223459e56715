"""How hard a text is to read, in school years or points; English only, for that is what the formulas were fitted to."""

from functools import partial

import numpy as np

from profiler.metrics.length import TD, sentence_length, syllables, word_length
from profiler.metrics.metric import register
from profiler.stats import FloatArray
from profiler.text import Batch, ratio

metric = partial(register, family="readability", version=TD, languages=("en",), of_words=True)


@metric(unit="grade")
def gunning_fog(texts: Batch) -> FloatArray:
    """Gunning-Fog index: school years needed, from long sentences and words of three syllables or more.

    0.4 · (words / sentences + 100 · hard words / words); Gunning 1952.
    """
    return 0.4 * (sentence_length(texts) + 100 * ratio(texts.counts.hard, texts.counts.words))


@metric(unit="long words/sentence")
def rix(texts: Batch) -> FloatArray:
    """Rix: words of more than six characters in a sentence.

    long words / sentences; Anderson 1983. Undefined for a text without words.
    """
    return np.where(texts.counts.words > 0, ratio(texts.counts.long, texts.counts.sentences), np.nan)


@metric(unit="points")
def lix(texts: Batch) -> FloatArray:
    """Lix: words in a sentence plus the percentage of words of more than six characters; higher is harder.

    words / sentences + 100 · long words / words; Björnsson 1968.
    """
    return sentence_length(texts) + 100 * ratio(texts.counts.long, texts.counts.words)


@metric(unit="points")
def flesch(texts: Batch) -> FloatArray:
    """Flesch reading ease: higher is easier, 60 to 70 is plain English.

    206.835 - 1.015 · words / sentences - 84.6 · syllables / words; Flesch 1948.
    """
    return 206.835 - 1.015 * sentence_length(texts) - 84.6 * syllables(texts)


@metric(unit="grade")
def flesch_kincaid(texts: Batch) -> FloatArray:
    """Flesch-Kincaid grade: school years needed, from words in a sentence and syllables in a word.

    0.39 · words / sentences + 11.8 · syllables / words - 15.59; Kincaid et al. 1975.
    """
    return 0.39 * sentence_length(texts) + 11.8 * syllables(texts) - 15.59


@metric(unit="grade")
def smog(texts: Batch) -> FloatArray:
    """SMOG: school years needed, from words of three syllables or more in a sentence.

    1.043 · √(30 · hard words / sentences) + 3.1291; McLaughlin 1969. Undefined below three sentences.
    """
    counts = texts.counts
    hard = ratio(counts.hard, counts.sentences)
    return np.where(counts.sentences >= 3, 1.043 * np.sqrt(30 * hard) + 3.1291, np.nan)


@metric(unit="grade")
def ari(texts: Batch) -> FloatArray:
    """Automated readability index: school years needed, from characters in a word and words in a sentence.

    4.71 · characters / words + 0.5 · words / sentences - 21.43; Senter & Smith 1967.
    """
    return 4.71 * word_length(texts) + 0.5 * sentence_length(texts) - 21.43


@metric(unit="grade")
def coleman_liau(texts: Batch) -> FloatArray:
    """Coleman-Liau index: school years needed, from characters and sentences in a hundred words.

    0.0588 · characters in 100 words - 0.296 · sentences in 100 words - 15.8; Coleman & Liau 1975.
    """
    counts = texts.counts
    return 0.0588 * (word_length(texts) * 100) - 0.296 * (ratio(counts.sentences, counts.words) * 100) - 15.8
