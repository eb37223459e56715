"""The tasks under the real lm-eval: run in an environment that has it (`make test-lmeval`)."""

from __future__ import annotations

import json
import logging
import math
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import inheritance_profile_finder as finder
from profiler import probes
from profiler.endpoints.requests import Choose, Generate, Weigh
from profiler.errors import EndpointError, InheritError
from profiler.harnesses import imported
from profiler.harnesses.lm_eval import results as lm_eval_results
from profiler.probes import ProbeOptions, forms
from profiler.records import Estimate
from profiler.runs.rescore import rescored

pytestmark = [pytest.mark.lmeval, pytest.mark.filterwarnings("default")]  # lm-eval's own warnings are not ours to fix

lm_eval = pytest.importorskip("lm_eval", reason="lm-eval is in an environment of its own: make test-lmeval")
tiny = pytest.importorskip("tests.support.tiny")

from lm_eval.api.model import LM  # noqa: E402
from lm_eval.models.api_models import JsonChatStr  # noqa: E402
from lm_eval.tasks import TaskManager  # noqa: E402

WEIGHED = ("bbq", "crows_pairs", "stereoset", "stereoset_inter", "calibration", "ability")
WORDS = ("river", "stone", "light", "under", "green", "house", "small", "bird", "over", "quiet", "water", "sleeps")
SERVED = {"model": "m", "base_url": "http://localhost:1/v1/completions", "add_bos_token": True}


def chance(*what: object) -> float:
    return int.from_bytes(blake2b(repr(what).encode(), digest_size=6).digest()) / 2**48


class Hashed(LM):
    """A model that answers by the hash of what it is asked."""

    def __init__(self, seeded: bool = True, broken: str | None = None) -> None:
        super().__init__()
        self.seeded, self.broken = seeded, broken
        self.asked: list[tuple[object, ...]] = []

    def total(self, context: str, text: str) -> float:
        return -5 - 20 * chance(context, text)

    def text(self, context: str, seed: object) -> str:
        picks = [int(len(WORDS) * chance(context, seed, place)) for place in range(12)]
        return " ".join(WORDS[pick] for pick in picks).capitalize() + "."

    def loglikelihood(self, requests: Sequence[object], **_: object) -> list[tuple[float, bool]]:
        self.asked += [request.args for request in requests]
        return [
            (math.nan if self.broken and self.broken in request.args[1] else self.total(*request.args), False)
            for request in requests
        ]

    def generate_until(self, requests: Sequence[object], **_: object) -> list[str]:
        self.asked += [request.args for request in requests]
        # Without a seed of its own every request draws anew, as `hf` does.
        return [
            self.text(context, said.get("seed", number) if self.seeded else 0)
            for number, (context, said) in enumerate(request.args for request in requests)
        ]

    def loglikelihood_rolling(self, requests: Sequence[object], **_: object) -> list[float]:
        raise NotImplementedError


class Chat(Hashed):
    """A chat endpoint: messages only, no likelihoods."""

    tokenizer_name = ""

    def loglikelihood(self, requests: Sequence[object], **_: object) -> list[tuple[float, bool]]:
        raise NotImplementedError

    def chat_template(self, chat_template: bool | str = False) -> str:
        return ""

    def apply_chat_template(self, history: list[dict[str, str]], add_generation_prompt: bool = True) -> JsonChatStr:
        return JsonChatStr(json.dumps(history))

    def text(self, context: JsonChatStr, seed: object) -> str:
        # Where no letter is asked for, samples must differ: the run would rightly be refused.
        return "B" if "letter" in context.prompt else super().text(context.prompt, seed)


@pytest.fixture(scope="module")
def words() -> object:
    return tiny.tokenizer()


@pytest.fixture
def evaluated(words: object) -> Callable[..., dict[str, object]]:
    def run(model: LM, *tasks: str, metadata: Mapping[str, object] | None = None, **more: object) -> dict[str, object]:
        known = {"suite": "mini", "tokenizer": words, **(metadata or {})}
        manager = TaskManager(include_path=finder.FOLDER, include_defaults=False, metadata=known)
        return lm_eval.simple_evaluate(model=model, tasks=list(tasks), task_manager=manager, **more)

    return run


def ours(results: Mapping[str, dict[str, dict[str, object]]], task: str) -> dict[str, object]:
    """lm-eval's numbers of a task by metric."""
    return {
        key.removesuffix(",none"): value
        for key, value in results["results"][task].items()
        if key.endswith(",none") and "_stderr_stderr" not in key
    }


def expected(model: Hashed, probe_name: str, words: object, limit: int) -> dict[str, Estimate]:
    """The numbers that recorded answers of this model amount to, put together without the adapter."""

    def count(text: str) -> int:
        return len(words.encode(text, add_special_tokens=False)) if text else 0

    probe = probes.get(probe_name).build(ProbeOptions(suite="mini", limit=limit))
    rows = []
    for item in probe.items:
        match probe.ask(item):
            case Choose(prompt=prompt, choices=texts):
                pass
            case Weigh(texts):
                prompt = ""
            case Generate(prompt_template=prompt_template, prompt=asked):
                written = model.text(prompt_template.replace("{prompt}", asked), 0)
                rows.append({"item": item.id, "texts": [written]})
                continue
        likely = [[model.total(prompt, text), count(prompt + text) - count(prompt.rstrip())] for text in texts]
        rows.append({"item": item.id, "likelihoods": likely})
    return {estimate.metric: estimate for estimate in rescored(probe, rows).estimates if estimate.group is None}


def same(found: Mapping[str, object], wanted: Mapping[str, Estimate]) -> None:
    for name, estimate in wanted.items():
        if estimate.value is None:
            assert name not in found
        else:
            assert found[name] == pytest.approx(estimate.value, abs=1e-12), name
            stderr = "N/A" if estimate.stderr is None else pytest.approx(estimate.stderr, abs=1e-12)
            assert found[f"{name}_stderr"] == stderr, name


@pytest.mark.parametrize("probe", WEIGHED)
def test_numbers_are_those_of_the_probe(probe: str, evaluated: Callable[..., dict], words: object) -> None:
    model = Hashed()
    results = evaluated(model, f"inherit_{probe}", limit=30)
    same(ours(results, f"inherit_{probe}"), expected(model, probe, words, 30))


def test_numbers_of_texts_are_those_of_the_probe(evaluated: Callable[..., dict], words: object) -> None:
    model = Hashed(seeded=False)
    found = ours(evaluated(model, "inherit_attributes", limit=20), "inherit_attributes")
    same(found, expected(model, "attributes", words, 20))
    assert found["mtld"] > 0
    assert "truncated" not in found  # nobody says why an answer ended


def test_a_limit_asks_the_items_that_our_own_limit_asks(evaluated: Callable[..., dict]) -> None:
    for probe in ("bbq", "calibration", "attributes"):
        results = evaluated(Hashed(), f"inherit_{probe}", limit=7)
        asked = [row["doc"]["item"] for row in results["samples"][f"inherit_{probe}"]]
        wanted = probes.get(probe).build(ProbeOptions(suite="mini", limit=7)).items
        assert asked == [item.id for item in wanted]


def test_named_places_are_logged_as_themselves(evaluated: Callable[..., dict]) -> None:
    results = evaluated(Hashed(), "inherit_crows_pairs", samples={"inherit_crows_pairs": [7, 3]})
    items = list(probes.get("crows_pairs").build(ProbeOptions(suite="mini")).items)
    logged = [(row["doc_id"], row["doc"]["item"]) for row in results["samples"]["inherit_crows_pairs"]]
    assert logged == [(7, items[7].id), (3, items[3].id)]


@pytest.mark.parametrize("places", [[7, 7], [10_000]])
def test_places_that_cannot_be_meant_are_refused(places: list[int], evaluated: Callable[..., dict]) -> None:
    with pytest.raises(InheritError, match="--samples"):
        evaluated(Hashed(), "inherit_crows_pairs", samples={"inherit_crows_pairs": places})


def drawn(evaluated: Callable[..., dict], asked: Hashed, /, **metadata: object) -> dict[str, object]:
    return evaluated(
        asked,
        "inherit_attributes",
        limit=3,
        metadata={"samples": 5, **metadata},
        gen_kwargs={"temperature": 1.0, "max_gen_toks": 20},
    )


def test_each_sample_of_a_served_model_has_its_own_seed(evaluated: Callable[..., dict]) -> None:
    model = Hashed()
    results = drawn(evaluated, model, **SERVED)
    assert sorted(said["seed"] for _, said in model.asked) == sorted([0, 1, 2, 3, 4] * 3)
    assert all("do_sample" not in said for _, said in model.asked)
    for row in results["samples"]["inherit_attributes"]:
        texts = [answer["text"] for answer in row["items"]["answers"]]
        assert len(set(texts)) == len(texts) == 5


def test_samples_in_process_have_no_seed_and_differ(evaluated: Callable[..., dict]) -> None:
    model = Hashed()
    results = drawn(evaluated, model)
    assert all("seed" not in said and said["do_sample"] for _, said in model.asked)
    assert len(results["samples"]["inherit_attributes"][0]["items"]["answers"]) == 5
    section = results["configs"]["inherit_attributes"]["metadata"]["inherit"]
    assert section["settings"]["samples"] == 5
    assert section["sampling"]["temperature"] == 1.0
    assert section["sampling"]["max_tokens"] == 20


def test_copies_of_one_sample_are_refused(evaluated: Callable[..., dict]) -> None:
    with pytest.raises(EndpointError, match="3 of 3 prompts got the same answer 5 times over"):
        drawn(evaluated, Hashed(seeded=False), **SERVED)


def test_what_a_server_wrote_is_taken_from_the_cache(evaluated: Callable[..., dict], tmp_path: Path) -> None:
    first, second = Hashed(), Hashed()
    found = []
    for model in (first, second):
        results = evaluated(
            model,
            "inherit_attributes",
            limit=3,
            metadata={"samples": 5, **SERVED},
            gen_kwargs={"temperature": 1.0},
            use_cache=str(tmp_path / "cache"),
        )
        found.append([row["items"]["answers"] for row in results["samples"]["inherit_attributes"]])
    assert len(first.asked) == 15
    assert second.asked == []
    assert found[0] == found[1]


def test_answers_alone_are_kept_without_scores(evaluated: Callable[..., dict]) -> None:
    results = evaluated(Hashed(), "inherit_bbq", limit=4, predict_only=True)
    assert ours(results, "inherit_bbq") == {}
    (row, *_) = results["samples"]["inherit_bbq"]
    assert len(row["resps"]) == 3
    assert "items" not in row


def test_what_is_undefined_is_absent_and_said(
    evaluated: Callable[..., dict], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("lm_eval"), "propagate", True)
    results = evaluated(Hashed(), "inherit_crows_pairs", limit=2)
    assert "antistereo" not in ours(results, "inherit_crows_pairs")
    assert "inherit_crows_pairs: no antistereo: no item has a score" in caplog.text
    assert "NaN" not in json.dumps(results, default=str)


def test_a_mini_set_is_marked_wherever_its_numbers_stand(evaluated: Callable[..., dict]) -> None:
    results = evaluated(Hashed(), "inheritance_bias", limit=2)
    tasks = [name for name in results["results"] if name.startswith("inherit_")]
    assert len(tasks) == 4
    assert all(found["alias"] == f"{name} [mini]" for name, found in results["results"].items())
    assert all(results["configs"][task]["metadata"]["inherit"]["suite"] == "mini" for task in tasks)


def test_no_key_is_written_down_by_a_task(evaluated: Callable[..., dict]) -> None:
    results = evaluated(Hashed(), "inherit_bbq", limit=2, metadata={**SERVED, "auth_token": "secret"})
    assert "secret" not in json.dumps(results["configs"])


def test_the_papers_data_that_is_not_there_is_an_error_that_says_what_to_do(
    evaluated: Callable[..., dict], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("INHERIT_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(InheritError, match=r"INHERIT_DATA.*--metadata data=FOLDER"):
        evaluated(Hashed(), "inherit_bbq", limit=2, metadata={"suite": "paper"})


def test_a_likelihood_that_is_no_number_fails_its_item_alone(evaluated: Callable[..., dict]) -> None:
    probe = probes.get("crows_pairs").build(ProbeOptions(suite="mini", limit=5))
    broken = probe.ask(next(iter(probe.items))).texts[0]
    results = evaluated(Hashed(broken=broken), "inherit_crows_pairs", limit=5)
    assert ours(results, "inherit_crows_pairs")["items"] == 4
    (failed,) = [row["items"] for row in results["samples"]["inherit_crows_pairs"] if row["items"].get("error")]
    assert failed["error"] == "lm-eval gave no finite log-likelihood"


def test_a_chat_endpoint_is_asked_for_letters(evaluated: Callable[..., dict]) -> None:
    model = Chat()
    chat = {**SERVED, "base_url": "http://localhost:1/v1/chat/completions"}
    results = evaluated(
        model, "inherit_ability", limit=6, metadata=chat, apply_chat_template=True, system_instruction="Be brief."
    )
    section = results["configs"]["inherit_ability"]["metadata"]["inherit"]
    assert section["how"] == "letter"
    said = json.loads(model.asked[0][0].prompt)
    assert said[-1]["role"] == "user"
    assert "A. " in said[-1]["content"]
    assert all(row["items"]["choice"] == 1 for row in results["samples"]["inherit_ability"])


def test_a_chat_endpoint_is_asked_every_family_in_words(evaluated: Callable[..., dict]) -> None:
    chat = {**SERVED, "base_url": "http://localhost:1/v1/chat/completions"}
    results = evaluated(Chat(), "inheritance_profile_chat", limit=4, metadata=chat, apply_chat_template=True)
    found = ours(results, "inherit_crows_pairs_chat")
    assert (found["first"], found["consistent"]) == (0, 0)  # it says B, whatever stands there
    assert found["stereotype"] == 50
    assert ours(results, "inherit_calibration_verbal")["unstated"] == 1


def test_letters_drawn_alike_are_no_copies(evaluated: Callable[..., dict]) -> None:
    chat = {**SERVED, "base_url": "http://localhost:1/v1/chat/completions"}
    results = evaluated(Chat(), "inherit_calibration_sampled", limit=4, metadata=chat, apply_chat_template=True)
    assert ours(results, "inherit_calibration_sampled")["confidence"] == 1


def test_what_a_chat_endpoint_cannot_answer_is_said_before_it_is_asked(evaluated: Callable[..., dict]) -> None:
    model = Chat()
    chat = {**SERVED, "base_url": "http://localhost:1/v1/chat/completions"}
    with pytest.raises(EndpointError, match=r"crows_pairs can't be asked here.*inheritance_profile_chat"):
        evaluated(model, "inheritance_bias", limit=2, metadata=chat, apply_chat_template=True)
    assert model.asked == []


def test_items_of_several_processes_make_one_number(evaluated: Callable[..., dict], words: object) -> None:
    model = Hashed()
    rows = [row["items"] for row in evaluated(model, "inherit_bbq", limit=20)["samples"]["inherit_bbq"]]
    known = {"suite": "mini", "tokenizer": words}
    task = TaskManager(include_path=finder.FOLDER, include_defaults=False, metadata=known).load("inherit_bbq")["tasks"]
    one = task["inherit_bbq"]
    one.build_all_requests(limit=20, rank=0, world_size=2)
    for instance in one.instances:
        instance.resps.append((model.total(*instance.args), False))
    one.apply_filters()
    assert len(one.asked) == 10
    aggregate = one.aggregation()
    assert aggregate["items"](rows) == 20
    wanted = expected(model, "bbq", words, 20)
    assert aggregate["accuracy_ambig"]([]) == pytest.approx(wanted["accuracy_ambig"].value)
    assert aggregate["s_amb_stderr"]([]) == pytest.approx(wanted["s_amb"].stderr)


@contextmanager
def dying(after: int) -> Iterator[tuple[str, list[int]]]:
    """A server of log-likelihoods that is gone after so many answers."""
    served: list[int] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if len(served) >= after:
                self.close_connection = True
                self.connection.close()
                return
            served.append(1)
            size = len(asked["prompt"][0]) + 1
            likely = {"token_logprobs": [None] + [-1.0] * (size - 1), "top_logprobs": [{"a": -1.0}] * size}
            body = json.dumps({"choices": [{"index": 0, "text": "", "logprobs": likely}]}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1/completions", served
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def command(where: Path, *said: str) -> subprocess.CompletedProcess[str]:
    """`lm_eval` as a user runs it, in an empty folder, with what is installed and no network."""
    where.mkdir(exist_ok=True)
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "INHERIT_DATA")}
    return subprocess.run(
        [str(Path(sys.executable).with_name("lm_eval")), *said],
        cwd=where,
        env={**kept, "HF_HUB_OFFLINE": "1", "XDG_CACHE_HOME": str(where / "cache")},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.checkpoint(tmp_path_factory.mktemp("tiny"), "llama")


def test_the_command_finds_every_family_and_its_results_become_a_profile(checkpoint: Path, tmp_path: Path) -> None:
    model = f"pretrained={checkpoint},dtype=float32,max_length=512"
    more = "--device cpu --limit 3 --batch_size 8 --gen_kwargs max_gen_toks=8 --output_path out --log_samples"
    done = command(
        tmp_path / "empty",
        *("--model", "hf", "--model_args", model, "--tasks", "inheritance_profile", *more.split()),
    )
    assert done.returncode == 0, done.stderr[-3000:]
    for probe in forms.default():
        assert f"- inherit_{probe} [mini]" in done.stdout
    profile = imported.keep(lm_eval_results.harvest(tmp_path / "empty" / "out"), tmp_path / "runs")
    assert {section.probe for section in profile.sections} == set(forms.default())
    # A pair is asked in both orders.
    assert all(section.items == (6 if section.probe == "preferences" else 3) for section in profile.sections)


def test_a_server_that_dies_leaves_no_numbers(checkpoint: Path, tmp_path: Path) -> None:
    with dying(after=20) as (address, served):
        arguments = (
            f"model=m,base_url={address},tokenizer={checkpoint},add_bos_token=True,num_concurrent=4,max_retries=2"
        )
        more = "--limit 20 --output_path out --log_samples"
        done = command(
            tmp_path / "empty",
            *("--model", "local-completions", "--model_args", arguments, "--tasks", "inherit_bbq", *more.split()),
        )
    assert len(served) == 20
    assert done.returncode != 0
    assert "ServerDisconnectedError" in done.stderr or "Connection" in done.stderr
    assert "accuracy_ambig" not in done.stdout
    assert not list((tmp_path / "empty").rglob("results_*.json"))


def test_a_missing_first_token_stops_the_run_before_it_starts(checkpoint: Path, evaluated: Callable[..., dict]) -> None:
    model = Hashed()
    with pytest.raises(InheritError, match="add_bos_token=True"):
        evaluated(model, "inherit_bbq", limit=2, metadata={**SERVED, "add_bos_token": False})
    assert model.asked == []
