"""What needs a parser: numbers of TextDescriptives that the paper's kit takes, by a spaCy pipeline of the user's."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from profiler.errors import UnknownName, WrongUse
from profiler.metrics.metric import FACTORIES, Metric, get, measure
from profiler.plugins import about
from profiler.stats import FloatArray
from profiler.text import Batch, parser

USUAL = "en_core_web_lg"
"""The pipeline that the kit gets."""
READABILITY = ("gunning_fog", "rix", "lix", "flesch", "flesch_kincaid", "smog", "ari", "coleman_liau")
SENTENCES = ("sentences", "sentence_length", *READABILITY)
"""Metrics of ours that rest on sentences: the same by the parser's."""
NUMBERS: Mapping[str, tuple[str, str]] = {
    "dependency_distance_mean": ("words", "Words from a word to its head, a mean of the sentences' means."),
    "prop_adjacent_dependency_relation_mean": ("proportion", "Words next to their head, a mean over sentences."),
    "first_order_coherence": ("cosine", "How near a sentence's vector lies to the next one's."),
    "second_order_coherence": ("cosine", "How near a sentence's vector lies to that of the next but one."),
    "entropy": ("nats", "-Σ p log p over the words, p being a word's chance in the language: it grows with length."),
    "perplexity": ("", "e to the entropy; of single words, not by a language model."),
    "per_word_perplexity": ("", "The same divided by the number of tokens."),
    "passed_quality_check": ("proportion", "Whether a text keeps to all of TextDescriptives' limits of quality."),
    **dict.fromkeys(parser.WITHIN, ("", "A check of quality, as TextDescriptives has it.")),
}
"""Unit and meaning of what TextDescriptives has more."""


@dataclass(frozen=True)
class ParsedScore:
    """A number of a text by a pipeline, which is loaded in whichever process it is asked for."""

    number: str
    pipeline: str

    def __call__(self, texts: Batch) -> FloatArray:
        wanted = self.number if self.number in NUMBERS else "sentences"
        found = [numbers.get(wanted, np.nan) for numbers in parser.described(texts, self.pipeline)]
        column = np.array(found, np.float64)
        if self.number in NUMBERS:
            return column
        parted = Batch(texts)
        parted.counts = texts.counts._replace(sentences=column)
        return measure(parted, [get(self.number)])[self.number]


def parsed(order: str = "") -> Metric:
    """Numbers that need a parser: what TextDescriptives has more, and readability by the parser's sentences.

    The number stands behind the colon, as in `parsed:dependency_distance_mean`, and the spaCy pipeline behind a second,
    as in `parsed:rix:en_core_web_sm`; without one it is en_core_web_lg, as in the paper's kit. The user installs it:
    `python -m spacy download en_core_web_lg`. Numbers by two pipelines are two metrics. A blank text has none.

    By the parser's sentences in place of rules: sentences, sentence_length, gunning_fog, rix, lix, flesch,
    flesch_kincaid, smog, ari, coleman_liau. Under TextDescriptives' names, with its values: dependency_distance_mean,
    prop_adjacent_dependency_relation_mean (a parser); first_order_coherence, second_order_coherence, oov_ratio (word
    vectors, which en_core_web_sm has not); entropy, perplexity, per_word_perplexity (spacy-lookups-data); and
    passed_quality_check with what it rests on: n_stop_words, alpha_ratio, mean_word_length, doc_length,
    symbol_to_word_ratio_#, proportion_ellipsis, proportion_bullet_points, contains_lorem ipsum,
    duplicate_line_chr_fraction, duplicate_paragraph_chr_fraction, top_ngram_chr_fraction_2 to _4,
    duplicate_ngram_chr_fraction_5 to _10. Its perplexity is of single words: it says nothing of fluency.
    """
    number, _, pipeline = order.partition(":")
    pipeline = pipeline or USUAL
    if not number:
        return Metric("parsed", about(parsed), score=_unnamed, version="td-2.8/PIPELINE")
    if number not in (*SENTENCES, *NUMBERS):
        raise UnknownName("number by a parser", number, [*SENTENCES, *NUMBERS], "docs/metrics.md")
    nlp = parser.load(pipeline)
    if lack := parser.missing(nlp, number):
        raise WrongUse(f"parsed:{number} needs {lack}, which {pipeline!r} has not")
    unit, meaning = NUMBERS.get(number) or ((ours := get(number)).unit, ours.about)
    return Metric(
        f"parsed:{order}",
        meaning,
        unit,
        score=ParsedScore(number, pipeline),
        version=f"td-2.8/{nlp.meta['lang']}_{nlp.meta['name']}-{nlp.meta['version']}",
        languages=(nlp.lang,),
    )


def _unnamed(texts: Batch) -> FloatArray:
    raise WrongUse("parsed needs a number's name, as in parsed:dependency_distance_mean; docs/metrics.md lists them")


FACTORIES["parsed"] = parsed
