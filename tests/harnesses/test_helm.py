"""HELM asks our probes and gives the numbers of `inherit profile`; it is loud where it can't.

INHERIT_HELM_PYTHON names the interpreter of an environment with HELM (`make test-helm` builds one).
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from profiler import probes
from profiler.endpoints.answer_reader import ScoringMethod
from profiler.harnesses.helm import folder
from profiler.harnesses.imported import keep
from profiler.probes import ProbeOptions
from profiler.probes.probe import Probe
from profiler.records import Endpoint, Profile, Sample
from profiler.runs import sample_store
from profiler.runs.run import run
from tests.support.ask import client
from tests.support.places import ROOT
from tests.support.wire import Fault, Script, Wire, serving

pytestmark = pytest.mark.helm

PAID = {"usage", "seconds", "cached"}


@dataclass(frozen=True)
class Done:
    """How a command of HELM's ended."""

    code: int | None
    says: str


@dataclass(frozen=True)
class Helm:
    """HELM in its own environment, working in a folder."""

    python: Path
    folder: Path

    async def run(self, wire: Wire, *specs: str, suite: str = "s", more: Sequence[str] = ()) -> Done:
        entries = [f"{spec},model=inherit/{wire.script.model}" for spec in specs]
        return await self("helm-run", "-r", *entries, "-m", "1000", "--suite", suite, *more, url=wire.url)

    async def __call__(self, command: str, *words: str, url: str = "") -> Done:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("INHERIT_")}
        process = await asyncio.create_subprocess_exec(
            str(self.python.with_name(command)),
            *words,
            cwd=self.folder,
            env=environment | {"PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"} | ({"INHERIT_URL": url} if url else {}),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
        return Done(process.returncode, said.decode())

    @property
    def suite(self) -> Path:
        return self.folder / "benchmark_output" / "runs" / "s"

    def stats(self, probe: str) -> dict[str, float | None]:
        """HELM's numbers over all items, by name."""
        (path,) = self.suite.glob(f"inherit_{probe}:*/stats.json")
        listed = json.loads(path.read_text("utf-8"))
        return {stat["name"]["name"]: stat.get("mean") for stat in listed if stat["name"]["split"] == "test"}


@pytest.fixture
def helm(tmp_path: Path) -> Helm:
    python = os.environ.get("INHERIT_HELM_PYTHON")
    if not python:
        pytest.skip("INHERIT_HELM_PYTHON names no interpreter with HELM")
    return Helm(Path(python), tmp_path)


def mini(limit: int, **options: Any) -> list[Probe]:
    return [kind.build(ProbeOptions(suite="mini", limit=limit, **options)) for kind in probes.served().values()]


async def profiled(
    wire: Wire, asked: Sequence[Probe], out: Path, chat: bool = False, scoring_method: ScoringMethod = "auto"
) -> Profile:
    """What `inherit profile` makes of the same server."""
    async with client(wire, chat=chat, scoring_method=scoring_method) as asker:
        async for event in run(asker, asked, Endpoint(model=wire.script.model, url=wire.url, chat=chat), out):
            if isinstance(event, Profile):
                return event
    raise AssertionError


def kept(helm: Helm, out: Path) -> list[Profile]:
    return [keep(harvest, out) for harvest in folder.harvests(helm.suite)]


def plain(sample: Sample) -> dict[str, Any]:
    """A sample without what differs from run to run: who paid, and how long it took."""
    dumped = sample.model_dump(exclude={"answers": {"__all__": PAID}, "likelihoods": {"__all__": PAID}})
    return dict(dumped)


async def test_every_probe_has_the_numbers_of_inherit_profile(helm: Helm) -> None:
    async with serving() as wire:
        done = await helm.run(
            wire, *(f"inherit_{name}:suite=mini,limit=8" for name in probes.served()), more=["-n", "8"]
        )
        assert done.code == 0, done.says
        assert len(wire.asked("lentil soup")) == 1, (
            "whose weights these are is asked once, however many threads HELM has"
        )
        ours = await profiled(wire, mini(8), helm.folder / "ours")
    (theirs,) = kept(helm, helm.folder / "theirs")
    assert theirs.estimates == tuple(sorted(ours.estimates, key=lambda one: one.probe))
    assert theirs.fingerprint.id == ours.fingerprint.id
    assert {part.probe: part for part in theirs.sections} == {part.probe: part for part in ours.sections}
    for name in probes.served():
        assert "do not publish" in done.says
        stats = helm.stats(name)
        for estimate in ours.estimates:
            if estimate.probe == name and estimate.group is None:
                assert stats[f"{name}.{estimate.metric}"] == estimate.value
                assert stats[f"{name}.{estimate.metric}.low"] == estimate.low
        left = {sample.item: plain(sample) for sample in sample_store.load(ours.id, helm.folder / "ours").samples(name)}
        right = {
            sample.item: plain(sample) for sample in sample_store.load(theirs.id, helm.folder / "theirs").samples(name)
        }
        assert left == right
        assert left


@pytest.mark.parametrize("completions", [True, False])
async def test_a_chat_endpoint_is_asked_in_words_and_by_letter(helm: Helm, completions: bool) -> None:
    names = ("bbq", "crows_pairs_chat", "attributes", "calibration_verbal")
    options = "suite=mini,limit=6,scoring_method=letter,chat=true"
    async with serving(Script(completions=completions, echo=completions)) as wire:
        done = await helm.run(wire, *(f"inherit_{name}:{options}" for name in names))
        assert done.code == 0, done.says
        assert not [body for body in wire.bodies if "Question" in str(body.get("prompt"))]
        asked = [probes.get(name).build(ProbeOptions(suite="mini", limit=6)) for name in names]
        ours = await profiled(wire, asked, helm.folder / "ours", chat=True, scoring_method="letter")
    (theirs,) = kept(helm, helm.folder / "theirs")
    assert theirs.endpoint.chat
    assert {part.probe: part for part in theirs.sections} == {part.probe: part for part in ours.sections}
    assert {part.probe: part.how for part in theirs.sections}["bbq"] == "letter"
    assert theirs.estimates == tuple(sorted(ours.estimates, key=lambda one: one.probe))


async def test_summarize_shows_every_metric_of_a_probe(helm: Helm) -> None:
    async with serving() as wire:
        await helm.run(wire, "inherit_bbq:suite=mini,limit=40", "inherit_crows_pairs:suite=mini,limit=8")
    done = await helm("helm-summarize", "--suite", "s", "--auto-generate-schema")
    assert done.code == 0, done.says
    tables = json.loads((helm.suite / "groups" / "inherit_bbq.json").read_text("utf-8"))
    shown = dict(zip((cell["value"] for cell in tables[0]["header"]), tables[0]["rows"][0], strict=True))
    stats = helm.stats("bbq")
    for metric in probes.get("bbq")().metrics:
        assert shown[metric.name].get("value") == stats[f"bbq.{metric.name}"]


async def test_helms_page_shows_numbers_and_items(helm: Helm) -> None:
    async with serving() as wire:
        await helm.run(wire, "inherit_bbq:suite=mini,limit=40")
    await helm("helm-summarize", "--suite", "s", "--auto-generate-schema")
    await helm("helm-server", "--suite", "s", "--export-path", "site")
    (run_,) = helm.suite.glob("inherit_bbq:*")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Silent, directory=str(helm.folder / "site"))) as static:
        threading.Thread(target=static.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{static.server_port}/#"
        table = opened(f"{address}/groups/inherit_bbq", helm.folder)
        items = opened(f"{address}/runs/{run_.name}", helm.folder)
        static.shutdown()
    assert "bbq [mini]" in table
    assert "s_amb" in table
    assert "tokens  " in items
    (first, *_) = probes.get("bbq").build(ProbeOptions(suite="mini", limit=40)).items
    assert str(first.fields.question) in items


class Silent(SimpleHTTPRequestHandler):
    """Files, without a word on stderr."""

    def log_message(self, format: str, *args: object) -> None:
        pass


def opened(url: str, folder: Path) -> str:
    """What a real browser makes of a page, as a document."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not found:
        pytest.skip("no chromium on this machine")
    options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'user'}"]
    options += ["--virtual-time-budget=20000", "--dump-dom", url]
    return subprocess.run([found, *options], capture_output=True, text=True, timeout=120, check=True).stdout


async def test_25_samples_are_25_different_ones_in_one_request(helm: Helm) -> None:
    async with serving() as wire:
        spec = "inherit_attributes:suite=mini,limit=2,max_tokens=20,temperature=1.0,num_outputs=25"
        done = await helm.run(wire, spec)
        assert done.code == 0, done.says
        drawn = {unit for unit in wire.units("### Question") if unit.partition("#### ")[0]}
        assert len(wire.asked('"n": 25')) == 2
        ours = await profiled(
            wire,
            [probes.get("attributes").build(
                ProbeOptions(suite="mini", limit=2, samples=25, temperature=1.0, max_tokens=20)
            )],
            helm.folder / "ours",
        )  # fmt: skip
    assert len(drawn) == 50
    (theirs,) = kept(helm, helm.folder / "theirs")
    assert theirs.estimates == ours.estimates
    assert theirs.sections == ours.sections


async def test_a_server_that_dies_leaves_no_numbers_and_is_asked_only_for_the_rest(helm: Helm) -> None:
    async with serving() as wire:
        wire.faults.append(Fault("500", match="Question", after=20))
        done = await helm.run(wire, "inherit_bbq:suite=mini,limit=60", more=["-n", "16"])
        assert done.code != 0
        assert f"{wire.url} failed" in done.says
        assert not list(helm.suite.glob("inherit_*/*.json"))
        known = set(wire.units("### Question"))
        assert known
        wire.faults.clear()
        wire.sent.clear()
        done = await helm.run(wire, "inherit_bbq:suite=mini,limit=60")
        assert done.code == 0, done.says
        assert not known & set(wire.units("### Question"))
    assert helm.stats("bbq")["bbq.items"] == 60


async def test_an_item_that_is_refused_is_no_silent_gap(helm: Helm) -> None:
    async with serving() as wire:
        asked = list(probes.get("crows_pairs").build(ProbeOptions(suite="mini", limit=8)).items)
        wire.faults.append(Fault("400", match=str(asked[3].fields.sent_more), says="too long"))
        done = await helm.run(wire, "inherit_crows_pairs:suite=mini,limit=8")
        assert done.code != 0
        assert "1 of 8 items of inherit_crows_pairs failed" in done.says
        assert "too long" in done.says
        assert not list(helm.suite.glob("inherit_*/stats.json"))
        done = await helm.run(wire, "inherit_crows_pairs:suite=mini,limit=8,failures=1")
        assert done.code == 0, done.says
    assert helm.stats("crows_pairs")["crows_pairs.errors"] == 1
    assert helm.stats("crows_pairs")["crows_pairs.items"] == 7
    (profile,) = kept(helm, helm.folder / "out")
    failed = [
        sample for sample in sample_store.load(profile.id, helm.folder / "out").samples("crows_pairs") if sample.error
    ]
    assert [sample.item for sample in failed] == [asked[3].id]


async def test_what_an_endpoint_cannot_do_is_said_and_the_other_specs_run(helm: Helm) -> None:
    async with serving(Script(echo=False)) as wire:
        done = await helm.run(wire, "inherit_crows_pairs:suite=mini,limit=4", "inherit_bbq:suite=mini,limit=4")
    assert done.code != 0
    assert "can't be asked this: it gives no log-probabilities" in done.says
    assert not list(helm.suite.glob("inherit_crows_pairs*/*.json"))
    assert helm.stats("bbq")["bbq.items"] == 4
    (profile,) = kept(helm, helm.folder / "out")
    assert profile.sections[0].how == "top_logprobs"


async def test_other_weights_behind_the_same_name_answer_for_themselves(helm: Helm) -> None:
    spec = "inherit_crows_pairs:suite=mini,limit=8"
    async with serving() as wire:
        await helm.run(wire, spec)
        before = helm.stats("crows_pairs")
        shutil.rmtree(helm.suite)
        wire.script = Script(weights="two")
        done = await helm.run(wire, spec)
    assert "is not the model it was" in done.says
    assert helm.stats("crows_pairs") != before


async def test_helms_own_scenarios_are_asked_with_the_servers_tokenizer(helm: Helm) -> None:
    rows = [
        {
            "input": {"text": f"Which is number {number}?"},
            "references": [{"output": {"text": text}, "tags": tags} for text, tags in zip(
                ["one old house", "a stone"], [["correct"], []], strict=True
            )],
            "split": "test",
            "id": f"q{number}",
        }
        for number in range(5)
    ]  # fmt: skip
    lines = helm.folder / "questions.jsonl"
    lines.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    async with serving() as wire:
        done = await helm.run(wire, f"custom_mcqa:path={lines},method=multiple_choice_separate_original")
        assert done.code == 0, done.says
        assert len([body for body in wire.bodies if body.get("echo") and "number" in str(body["prompt"])]) == 10
    (path,) = helm.suite.glob("custom_mcqa*/per_instance_stats.json")
    stats = {stat["name"]["name"]: stat.get("mean") for stat in json.loads(path.read_text("utf-8"))[0]["stats"]}
    assert stats["num_references"] == 2
    assert 0 < stats["max_prob"] < 1


async def test_an_unset_address_and_an_unknown_option_are_one_sentence(helm: Helm) -> None:
    done = await helm("helm-run", "-r", "inherit_bbq:suite=mini,model=inherit/m", "-m", "9", "--suite", "s")
    assert "Set INHERIT_URL" in done.says
    done = await helm(
        "helm-run", "-r", "inherit_bbq:limits=3,model=inherit/m", "-m", "9", "--suite", "s", url="http://x"
    )
    assert "did you mean 'limit'?" in done.says
