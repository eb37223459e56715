"""The service in a real browser: every page silent, inside its screen, of use to everyone; and used as people do."""

import json
import shutil
from urllib.parse import quote

import httpx
import pytest

from profiler.records import Generation, Sample
from profiler.runs.sample_store import Journal
from profiler.study import Findings
from tests.hostile import texts
from tests.service import looked
from tests.service.looked import BASE, OTHER
from tests.support import candidates
from tests.support.browser import axe, tab
from tests.support.service import model_server, service

pytestmark = pytest.mark.browser

SAMPLES = f"/runs/{OTHER}/samples/bbq"
PLACES = (
    *("/", "/new", "/jobs", "/try", "/pools", "/judges", "/studies", "/compare", "/login", "/nowhere"),
    f"/runs/{OTHER}",
    SAMPLES,
    f"{SAMPLES}/Age%2F1",
    f"{SAMPLES}/Age%2F1?base={BASE}",
    f"/compare?base={BASE}&with={OTHER}",
    "/pools/pool",
    "/pools/chosen",
    "/judges/verdicts.jsonl",
    "/studies/study",
    "/studies/begun",
)
OPEN = "document.querySelectorAll('details').forEach((part) => (part.open = true))"
SERIOUS = """axe.run({resultTypes: ["violations"]}).then((found) => found.violations
    .filter((one) => ["serious", "critical"].includes(one.impact))
    .map((one) => [one.id, one.nodes[0].html, one.nodes[0].failureSummary]))"""
OUTSIDE = """[...document.querySelectorAll("h1,h2,h3,p,li,td,th,dt,dd,code,pre,label,button,select,input")]
    .filter((one) => one.getClientRects().length && !one.closest(".wide, .unseen, .skip, .chart"))
    .filter((one) => one.getBoundingClientRect().right > innerWidth + 1 || one.getBoundingClientRect().left < 0)
    .map((one) => one.outerHTML.slice(0, 200))"""
BESIDE = "fetch(document.querySelector('footer a').href).then((answer) => answer.status)"
ALIVE = """[...document.querySelectorAll("main :is(script, iframe, b), [onerror], [onload], [href^='javascript:']")]
    .map((one) => one.outerHTML.slice(0, 200))"""
NAME = f'"><script>alert(1)</script><img src=x onerror=alert(1)>\u202eabc {"long" * 500}'
FOLDER = "20261130-\"><img src=x onerror=alert(1)>'"
MARKDOWN = "# big\n![x](http://127.0.0.1:9/x.png) [a](javascript:alert(1)) <b>b</b> `</pre>`"
HOSTILE = (*texts.TEXTS, "</script><script>alert(1)</script>", MARKDOWN, "x" * 100_000)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """The address of a service over a folder with everything in it."""
    out = looked.reports(looked.folder(tmp_path_factory.mktemp("looked") / "runs"))
    shutil.copytree(out / "chosen" / "pool", out / "pool")
    with service(out, "--jobs", "0") as address:
        yield address


async def faults(page, width):
    """What is outside of the screen on the page that is open."""
    await page.run(OPEN)
    wide = await page.run("document.documentElement.scrollWidth")
    return [*(["wider than the screen"] if wide > width else []), *await page.run(OUTSIDE)]


async def test_every_page_is_silent_fits_asks_nobody_else_and_can_be_used_by_everyone(home, tmp_path):
    wrong = {}
    source = axe()
    async with tab(tmp_path) as page:
        for place in PLACES:
            page.console.clear()
            await page.open(home + place)
            beside = await page.run(BESIDE)
            await page.run(f"{source}; 0")
            for width, dark in ((1200, False), (390, True)):
                await page.look(width, dark)
                if found := [*await faults(page, width), *await page.run(SERIOUS)]:
                    wrong[place, width] = found
            # A page that isn't there is an error of the network, which the console says.
            if beside != 200 or (page.console and place != "/nowhere"):
                wrong[place] = (beside, page.console.copy())
        elsewhere = [each for each in page.asked if not each.startswith((home, "data:"))]
    assert wrong == {}
    assert elsewhere == []


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """The address of a service over a folder in which every name and text is hostile, and places there."""
    out = looked.folder(tmp_path_factory.mktemp("hostile") / "runs")
    (out / OTHER).rename(out / FOLDER)
    for run in (BASE, FOLDER):
        record = out / run / "profile.json"
        record.write_text(record.read_text("utf-8").replace('"Age"', json.dumps(NAME)), "utf-8")
        looked.renamed(out, run, name=NAME + run)
        journal = Journal(out / run, "attributes")
        journal.append(
            Sample(
                probe="attributes",
                item=f"{place} {text[:300]}".replace("\x00", ""),
                group=text[:300].replace("\x00", ""),
                prompt=text.replace("\x00", ""),
                how="text",
                answers=(Generation(text=f"{run} {text}".replace("\x00", "")),),
                scores={"words": float(place), text[:300].replace("\x00", ""): 1.0},
            )
            for place, text in enumerate(HOSTILE)
        )
        journal.seal()
    rows = [
        row | {"prompt": f"{HOSTILE[place % len(HOSTILE)]} {row['prompt']}", "source": NAME[:200]}
        for place, row in enumerate(candidates.rows())
    ]
    candidates.run(
        "select", candidates.written(out.parent / "a.jsonl", rows), "-O", "max:words", "-o", out / "<b>chosen"
    )
    labels = ({"id": text, "gold": 1, "verdict": 1 + place % 2} for place, text in enumerate(HOSTILE))
    candidates.written(out / "'><img src=x onerror=alert(1)>.jsonl", labels)
    findings = Findings.model_validate_json((looked.RESULTS / "report.json").read_bytes())
    (out / FOLDER.replace("run", "study")).mkdir(exist_ok=True)
    (out / "<b>study").mkdir()
    named = findings.model_copy(update={"name": NAME, "warnings": HOSTILE[:-1]})
    (out / "<b>study" / "report.json").write_text(named.model_dump_json(), "utf-8")
    with service(out, "--jobs", "0") as address:
        job = httpx.post(f"{address}/api/jobs/profile", json={"model": NAME[:200], "name": NAME[:200], "suite": "mini"})
        assert job.status_code == 202, job.text
        run, samples = f"/runs/{quote(FOLDER, safe='')}", f"/runs/{BASE}/samples/attributes"
        beside = f"?base={quote(FOLDER, safe='')}"
        items = httpx.get(f"{address}{samples}.json").json()["samples"]
        yield (
            address,
            (
                *("/", f"/?q={quote(NAME[:200])}", "/jobs", "/compare", "/pools", "/judges", "/studies", run),
                f"/jobs/{job.json()['id']}",
                f"/compare?base={BASE}&with={quote(FOLDER, safe='')}",
                f"/compare?base={BASE}&with={quote(NAME[:200])}",
                f"/pools/{quote('<b>chosen')}",
                "/judges/" + quote("'><img src=x onerror=alert(1)>.jsonl"),
                f"/studies/{quote('<b>study')}",
                samples + beside,
                f"{samples}?q={quote(NAME[:60])}&group={quote(NAME[:60])}&sort=words",
                *(f"{samples}/{quote(each['item'], safe='')}{beside}" for each in items),
            ),
        )


async def test_hostile_texts_and_names_run_nothing_and_break_no_page(hostile, tmp_path):
    home, places = hostile
    wrong = {}
    async with tab(tmp_path) as page:
        await page.look(390)

        async def look(place):
            said = [each for each in page.console if "status of 4" not in str(each)]
            if found := [*said, *page.dialogs, *await page.run(ALIVE), *await faults(page, 390)]:
                wrong[place] = found
            page.console.clear()
            page.dialogs.clear()

        for place in places:
            await page.open(home + place)
            await look(place)
        for text in HOSTILE[:-1]:
            await page.open(f"{home}/try")
            await page.run(f"document.querySelectorAll('textarea').forEach((one) => (one.value = {json.dumps(text)}))")
            await leave(page, "document.querySelector('main form').requestSubmit()")
            await look(("/try", text[:20]))
        with model_server(model=NAME) as url:
            await page.open(f"{home}/new")
            await page.run(f"document.querySelector('[name=url]').value = {url!r}")
            await page.run(f"document.querySelector('[name=model]').value = {json.dumps(NAME[:200])}")
            for button in ("models", "check"):
                await leave(page, f"document.querySelector('[value={button}]').click()")
                await look(("/new", button))
        elsewhere = [each for each in page.asked if not each.startswith((home, "data:"))]
    assert wrong == {}
    assert elsewhere == []


async def leave(page, script):
    """Do what leads to another page, and wait for that."""
    await page.run("window.here = true")
    await page.run(script)
    await page.until("!window.here")


async def test_the_keys_lead_through_samples_and_back_leads_to_the_same_list(home, tmp_path):
    focused = "getComputedStyle(document.activeElement).outlineStyle"
    async with tab(tmp_path) as page:
        await page.open(f"{home}{SAMPLES}?base={BASE}")
        await page.press("Tab", 9)
        assert await page.run("document.activeElement.className") == "skip"
        assert await page.run("document.activeElement.getBoundingClientRect().left >= 0")
        await page.press("Enter", 13, "\r")
        await page.until("location.hash === '#main'")
        await page.press("Tab", 9)
        assert await page.run("Boolean(document.activeElement.closest('main'))")
        await page.run("document.querySelector('[name=group]').value = 'Age'")
        await leave(page, "document.querySelector('main form button').click()")
        listed = await page.run("location.href")
        for key in "jjk":
            await page.press(key, ord(key.upper()), key)
        assert await page.run(focused) != "none"
        first = await page.run("document.activeElement.href")
        await page.press("Enter", 13, "\r")
        await page.until(f"location.href === {first!r}")
        await page.press("j", 74, "j")
        await page.until(f"location.href !== {first!r}")
        await page.press("k", 75, "k")
        await page.until(f"location.href === {first!r}")
        await page.run("history.go(-3)")
        await page.until(f"location.href === {listed!r}")
        assert "group=Age" in listed
        assert await page.run("document.querySelector('[name=group]').value") == "Age"
        assert await page.run("document.querySelectorAll('[data-keys] tbody tr').length") > 1
        assert page.console == []


async def test_pages_are_read_and_runs_chosen_without_javascript(home, tmp_path):
    async with tab(tmp_path) as page:
        await page.ask("Emulation.setScriptExecutionDisabled", value=True)
        for place in PLACES[:-4]:  # reports are pages of the same kind, with more pictures
            await page.open(home + place)
            assert len(await page.run("document.querySelector('main').innerText")) > 20, place
            assert not await page.run("[...document.querySelectorAll('[data-keys-note]')].some((it) => !it.hidden)")
        await page.open(home)
        await page.run("document.querySelectorAll('[name=run]:not(:disabled)').forEach((one) => (one.checked = true))")
        await page.run("document.querySelector('[data-choose] button').click()")
        await page.until("location.pathname === '/compare'")
        assert await page.run("document.querySelectorAll('.numbers tbody tr').length") > 40


async def filled(page, **fields):
    for name, value in fields.items():
        await page.run(f"document.querySelector('main [name={name}]').value = {value!r}")


async def test_a_person_goes_from_an_empty_folder_to_the_samples_that_differ(tmp_path):
    with service(tmp_path / "runs") as home, model_server(latency=1.0) as url, model_server(weights="two") as other:
        async with tab(tmp_path) as page:
            await page.open(home)
            assert await page.run("document.querySelector('main button').innerText") == "Run the demo"
            for name, address in (("teacher", url), ("student", other)):
                await leave(page, "document.querySelector('nav [href=\"/new\"]').click()")
                await filled(page, url=address)
                await leave(page, "document.querySelector('[value=models]').click()")
                model = await page.run("document.querySelector('#models option').value")
                await filled(page, model=model, limit="20", name=name)
                await page.run("document.querySelector('[value=bbq]').checked = true")
                await leave(page, "document.querySelector('[value=start]').click()")
                if name == "teacher":  # whose server is slow enough for its progress to be seen
                    await page.until("document.querySelector('.step progress')")
                    assert any(each.endswith("/events") for each in page.asked)
                    await page.until("location.pathname.startsWith('/runs/')")
                else:
                    await page.until(
                        "location.pathname.startsWith('/runs/') || document.querySelector('[href^=\"/runs/\"]')"
                    )
            await leave(page, "document.querySelector('nav .home').click()")
            await page.run("document.querySelectorAll('[name=run]').forEach((one) => one.click())")
            await leave(page, "document.querySelector('[data-choose] button').click()")
            assert await page.run("document.querySelector('h1').innerText") == "student compared with teacher"
            await leave(page, "document.querySelector('#numbers ~ div tbody a').click()")
            await leave(page, "document.querySelector('[data-keys] tbody a').click()")
            title, link = await page.run("document.title"), await page.run("location.href")
            assert await page.run("document.querySelectorAll('.pane').length") == 2
            await page.open(link)
            assert await page.run("document.title") == title
            assert page.console == []
