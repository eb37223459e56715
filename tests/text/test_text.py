"""Counting agrees with spaCy and Pyphen on any text, and is done once."""

from __future__ import annotations

import math
import pickle
import string
import subprocess
import sys
from functools import cache
from importlib.util import find_spec
from itertools import product

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from profiler.text import counting, lexicon
from profiler.text.chunks import chunks
from profiler.text.counting import Batch, Text
from profiler.text.lexicon import Lexicon

BLANKS = ["", " ", " ", " ", "  ", "\n", "\n\n", " \n", "\n ", "\t", "\r\n", "\xa0", "\u2003", "\u2028", "\x1c", "\x85"]
PIECES = [
    *("the", "Bread", "NATO", "I", "a", "extraordinary", "iPhone", "aB", "naïve", "ﬁsh", "İstanbul", "ß", "φιλοσοφίας"),
    *("can't", "it's", "students'", "'twas", "y'all", "don’t", "rock'n'roll", "cannot", "gonna", "o'clock", "'s", "'"),
    *("Mr.", "e.g.", "U.S.", "etc.", "A.", "AB.", "aB.", "Ph.D.", "10a.m.", "5pm", "no.", "end.", "EU."),
    *("3.14", "1,000", "$5", "50%", "20°C", "25°C.", "10:30", "1e5", "½", "१२", "3rd", "1990s", "5kg", "-7", "C++"),
    *("http://a.b/c?d=e&f", "www.x.org", "me@host.net", "file.txt", "a/b", "x=y", "foo.Bar", "foo,bar", "a-b-c"),
    *("**Bold:**", "`code()`", "#", "|", "_x_", "<b>", "</s>", "[INST]", "{k:", "f(x)", "\\[", "~", "^", "&amp;"),
    *(".", "..", "...", "…", "?!", "!!!", ":", ";", "--", "—", "–", "-", '"', "“", "”", "‘", "’", "(", ")", "«", "»"),
    *(
        "你好。",
        "日本語",
        "！",
        "मैं।",
        "مرحبا؟",
        "👍🏽",
        "😀😀",
        "\u200b",
        "\xad",
        "e\u0301",
        ":-)",
        ":D",
        "<3",
        "¯\\_(ツ)_/¯",
    ),
]


MARKS = st.text(st.sampled_from(string.punctuation + "–—"), max_size=3)


@cache
def spacy_pipeline(lang: str):
    import spacy

    nlp = spacy.blank(lang)
    nlp.add_pipe("sentencizer")
    return nlp


def counted_by_spacy(text: str, lang: str = "en") -> tuple[float, ...]:
    """The slow way: the whole text through spaCy, its blanks one space each, each word through Pyphen."""
    from pyphen import Pyphen

    doc = spacy_pipeline(lang)(" ".join(text.split()))
    words = [token for token in doc if not token.is_punct and "'" not in token.text]
    hyphens = Pyphen(lang=lang)
    syllables = [1 + hyphens.inserted(word.lower_).count("-") for word in words]
    return (
        len("".join(text.split())),
        len(words),
        sum(map(len, words)),
        sum(len(word) > 6 for word in words),
        sum(number >= 3 for number in syllables),
        sum(syllables),
        len(list(doc.sents)),
    )


@settings(max_examples=400)
@given(st.lists(st.tuples(st.sampled_from(PIECES), st.sampled_from(BLANKS)), max_size=15))
@example([(" ", "a")])
def test_any_mixture_of_pieces_is_counted_as_spacy_counts_it(pairs):
    text = "".join(piece + blank for piece, blank in pairs)
    assert Text(text).counts == counted_by_spacy(text)


@settings(max_examples=300)
@given(st.text(st.sampled_from(string.printable) | st.characters(exclude_categories=["Cs"]), max_size=60))
def test_any_characters_are_counted_as_spacy_counts_them(text):
    assert Text(text).counts == counted_by_spacy(text)


def test_a_run_of_blanks_is_one_space_of_whatever_kind_it_is():
    for parts in product(["Yes.", " Yes", "'", "\n"], BLANKS, ["No", "no.", ""]):
        assert Text("".join(parts)).counts == counted_by_spacy("".join(parts)), parts


@settings(max_examples=200)
@given(st.text(string.ascii_letters, min_size=1, max_size=4), st.sampled_from(["", *".,;:!?"]), st.booleans())
def test_letters_with_a_mark_are_split_as_spacy_splits_them(letters, mark, twice):
    text = letters + mark + (" " + letters if twice else "")
    assert Text(text).counts == counted_by_spacy(text)


@settings(max_examples=300)
@given(st.lists(st.tuples(MARKS, st.from_regex(r"[0-9]{1,9}", fullmatch=True), MARKS), min_size=1, max_size=4))
def test_a_number_among_marks_is_taken_as_spacy_takes_it(pieces):
    text = " ".join(map("".join, pieces))
    assert Text(text).counts == counted_by_spacy(text)
    assert len(Batch([Text(text)]).kinds) == 0


def parts_of_exceptions() -> st.SearchStrategy[str]:
    """What spaCy takes as one or as several tokens, cut in two by a blank or not."""
    rules = st.sampled_from(sorted(rule for rule in spacy_pipeline("en").tokenizer.rules if not rule.isalnum()))
    places = st.integers(0, 6)
    blanks = st.sampled_from(["", *BLANKS])
    return st.builds(lambda rule, place, blank: rule[:place] + blank + rule[place:], rules, places, blanks)


@settings(max_examples=400)
@given(st.lists(st.deferred(parts_of_exceptions) | st.sampled_from(["0", "a", " ", *string.punctuation]), max_size=6))
@example(["0", "[ =", "]", "0"])
@example(["0", "[\n=", "]", "0"])
@example(["a", "= ):", "a"])
def test_an_exception_across_a_blank_is_taken_as_spacy_takes_it(parts):
    assert Text("".join(parts)).counts == counted_by_spacy("".join(parts))


@settings(max_examples=300)
@given(
    st.lists(
        st.text(st.sampled_from(["a", "B", "é", "語", "\ud83d", *sorted({*"".join(BLANKS)})]), max_size=12), max_size=5
    )
)
@example([])
def test_texts_are_parted_at_blanks_as_python_parts_them(texts):
    for whole in (False, True):
        found = chunks(texts, whole)
        stands = np.split(found.places, np.cumsum(found.sizes)[:-1]) if texts else []
        expected = [[text] if whole and text else [] if whole else text.split() for text in texts]
        assert [[found.kinds[place] for place in some] for some in stands] == expected
        assert found.characters.tolist() == [len("".join(text.split())) for text in texts]
        assert len(set(found.kinds)) == len(found.kinds)


def test_every_english_exception_is_taken_as_spacy_takes_it():
    for rule in spacy_pipeline("en").tokenizer.rules:
        text = f"{rule} so {rule}. ({rule}) Then {rule}, x"
        assert Text(text).counts == counted_by_spacy(text), text


@pytest.mark.parametrize(
    ("lang", "text"),
    [
        ("de", "Das ist z.B. ein Satz. Die Donaudampfschifffahrt fährt heute nicht, oder?\nDoch!"),
        ("it", "L'estate è arrivata, cioè oggi. Che cos'è? Niente d'importante."),
        ("es", "¿Cómo estás? Muy bien, gracias. EE.UU. es un país; son las 12 p.m. aquí."),
        ("hu", "Asszonnyal megyek. Jó reggelt kívánok!"),
        ("ru", "Привет, т. е. как дела? Всё хорошо."),
    ],
)
def test_other_languages_are_counted_by_their_own_rules(lang, text):
    assert Text(text, lang).counts == counted_by_spacy(text, lang)


def test_a_language_without_hyphenation_has_words_but_no_syllables():
    counts = Text("今天天气很好。我们去公园吧！", "zh").counts
    assert (counts.words, counts.sentences) == (12, 2)
    assert math.isnan(counts.syllables)


def test_a_language_unknown_to_spacy_is_split_by_the_rules_for_any():
    assert Text("nuqneH batlh! Qapla", "tlh").counts.words == 3


def test_half_a_surrogate_pair_does_not_stop_a_batch():
    assert [text.counts.words for text in (Text("fine"), Text("broken \ud83d emoji"))] == [1, 3]


def test_terms_are_small_letters_without_digits_and_punctuation():
    batch = Batch([Text("Re-test: the 3 The don't THE")])
    assert batch.previous.tolist() == [-1, -1, 1, -1, -1, 2]
    assert batch.kinds.tolist() == [0, 1, 1, 2, 3, 1]


def test_terms_do_not_mix_between_the_texts_of_a_batch():
    batch = Batch([Text("a b a"), Text(""), Text("b b c")])
    assert batch.previous.tolist() == [-1, -1, 0, -1, 0, -1]
    assert batch.kinds.tolist() == [0, 1, 0, 0, 0, 1]
    assert batch.types.tolist() == [2, 0, 2]
    assert batch.frequencies.tolist() == [2, 1, 2, 1]


def test_a_batch_is_counted_once(monkeypatch):
    batch = Batch([Text("Once is enough.")])
    first = batch.counts
    monkeypatch.setattr(Lexicon, "number", lambda *_: pytest.fail("counted again"))
    assert batch.counts is first
    assert batch.kinds.tolist() == [0, 1, 2]


def test_texts_of_several_languages_and_of_any_length_are_counted_as_each_alone(monkeypatch):
    texts = [
        Text("Das ist z.B. so.", "de"),
        Text("A cat, a dog. A bird!"),
        Text(""),
        Text("Ja.", "de"),
        Text("今天", "zh"),
    ]
    alone = [Batch([text]) for text in texts]
    for most in (counting.BATCH, 10):
        monkeypatch.setattr(counting, "BATCH", most)
        batch = Batch(texts)
        for name, column in batch.counts._asdict().items():
            assert np.array_equal(column, [getattr(one.counts, name)[0] for one in alone], equal_nan=True)
        for name in ("sizes", "kinds", "previous"):
            assert getattr(batch, name).tolist() == [each for one in alone for each in getattr(one, name).tolist()]
    assert len(Batch([]).counts.words) == len(Batch([]).kinds) == 0


def test_a_text_is_a_string_and_keeps_its_language_when_it_travels():
    text = Text("Guten Tag", "de")
    there = pickle.loads(pickle.dumps(text))
    assert (there, there.lang) == ("Guten Tag", "de")


def test_a_full_lexicon_forgets_and_goes_on(monkeypatch):
    monkeypatch.setattr(lexicon, "LIMIT", 2000)
    small = Lexicon("en")
    held = []
    for number in range(100):
        assert len(small.number([f"word{number}", f"other{number}", "words."])) == 3
        assert len(small.rows) == len(small.numbers)
        held.append(small.held)
    assert max(held) < 2500
    assert held != sorted(held)


def test_figures_that_no_other_text_has_are_not_remembered():
    numbers = Lexicon("en").number
    assert len({*numbers([f"({figures:06}?)" for figures in range(1000)]).tolist()}) == 1
    assert len({*numbers(["<333", "<777", "<888"]).tolist()}) == 2, "an exception of spaCy's is one of its own"


@pytest.mark.parametrize("kinds", [3, 1 << 16, (1 << 16) + 1])
def test_terms_that_are_alike_stand_together_however_many_there_are(kinds):
    terms = np.random.default_rng(0).permutation(np.concatenate([np.arange(kinds) * 7, np.arange(kinds // 2) * 7]))
    order = counting._alike(terms)
    assert len({*order.tolist()}) == len(terms)
    places: dict[int, list[int]] = {}
    for place in order.tolist():
        places.setdefault(int(terms[place]), []).append(place)
    assert [place for some in places.values() for place in some] == order.tolist()
    assert all(some == sorted(some) for some in places.values())


def test_counting_does_not_load_torch_and_leaves_it_loadable():
    code = (
        "import sys; from profiler.text.counting import Text; Text('Hi.').counts; "
        "assert 'torch' not in sys.modules; from importlib.util import find_spec; print(find_spec('torch') is not None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.stdout.strip() == str(find_spec("torch") is not None)
