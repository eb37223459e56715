"""`import inherit`: the command's verbs from Python, in a script, a notebook and an async program."""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest

import inherit
from tests.support.command import asked
from tests.support.elsewhere import served
from tests.support.places import ROOT
from tests.support.wire import Fault, Script, Wire

KEY = "sk-never-to-be-seen"
PUBLIC = """InheritError ProfileCallback ProfileResult Result Rows ScoreResult agree aio compare judge load profile
rescore sample score select study train""".split()  # noqa: SIM905

BLOCKED = """import sys
class Blocked:
    def __init__(self, *names): self.names = names
    def find_spec(self, name, path=None, target=None):
        if name in self.names: raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Blocked"""


@pytest.fixture
def wire() -> Iterator[Wire]:
    with served(Script(key=KEY)) as found:
        yield found


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    return tmp_path


def python(code: str, **environment: str) -> str:
    kept = os.environ | {"PYTHONPATH": str(ROOT)} | environment
    done = subprocess.run([sys.executable, "-c", code], env=kept, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_the_public_names_are_these() -> None:
    assert sorted(inherit.__all__) == sorted(PUBLIC) == sorted(dir(inherit))
    assert all(getattr(inherit, name) for name in PUBLIC)
    assert sorted(inherit.aio.__all__) == sorted(inherit.VERBS)
    assert all(inspect.iscoroutinefunction(getattr(inherit.aio, name)) for name in inherit.VERBS)
    with pytest.raises(AttributeError, match="profle"):
        _ = inherit.profle  # type: ignore[attr-defined]


def test_importing_reads_one_file_and_no_library() -> None:
    code = "import sys; before = {*sys.modules}; import inherit; print(*sorted({*sys.modules} - before))"
    assert python(code).split() == ["inherit"]


def test_scores_come_without_what_draws_trains_or_asks() -> None:
    code = "import inherit, sys; inherit.score(['A cat sat.'], 'ttr').to_frame; print(*sys.modules)"
    loaded = {name.partition(".")[0] for name in python(code).split()}
    assert loaded.isdisjoint(
        {"torch", "transformers", "altair", "aiohttp", "pandas", "polars", "selection", "training"}
    )


def test_a_verb_says_all_that_its_record_can_be_told() -> None:
    shape = inspect.signature(inherit.profile)
    assert {"like", "client", "limit", "probes", "seed", "out"} <= {*shape.parameters}
    assert "limit: Ask only so many items" in (inherit.profile.__doc__ or "")
    assert list(inspect.signature(inherit.aio.profile).parameters) == list(shape.parameters)


def test_a_wrong_keyword_is_one_sentence_with_the_nearest_name() -> None:
    with pytest.raises(inherit.InheritError) as caught:
        inherit.profile("demo", limt=3)  # type: ignore[call-arg]
    told = "no option of inherit.profile 'limt'; did you mean 'limit'? `help(inherit.profile)` lists them"
    assert str(caught.value) == told
    with pytest.raises(inherit.InheritError, match="did you mean 'like'"):
        inherit.profile("demo", lke=3)  # type: ignore[call-arg]
    with pytest.raises(inherit.InheritError, match=r"limit.*expected at least 1, found 0"):
        inherit.profile("demo", limit=0)
    with pytest.raises(inherit.InheritError, match=r"`others`: expected at least 1 of them, found \[\]"):
        inherit.compare("example/teacher")


def test_a_profile_another_like_it_and_what_changed(wire: Wire, here: Path) -> None:
    base = inherit.profile("wire", url=wire.url, prompts=asked(here, 8), max_tokens=12, seed=3, name="teacher")
    wire.script = Script(key=KEY, weights="two")
    student = inherit.profile("wire", url=wire.url, like=base, name="student", temperature=0.5)
    assert student.record.sections[0].data == base.record.sections[0].data
    drawn = student.record.sections[0].sampling
    assert drawn
    assert (drawn.max_tokens, drawn.seed, drawn.temperature) == (12, 3, 0.5)
    assert (base.run.folder / "report.html").is_file()
    assert inherit.load("latest").name == "student"
    assert inherit.load(base.path).record == base.record  # type: ignore[arg-type]

    assert len(base.samples("attributes")) == 8
    diff = inherit.compare(base, student, all=True)
    shown = diff._repr_html_()
    sentence = diff._told.lead[0]
    assert 0 < shown.index(sentence) < shown.index("<table")
    assert repr(diff).startswith(sentence)
    assert "words" in str(diff)
    assert diff.plot().to_dict()["$schema"].startswith("https://vega")
    diff.save(here / "diff.md")
    assert "words |" in (here / "diff.md").read_text("utf-8")
    assert "significantly" in sentence
    assert inherit.compare(base.path, "latest").record == diff.record  # type: ignore[arg-type]


def test_in_a_running_loop_a_verb_works_and_the_loop_can_go_on(wire: Wire, here: Path) -> None:
    async def notebook() -> list[str]:
        plain = inherit.profile("wire", url=wire.url, prompts=asked(here, 3), name="plain")
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                ticks += 1
                await asyncio.sleep(0.01)

        beside = asyncio.create_task(tick())
        twin = await inherit.aio.profile("wire", url=wire.url, like=plain, name="awaited")
        beside.cancel()
        assert ticks > 2
        return [plain.name, twin.name]

    assert asyncio.run(notebook()) == ["plain", "awaited"]


def test_a_cancelled_verb_stops_asking(here: Path) -> None:
    with served(Script(key=KEY, latency=0.3)) as slow:

        async def program() -> None:
            work = inherit.aio.profile("wire", url=slow.url, prompts=asked(here, 60), concurrency=1)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(work, 2)

        asyncio.run(program())
        count = len(slow.bodies)
        assert not list(here.glob("runs/*/profile.json"))
    assert count < 60


@pytest.mark.parametrize("kind", [openai.OpenAI, openai.AsyncOpenAI])
def test_a_users_client_carries_the_requests(kind, wire: Wire, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-nobody")
    client = kind(base_url=wire.url, api_key=KEY)
    first = inherit.profile("wire", client=client, prompts=asked(here, 5), limit=4)
    assert (first.record.errors, len(first.samples("attributes"))) == (0, 4)
    assert first.record.endpoint.url == wire.url
    kept = b"".join(path.read_bytes() for path in here.rglob("*") if path.is_file())
    assert KEY.encode() not in kept

    async def program() -> None:
        again = await inherit.aio.profile("wire", client=client, like=first, seed=1)
        assert again.record.errors == 0
        if isinstance(client, openai.AsyncOpenAI):
            await client.close()
        else:
            client.close()

    asyncio.run(program())


def test_headers_and_connections_of_a_client_are_its_own(wire: Wire, here: Path) -> None:
    seen: list[str | None] = []
    http = openai.DefaultHttpxClient(event_hooks={"request": [lambda sent: seen.append(sent.headers.get("x-team"))]})
    client = openai.OpenAI(base_url=wire.url, api_key=KEY, default_headers={"X-Team": "tulips"}, http_client=http)
    inherit.profile("wire", client=client, prompts=asked(here, 3))
    assert set(seen) == {"tulips"}
    assert len(seen) >= len(wire.bodies) > 3
    client.close()
    other = openai.AsyncOpenAI(base_url=wire.url, api_key=KEY, http_client=openai.DefaultAsyncHttpxClient())
    with pytest.raises(inherit.InheritError, match=r"inherit\.aio"):
        inherit.profile("wire", client=other, prompts=asked(here, 3))


def test_an_azure_client_asks_its_deployment_by_its_own_header(here: Path) -> None:
    asked_of: list[tuple[str, str | None]] = []
    http = openai.DefaultHttpxClient(
        event_hooks={"request": [lambda sent: asked_of.append((sent.url.path, sent.headers.get("api-key")))]}
    )
    with served() as wire:
        client = openai.AzureOpenAI(
            base_url=f"{wire.url}/openai", api_key=KEY, api_version="2026-01-01", http_client=http
        )
        with pytest.raises(inherit.InheritError):  # the fake server has no such model
            inherit.profile("gpt", client=client, chat=True, prompts=asked(here, 1))
    client.close()
    assert ("/v1/openai/deployments/gpt/chat/completions", KEY) in asked_of


def test_a_refusal_does_not_repeat_the_clients_key(here: Path) -> None:
    with served(Script(faults=(Fault("401", says=f"wrong key {KEY}"),))) as wire:
        client = openai.OpenAI(base_url=wire.url, api_key=KEY)
        os.environ.pop("OPENAI_API_KEY")
        with pytest.raises(inherit.InheritError) as caught:
            inherit.profile("wire", client=client, prompts=asked(here, 1))
    client.close()
    assert KEY not in str(caught.value)


def test_what_is_no_client_is_refused() -> None:
    with pytest.raises(inherit.InheritError, match="expected `client` to be an openai"):
        inherit.profile("wire", client="http://localhost")  # type: ignore[arg-type]


def test_texts_and_recorded_answers_are_scored() -> None:
    scores = inherit.score(["A cat sat on the mat.", ""], ["ttr", "words"])
    assert [each.metric for each in scores.record] == ["ttr", "words"]
    assert [row["words"] for row in scores.samples()] == [6.0, 0.0]
    assert scores.samples()[1]["ttr"] is None
    with pytest.raises(inherit.InheritError, match=r"no chart is drawn of this \(scores\)"):
        scores.plot()
    rows = [{"item": f"{number}", "choice": 0} for number in range(2)]
    with pytest.raises(inherit.InheritError, match="row 1"):
        inherit.rescore("bbq", rows, suite="mini")


def test_judges_are_asked_and_held_against_people(wire: Wire) -> None:
    verdicts = inherit.judge("wire", url=wire.url, limit=6)
    assert verdicts.path
    assert len(verdicts.path.read_text("utf-8").splitlines()) == 6
    assert inherit.agree(verdicts).record == verdicts.record


def test_candidates_are_sampled_and_chosen_from(wire: Wire, here: Path) -> None:
    teacher = {"model": "wire", "url": wire.url}
    pool = inherit.sample(teacher, prompts=asked(here, 12), k=3, out=here / "pool")
    assert len(pool.record.sources) == 1
    chosen = inherit.select(pool, "max:words", out=here / "chosen", workers=1)
    assert chosen.record.prompts == 12
    assert (here / "chosen" / "card.html").is_file()


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_frame_is_of_the_library_that_is_there(library: str) -> None:
    pytest.importorskip(library)
    other = {"pandas": "polars", "polars": "pandas"}[library]
    code = f"{BLOCKED}({other!r})); import inherit; s = inherit.score(['A cat.', ''], ['ttr'])"
    shown = python(code + "; f = s.samples().to_frame(); print(type(f).__module__, list(f.columns), f.shape)")
    assert shown.startswith(library)
    assert "['row', 'ttr'] (2, 2)" in shown


def test_without_a_library_for_frames_a_sentence_says_what_to_install() -> None:
    code = f"{BLOCKED}('pandas', 'polars')); import inherit"
    code += "\ntry: inherit.score(['A'], 'ttr').to_frame()\nexcept inherit.InheritError as error: print(error)"
    assert python(code) == "a data frame needs pandas or polars, and neither is installed: pip install pandas\n"


@pytest.mark.parametrize("name", ["profiler", "training"])
def test_a_users_package_of_our_name_is_named_and_not_run(name: str, here: Path) -> None:
    (here / name).mkdir()
    (here / name / "__init__.py").write_text("raise SystemExit('ran')", "utf-8")
    said = python("import inherit; print(inherit.train.__name__)", PYTHONPATH=os.pathsep.join([str(here), str(ROOT)]))
    assert "train" in said
    assert f"{here / name / '__init__.py'}: called as a package of inherit's" in said


def test_a_users_package_that_is_in_use_is_a_sentence(here: Path) -> None:
    (here / "training").mkdir()
    (here / "training" / "__init__.py").write_text("", "utf-8")
    code = "import training, inherit\ntry: inherit.train()\nexcept inherit.InheritError as error: print(error)"
    assert "was imported under the name" in python(code, PYTHONPATH=os.pathsep.join([str(here), str(ROOT)]))
    kept = json.dumps(python("import inherit; print(inherit.score.__name__)"))
    assert "score" in kept
