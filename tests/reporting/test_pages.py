"""The pages in a real browser: silent, accessible, never wider than a telephone, and of use to a reader."""

import shlex
from functools import cache
from pathlib import Path

import pytest

from profiler.records import Sampling, Writing
from profiler.reporting.comparison import comparison_report
from profiler.reporting.profile import profile_command, profile_report, run_report
from profiler.reporting.report import save
from profiler.runs import sample_store
from profiler.runs.compare import compare
from profiler.study import records, report
from tests.support import builders
from tests.support.browser import axe, tab

pytestmark = pytest.mark.browser

STUDY = Path(__file__).parents[2] / "examples" / "steer_length" / "results" / "report.json"
PAGES = ("profile", "comparison", "several", "study")
OPEN = "document.querySelectorAll('details').forEach((part) => (part.open = true))"
CLIPPED = """[...document.querySelectorAll("svg text, h1, h2, h3, p, li, td, th, dt, dd, code, button, select, input")]
    .filter((one) => one.getClientRects().length && !one.closest(".wide"))
    .filter((one) => one.getBoundingClientRect().right > innerWidth || one.getBoundingClientRect().left < 0)
    .map((one) => one.textContent)"""


def violations(*rules: str) -> str:
    """Asks axe what is serious, by all its rules or by RULES."""
    return f"""axe.run({{resultTypes: ["violations"], {f"runOnly: {[*rules]}" if rules else ""}}}).then((found) =>
        found.violations.filter((one) => ["serious", "critical"].includes(one.impact))
        .map((one) => [one.id, one.nodes[0].html, one.nodes[0].failureSummary]))"""


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Where the page of a name is, made when it is first asked for."""
    folder = tmp_path_factory.mktemp("pages")
    teacher, student = (sample_store.load(f"example/{side}") for side in ("teacher", "student"))

    @cache
    def made(name: str) -> Path:
        match name:
            case "profile":
                told = run_report(teacher)
            case "comparison":
                told = comparison_report([compare(teacher, student)], runs=[teacher, student])
            case "several":
                told = comparison_report([compare(teacher, student)] * 2, runs=[teacher, student, student])
            case _:
                told = report.study_report(records.Findings.model_validate_json(STUDY.read_bytes()))
        save(told, folder / f"{name}.html")
        return folder / f"{name}.html"

    return made


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("width", [1200, 390])
async def test_a_page_is_silent_fits_and_can_be_used_by_everyone(saved, tmp_path, name, width):
    async with tab(tmp_path) as page:
        await page.look(width, dark=False)
        await page.open(saved(name).as_uri())
        assert await page.run("document.documentElement.scrollWidth") == width
        assert await page.run(CLIPPED) == []
        await page.shot(tmp_path / "page.png")
        await page.run(OPEN)
        assert await page.run("document.documentElement.scrollWidth") == width
        if width == 390:
            inside = (
                "[...document.querySelectorAll('.wide, .chart')].filter((one) => one.scrollWidth > one.clientWidth)"
            )
            assert await page.run(f"{inside}.length") == 0
        await page.run(f"{axe()}; 0")
        assert await page.run(violations()) == []
        await page.look(width, dark=True)
        await page.shot(tmp_path / "dark.png")
        assert await page.run(violations("color-contrast", "link-in-text-block")) == []
        assert page.console == []


async def test_samples_are_searched_filtered_and_sorted(saved, tmp_path):
    seen = "[...document.querySelectorAll('#samples-2-all > article:not([hidden])')].map((one) => one.id)"
    run = sample_store.load("example/teacher")
    every = sorted(run.samples("bbq"), key=lambda sample: sample.item)
    async with tab(tmp_path) as page:
        await page.open(saved("profile").as_uri())

        async def use(tool, value):
            held = f"document.querySelector('[data-of=samples-2-all] [data-tool={tool}]')"
            await page.run(f"{held}.value = {value!r}; {held}.dispatchEvent(new Event('input', {{bubbles: true}}))")
            return await page.run(seen)

        assert len(await page.run(seen)) == len(every) == 64
        assert await use("search", "Lost At The Computer") == [
            f"bbq/{sample.item}" for sample in every if "lost at the computer" in sample.prompt
        ]
        await use("search", "")
        group = every[0].group
        assert await use("group", group) == [f"bbq/{sample.item}" for sample in every if sample.group == group]
        await use("group", "")
        right = {f"bbq/{sample.item}" for sample in every if sample.scores["correct"]}
        assert set(await use("outcome", "right")) == right
        await use("outcome", "")
        first = await use("sort", "-correct")
        assert set(first[: len(right)]) == right
        assert (await use("sort", ""))[0] == f"bbq/{every[0].item}"
        assert page.console == []


async def test_a_permalink_opens_its_sample(saved, tmp_path):
    sample = list(sample_store.load("example/teacher").samples("calibration"))[-1]
    async with tab(tmp_path) as page:
        await page.open(f"{saved('profile').as_uri()}#calibration/{sample.item}")
        held = f"document.getElementById('calibration/{sample.item}')"
        assert await page.run(f"{held}.closest('details').open")
        top = await page.run(f"{held}.getBoundingClientRect().top")
        assert -1 < top < 900


async def test_a_page_can_be_used_by_the_keyboard_alone(saved, tmp_path):
    async with tab(tmp_path) as page:
        await page.open(saved("profile").as_uri())
        focused, reached = "document.activeElement.tagName + ' ' + document.activeElement.textContent.trim()", []
        for _ in range(40):
            await page.press("Tab", 9)
            reached.append(await page.run(focused))
            if reached[-1] == "SUMMARY Samples: bbq":
                break
        assert "BUTTON Copy" in reached
        await page.press("Enter", 13, "\r")
        assert await page.run("document.activeElement.parentElement.open")
        await page.press("Tab", 9)
        assert await page.run("document.activeElement.dataset.tool") == "search"


async def test_on_paper_the_numbers_stand_without_the_tools(saved, tmp_path):
    async with tab(tmp_path) as page:
        await page.open(saved("profile").as_uri())
        await page.look(media="print")
        shown = "[...document.querySelectorAll('{}')].map((one) => one.checkVisibility())"
        for hidden in ("button", ".samples", ".tools"):
            assert not any(await page.run(shown.format(hidden)))
        for needed in (".numbers td", ".theme strong", ".points li"):
            assert all(await page.run(shown.format(needed)))
        assert await page.run("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"


async def test_the_command_that_is_marked_and_copied_is_what_a_shell_takes(tmp_path):
    drawn = Sampling(temperature=0.7, stop=("\n", "it's $HOME"), max_tokens=64)
    template = "### Question:  {prompt}\n\n  ### Answer: "
    run = builders.attributes("m", 105, sampling=drawn, writing=Writing(prompt_template=template, samples=2))
    save(profile_report(run.profile), tmp_path / "page.html")
    async with tab(tmp_path) as page:
        await page.open((tmp_path / "page.html").as_uri())
        await page.run("getSelection().selectAllChildren(document.getElementById('command'))")
        marked = await page.run("getSelection().toString()")
        copied = await page.run("document.getElementById('command').textContent.trim()")
    assert shlex.split(copied) == profile_command(run.profile)
    assert shlex.split(marked) == profile_command(run.profile)
    assert template in shlex.split(marked)
