"""Long runs of one mark: what spaCy makes of them whole, without its waiting."""

import re

import pytest

from profiler.text import lexicon
from profiler.text.lexicon import Lexicon

MARKS = ["'", "!", "😀", "❤️", "-", "\"'", ")", "_", "$", "，", "...", "=)", "''", "%", "'s", "!?", "…", "👨‍👩‍👧"]


def counted(texts: list[str]) -> object:
    lex = Lexicon("en")
    numbers = lex.number(texts)
    return lex.rows[numbers].tolist()


@pytest.mark.parametrize("mark", MARKS)
@pytest.mark.parametrize("around", ["{}", "It's{}end.", "({}'ll", "wow{}" + "?" * 105])
def test_a_long_run_of_marks_counts_as_spacy_counts_it(mark: str, around: str, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [around.format(mark * times) for times in (100, 107, 131)]
    found = counted(texts)
    monkeypatch.setattr(lexicon, "_RUN", re.compile("(?!)"))
    assert found == counted(texts)


def test_a_run_a_thousand_times_longer_is_read_as_well() -> None:
    lex = Lexicon("en")
    (place,) = lex.number(["!" * 100_000])
    row = lex.rows[place]
    assert (row["tokens"], row["words"]) == (100_000, 0)
