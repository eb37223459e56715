"""How a question is put and read: which instrument, in which order the options stand, and what is refused."""

from __future__ import annotations

import pytest

from profiler.endpoints.answer_reader import AnswerReader, ScoringMethod, asked, order
from profiler.endpoints.requests import Choose, Generate, Weigh
from profiler.records import Capabilities, How, Sampling

ALL = Capabilities(completions=True, chat=True, echo=True, top_logprobs=20)
CHAT = Capabilities(chat=True, top_logprobs=20)
MUTE = Capabilities(chat=True)
PICK = Choose("The lake is", (" wide", " deep"))
WEIGH = Weigh(("One.", "Two."))
SENTENCES = Choose("", ("One.", "Two."), "Which?", ways=("top_logprobs", "letter"))
STATED = Generate("Which, and how sure?", Sampling(), how="verbal")
WRITE = Generate("Write.", Sampling())


def reader(can: Capabilities, scoring_method: ScoringMethod = "auto") -> AnswerReader:
    return AnswerReader(can, chat=False, scoring_method=scoring_method)


@pytest.mark.parametrize(
    ("can", "how"), [(ALL, "loglikelihood"), (CHAT, "top_logprobs"), (MUTE, "letter")], ids=["all", "chat", "mute"]
)
def test_the_best_instrument_that_the_endpoint_allows_is_taken(can: Capabilities, how: How) -> None:
    assert reader(can).how(PICK) == how


def test_a_question_in_words_is_never_read_by_likelihood() -> None:
    assert reader(ALL).how(SENTENCES) == "top_logprobs"
    assert reader(MUTE).how(SENTENCES) == "letter"
    assert "not by loglikelihood" in str(reader(ALL, "loglikelihood").obstacle(SENTENCES))


@pytest.mark.parametrize("scoring_method", ["loglikelihood", "top_logprobs", "letter"])
def test_a_scoring_method_that_was_asked_for_is_the_only_one(scoring_method: ScoringMethod) -> None:
    assert reader(ALL, scoring_method).how(PICK) == scoring_method
    assert reader(ALL, scoring_method).obstacle(PICK) is None
    assert (reader(ALL, scoring_method).obstacle(WEIGH) is None) == (scoring_method == "loglikelihood")
    assert reader(ALL, scoring_method).obstacle(WRITE) is None  # plain text is read in one way only
    assert (reader(ALL, scoring_method).obstacle(STATED) is None) == (scoring_method == "letter")


def test_what_is_missing_is_named() -> None:
    assert "echo" in str(reader(MUTE).obstacle(WEIGH))
    both = str(reader(MUTE).obstacle(Choose("The lake is", (" wide",), ways=("loglikelihood", "top_logprobs"))))
    assert "echo" in both
    assert "top_logprobs" in both
    assert "top_logprobs" in str(reader(MUTE, "top_logprobs").obstacle(PICK))


def test_the_question_and_its_order_are_kept_as_they_were_put() -> None:
    request = Choose("The lake is", (" wide", " deep"), order=(1, 0))
    assert "A. deep\nB. wide" in asked(request, "letter")
    assert order(request, "top_logprobs") == (1, 0)
    assert (asked(request, "loglikelihood"), order(request, "loglikelihood")) == ("The lake is", ())
