"""Answers of two models to the same questions, side by side."""

from html import unescape

import pytest

from profiler.records import Generation
from profiler.reporting.comparison import comparison_report
from profiler.reporting.report import render
from profiler.reporting.side_by_side import differing, pairs
from profiler.runs.compare import compare
from tests.support import builders

BASE = builders.attributes("base", 105)
LONG = builders.attributes("long", 180, 1.05, seed=1)
EVIL = "<script>alert(1)</script> & <b>bold</b>"


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("A cat sat on the mat.", "A dog sat on the mat today."),
        ("", "Something."),
        ("Same text.", "Same text."),
        ("one  two\n\nthree ", "one two three"),
        ("a " * 900, "b " * 900),
    ],
)
def test_pieces_are_the_texts_and_what_is_marked_is_each_ones_own(one, two):
    left, right = differing(one, two)
    assert "".join(piece.text for piece in left) == one
    assert "".join(piece.text for piece in right) == two
    shared = ["".join(piece.text for piece in side if not piece.own).split() for side in (left, right)]
    assert shared[0][:400] == shared[1][:400] or one.startswith("a a")


def test_what_differs_is_found_word_by_word():
    left, right = differing("A cat sat on the mat.", "A dog sat on the mat today.")
    assert [piece.text for piece in left if piece.own] == [" cat", " mat."]
    assert [piece.text for piece in right if piece.own] == [" dog", " mat today."]


def test_the_most_different_questions_come_first():
    found = pairs(BASE, LONG, compare(BASE, LONG))["attributes"]
    assert len(found) == 100
    found = found[:25]
    one, two = BASE.columns("attributes"), LONG.columns("attributes")
    gap = {item: abs(one.columns["words"][row] - two.columns["words"][row]) for row, item in enumerate(one.items)}
    first, every = [gap[pair.item] for pair in found], sorted(gap.values())
    assert sum(first) / len(first) > every[len(every) // 2]
    assert all(len(pair.scores) == 4 for pair in found)
    assert [side.name for side in found[0].sides] == ["base", "long"]


class Evil(builders.Read):
    def samples(self, probe):
        generation = Generation(text=EVIL)
        return [each.model_copy(update={"answers": (generation,), "prompt": EVIL}) for each in super().samples(probe)]


def test_the_page_of_a_comparison_shows_them_and_only_as_text():
    evil = Evil(LONG.profile, LONG.probes)
    page = render(comparison_report([compare(BASE, LONG)], runs=[BASE, evil]), "html")
    assert "Side by side: attributes" in page
    assert '<article class="exchange" id="attributes/q00000/long"' in page
    assert "<script>alert" not in page
    assert "<b>bold" not in page
    assert EVIL.split()[-1] in unescape(page)
    assert "Side by side" not in render(comparison_report([compare(BASE, LONG)]), "html")


def test_several_comparisons_are_told_apart():
    poor = builders.attributes("poor", 110, 0.8, seed=2)
    both = [compare(BASE, LONG), compare(BASE, poor)]
    page = render(comparison_report(both, runs=[BASE, LONG, poor]), "html")
    assert "Side by side: attributes, long" in page
    assert "Side by side: attributes, poor" in page
