"""What the charts show, and that they draw without a browser, a network or a complaint."""

import re
import subprocess
import sys

import altair as alt
import pytest
from altair.utils import schemapi

from profiler.reporting.charts.changes import comparison_chart, profile_chart
from profiler.reporting.charts.theme import LIGHT, PAGE, rows, svg
from profiler.reporting.comparison import comparison_report
from profiler.reporting.layout import FAMILIES, moved, spread
from profiler.reporting.profile import examples, profile_report
from profiler.reporting.report import save
from profiler.runs.compare import compare
from tests.support import builders
from tests.support.browser import opened
from tests.support.svg import Drawing

BASE = builders.attributes("base", 105)
LONG = compare(BASE, builders.attributes("long", 180, 1.05, seed=1))
POOR = compare(BASE, builders.attributes("poor", 110, 0.8, seed=2))
CUT = 300  # percent, as the page says
GONE = dict.fromkeys(("absolute", "low", "high", "percent", "percent_low", "percent_high", "verdict"))


def drawn(*comparisons):
    return Drawing(svg(comparison_chart(comparisons)))


def percents(drawing):
    """The panels that show percent of the base, in all columns."""
    places = [place for place, panel in enumerate(drawing.panels) if panel.scales == ("change, %",)]
    return drawing.panels[: places[-1] + 1]


def change(comparison, metric):
    return next(change for change in comparison.changes if change.metric == metric)


def edited(comparison, which, **fields):
    changes = [c.model_copy(update=fields) if c.metric == which else c for c in comparison.changes]
    return comparison.model_copy(update={"changes": tuple(changes)})


def test_each_metric_is_a_bar_in_percent_with_its_interval_and_verdict():
    drawing, words = drawn(LONG), change(LONG, "words")
    scale = percents(drawing)[-1]
    length = drawing.panel("length")
    bar, dot = length.labelled("bar")["words"], length.labelled("point")["words"]
    whisker = next(line for line in length.of("line") if line.middle == pytest.approx(dot.middle))
    assert (scale.at(bar.left), scale.at(bar.right)) == pytest.approx((0, words.percent), abs=0.01)
    assert scale.at(dot.left) == pytest.approx(words.percent, abs=0.01)
    ends = (words.percent_low, words.percent_high)
    assert (scale.at(whisker.left), scale.at(whisker.right)) == pytest.approx(ends, abs=0.01)
    assert bar.colour == dot.colour == LIGHT.moved
    assert length.written("words") == [f"+{words.percent:.1f} % higher"]
    assert {name for panel in drawing.panels for name in panel.labelled("bar")} == {c.metric for c in LONG.changes}


def test_families_are_in_order_and_absolute_changes_come_last():
    found = [panel.title for panel in drawn(LONG).panels]
    percent = [title for title in found if not title.endswith(", absolute")]
    assert tuple(percent[: len(FAMILIES)]) == FAMILIES
    assert found[: len(percent)] == percent != found


def test_where_a_percentage_means_nothing_the_change_is_shown_as_it_is():
    truncated = change(LONG, "truncated")
    assert truncated.percent is None
    (panel,) = (panel for panel in drawn(LONG).panels if "truncated" in panel.labelled("bar"))
    assert panel.at(panel.labelled("point")["truncated"].left) == pytest.approx(truncated.absolute, abs=1e-4)
    assert "%" not in panel.written("truncated")[0]


def test_a_metric_is_absolute_for_all_when_it_is_for_one():
    """Otherwise two bars of a row would have two scales."""
    odd = edited(POOR, "words", percent=None, percent_low=None, percent_high=None)
    absolute = drawn(LONG, odd).panel("length, absolute")
    words = absolute.labelled("point")["words"]
    assert absolute.at(words.left) == pytest.approx(change(LONG, "words").absolute, abs=0.1)


def test_percent_panels_share_one_scale_that_holds_all_intervals():
    panels = percents(drawn(LONG, POOR))
    assert [panel.subtitle for panel in panels[:3]] == ["long", "poor", ""]
    ends = {}
    for panel in panels:
        labels = {round(dot.middle): dot.label for dot in panel.of("point")}
        for line in panel.of("line"):
            assert 0 < line.left < line.right < panel.width
            ends[labels[round(line.middle)]] = (panels[-1].at(line.left), panels[-1].at(line.right))
    shown = [c for one in (LONG, POOR) for c in one.changes if c.percent is not None and c.percent_low is not None]
    wanted = {f"{c.metric}: {moved(c)} {spread(c)}, {c.verdict}": (c.percent_low, c.percent_high) for c in shown}
    assert set(ends) == set(wanted)
    for label, interval in wanted.items():
        assert ends[label] == pytest.approx(interval, abs=0.05)


def test_one_extreme_does_not_flatten_the_rest():
    drawing = drawn(edited(LONG, "rix", percent=5000.0, percent_low=4000.0, percent_high=6000.0))
    scale, readability = percents(drawing)[-1], drawing.panel("readability")
    assert CUT < scale.at(scale.width) < 1.1 * CUT
    assert readability.labelled("bar")["rix"].right > readability.width  # and cut there
    assert readability.written("rix") == ["+5,000 % not significant"]


def test_colour_shape_and_word_say_the_verdict():
    kinds = {"words": "better", "characters": "worse", "sentences": "higher", "word_length": "not significant"}
    comparison = edited(LONG, "syllables", **GONE | {"absolute": 1.0, "percent": 1.0}, reason="too few items")
    for metric, verdict in kinds.items():
        comparison = edited(comparison, metric, verdict=verdict)
    length = drawn(comparison).panel("length")
    dots = length.labelled("point")
    assert len({dots[name].shape for name in (*kinds, "syllables")}) == 5
    assert {verdict: dots[name].colour for name, verdict in kinds.items()} == {
        verdict: LIGHT.verdicts()[verdict] for verdict in kinds.values()
    }
    assert dots["syllables"].colour == LIGHT.same  # no verdict is grey like the same, and a cross
    assert all(length.written(name)[0].endswith(f" {verdict}") for name, verdict in kinds.items())


def test_without_a_change_there_is_a_reason_and_no_bar():
    panel = drawn(edited(LONG, "rix", **GONE, reason="undefined on the base")).panel("readability")
    assert panel.written("rix") == ["– undefined on the base"]
    assert "lix" in panel.labelled("bar")
    assert "rix" not in panel.labelled("bar") | panel.labelled("point")


def test_a_metric_that_one_of_several_lacks_keeps_its_row():
    short = POOR.model_copy(update={"changes": tuple(c for c in POOR.changes if c.metric != "rix")})
    drawing = drawn(LONG, short)
    first = drawing.panel("readability")
    second = drawing.panels[drawing.panels.index(first) + 1]
    row = next(label.y for label in first.names if label.text == "rix")
    assert [words.text for words in second.words if abs(words.y - row) < 5] == ["– not in this run"]


def test_groups_are_left_to_the_table():
    group = LONG.changes[0].model_copy(update={"group": "Age"})
    drawing = drawn(LONG.model_copy(update={"changes": (*LONG.changes, group)}))
    assert sum(len(panel.names) for panel in drawing.panels) == len(LONG.changes)


def test_a_profile_shows_every_metric_scaled_by_unit_from_zero():
    drawing = Drawing(svg(profile_chart(BASE.profile)))
    bars = {name: bar for panel in drawing.panels for name, bar in panel.labelled("bar").items()}
    numbers = {e.metric: e for e in BASE.profile.estimates}
    assert set(bars) == set(numbers)
    assert {round(bar.left) for bar in bars.values()} == {0}
    end = drawing.panel("length").width / 1.05
    assert bars["words"].right == pytest.approx(end * numbers["words"].value / numbers["words"].high)
    grades = ("gunning_fog", "flesch_kincaid", "smog", "ari", "coleman_liau")
    ratios = [bars[name].right / numbers[name].value for name in grades]
    assert ratios == pytest.approx([ratios[0]] * 5)
    assert "0.0000 [0.0000, 0.0370] proportion" in drawing.words
    assert numbers["empty"].low == 0


@pytest.mark.parametrize(
    "what", [[LONG], [LONG, POOR], [LONG, POOR, LONG, POOR], BASE.profile], ids=["1", "2", "4", "profile"]
)
def test_charts_draw_as_well_formed_pictures_that_say_what_they_are(what, tmp_path):
    save(comparison_report(what) if isinstance(what, list) else profile_report(what), tmp_path / "chart.svg")
    drawing = Drawing((tmp_path / "chart.svg").read_text("utf-8"))
    assert drawing.root.get("role") == "img"
    assert "95 %" in drawing.title
    assert "gunning_fog" in drawing.text
    assert len(re.findall("<title>words: ", drawing.source)) >= 1  # the tooltip
    assert "NaN" not in drawing.source


def test_a_page_chart_takes_its_colours_from_the_page():
    picture = svg(comparison_chart([LONG], PAGE))
    assert 'fill="var(--moved)"' in picture
    assert not re.search(r'(fill|stroke)="#(?!000)', picture)


def test_only_drawing_waits_for_the_libraries_that_draw():
    code = "import sys, profiler.cli, profiler.reporting.report, profiler.study.report; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "profiler.reporting.charts.changes" in loaded
    assert not {"altair", "vl_convert"} & {*loaded}


def test_the_drawing_engine_has_no_complaint(capfd):
    import vl_convert

    for chart in (comparison_chart([LONG, POOR]), profile_chart(BASE.profile)):
        vl_convert.vegalite_to_svg(chart.to_json(), show_warnings=True)
    assert capfd.readouterr() == ("", "")


def test_a_hostile_name_neither_breaks_nor_enters_the_picture():
    """A control character inside the drawing engine would end the whole process."""
    evil = 'x\x1b[31m\x00<script>alert(1)</script>"\u202e'
    drawing = drawn(edited(LONG.model_copy(update={"other_name": evil}), "rix", metric=evil), POOR)
    assert not [element for element in drawing.root.iter() if "script" in element.tag]
    assert "\x1b" not in drawing.text


@pytest.mark.browser
def test_a_console_error_would_be_noticed(tmp_path):
    page = tmp_path / "bad.html"
    page.write_text("<script>console.error('oops')</script>")
    assert "oops" in opened(page, tmp_path)[1][0]


@pytest.mark.browser
@pytest.mark.parametrize("what", [BASE.profile, [LONG], [LONG, POOR]], ids=["profile", "comparison", "several"])
def test_the_page_opens_silently_with_its_chart(tmp_path, what):
    page = tmp_path / "report.html"
    save(comparison_report(what) if isinstance(what, list) else profile_report(what, examples(BASE)), page)
    document, console = opened(page, tmp_path)
    assert console == []
    assert "gunning_fog</text>" in document
    assert re.search(r'<button[^>]* data-copy="command"', document)


@pytest.mark.browser
@pytest.mark.parametrize(
    ("scheme", "paper", "moved"),
    [(1, "rgb(255, 255, 255)", "rgb(0, 101, 163)"), (0, "rgb(20, 23, 26)", "rgb(92, 179, 240)")],
)
def test_page_and_chart_follow_the_reader_into_the_dark(tmp_path, scheme, paper, moved):
    page, shot = tmp_path / "report.html", tmp_path / "shot.png"
    save(comparison_report([LONG, POOR]), page)
    probe = """<script>document.title = getComputedStyle(document.body).backgroundColor + " " +
        getComputedStyle(document.querySelector('.chart [fill="var(--moved)"]')).fill</script>"""
    page.write_text(re.sub('<meta http-equiv="Content-Security-Policy"[^>]*>', "", page.read_text()) + probe)
    document, _ = opened(page, tmp_path, f"--blink-settings=preferredColorScheme={scheme}")
    assert f"<title>{paper} {moved}</title>" in document
    opened(page, tmp_path, f"--blink-settings=preferredColorScheme={scheme}", f"--screenshot={shot}")
    assert shot.read_bytes().startswith(b"\x89PNG")


def test_a_chart_is_put_together_without_copies_of_its_marks_or_searches_of_the_schema(monkeypatch):
    monkeypatch.setattr(schemapi._FromDict, "__init__", lambda *_: pytest.fail("searched for what a channel is"))
    assert comparison_chart([LONG]).to_dict()["datasets"]
    mark = rows([{"value": 1.0}]).mark_bar()
    assert alt.layer(mark, mark).layer[0].encoding is mark.encoding


def test_a_picture_is_made_without_a_check_of_each_part_of_its_chart(monkeypatch, tmp_path):
    checked = []
    monkeypatch.setattr(schemapi, "validate_jsonschema", lambda part, *_, **__: checked.append(part))
    save(comparison_report([LONG]), tmp_path / "long.svg")
    assert not [part for part in checked if "values" in part]
    assert schemapi.DEBUG_MODE  # a user's own charts are checked as before
