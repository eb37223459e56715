"""Record the golden values of the text metrics: run by the Python that has TextDescriptives and LexicalRichness.

    PEER/bin/python bench/text_golden.py

reads tests/golden/texts.json and writes tests/golden/metrics/NAME.json.
"""

from __future__ import annotations

import json
import re
import string
import zlib
from importlib.metadata import version
from pathlib import Path

from text_peer import DESCRIBED, READ, RICH, pipeline, scores

GOLDEN = Path(__file__).parents[1] / "tests" / "golden"


def repetition(text: str) -> float | None:
    words = re.sub("[0-9–—-]", "", text.lower()).translate(dict.fromkeys(map(ord, string.punctuation), " ")).split()
    grams = [tuple(words[place : place + 3]) for place in range(len(words) - 2)]
    return 1 - len(set(grams)) / len(grams) if grams else None


def compression(text: str) -> float | None:
    data = text.encode()
    return len(data) / len(zlib.compress(data)) if data else None


def main() -> None:
    texts = json.loads((GOLDEN / "texts.json").read_text(encoding="utf-8"))
    spacy = f"spaCy {version('spacy')} blank English + sentencizer"
    described = f"TextDescriptives {version('textdescriptives')}, {spacy}, Pyphen {version('pyphen')}"
    rich = f"LexicalRichness {version('lexicalrichness')}"
    sources = dict.fromkeys([*DESCRIBED, *READ], described) | dict.fromkeys(RICH, rich)
    columns = scores(list(texts.values()), pipeline())
    columns["repetition"] = [repetition(text) for text in texts.values()]
    sources["repetition"] = "its definition, Welleck et al. 2020, with Python's sets"
    columns["compression"] = [compression(text) for text in texts.values()]
    sources["compression"] = f"zlib {zlib.ZLIB_RUNTIME_VERSION}"
    for name, values in columns.items():
        golden = {"source": sources[name], "values": dict(zip(texts, values, strict=True))}
        path = GOLDEN / "metrics" / f"{name}.json"
        path.write_text(json.dumps(golden, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
