"""Final answers are read where texts put them, and compared as their authors and as people would."""

from __future__ import annotations

import gzip
import json
import re

import pytest

from profiler.text import final_answer
from profiler.text.final_answer import matches, matches_strictly
from tests.support.official import OFFICIAL, needs


@pytest.mark.parametrize(
    ("text", "gold"),
    [
        ("So she has 3 + 4 = <<3+4=7>>7 left.\n#### 7", "7"),
        ("The answer is 42.", "42"),
        ("The answer is 42 because 6*7 is not 43.", "42"),
        ("The answer is:\n\n**42 apples**", "42"),
        ("That comes to $1,234.50 in all", "1234.5"),
        ("It is 18.0 dollars", "$18"),
        ("The answer is \\$18", "18"),
        ("Final answer: 7 apples\n(That is 2 less than 9.)", "7"),
        ("#### 1. Think\n3 + 4\n#### 2. Write\n**Answer:** 7\nAs 9 - 2 = 7, we may check it by 8 - 1.", "7"),
        ("Answer: first 3 + 4 = 7, then 7 * 2 = 14", "14"),
        ("#### 42\n\nQuestion: And 6 * 6?\n#### 36", "42"),
        ("The answer is 5. No: the answer is 6.", "6"),
        ("We get \\boxed{\\frac{1}{2}} of 8", "0.5"),
        ("1/2", "0.50"),
        ("1{,}000", "1000"),
        ("10-5=5", "5"),
        ("It falls to \N{MINUS SIGN}5 degrees", "-5"),
        ("-$5", "-5"),
        ("A: 12,345,678", "12345678"),
        ("50%", "50"),
        ("The answer is (B).", "(B)"),
        ("The answer is Paris, because it is.", "paris"),
        ("Let me think.\n\n**Paris.**", "Paris"),
        ("#### yes", "Yes"),
    ],
)
def test_a_right_answer_is_found(text, gold):
    assert matches(text, gold) is True


@pytest.mark.parametrize(
    ("text", "gold"),
    [
        ("The answer is 42.", "43"),
        ("#### 42, not 43", "43"),
        ("It is 5", "-5"),
        ("1000.5", "1000"),
        ("GPT4", "4"),
        ("The answer is Paris.", "Rome"),
        ("Rome is large.\nParis", "Rome"),
    ],
)
def test_a_wrong_answer_is_wrong(text, gold):
    assert not matches(text, gold)


@pytest.mark.parametrize(
    ("text", "gold"), [("I don't know.", "42"), ("", "42"), ("1/0", "3"), ("", "Paris"), (" ...", "x")]
)
def test_a_text_without_a_final_answer_gives_none(text, gold):
    assert matches(text, gold) is None


def authors(text: str) -> str:
    """GSM8K's own reading: dataset.py of openai/grade-school-math at 3101c7d, in our words."""
    found = re.search(r"#### (\-?[0-9\.\,]+)", text)
    return found.group(1).strip().replace(",", "") if found else "[invalid]"


TEXTS = (
    "#### 1,000",
    "#### 1000",
    "#### $1000",
    "#### 1000.",
    "#### 1000.0",
    "####1000",
    "1000",
    "#### -3",
    "a\n#### 3 b",
)


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("gold", ["#### 1,000", "#### -3", "#### 3"])
def test_the_strict_reading_is_that_of_gsm8ks_authors(text, gold):
    assert matches_strictly(text, final_answer.gold(gold)) == (authors(text) == authors(gold))


def test_words_have_no_strict_reading():
    assert matches_strictly("#### Paris", "Paris") is None


@needs("gsm8k")
def test_every_solution_of_gsm8k_is_right_and_no_other_number_is():
    with gzip.open(OFFICIAL / "gsm8k" / "test.jsonl.gz", "rt", encoding="utf-8") as file:
        solutions = [json.loads(line)["answer"] for line in file]
    golds = [final_answer.gold(each) for each in solutions]
    assert len(golds) == 1319
    for text, gold in zip(solutions, golds, strict=True):
        said = text.replace("#### ", "So the answer is $") + " a week."
        assert matches(text, gold) is matches_strictly(text, gold) is matches(said, gold) is True
        assert not matches(text, f"{int(authors(text)) + 1}")


@pytest.mark.parametrize(
    "text", ["9" * 10**5, "9," * 10**5, "1,234," * 10**4, "answer is " * 10**4, "\\boxed{" * 10**4, "(((\n" * 10**4]
)
@pytest.mark.parametrize("gold", ["3", "x"])
def test_no_text_is_too_odd_to_be_read(text, gold):
    assert not matches(text, gold)
