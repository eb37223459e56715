"""How much is written, and in what lengths of word and sentence."""

from functools import partial

from profiler.metrics.metric import register
from profiler.stats import FloatArray
from profiler.text import Batch, ratio

TD = "td-2.8/sentencizer/one-space"
"""Values of TextDescriptives 2.8 on spaCy's blank pipeline with its rule-based sentencizer, of a text whose runs of
blanks are one space each: it takes line breaks for words."""

metric = partial(register, family="length", version=TD, margin="5%")
of_words = partial(metric, of_words=True)


@metric(unit="characters")
def characters(texts: Batch) -> FloatArray:
    """Characters of the text, blanks left out."""
    return texts.counts.characters


@of_words(unit="words")
def words(texts: Batch) -> FloatArray:
    """Words of the text; what the paper calls tokens.

    A word is a spaCy token that is not punctuation and has no apostrophe in it ("n't", "'s").
    """
    return texts.counts.words


@of_words(unit="sentences")
def sentences(texts: Batch) -> FloatArray:
    """Sentences of the text, parted at full stops, question marks, exclamation marks and their like.

    A list without full stops is one sentence.
    """
    return texts.counts.sentences


@of_words(unit="characters/word")
def word_length(texts: Batch) -> FloatArray:
    """Mean characters of a word.

    Undefined for a text without words.
    """
    return ratio(texts.counts.letters, texts.counts.words)


@of_words(unit="words/sentence")
def sentence_length(texts: Batch) -> FloatArray:
    """Mean words of a sentence.

    Undefined for an empty text.
    """
    return ratio(texts.counts.words, texts.counts.sentences)


@of_words(unit="syllables/word")
def syllables(texts: Batch) -> FloatArray:
    """Mean syllables of a word.

    A word has one syllable more than the places where Pyphen would hyphenate it (Liang 1983), so short words such as
    "over" count as one. Undefined for a text without words and for languages that Pyphen has no dictionary of.
    """
    return ratio(texts.counts.syllables, texts.counts.words)
