"""Every text metric has the value of the library that it is named after."""

from __future__ import annotations

import json
import random
import string
import zlib
from collections import Counter
from fractions import Fraction
from math import comb, isnan, nan

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from profiler import metrics
from profiler.metrics.metric import measure
from profiler.text.counting import Text
from tests.support.places import GOLDEN

TEXTS = json.loads((GOLDEN / "texts.json").read_text(encoding="utf-8"))
NAMES = sorted(path.stem for path in (GOLDEN / "metrics").glob("*.json"))
READABILITY = ("gunning_fog", "rix", "lix", "flesch", "flesch_kincaid", "smog", "ari", "coleman_liau")


def scored(text: str, name: str, lang: str = "en") -> float:
    return float(measure([Text(text, lang)], [metrics.get(name)])[name][0])


@pytest.mark.parametrize("name", NAMES)
def test_a_metric_has_its_golden_values(name):
    golden = json.loads((GOLDEN / "metrics" / f"{name}.json").read_text(encoding="utf-8"))
    if golden["source"].startswith("zlib") and golden["source"] != f"zlib {zlib.ZLIB_RUNTIME_VERSION}":
        pytest.skip(f"recorded with {golden['source']}, another zlib packs differently")
    scores = measure(list(map(Text, TEXTS.values())), [metrics.get(name)])[name]
    for (key, text), score in zip(TEXTS.items(), scores, strict=True):
        expected = golden["values"][key]
        assert score == pytest.approx(nan if expected is None else expected, rel=1e-9, abs=1e-12, nan_ok=True), text


def test_every_text_metric_has_golden_values():
    assert set(metrics.default()) == set(NAMES)


def test_a_text_scores_the_same_alone_as_among_others():
    every = list(metrics.default().values())
    together = measure(list(map(Text, TEXTS.values())), every)
    for place, text in enumerate(TEXTS.values()):
        alone = measure([Text(text)], every)
        assert all(np.array_equal(alone[name][0], together[name][place], equal_nan=True) for name in alone), text


def terms(text: str) -> list[str]:
    for dash in "-–—" + string.digits:
        text = text.lower().replace(dash, "")
    return "".join(" " if mark in string.punctuation else mark for mark in text).split()


def naive_mtld(words: list[str]) -> float:
    def one_way(words: list[str]) -> float:
        factors, segment = 0.0, []
        for word in words:
            segment.append(word)
            if len(set(segment)) / len(segment) <= 0.72:
                factors, segment = factors + 1, []
        if segment:
            factors += (1 - len(set(segment)) / len(segment)) / (1 - 0.72)
        return len(words) / (factors or 1)

    return (one_way(words) + one_way(words[::-1])) / 2 if words else nan


def naive_mattr(words: list[str]) -> float:
    windows = [words[place : place + 100] for place in range(len(words) - 99)]
    return sum(len(set(window)) for window in windows) / len(windows) / 100 if windows else nan


def naive_hdd(words: list[str]) -> float:
    if len(words) < 42:
        return nan
    draws = comb(len(words), 42)
    absent = [Fraction(comb(len(words) - often, 42), draws) for often in Counter(words).values()]
    return float(sum(1 - chance for chance in absent) / 42)


def naive_repetition(words: list[str]) -> float:
    grams = list(zip(words, words[1:], words[2:], strict=False))
    return 1 - len(set(grams)) / len(grams) if grams else nan


WORDS = ("the", "The", "of", "cat", "re-do", "don't", "3", "x", "wörd", "to_be", "—", "cat.")


@settings(max_examples=150)
@given(st.integers(0, 300), st.integers(1, 60), st.integers())
@example(42, 60, 0)
@example(100, 60, 0)
@example(99, 3, 0)
def test_diversity_follows_its_definition_on_any_text(size, kinds, seed):
    rng = random.Random(seed)
    vocabulary = [rng.choice(WORDS) + rng.choice(["", "s", "ed", "ing"]) + chr(97 + i % 26) for i in range(kinds)]
    text = " ".join(rng.choice(vocabulary) for _ in range(size))
    words = terms(text)
    ttr = len(set(words)) / len(words) if words else nan
    for name, expected in {
        "mtld": naive_mtld(words),
        "mattr": naive_mattr(words),
        "hdd": naive_hdd(words),
        "ttr": ttr,
        "repetition": naive_repetition(words),
    }.items():
        assert scored(text, name) == pytest.approx(expected, rel=1e-12, abs=1e-12, nan_ok=True), name
    assert scored(text, "mtld") == naive_mtld(words) or not words


def test_mtld_of_texts_of_any_length_together_is_that_of_each_alone():
    rng = random.Random(0)
    kinds = [[f"w{chr(97 + i % 26)}{'x' * (i // 26)}" for i in range(many)] for many in (1, 5, 40, 400)]
    texts = [
        " ".join(rng.choice(kinds[i % 4]) for _ in range(rng.choice([0, 1, 63, 64, 65, 128, 1000]))) for i in range(80)
    ]
    found = measure([*map(Text, texts)], [metrics.get("mtld")])["mtld"]
    assert np.array_equal(found, [naive_mtld(terms(text)) for text in texts], equal_nan=True)


def test_an_empty_text_has_counts_and_nothing_else():
    scores = {name: scored("", name) for name in metrics.default()}
    assert {name: score for name, score in scores.items() if not isnan(score)} == {
        "characters": 0,
        "words": 0,
        "sentences": 0,
    }


@pytest.mark.parametrize("name", READABILITY)
def test_readability_is_undefined_in_other_languages(name):
    german = "Das ist ein Satz. Das ist noch einer. Und hier kommt der dritte Satz."
    assert isnan(scored(german, name, lang="de"))
    assert not isnan(scored(german, name))
    assert "de" in metrics.get(name).foreign("de")


def test_a_batch_of_two_languages_keeps_each_text_in_its_place():
    texts = [Text("Ein Satz.", "de"), Text("One sentence."), Text("Noch ein Satz.", "de")]
    scores = measure(texts, [metrics.get("lix"), metrics.get("words")])
    assert np.isnan(scores["lix"]).tolist() == [True, False, True]
    assert scores["words"].tolist() == [2, 2, 3]


def test_smog_needs_three_sentences():
    assert isnan(scored("One. Two.", "smog"))
    assert scored("One. Two. Three.", "smog") == pytest.approx(3.1291)


@pytest.mark.parametrize(("name", "enough"), [("mattr", 100), ("hdd", 42), ("repetition", 3), ("mtld", 1), ("ttr", 1)])
def test_a_diversity_metric_is_undefined_below_its_window(name, enough):
    assert isnan(scored("word " * (enough - 1), name))
    assert not isnan(scored("word " * enough, name))


def test_a_looping_text_stands_out():
    loop, prose = TEXTS["looping"], TEXTS["long"]
    assert scored(loop, "repetition") > 0.9 > 0.1 > scored(prose, "repetition")
    assert scored(loop, "compression") > 10 > 3 > scored(prose, "compression")


def test_repetition_is_exact_when_words_are_too_many_for_64_bits(monkeypatch):
    words = [f"{chr(97 + i % 26)}{chr(97 + i // 26 % 26)}{chr(97 + i // 676)}" for i in range(3000)]
    monkeypatch.setattr("profiler.metrics.quality.GRAM", 6)
    assert scored(" ".join(words), "repetition") == 0
    assert scored(" ".join(words + words), "repetition") == pytest.approx(1 - 3000 / 5995)


def test_every_metric_says_what_it_is_and_who_made_it():
    for metric in metrics.default().values():
        assert metric.about.endswith("."), metric.name
        assert metric.unit, metric.name
        assert metric.version, metric.name


CHINESE, JAPANESE, THAI = (
    "今天天气很好。我们去公园吧！",
    "彼はカメラを持って公園へ行きました。",
    "วันนี้อากาศดีมากเราไปเดินเล่นกัน",
)


@pytest.mark.parametrize(("text", "lang"), [(CHINESE, "zh"), (CHINESE, "zh-Hans"), (JAPANESE, "ja"), (THAI, "th")])
def test_a_language_without_blanks_between_words_has_no_numbers_of_words(text, lang):
    found = {name for name in metrics.default() if not isnan(scored(text, name, lang))}
    assert found == {"characters", "compression"}
    assert "stands between blanks" in str(metrics.get("mtld").foreign(lang))
    assert metrics.get("characters").foreign(lang) is None


@pytest.mark.parametrize(
    ("text", "lang"),
    [
        *((text, "en") for text in (CHINESE, JAPANESE, THAI, "Привет, как твои дела? Всё хорошо.")),
        ("The cat sat on the mat.", "ru"),
        (CHINESE, "xx"),
    ],
)
def test_a_text_in_a_script_that_its_language_is_not_written_in_has_no_numbers_of_words(text, lang):
    assert {name for name in metrics.default() if not isnan(scored(text, name, lang))} == {"characters", "compression"}


@pytest.mark.parametrize(
    ("text", "lang"),
    [
        ("The word φιλοσοφία means love, 東京 is Tokyo.", "en"),
        ("42 = 6 · 7", "ru"),
        ("Зашто? Zašto!", "sr"),
        ("오늘은 날씨가 좋다.", "ko"),
        ("nuqneH batlh", "tlh"),
    ],
)
def test_a_text_in_its_own_script_or_of_a_language_of_which_none_is_known_has_words(text, lang):
    assert scored(text, "words", lang) > 0


@pytest.mark.parametrize("blank", [" ", "\n\n", "\t \u2003", "\r\n"])
def test_blanks_are_no_words_and_a_blank_answer_has_no_readability(blank):
    found = {name: scored(blank, name) for name in metrics.default()}
    assert {name for name, value in found.items() if not isnan(value)} == {
        "characters",
        "words",
        "sentences",
        "compression",
    }
    assert found["words"] == found["sentences"] == found["characters"] == 0
    for name in set(metrics.default()) - {"compression"}:
        spaced = f"Bread rises.{blank}Salt{blank}keeps it.{blank}"
        assert scored(spaced, name) == pytest.approx(scored("Bread rises. Salt keeps it.", name), nan_ok=True), name
