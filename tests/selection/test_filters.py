"""Filters: each stops what it should, and lets through what only looks like it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selection import filters
from selection.filters import CHECKS, filter_bits
from selection.near_duplicates import BANDS, RowFlags, repeated_rows, similarity_bands

FRENCH = (
    "Le soleil est une étoile qui se trouve dans la galaxie, et les planètes sont plus petites que lui par la taille."
)
ENGLISH = "The sun is a star that is in the middle of the system, and the planets go round it in their orbits."


@pytest.mark.parametrize(
    ("name", "prompt", "text", "finish"),
    [
        ("empty", "Why?", " \n… ", "stop"),
        ("truncated", "Why?", "Because it", "length"),
        ("refusal", "Why?", "I'm sorry, but I can't assist with that request.", "stop"),
        ("refusal", "Why?", "As an AI language model, I am not able to browse the web.", "stop"),
        ("refusal", "Why?", "I cannot help you with this.", "stop"),
        ("refusal", "Why?", "Unfortunately, I don’t have access to that file.", "stop"),
        ("loop", "Why?", "It is so. " + "And then again and " * 6, "length"),
        ("loop", "Why?", "Yes yes " * 20, "stop"),
        ("language", "What is the sun?", FRENCH, "stop"),
        ("language", "What is the sun?", "太陽は銀河系の恒星の一つであり、太陽系の中心です。", "stop"),
        ("copy", "What is the tallest mountain?", "What is the  tallest mountain?", "stop"),
        ("copy", "What is the tallest mountain? Say why.", "the tallest mountain? Say why.", "stop"),
    ],
)
def test_a_filter_stops(name: str, prompt: str, text: str, finish: str) -> None:
    assert CHECKS[name](prompt, text, finish, "en")


@pytest.mark.parametrize(
    ("name", "prompt", "text"),
    [
        ("empty", "What is 2 + 2?", "4"),
        ("refusal", "How do I say sorry?", "Sorry is what one says after a mistake. Say it early and mean it."),
        ("refusal", "Write a line.", "I can't believe how beautiful the river is today!"),
        ("refusal", "Write a letter of regret.", "I am sorry to hear about your loss, and I think of you."),
        ("loop", "Name them.", "one, two, three, one, two, three, four, five, six, seven, eight, nine, ten"),
        ("loop", "Cheer!", "Ha ha ha ha!"),
        ("language", "What is the sun?", ENGLISH),
        ("language", "Translate this into French.", FRENCH),
        ("language", "What is the sun?", "Étoile."),
        ("copy", "Antennas that send the same power in all directions", "Antennas that send the same power in all "
         "directions are called isotropic; they are a model that no real antenna reaches, and a measure for gain."),
        ("copy", "Say hi.", "Say hi."),
    ],
)  # fmt: skip
def test_a_filter_lets_through(name: str, prompt: str, text: str) -> None:
    assert not CHECKS[name](prompt, text, "stop", "en")


def ends_in_a_loop(words: list[str]) -> bool:
    for period in range(1, min(filters.PERIODS, len(words) // filters.ROUNDS) + 1):
        same = 0
        while same + period < len(words) and words[-1 - same] == words[-1 - same - period]:
            same += 1
        if same and same + period >= max(filters.ROUNDS * period, filters.LOOPED):
            return True
    return False


@settings(max_examples=300)
@given(
    st.lists(st.sampled_from(["a", "B", "c d"]), max_size=60),
    st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=45),
    st.integers(0, 12),
    st.sampled_from([" ", "\n \t"]),
)
def test_a_loop_is_found_where_it_is(before: list[str], phrase: list[str], times: int, blank: str) -> None:
    text = blank.join([*before, *phrase * times])
    assert filters.loop("", text, None, "en") == ends_in_a_loop(text.lower().split())


@settings(max_examples=300)
@given(
    st.lists(st.sampled_from(["What", "is  it", "\n", "sun", "  ", "It", "thing"]), max_size=12),
    st.lists(st.sampled_from(["What", "is", "   ", "sun", "\n\n", "thing"]), max_size=12),
    st.booleans(),
)
def test_a_copy_is_found_where_it_is(asked: list[str], more: list[str], again: bool) -> None:
    prompt, text = " ".join(asked), " ".join([*asked * again, *more])
    whole, said = " ".join(prompt.lower().split()), " ".join(text.lower().split())
    begins = said.startswith(whole) and len(said) < 2 * len(whole)
    inside = not said.startswith(whole) and said in whole and 2 * len(said) >= len(whole)
    assert filters.copy(prompt, text, None, "en") == (len(whole) >= 20 and (begins or inside))


def test_one_answer_may_be_stopped_by_several_filters() -> None:
    (bits,) = filter_bits(["Why?"], [""], ["length"], "en")
    assert bits == 0b11


WORDS = [f"word{number}" for number in range(500)]


def text(seed: int, size: int = 80) -> str:
    return " ".join(np.random.default_rng(seed).choice(WORDS, size))


def shared(one: str, other: str) -> bool:
    first, second = similarity_bands([one, other])
    return bool((first == second).any())


def test_a_text_with_a_few_words_changed_is_nearly_the_same() -> None:
    found = 0
    for seed in range(50):
        words = text(seed, 120).split()
        words[60] = "changed"
        found += shared(text(seed, 120), " ".join(words).upper())
    assert found >= 45


def test_texts_that_share_half_are_not() -> None:
    found = sum(shared(text(seed), f"{text(seed, 40)} {text(seed + 1000, 40)}") for seed in range(100))
    assert found <= 8


def test_bands_do_not_depend_on_the_company() -> None:
    texts = [text(1), "Grüße, 你好 and hello " * 10, text(2), "short", "", *(text(seed, seed) for seed in range(3, 90))]
    together = similarity_bands(texts)
    for place, one in enumerate(texts):
        assert (similarity_bands([one])[0] == together[place]).all()


def test_short_answers_may_be_the_same() -> None:
    assert not similarity_bands(["Yes, that is right."] * 2).any()


@pytest.mark.parametrize("parts", [1, 3])
def test_all_but_the_first_prompts_answers_are_repeats(parts: int, tmp_path: Path) -> None:
    prompts = np.array([0, 0, 1, 1, 2])
    found = similarity_bands([text(1), text(1), text(2), text(1), text(1)])
    read = [(prompts[:3], found[:3]), (prompts[3:], found[3:])]
    rows = {int(row) for some in repeated_rows(read, parts, tmp_path) for row in some}
    assert rows == {3, 4}, "the same answer twice to one prompt is that prompt's own business"
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("parts", [1, 4, 600])
@pytest.mark.parametrize("held", [7, 10**6])
def test_repeats_are_the_same_however_few_bands_are_held(
    parts: int, held: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    resource = pytest.importorskip("resource")
    rng = np.random.default_rng(parts)
    # Two sources' answers to the prompts of each block, one after the other.
    read = [
        (np.tile(np.arange(4) + 4 * block, 2), rng.integers(0, 9, (8, BANDS)).astype(np.uint64)) for block in range(20)
    ]
    seen: dict[int, int] = {}
    rows = sorted(
        (int(prompt), 8 * block + place) for block, (some, _) in enumerate(read) for place, prompt in enumerate(some)
    )
    expected = set()
    for prompt, row in rows:
        bands = [int(band) for band in read[row // 8][1][row % 8] if band]
        expected |= {row} if any(seen.setdefault(band, prompt) != prompt for band in bands) else set()
    monkeypatch.setattr("selection.near_duplicates.HELD", held)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        flags = RowFlags(160)
        for some in repeated_rows(read, parts, tmp_path):
            flags.add(some)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    found = np.concatenate([flags.between(start, min(start + 7, 160)) for start in range(0, 160, 7)])
    assert {*np.flatnonzero(found).tolist()} == expected
    assert 0 < len(flags) == len(expected) < 160


@settings(max_examples=200)
@given(st.text(st.sampled_from("aZé9_-'’. \n\x1c"), max_size=30))
def test_the_words_of_an_answer_are_found_alike_with_and_without_the_quick_way(text):
    assert filters._words(text) == [word.lower() for word in filters.WORD.findall(text)]
