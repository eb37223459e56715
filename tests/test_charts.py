"""What the charts show, and that they draw without a browser, a network or a complaint."""

import json
import re
import shutil
import subprocess
from xml.etree import ElementTree

import pytest

from profiler import charts
from profiler.reporting.comparison import comparison_report
from profiler.reporting.layout import FAMILIES
from profiler.reporting.profile import examples, profile_report
from profiler.reporting.report import save
from profiler.runs.compare import compare
from tests import builders

BASE = builders.attributes("base", 105)
LONG = compare(BASE, builders.attributes("long", 180, 1.05, seed=1))
POOR = compare(BASE, builders.attributes("poor", 110, 0.8, seed=2))


def rows(spec):
    """Metric → what its bar is made of, over all panels of the first column."""
    return {row["metric"]: row for line in spec["vconcat"] for row in line["hconcat"][0]["data"]["values"]}


def panels(spec):
    return [line["hconcat"][0] for line in spec["vconcat"]]


def titles(spec):
    return [panel["title"]["text"] for panel in panels(spec)]


def edited(comparison, which, **fields):
    changes = [c.model_copy(update=fields) if c.metric == which else c for c in comparison.changes]
    return comparison.model_copy(update={"changes": tuple(changes)})


def test_each_metric_is_a_bar_in_percent_with_its_interval_and_verdict():
    shown = rows(charts.comparison_chart([LONG]))
    words = next(change for change in LONG.changes if change.metric == "words")
    assert shown["words"]["value"] == words.percent
    assert (shown["words"]["low"], shown["words"]["high"]) == (words.percent_low, words.percent_high)
    assert shown["words"]["verdict"] == "moved"
    assert shown["words"]["written"] == f"+{words.percent:.1f} % moved"
    assert set(shown) == {change.metric for change in LONG.changes}


def test_families_are_in_order_and_absolute_changes_come_last():
    found = titles(charts.comparison_chart([LONG]))
    percent = [title for title in found if not title.endswith(", absolute")]
    assert tuple(percent[: len(FAMILIES)]) == FAMILIES
    assert found[: len(percent)] == percent != found


def test_where_a_percentage_means_nothing_the_change_is_shown_as_it_is():
    truncated = next(change for change in LONG.changes if change.metric == "truncated")
    assert truncated.percent is None
    assert rows(charts.comparison_chart([LONG]))["truncated"]["value"] == truncated.absolute


def test_a_metric_is_absolute_for_all_when_it_is_for_one():
    """Otherwise two bars of a row would have two scales."""
    odd = edited(POOR, "words", percent=None, percent_low=None, percent_high=None)
    spec = charts.comparison_chart([LONG, odd])
    assert "length, absolute" in titles(spec)
    assert rows(spec)["words"]["value"] == next(c for c in LONG.changes if c.metric == "words").absolute


def test_percent_panels_share_one_scale_that_holds_all_intervals():
    percent = [
        panel for panel in panels(charts.comparison_chart([LONG, POOR])) if "absolute" not in panel["title"]["text"]
    ]
    domains = {tuple(panel["layer"][0]["encoding"]["x"]["scale"]["domain"]) for panel in percent}
    assert len(domains) == 1
    low, high = domains.pop()
    ends = [
        end for one in (LONG, POOR) for c in one.changes for end in (c.percent_low, c.percent_high) if end is not None
    ]
    assert low < min(ends) < 0 < max(ends) < high


def test_one_extreme_does_not_flatten_the_rest():
    spec = charts.comparison_chart([edited(LONG, "rix", percent=5000.0, percent_low=4000.0, percent_high=6000.0)])
    assert panels(spec)[0]["layer"][0]["encoding"]["x"]["scale"]["domain"][1] < 1.1 * charts.CUT
    assert rows(spec)["rix"]["written"] == "+5,000 % same"


def test_colour_shape_and_word_say_the_verdict():
    panel = panels(charts.comparison_chart([LONG]))[0]
    colours, shapes = panel["encoding"]["color"]["scale"], panel["layer"][2]["encoding"]["shape"]["scale"]
    assert colours["domain"] == shapes["domain"] == ["better", "worse", "moved", "same", "none"]
    assert len(set(shapes["range"])) == 5
    assert len(set(colours["range"])) == 4  # no verdict is grey like the same, and a cross


def test_without_a_change_there_is_a_reason_and_no_bar():
    gone = dict.fromkeys(("absolute", "low", "high", "percent", "percent_low", "percent_high", "verdict"))
    row = rows(charts.comparison_chart([edited(LONG, "rix", **gone, reason="undefined on the base")]))["rix"]
    assert row["written"] == "– undefined on the base"
    assert "value" not in row


def test_a_metric_that_one_of_several_lacks_keeps_its_row():
    short = POOR.model_copy(update={"changes": tuple(c for c in POOR.changes if c.metric != "rix")})
    second = [
        row
        for line in charts.comparison_chart([LONG, short])["vconcat"]
        for row in line["hconcat"][1]["data"]["values"]
    ]
    assert next(row for row in second if row["metric"] == "rix")["written"] == "– not in this run"


def test_groups_are_left_to_the_table():
    group = LONG.changes[0].model_copy(update={"group": "Age"})
    spec = charts.comparison_chart([LONG.model_copy(update={"changes": (*LONG.changes, group)})])
    assert sum(len(panel["data"]["values"]) for panel in panels(spec)) == len(LONG.changes)


def test_a_profile_shows_every_metric_scaled_by_unit_from_zero():
    spec = charts.profile_chart(BASE.profile)
    found = {row["metric"]: row for panel in spec["vconcat"] for row in panel["data"]["values"]}
    numbers = {e.metric: e for e in BASE.profile.estimates}
    assert set(found) == set(numbers)
    assert found["words"]["x"] == pytest.approx(numbers["words"].value / numbers["words"].high)
    grades = ("gunning_fog", "flesch_kincaid", "smog", "ari", "coleman_liau")
    ratios = [found[name]["x"] / numbers[name].value for name in grades]
    assert ratios == pytest.approx([ratios[0]] * 5)
    assert found["empty"]["written"] == "0 share (no interval: all items alike)"


def numbers_in(svg):
    return ElementTree.fromstring(svg)


@pytest.mark.parametrize(
    "what", [[LONG], [LONG, POOR], [LONG, POOR, LONG, POOR], BASE.profile], ids=["1", "2", "4", "profile"]
)
def test_charts_draw_as_well_formed_pictures_that_say_what_they_are(what):
    svg = charts.picture(what, ".svg").decode()
    root = ElementTree.fromstring(svg)
    assert root.get("role") == "img"
    assert "95 %" in root.get("aria-label")
    words = "".join(root.itertext())
    assert "gunning_fog" in words
    assert len(re.findall("<title>words: ", svg)) >= 1  # the tooltip
    assert "NaN" not in svg


def test_a_page_chart_takes_its_colours_from_the_page():
    svg = charts.svg(charts.comparison_chart([LONG], charts.PAGE))
    assert 'fill="var(--moved)"' in svg
    assert not re.search(r'(fill|stroke)="#(?!000)', svg)


def test_the_drawing_engine_has_no_complaint(capfd):
    import vl_convert

    for spec in (charts.comparison_chart([LONG, POOR]), charts.profile_chart(BASE.profile)):
        vl_convert.vegalite_to_svg(json.loads(json.dumps(spec)), show_warnings=True)
    assert capfd.readouterr() == ("", "")


def test_a_hostile_name_neither_breaks_nor_enters_the_picture():
    """A control character inside the drawing engine would end the whole process."""
    evil = 'x\x1b[31m\x00<script>alert(1)</script>"\u202e'
    odd = edited(LONG.model_copy(update={"other_name": evil}), "rix", metric=evil)
    root = ElementTree.fromstring(charts.picture([odd, POOR], ".svg").decode())
    assert not [element for element in root.iter() if "script" in element.tag]
    assert "\x1b" not in "".join(root.itertext())


def chromium():
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not found:
        pytest.skip("no chromium on this machine")
    return found


def opened(page, folder, *flags):
    """What a real browser makes of a page: its document, and what its console said."""
    options = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--enable-logging=stderr",
        f"--user-data-dir={folder / 'user'}",
    ]
    done = subprocess.run(
        [chromium(), *options, *flags, "--dump-dom", page.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


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
