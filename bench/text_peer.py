"""TextDescriptives and LexicalRichness on a file of texts; runs in an environment of its own, which needs no profiler.

    python bench/text_peer.py texts.json scores.json

reads a list of texts and writes {"versions": …, "load": …, "seconds": …, "scores": {metric: [value or null, …]}}.
"""

from __future__ import annotations

import json
import math
import sys
import time
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spacy.language import Language

warnings.filterwarnings("ignore")

DESCRIBED = {
    "characters": "n_characters",
    "words": "n_tokens",
    "sentences": "n_sentences",
    "word_length": "token_length_mean",
    "sentence_length": "sentence_length_mean",
    "syllables": "syllables_per_token_mean",
}
READ = {
    "gunning_fog": "gunning_fog",
    "rix": "rix",
    "lix": "lix",
    "flesch": "flesch_reading_ease",
    "flesch_kincaid": "flesch_kincaid_grade",
    "smog": "smog",
    "ari": "automated_readability_index",
    "coleman_liau": "coleman_liau_index",
}
RICH = ("mtld", "mattr", "hdd", "ttr")
PACKAGES = ("textdescriptives", "lexicalrichness", "spacy", "pyphen")


def pipeline() -> Language:
    import lexicalrichness  # noqa: F401
    import spacy
    import textdescriptives  # noqa: F401  (registers the components)

    nlp = spacy.blank("en")
    for component in ("sentencizer", "textdescriptives/descriptive_stats", "textdescriptives/readability"):
        nlp.add_pipe(component)
    nlp.max_length = 10**9
    return nlp


def scores(texts: list[str], nlp: Language) -> dict[str, list[float | None]]:
    columns: dict[str, list[float | None]] = {name: [] for name in (*DESCRIBED, *READ, *RICH)}
    # To spaCy a run of blanks that is not one space is a token, and so a word to TextDescriptives.
    for doc, text in zip(nlp.pipe(" ".join(text.split()) for text in texts), texts, strict=True):
        described, read = doc._.descriptive_stats, doc._.readability
        found = {name: described[theirs] for name, theirs in DESCRIBED.items()}
        found |= {name: read[theirs] for name, theirs in READ.items()}
        for name, value in {**found, **rich(text)}.items():
            columns[name].append(None if value is None or math.isnan(value) else float(value))
    return columns


def rich(text: str) -> dict[str, float | None]:
    from lexicalrichness import LexicalRichness

    words = LexicalRichness(text)
    found: dict[str, float | None] = {}
    for name in RICH:
        try:
            measure = getattr(words, name)
            found[name] = measure() if callable(measure) else measure
        except (ValueError, ZeroDivisionError):  # too short a text
            found[name] = None
    return found


def main(source: str, target: str) -> None:
    texts = json.loads(Path(source).read_text(encoding="utf-8"))
    start = time.perf_counter()
    nlp = pipeline()
    loaded = time.perf_counter()
    found = scores(texts, nlp)
    done = time.perf_counter()
    versions = {package: version(package) for package in PACKAGES}
    result = {"versions": versions, "load": loaded - start, "seconds": done - loaded, "scores": found}
    Path(target).write_text(json.dumps(result), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
