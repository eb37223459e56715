"""How much is written, and in what lengths of word and sentence."""

from functools import partial

from profiler.metrics.metric import register
from profiler.stats import FloatArray
from profiler.text import Batch, ratio

TD = "td-2.8/sentencizer"
"""Values of TextDescriptives 2.8 on spaCy's blank pipeline with its rule-based sentencizer."""

metric = partial(register, family="length", version=TD)


@metric(unit="characters")
def characters(texts: Batch) -> FloatArray:
    """Characters of the text, spaces left out.

    Line breaks and tabs are counted.
    """
    return texts.counts.characters


@metric(unit="words")
def words(texts: Batch) -> FloatArray:
    """Words of the text; what the paper calls tokens.

    A word is a spaCy token that is not punctuation and has no apostrophe in it ("n't", "'s"). A run of blanks that
    is not one space, such as a paragraph's line breaks, is a token to spaCy, and so a word here.
    """
    return texts.counts.words


@metric(unit="sentences")
def sentences(texts: Batch) -> FloatArray:
    """Sentences of the text, parted at full stops, question marks, exclamation marks and their like.

    A list without full stops is one sentence.
    """
    return texts.counts.sentences


@metric(unit="characters/word")
def word_length(texts: Batch) -> FloatArray:
    """Mean characters of a word.

    Undefined for a text without words.
    """
    return ratio(texts.counts.letters, texts.counts.words)


@metric(unit="words/sentence")
def sentence_length(texts: Batch) -> FloatArray:
    """Mean words of a sentence.

    Undefined for an empty text.
    """
    return ratio(texts.counts.words, texts.counts.sentences)


@metric(unit="syllables/word")
def syllables(texts: Batch) -> FloatArray:
    """Mean syllables of a word.

    A word has one syllable more than the places where Pyphen would hyphenate it (Liang 1983), so short words such as
    "over" count as one. Undefined for a text without words and for languages that Pyphen has no dictionary of.
    """
    return ratio(texts.counts.syllables, texts.counts.words)
