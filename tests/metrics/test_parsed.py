"""Numbers that need a parser have TextDescriptives' values, or say what is missing."""

from __future__ import annotations

import json
from math import isnan, nan
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc

from profiler import metrics
from profiler.metrics.metric import measure
from profiler.metrics.parsed import NUMBERS, SENTENCES
from profiler.text.counting import Text
from profiler.text.parser import CHANCES
from tests.support.command import inherit
from tests.support.places import GOLDEN

STORED = json.loads((GOLDEN / "parsed.json").read_text("utf-8"))
PARSES = {
    "".join(word + " " * space for word, space in zip(row["words"], row["spaces"], strict=True)): row
    for row in STORED["texts"].values()
}


@Language.component("stored_parse")
def stored_parse(doc: Doc) -> Doc:
    """What en_core_web_sm made of a text."""
    row = PARSES.get(doc.text)
    return Doc(doc.vocab, **{key: row[key] for key in ("words", "spaces", "heads", "deps")}) if row else doc


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pipeline with a parse, made-up vectors and the chances of the words."""
    nlp = spacy.blank("en")
    nlp.add_pipe("stored_parse", name="parser")
    for word in STORED["chances"]:
        if word.isalpha() and crc32(word.encode()) % 5:
            vector = np.random.default_rng(crc32(word.encode())).normal(size=4)
            nlp.vocab.set_vector(word, vector.astype(np.float32))
    nlp.vocab.lookups.add_table(CHANCES, STORED["chances"])
    nlp.to_disk(folder := tmp_path_factory.mktemp("pipeline"))
    return folder


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """A pipeline that parts sentences and knows nothing else."""
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    nlp.to_disk(tmp_path / "rules")
    return tmp_path / "rules"


@pytest.mark.parametrize("name", [*SENTENCES, *NUMBERS])
def test_a_number_is_text_descriptives_own(pipeline: Path, name: str):
    (column,) = measure([*map(Text, PARSES)], [metrics.get(f"parsed:{name}:{pipeline}")]).values()
    for (text, row), value in zip(PARSES.items(), column.tolist(), strict=True):
        if name in SENTENCES and " ".join(text.split()) != text:
            continue  # to TextDescriptives a run of other blanks is a word
        expected = row["numbers"][name]
        # spaCy keeps vectors and chances in four bytes.
        assert value == pytest.approx(nan if expected is None else expected, rel=1e-5, abs=1e-7, nan_ok=True), text


def test_a_blank_text_has_none_of_them(pipeline: Path):
    made = [metrics.get(f"parsed:{name}:{pipeline}") for name in (*SENTENCES, *NUMBERS)]
    assert all(isnan(value) for column in measure([Text(" \n "), Text("")], made).values() for value in column)


def test_two_pipelines_are_two_metrics(pipeline: Path, rules: Path):
    one, other, ours = metrics.get(f"parsed:rix:{pipeline}"), metrics.get(f"parsed:rix:{rules}"), metrics.get("rix")
    assert len({one.name, other.name, ours.name}) == 3
    text = [Text("Readability matters. Sentences count everywhere!")]
    assert measure(text, [other])[other.name] == measure(text, [ours])["rix"]


@pytest.mark.parametrize(
    ("order", "why"),
    [
        ("rix:en_core_web_none", "spaCy's pipeline 'en_core_web_none' is not installed: `python -m spacy download"),
        ("dependency_distance_mean:RULES", "parsed:dependency_distance_mean needs a parser, which "),
        ("first_order_coherence:RULES", "parsed:first_order_coherence needs word vectors, which "),
        ("entropy:RULES", "parsed:entropy needs chances of words (pip install spacy-lookups-data), which "),
        ("fluency:RULES", "no number by a parser 'fluency'"),
    ],
)
async def test_what_is_missing_is_said(tmp_path: Path, rules: Path, order: str, why: str):
    (tmp_path / "texts.jsonl").write_text('{"text": "One. Two."}\n', "utf-8")
    done = await inherit("score", tmp_path / "texts.jsonl", "--metric", f"parsed:{order.replace('RULES', str(rules))}")
    assert done.code != 0
    assert why in done.err


async def test_the_command_scores_by_a_pipeline(tmp_path: Path, rules: Path):
    (tmp_path / "texts.jsonl").write_text('{"text": "One. Two."}\n{"text": "Three."}\n', "utf-8")
    done = await inherit("score", tmp_path / "texts.jsonl", "--metric", f"parsed:sentences:{rules}", "--json")
    assert (done.code, json.loads(done.out.splitlines()[0])["value"]) == (0, 1.5)
