"""What a page shows of the samples of a run: which of them, and what of each."""

import json
import re
from html import unescape

import pytest

from profiler.records import Generation, Likelihood, Sample, Usage
from profiler.reporting.jinja import environment
from profiler.reporting.profile import profile_report, sample_text
from profiler.reporting.report import render
from profiler.reporting.samples import LONG, exchange, picked, sample_list
from profiler.runs import sample_store
from tests.support import builders
from tests.support.command import inherit
from tests.support.wire import serving

EVIL = '"><script>alert(1)</script><img src=x onerror=alert(1)>'
WEIGHED = Sample(
    probe="bbq",
    item="Age/1",
    prompt="Who was it?",
    how="loglikelihood",
    options=("the old man", "the young man", "unknown"),
    gold=2,
    likelihoods=tuple(Likelihood(total=total, tokens=tokens) for total, tokens in [(-6, 3), (-3, 1), (-8, 2)]),
    scores={"correct": 0.0},
)


async def test_a_page_shows_question_options_the_right_one_and_the_models_choice(tmp_path):
    async with serving() as wire:
        probes = ("bbq", "calibration", "crows_pairs", "stereoset", "preferences", "attributes", "toxicity")
        words = [word for probe in probes for word in ("-p", probe)]
        done = await inherit(
            "profile",
            "wire",
            "--url",
            wire.url,
            *words,
            "--suite",
            "mini",
            "-n",
            "4",
            "--max-tokens",
            "9",
            "--out",
            tmp_path,
        )
    assert done.code == 0, done.err
    (run,) = sample_store.runs(tmp_path)
    page = unescape((run.folder / "report.html").read_text("utf-8"))
    for probe in probes:
        assert f"Samples: {probe}</h2>" in page
        sample = next(run.samples(probe))
        assert exchange(sample).id in page
        assert all(option in page for option in sample.options)
        assert all(answer.text in page for answer in sample.answers[:5])
    asked = {probe: next(run.samples(probe)) for probe in probes}
    assert {len(asked[probe].options) for probe in ("bbq", "stereoset")} == {3}
    assert len(asked["crows_pairs"].options) == 2
    assert not asked["attributes"].options
    assert asked["bbq"].gold is not None
    assert asked["crows_pairs"].gold is None
    assert "✓ right" in page
    assert "◆ likeliest" in page


def test_an_option_says_that_it_is_right_and_how_it_was_found_likelier():
    shown = exchange(WEIGHED)
    assert [list(option.marks) for option in shown.options] == [
        ["likeliest a token"],
        ["likeliest as a whole"],
        ["right"],
    ]
    assert [option.weighed for option in shown.options] == ["−2.00", "−3.00", "−4.00"]
    assert shown.outcome == "wrong"
    assert "  - unknown  [right]" in sample_text(WEIGHED)


def test_a_letter_that_was_named_is_told_by_the_order_that_was_listed():
    shown = exchange(WEIGHED.model_copy(update={"likelihoods": (), "choice": 2, "order": (2, 0, 1), "how": "letter"}))
    assert [(option.letter, list(option.marks)) for option in shown.options] == [
        ("B", []),
        ("C", []),
        ("A", ["right", "taken"]),
    ]


@pytest.mark.parametrize(
    ("scores", "error", "said"),
    [
        ({"correct": 1.0}, None, "right"),
        ({"acc": 0.0}, None, "wrong"),
        ({"correct": None}, None, "unparseable"),
        ({"words": 3.0}, None, ""),
        ({}, "timed out", "failed"),
    ],
)
def test_a_failure_is_not_called_wrong(scores, error, said):
    assert exchange(WEIGHED.model_copy(update={"scores": scores, "error": error})).outcome == said


def test_a_page_holds_a_bounded_number_of_samples_and_of_their_words():
    run = builders.attributes("much", 105, size=400)
    shown = picked(run, "attributes")
    assert len(shown) == 100
    assert [sample.item for sample in shown] == sorted({sample.item for sample in shown})
    assert shown == picked(run, "attributes")
    page = render(profile_report(run.profile, {"attributes": shown}), "html")
    assert "100 of 400 samples, drawn by seed" in page
    long = WEIGHED.model_copy(update={"prompt": "x" * 9000})
    assert exchange(long).prompt == "x" * LONG + "… and 5,000 more characters"


def test_what_a_sample_says_is_never_markup():
    said = Generation(text=EVIL, usage=Usage())
    evil = WEIGHED.model_copy(
        update={"item": EVIL, "group": EVIL, "prompt": EVIL, "options": (EVIL,) * 3, "answers": (said,), "error": EVIL,
                "scores": {EVIL: 1.0}}
    )  # fmt: skip
    page = render(profile_report(builders.attributes("base", 105).profile, {"attributes": [evil]}), "html")
    assert "<img" not in page
    assert page.count("<script") == page.count("</script>") == 3
    assert re.search(r'id="bbq/%22%3E%3Cscript%3E', page)


def test_what_was_stored_before_options_were_is_read_and_written_the_same():
    plain = WEIGHED.model_copy(update={"options": (), "gold": None})
    assert not {"options", "gold"} & json.loads(plain.model_dump_json()).keys()
    assert Sample.model_validate_json(plain.model_dump_json()) == plain
    assert Sample.model_validate_json(WEIGHED.model_dump_json()) == WEIGHED


def test_another_room_serves_the_same_fragments_without_script_or_style_of_their_own():
    fragments = environment("profiler.service").from_string(
        '{% from "samples.html" import samples %}{% from "cards.html" import cards, points %}'
        '{{ samples(list, "one") }}{{ cards(told.cards) }}{{ points(told.points) }}'
    )
    run = builders.attributes("base", 105)
    page = fragments.render(list=sample_list("bbq", [WEIGHED], 1), told=profile_report(run.profile))
    assert "the young man" in page
    assert "An answer has" in page
    assert not re.search(r"<script|<style| style=| on[a-z]+=", page)
