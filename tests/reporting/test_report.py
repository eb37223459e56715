"""What a reader gets to see, in every format, and what a hostile name can not do to it."""

import csv
import io
import json
import re
import shlex
from html import unescape
from typing import get_args

import altair
import numpy as np
import pytest

from profiler.errors import WrongUse
from profiler.metrics.metric import Metric
from profiler.records import Capabilities, Comparison, Estimate, Fingerprint, Profile, Sampling, Verdict, Writing
from profiler.reporting import numbers
from profiler.reporting.comparison import comparison_report
from profiler.reporting.profile import capabilities_text, estimates_text, examples, profile_report, sample_text
from profiler.reporting.report import render, save
from profiler.runs.compare import compare
from tests.support import builders

EVIL = "=cmd|'/c calc'!A1 <script>alert(1)</script> </script> a|b 50%_$x\x1b[31m"
BASE = builders.attributes("base", 105)
LONG = builders.attributes("long", 180, 1.05, seed=1)
POOR = builders.attributes("poor", 110, 0.8, seed=2)
MINI = builders.attributes("tiny", 105, suite="mini")


@pytest.fixture(scope="module")
def longer():
    return compare(BASE, LONG)


@pytest.fixture(scope="module")
def poorer():
    return compare(BASE, POOR)


def told(what, examples=None):
    if isinstance(what, Profile):
        return profile_report(what, examples)
    return comparison_report([what] if isinstance(what, Comparison) else what, every=True)


def shown(what, format, examples=None):
    return render(told(what, examples), format)


def line(text, start):
    return next(row for row in text.splitlines() if row.strip().startswith(start))


@pytest.mark.parametrize(
    ("value", "shown"),
    [(123.456, "123"), (1.2345, "1.23"), (0.012345, "0.0123"), (12345.6, "12,346"), (-0.5, "−0.500"), (0, "0"),
     (None, "–"), (1.5e-9, "1.50e−09"), (99.96, "100.0")],
)  # fmt: skip
def test_numbers_have_three_significant_digits(value, shown):
    assert numbers.number(value) == shown


def test_a_number_that_rounds_to_zero_has_no_sign():
    assert numbers.number(-0.001, 1, sign=True) == "0.0"
    assert numbers.interval(-0.001, 12.3, 1, sign=True) == "[0.0, +12.3]"


def test_a_profile_shows_value_interval_and_n_by_family():
    text = shown(BASE.profile, "table")
    words = next(e for e in BASE.profile.estimates if e.metric == "words")
    assert line(text, "words").split()[:2] == ["words", f"{words.value:.0f}"]
    assert f"[{words.low:.0f}, {words.high:.0f}]" in line(text, "words")
    assert line(text, "words").endswith("100")
    order = [text.index(f"  {family}\n") for family in ("length", "readability", "diversity", "quality", "other")]
    assert order == sorted(order)


def test_an_undefined_number_is_a_dash_with_its_reason():
    reason = "flesch is defined for en; these texts are 'de'"
    numbers = [e for e in BASE.profile.estimates if e.metric != "flesch"]
    numbers.append(Estimate(probe="attributes", metric="flesch", value=None, n=0, undefined=100, reason=reason))
    row = line(shown(BASE.profile.model_copy(update={"estimates": tuple(numbers)}), "table"), "flesch ")
    assert re.search(r"flesch +– +– flesch is defined for en; these texts are 'de' +points +0 +100$", row)


@pytest.mark.parametrize(("share", "warned"), [(0.2, False), (0.21, True), (None, False)])
def test_many_answers_that_were_cut_off_are_warned_of(share, warned):
    numbers = [e for e in BASE.profile.estimates if e.metric != "truncated"]
    numbers.append(Estimate(probe="attributes", metric="truncated", value=share, n=100))
    text = shown(BASE.profile.model_copy(update={"estimates": tuple(numbers)}), "table")
    assert ("21.0 % of the answers were cut off at 256 tokens" in " ".join(text.split())) == warned


def test_the_templates_own_headings_need_not_be_said():
    drawn = Sampling(stop=("\n### Question:", "\n### Answer:"))
    writing = Writing(prompt_template="### Question: {prompt}\n### Answer:", samples=1)
    run = builders.attributes("headed", 105, sampling=drawn, writing=writing)
    assert "stop the template's headings" in shown(run.profile, "table")
    assert "--stop" not in page(run.profile)


def test_items_left_out_are_counted():
    smog = next(e for e in BASE.profile.estimates if e.metric == "smog")
    assert smog.undefined > 0
    assert line(shown(BASE.profile, "table"), "smog").split()[-2:] == [str(smog.n), str(smog.undefined)]


@pytest.mark.parametrize("format", ["table", "md", "latex", "html"])
def test_a_mini_set_is_marked_loudly_everywhere(format):
    for what in (MINI.profile, compare(MINI, builders.attributes("tiny2", 180, suite="mini"))):
        text = shown(what, format)
        assert "[mini]" in text.replace("\\[", "[").replace("\\]", "]")
        assert re.search("do not publish these numbers", text, re.I)
    assert "publish" not in shown(BASE.profile, format)


def test_groups_stand_under_their_metric():
    metrics = (Metric("bias", about="", ideal=0.0), Metric("accuracy", about="", ideal="high"))
    table = builders.samples(
        {"bias": builders.normal(60, 5, 2, 1), "accuracy": builders.normal(60, 0.5, 0.1, 2)},
        groups=["Age", "Religion"] * 30,
    )
    text = shown(builders.run({"bbq": table}, {"bbq": metrics}).profile, "table")
    labels = [row.split()[0] for row in text.split("undefined\n")[1].splitlines()]
    assert labels == ["bbq", "bias", "Age", "Religion", "accuracy", "Age", "Religion"]


def test_a_comparison_shows_change_interval_verdict(longer):
    text = shown(longer, "table")
    words = next(change for change in longer.changes if change.metric == "words")
    row = line(text, "words")
    assert f"+{words.percent:.1f} %" in row
    assert f"[+{words.joint_percent_low:.1f}, +{words.joint_percent_high:.1f}]" in row
    assert "◆ higher" in row
    assert "○ not significant" in line(text, "rix")
    assert "weights: models/base" in text


def test_a_base_near_zero_shows_the_absolute_change(longer):
    assert re.search(r"truncated +0\.\d+ +0\.\d+ +−0\.\d+ +\[−0", line(shown(longer, "table"), "truncated"))


def test_several_others_stand_side_by_side(longer, poorer):
    text = shown([longer, poorer], "table")
    assert re.search(r"metric +base +long +poor", text)
    assert re.search(r"words .*◆ \+\d+\.\d % \[.*\] higher .*○ .* not significant", line(text, "words"))
    assert re.search(r"mtld .*○ .* not significant .*◆ −\d+\.\d % \[.*\] lower", line(text, "mtld"))
    assert "long: weights" in text


def test_two_runs_of_one_name_are_told_apart_by_id():
    base = builders.attributes("demo", 105)
    other = builders.Read(base.profile.model_copy(update={"id": "later"}), base.probes)
    text = shown(compare(base, other), "table")
    assert f"later compared with {base.profile.id}" in text
    assert "no setting differs" in text


def test_what_could_not_be_compared_is_told(longer):
    text = shown(longer.model_copy(update={"refused": {"bbq": "read by: text → letter"}}), "table")
    assert "bbq not compared: read by: text → letter" in text


def test_better_and_worse_have_a_word_and_a_sign_besides_a_colour(longer, monkeypatch):
    changes = [
        change.model_copy(update={"verdict": verdict})
        for change, verdict in zip(longer.changes, [*get_args(Verdict), *[None] * 30], strict=False)
    ]
    plain = shown(longer.model_copy(update={"changes": tuple(changes)}), "table")
    assert all(
        mark in plain for mark in ("▲ better", "▼ worse", "◆ higher", "◆ lower", "= equivalent", "○ not significant")
    )
    assert "\x1b" not in plain
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "160")
    assert re.search(r"\x1b\[1;32m *▲ better", shown(longer.model_copy(update={"changes": tuple(changes)}), "table"))


def test_a_name_can_not_paint_on_the_terminal():
    profile = BASE.profile.model_copy(update={"name": EVIL})
    for format in ("table", "md", "latex"):
        assert "\x1b" not in shown(profile, format)


def test_markdown_survives_pipes_and_tags():
    other = builders.Read(LONG.profile.model_copy(update={"name": EVIL}), LONG.probes)
    text = shown(compare(BASE, other), "md")
    head, rule, *rows = [row for row in text.splitlines() if row.startswith("|")]
    cells = [len(re.findall(r"(?<!\\)\|", row)) for row in (head, rule, *rows)]
    assert set(cells) == {9}
    assert "<script" not in text


def test_latex_escapes_what_latex_would_take_for_commands():
    other = builders.Read(LONG.profile.model_copy(update={"name": r"a_b & 50% \input{x} #1 $y$ ~ ^"}), LONG.probes)
    text = shown(compare(BASE, other), "latex")
    assert r"a\_b \& 50\% \textbackslash{}input\{x\} \#1 \$y\$ \textasciitilde{} \textasciicircum{}" in text
    assert text.count(r"\begin{tabular}{lrrrrrrr}") == text.count(r"\end{tabular}") == 1
    rows = [row for row in text.splitlines() if row.endswith(r"\\") and "multicolumn" not in row]
    assert {len(re.findall(r"(?<!\\)&", row)) for row in rows} == {7}
    assert "◆" not in text
    assert not re.search("[−–→·…]", text)


def test_csv_has_every_number_in_full_and_empty_where_undefined(longer):
    rows = list(csv.DictReader(io.StringIO(shown(longer, "csv"))))
    assert len(rows) == len(longer.changes)
    words = next(row for row in rows if row["metric"] == "words")
    change = next(change for change in longer.changes if change.metric == "words")
    assert (float(words["percent"]), float(words["low"]), words["verdict"]) == (change.percent, change.low, "higher")
    assert next(row for row in rows if row["metric"] == "truncated")["percent"] == ""
    numbers = list(csv.DictReader(io.StringIO(shown(BASE.profile, "csv"))))
    assert [float(row["value"]) for row in numbers] == [e.value for e in BASE.profile.estimates]


@pytest.mark.parametrize("name", [EVIL, "@SUM(A1)", "+1", "-1", "\t=1"])
def test_csv_names_are_never_formulas(name):
    rows = list(csv.reader(io.StringIO(shown(BASE.profile.model_copy(update={"name": name}), "csv"))))
    assert rows[1][1] == f"'{name}"


def test_csv_keeps_negative_numbers_numbers(poorer):
    row = next(row for row in csv.DictReader(io.StringIO(shown(poorer, "csv"))) if row["metric"] == "mtld")
    assert float(row["absolute"]) < 0


def test_json_is_the_stored_record(longer, poorer):
    assert Profile.model_validate_json(shown(BASE.profile, "json")) == BASE.profile
    assert Comparison.model_validate_json(shown([longer], "json")) == longer
    assert [Comparison.model_validate(one) for one in json.loads(shown([longer, poorer], "json"))] == [
        longer,
        poorer,
    ]


def page(what, examples=None):
    return shown(what, "html", examples)


def embedded(html, id):
    return json.loads(re.search(rf'<script type="application/json" id="{id}">(.*?)</script>', html, re.S)[1])


def test_the_page_stands_alone_and_is_small(longer, poorer):
    texts = [page(BASE.profile, examples(BASE)), page([longer, poorer])]
    for html in texts:
        assert len(html.encode()) < 400_000
        addresses = set(re.findall(r"https?://[^\s\"'<>]+", html))
        assert addresses <= {
            "http://www.w3.org/2000/svg",
            "http://www.w3.org/1999/xlink",
            altair.SCHEMA_URL,
        }
        assert "src=" not in html.split("Content-Security-Policy")[1].split(">", 1)[1].split("<script>")[0]
        assert "default-src 'none'" in html


def test_the_page_shows_its_chart_and_numbers_without_javascript(longer):
    html = re.sub(r"<script.*?</script>", "", page(longer), flags=re.S)
    assert '<svg role="img" aria-label="Change of long against base' in html
    assert html.count("moved</td>") == sum(change.verdict == "moved" for change in longer.changes)
    assert "<span>inherit</span> <span>compare</span>" in html


def test_nothing_a_model_says_becomes_markup():
    samples = BASE.samples("attributes")
    said = samples[0].answers[0].model_copy(update={"text": f"</p><img src=x onerror=alert(1)>{EVIL}"})
    evil = samples[0].model_copy(update={"prompt": EVIL, "answers": (said,), "item": EVIL})
    html = page(BASE.profile.model_copy(update={"name": EVIL, "id": EVIL}), {"attributes": [evil]})
    assert "<img" not in html
    assert "<script>alert" not in html
    assert html.count("<script") == html.count("</script>") == 3
    assert embedded(html, "record")["name"] == EVIL
    assert "&lt;img src=x onerror=alert(1)&gt;" in html


def test_nothing_in_a_comparison_becomes_markup(longer):
    change = longer.changes[0].model_copy(update={"verdict": None, "reason": EVIL, "metric": EVIL, "group": None})
    evil = longer.model_copy(
        update={
            "base_name": EVIL,
            "other_name": f"{EVIL}2",
            "differs": (EVIL,),
            "refused": {EVIL: EVIL},
            "changes": (change,),
        }
    )
    html = page([evil, longer])
    assert html.count("<script") == html.count("</script>") == 3
    assert embedded(html, "record")[0]["other_name"] == f"{EVIL}2"
    assert embedded(html, "chart")["vconcat"]


def test_the_page_says_how_it_was_made():
    html = page(BASE.profile)
    for said in ("models/base", BASE.profile.fingerprint.id, "9f2c" * 16, "the written answer", "spacy 3.8.18",
                 "temperature 1, top_p 0.95, max_tokens 256, seed 7", "td-2.8/sentencizer"):  # fmt: skip
        assert said in html
    assert "--temperature 1" in html


def test_the_command_on_the_page_is_what_a_shell_would_take():
    drawn = Sampling(temperature=0.7, stop=("\n", "it's"), max_tokens=64)
    run = builders.attributes("my model", 105, sampling=drawn, writing=Writing(system="Be brief.", samples=2))
    html = page(run.profile)
    shown = re.search(r'<code id="command">(.*?)</code>', html, re.S)[1]
    words = shlex.split(unescape(re.sub("<.*?>", "", shown)))
    assert words[:3] == ["inherit", "profile", "models/my model"]
    options = dict(zip(words[3::2], words[4::2], strict=True))
    assert (options["--temperature"], options["--max-tokens"], options["--system"]) == ("0.7", "64", "Be brief.")
    assert [words[i + 1] for i, word in enumerate(words) if word == "--stop"] == ["\n", "it's"]


def test_the_command_draws_as_the_probe_that_writes_did():
    (writes,) = BASE.profile.sections
    weighs = writes.model_copy(update={"probe": "bbq", "sampling": None})
    html = page(BASE.profile.model_copy(update={"sections": (weighs, writes)}))
    assert f"--max-tokens {writes.sampling.max_tokens}" in html


def test_the_page_shows_a_few_answers_of_each_probe():
    html = page(BASE.profile, examples(BASE, each=2))
    assert html.count('<article class="exchange"') == 2
    assert "2 of 100 samples, drawn by seed" in html


@pytest.mark.parametrize(
    ("name", "start"),
    [("r.md", b"long differs"), ("r.csv", b"base_name,"), ("r.tex", b"\\begin{table}"), ("r.json", b"{"),
     ("r.html", b"<!doctype"), ("r.png", b"\x89PNG"), ("r.svg", b"<svg"), ("r.txt", b"long differs significantly")],
)  # fmt: skip
def test_the_ending_of_a_file_says_how_it_is_written(tmp_path, longer, name, start):
    save(comparison_report([longer]), tmp_path / name)
    assert (tmp_path / name).read_bytes().startswith(start)


def test_an_unknown_ending_is_refused_with_the_known_ones(tmp_path, longer):
    with pytest.raises(WrongUse, match=r"can't write a report to 'r.docx': expected .* \.html \.png \.svg"):
        save(comparison_report([longer]), tmp_path / "r.docx")
    assert not list(tmp_path.iterdir())


def test_a_sample_reads_as_an_exchange():
    text = sample_text(BASE.samples("attributes")[0].model_copy(update={"error": "timed out\x1b[2J"}))
    assert text.splitlines()[:2] == ["attributes / q00000", "> How does photosynthesis work?"]
    assert "words" in text
    assert "FAILED: timed out" in text
    assert "\x1b" not in text


def test_estimates_alone_are_a_flat_table():
    text = estimates_text([e for e in BASE.profile.estimates if e.metric in ("words", "rix")])
    assert [row.split()[0] for row in text.splitlines() if row.strip()] == ["metric", "words", "rix"]


def test_what_an_endpoint_can_do_is_said_with_the_reason_why_not():
    found = Capabilities(completions=True, n=True, top_logprobs=5, notes={"echo": "400: echo is not supported"})
    text = capabilities_text(found, Fingerprint(id="abc"), {"attributes": None, "bbq": "it needs log-probabilities"})
    assert "weights abc" in text
    assert re.search(r"completions +yes", text)
    assert re.search(r"echo +no +400: echo is not supported", text)
    assert re.search(r"top_logprobs +5", text)
    assert re.search(r"bbq +no +it needs log-probabilities", text)


def test_a_profile_without_numbers_can_be_shown():
    empty = BASE.profile.model_copy(update={"estimates": (), "sections": ()})
    assert "base" in shown(empty, "table")
    assert shown(empty, "csv") == "\r\n" or shown(empty, "csv").strip() == ""
    assert np.isfinite(len(page(empty)))
