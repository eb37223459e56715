"""What a spaCy pipeline that the user has installed makes of a text: sentences, heads, vectors, chances of words.

The numbers have the names and the values of TextDescriptives 2.8.4, but that a blank text has none.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from typing import TYPE_CHECKING

import numpy as np

from profiler.errors import WrongUse
from profiler.text.lexicon import HALF

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc

TOP = {2: 0.2, 3: 0.18, 4: 0.16}
"""Words of a sequence → the proportion of the characters that the commonest one may make up at most."""
DUPLICATE = {5: 0.15, 6: 0.14, 7: 0.13, 8: 0.12, 9: 0.11, 10: 0.1}
"""The same for all sequences that stand in the text more than once."""
OFTEN = 3
"""A sequence is common from here on."""
WITHIN: Mapping[str, tuple[float, float]] = {
    "n_stop_words": (2, np.inf),
    "alpha_ratio": (0.7, np.inf),
    "mean_word_length": (3, 10),
    "doc_length": (10, 100_000),
    "symbol_to_word_ratio_#": (0, 0.1),
    "proportion_ellipsis": (0, 0.3),
    "proportion_bullet_points": (0, 0.8),
    "contains_lorem ipsum": (0, 0),
    "duplicate_line_chr_fraction": (0, 0.2),
    "duplicate_paragraph_chr_fraction": (0, 0.2),
    **{f"top_ngram_chr_fraction_{size}": (0, most) for size, most in TOP.items()},
    **{f"duplicate_ngram_chr_fraction_{size}": (0, most) for size, most in DUPLICATE.items()},
    "oov_ratio": (0, 0.2),
}
"""What a text of good quality keeps to."""
NEEDS: Mapping[str, tuple[str, ...]] = {
    "a parser": ("dependency_distance_mean", "prop_adjacent_dependency_relation_mean"),
    "word vectors": ("first_order_coherence", "second_order_coherence", "oov_ratio"),
    "chances of words (pip install spacy-lookups-data)": ("entropy", "perplexity", "per_word_perplexity"),
}
CHANCES = "lexeme_prob"
"""spaCy's table of the chances of words."""


@cache
def load(pipeline: str) -> Language:
    """The installed pipeline of this name, or that in this folder."""
    import spacy
    from spacy.lookups import load_lookups

    try:
        nlp = spacy.load(pipeline)
    except OSError:
        raise WrongUse(
            f"spaCy's pipeline {pipeline!r} is not installed: `python -m spacy download {pipeline}`, or name another "
            "behind a second colon, as in parsed:rix:en_core_web_sm"
        ) from None
    found = load_lookups(nlp.lang, [CHANCES], strict=False)
    if CHANCES in found and CHANCES not in nlp.vocab.lookups:
        nlp.vocab.lookups.add_table(CHANCES, found.get_table(CHANCES))
    return nlp


def missing(nlp: Language, number: str) -> str | None:
    """What NUMBER needs and the pipeline has not."""
    has = ("parser" in nlp.pipe_names, nlp.vocab.vectors_length > 0, CHANCES in nlp.vocab.lookups)
    lacks = (need for (need, names), there in zip(NEEDS.items(), has, strict=True) if number in names and not there)
    return next(lacks, None)


@lru_cache(maxsize=2)
def described(texts: tuple[str, ...], pipeline: str) -> Sequence[Mapping[str, float]]:
    """All numbers of each text; every metric of a batch asks for them."""
    return [*map(numbers, load(pipeline).pipe(HALF.sub("\ufffd", text) for text in texts))]


def numbers(doc: Doc) -> dict[str, float]:
    """All numbers of a text; none of a blank one."""
    if not doc.text.strip():
        return {}
    sentences = [*doc.sents]
    distances = [[0 if token.dep_ == "ROOT" else abs(token.head.i - token.i) for token in sent] for sent in sentences]
    chances = np.array([token.prob for token in doc])
    entropy = float(-(np.exp(chances) * chances).sum())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # sentences without a vector
        near = [[a.similarity(b) for a, b in zip(sentences, sentences[n:], strict=False)] for n in (1, 2)]
    first, second = (float(np.mean(each)) if each else np.nan for each in near)
    return {
        "sentences": len(sentences),
        "dependency_distance_mean": float(np.mean([np.mean(each) for each in distances])),
        "prop_adjacent_dependency_relation_mean": float(np.mean([np.mean(np.equal(each, 1)) for each in distances])),
        "first_order_coherence": first,
        "second_order_coherence": second,
        "entropy": entropy,
        "perplexity": float(np.exp(entropy)),
        "per_word_perplexity": float(np.exp(entropy)) / len(doc),
        **_quality(doc),
    }


def _quality(doc: Doc) -> dict[str, float]:
    """The checks of Gopher and C4 (Rae et al. 2021, Raffel et al. 2020), as TextDescriptives has them."""
    text, lines = doc.text, [line.strip() for line in doc.text.split("\n")]
    known = doc.vocab.vectors_length > 0
    words = sum(not (token.is_space or token.is_punct) for token in doc)
    found = {
        "n_stop_words": sum(token.is_stop for token in doc),
        "alpha_ratio": np.mean([any(map(str.isalpha, token.text)) for token in doc]),
        "mean_word_length": np.mean([len(token) for token in doc]),
        "doc_length": len(doc),
        "symbol_to_word_ratio_#": text.count("#") / words if words else 0.0,
        "proportion_ellipsis": np.mean([line.endswith(("…", "...")) for line in lines]),
        "proportion_bullet_points": np.mean([line.startswith(("-", "*")) for line in lines]),
        "contains_lorem ipsum": "lorem ipsum" in text,
        "duplicate_line_chr_fraction": _again(text, "\n"),
        "duplicate_paragraph_chr_fraction": _again(text, "\n\n"),
        **{f"top_ngram_chr_fraction_{size}": _top(doc, size) for size in TOP},
        **{f"duplicate_ngram_chr_fraction_{size}": _duplicate(doc, size) for size in DUPLICATE},
        "oov_ratio": np.mean([token.is_oov for token in doc]) if known else np.nan,
    }
    kept = [low <= found[name] <= high for name, (low, high) in WITHIN.items() if known or name != "oov_ratio"]
    return {name: float(value) for name, value in found.items()} | {"passed_quality_check": float(all(kept))}


def _again(text: str, mark: str) -> float:
    """The proportion of the characters that stand in parts which were there before."""
    return sum(len(part) * (often - 1) for part, often in Counter(text.split(mark)).items()) / len(text)


def _sequences(doc: Doc, size: int) -> list[str]:
    return [doc[start : start + size].text for start in range(len(doc) - size + 1)]


def _top(doc: Doc, size: int) -> float:
    """The proportion of the characters that the commonest sequence of SIZE words makes up, the first of equals."""
    ((sequence, often),) = Counter(_sequences(doc, size)).most_common(1) or [("", 0)]
    return len(sequence) * often / len(doc.text) if often >= OFTEN else 0.0


def _duplicate(doc: Doc, size: int) -> float:
    """The proportion of the characters in sequences of SIZE words that stand in the text more than once."""
    sequences = _sequences(doc, size)
    often = Counter(sequences)
    within = np.zeros(len(doc), np.bool_)
    for start, sequence in enumerate(sequences):
        within[start : start + size] |= often[sequence] > 1
    edges = np.flatnonzero(np.diff(within, prepend=False, append=False)).reshape(-1, 2).tolist()
    spans = (doc[start:end] for start, end in edges)
    return float(sum(span.end_char - span.start_char for span in spans) / len(doc.text))
