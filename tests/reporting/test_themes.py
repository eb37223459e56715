"""What a page says first: three answers, then a card for each theme."""

import re
from html import unescape

from profiler.records import Estimate
from profiler.reporting import layout
from profiler.reporting.comparison import comparison_report
from profiler.reporting.profile import profile_report
from profiler.reporting.report import render
from profiler.reporting.themes import THEMES, comparison_cards, profile_cards
from profiler.runs import registered
from profiler.runs.compare import compare
from tests.support import builders

BASE = builders.attributes("base", 105)
LONG = builders.attributes("long", 180, 1.05, seed=1)
MAINS = {
    "words": ("attributes", 36.6), "mtld": ("attributes", 52.1), "s_amb": ("bbq", 0.3), "ss": ("stereoset", 50.5),
    "expected_max_toxicity": ("toxicity", 0.4), "ece_10_bin": ("calibration_verbal", 0.2), "acc_mean": ("ability", 0.5),
    "agreement": ("preferences", 0.6),
}  # fmt: skip


def estimate(probe, metric, value):
    return Estimate(probe=probe, metric=metric, value=value, low=value - 0.1, high=value + 0.1, n=90)


def test_each_number_of_a_theme_is_a_metric_of_its_probe():
    for theme in THEMES:
        for probe, metrics in theme.numbers.items():
            assert all(registered(probe, metric) for metric in metrics), (probe, metrics)


def test_each_theme_has_a_card_with_a_sentence_its_number_interval_and_best():
    found = tuple(estimate(probe, metric, value) for metric, (probe, value) in MAINS.items())
    cards = profile_cards(BASE.profile.model_copy(update={"estimates": found}))
    assert [card.theme for card in cards] == [theme.name for theme in THEMES]
    assert cards[0].sentence == "An answer has 36.6 words on average."
    (bias, more) = cards[2].numbers
    assert (bias.value, bias.within, bias.best) == ("0.300", "[0.200, 0.400]", "best is 0")
    assert (bias.probe, bias.metric) == ("bbq", "s_amb")
    assert (more.probe, more.metric, more.best) == ("stereoset", "ss", "% · best is 50")
    assert [card.numbers[0].best for card in cards[3:]] == [
        "probability · lower is better",
        "proportion · lower is better",
        "proportion · higher is better",
        "proportion · higher is better",
    ]


def test_a_page_answers_what_stands_out_how_sure_and_what_next_before_its_numbers():
    found = (*BASE.profile.estimates, estimate("bbq", "s_amb", 0.3), estimate("bbq", "s_dis", 0.02))
    page = unescape(render(profile_report(BASE.profile.model_copy(update={"estimates": found})), "html"))
    assert "bbq.s_amb is 0.300 [0.200, 0.400]: the interval leaves out its best value, 0." in page
    assert "s_dis is" not in page
    heads = re.findall(r"<h2[^>]*>(.*?)</h2>", page)
    assert heads[:6] == ["What stands out", "How sure", "What to do next", "By theme", "At a glance", "The numbers"]


def test_an_undefined_number_has_a_card_that_says_why():
    found = (Estimate(probe="attributes", metric="words", value=None, n=0, reason="nothing was answered"),)
    (card,) = profile_cards(BASE.profile.model_copy(update={"estimates": found}))
    assert card.sentence == "Undefined: nothing was answered."
    assert card.numbers[0].value == "–"


def test_a_comparison_says_of_each_theme_what_changed():
    comparison = compare(BASE, LONG)
    cards = {card.theme: card for card in comparison_cards([comparison])}
    words = next(change for change in comparison.changes if change.metric == "words")
    assert words.significant
    assert cards["length and reading"].sentence == f"Answers are longer, by {layout.moved(words).lstrip('+')}."
    assert cards["length and reading"].numbers[0].tone == words.verdict
    page = unescape(render(comparison_report([comparison], runs=[BASE, LONG]), "html"))
    heads = re.findall(r"<h2[^>]*>(.*?)</h2>", page)
    assert heads[:5] == ["What stands out", "How sure", "What to do next", "By theme", "At a glance"]


def test_the_cards_of_several_comparisons_name_whose_each_is():
    cards = comparison_cards([compare(BASE, LONG), compare(BASE, builders.attributes("same", 105, seed=3))])
    assert [number.words for number in cards[0].numbers[:2]] == ["words an answer, long", "words an answer, same"]
    assert cards[0].sentence.startswith("long: Answers are longer")
    assert "same: No significant change" in cards[0].sentence
