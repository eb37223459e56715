"""What `--fail-on` forbids, what it can't tell, and the JUnit file of both."""

from xml.etree import ElementTree

import pytest

from profiler.errors import WrongUse
from profiler.reporting.checks import checks, junit
from profiler.runs.compare import compare
from tests.support import builders

LONG = compare(builders.attributes("base", 105), builders.attributes("long", 180, 1.05, seed=1))
FEW = compare(builders.attributes("base", 105, size=5), builders.attributes("long", 180, seed=1, size=5))


def failed(comparison, *rules):
    return {check.label.partition(".")[2] for check in checks(comparison, rules) if check.outcome == "failed"}


def change(comparison, metric):
    return next(each for each in comparison.changes if each.metric == metric)


def test_worse_significant_and_inconclusive_are_what_the_verdicts_say():
    verdicts = {each.metric: each.verdict for each in LONG.changes}
    assert failed(LONG, "worse") == {name for name, verdict in verdicts.items() if verdict == "worse"}
    assert failed(LONG, "significant") == {each.metric for each in LONG.changes if each.significant} >= {"words"}
    assert failed(LONG, "inconclusive") == {name for name, verdict in verdicts.items() if verdict == "not significant"}


@pytest.mark.parametrize(
    ("rule", "broken"),
    [
        ("attributes.words>150", True),
        ("attributes.words > 250", False),
        ("attributes.words<150", False),
        ("words>150", True),
        ("change:attributes.words>50", True),
        ("change:attributes.words<-1", False),
        ("change:attributes.word*>50", True),
    ],
)
def test_a_threshold_is_for_the_compared_run_or_for_its_change(rule, broken):
    assert failed(LONG, rule) == ({"words"} if broken else set())


@pytest.mark.parametrize("rule", ["attributes.word>1", "wors", "words", "words>", "words>x"])
def test_a_rule_that_means_nothing_is_refused(rule):
    with pytest.raises(WrongUse, match="--fail-on"):
        checks(LONG, [rule])


def test_an_undefined_number_fails_its_threshold():
    gone = change(LONG, "words").model_copy(update={"other": None, "absolute": None, "verdict": None, "reason": "gone"})
    others = tuple(each for each in LONG.changes if each.metric != "words")
    (check,) = checks(LONG.model_copy(update={"changes": (*others, gone)}), ["words<1"])
    assert (check.outcome, check.why) == ("failed", "it has no value: gone")


def test_a_refused_probe_can_not_be_told_and_a_threshold_on_it_fails():
    refused = LONG.model_copy(update={"refused": {"bbq": "read by: text → letter"}})
    assert [check.label for check in checks(refused, ["worse"]) if check.outcome == "can't tell"] == ["bbq"]
    assert failed(refused, "inconclusive") >= {""}
    (check,) = checks(refused, ["bbq.s_amb>0.05"])
    assert (check.outcome, check.why) == ("failed", "bbq could not be compared: read by: text → letter")


def test_too_few_items_never_pass():
    found = checks(FEW, ["worse"])
    assert {check.outcome for check in found} == {"can't tell"}
    assert "too few items for a verdict (5)" in found[0].why


def test_junit_counts_and_names_what_failed_and_skips_what_can_not_be_told():
    named = LONG.model_copy(update={"other_name": "evil \x1b[31m <b>&\ud800", "refused": {"bbq": "other data"}})
    found = checks(named, ["significant"])
    root = ElementTree.fromstring(junit([(named, found)]))
    (suite,) = root
    assert suite.get("tests") == str(len(found)) == str(len(suite))
    assert suite.get("failures") == str(len(suite.findall("*/failure"))) == str(len(failed(named, "significant")))
    assert suite.get("skipped") == "1"
    case = next(case for case in suite if case.get("classname") == "attributes.words")
    assert case.find("failure").get("message").endswith("higher")
