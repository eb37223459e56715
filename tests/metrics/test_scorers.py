"""Scorers besides our own: the scores of the libraries they stand for, failures that never score, and who agrees."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from profiler import metrics
from profiler.errors import BadData, EndpointError, InheritError, Refused, UnknownName, Unreadable, WrongUse
from profiler.metrics.metric import Metric, measure
from profiler.metrics.toxicity import perspective as service
from profiler.metrics.toxicity import scorer
from profiler.metrics.toxicity.classifier import batches
from profiler.metrics.toxicity.perspective import LABELS, Perspective
from profiler.probes import ProbeOptions
from profiler.probes.toxicity import Toxicity, ToxicityPrompts
from profiler.records import Generation, Profile, Sample
from profiler.reporting.profile import profile_report
from profiler.reporting.report import render
from profiler.runs import sample_store, scorer_agreement
from profiler.runs.run import run
from profiler.text.counting import Text
from tests.support.ask import client
from tests.support.bert import bert, detoxify
from tests.support.wire import Script, serving

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

TEXTS = ["Shut up, you stupid idiot.", "The weather is nice.", "", "word " * 700, "You are kind."] * 3 + ["hi"]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint in Detoxify's form, with configuration and tokenizer beside it."""
    return detoxify(bert(tmp_path_factory.mktemp("detoxify")))


def test_detoxify_scores_as_its_own_package(checkpoint: Path) -> None:
    package = pytest.importorskip("detoxify").Detoxify(checkpoint=str(checkpoint))
    theirs = np.array([package.predict([text])["insult"] for text in TEXTS])
    ours = scorer(f"detoxify:original,checkpoint={checkpoint}")
    found = ours.scores(TEXTS)
    assert ours.labels == ("toxicity", "severe_toxicity", "obscene", "threat", "insult", "identity_attack")
    assert found[:, ours.labels.index("insult")] == pytest.approx(theirs, abs=1e-5)
    assert theirs.std() > 0.01


def test_bfloat16_is_another_version_with_like_scores(checkpoint: Path) -> None:
    exact, quick = (scorer(f"detoxify:original,checkpoint={checkpoint}{end}") for end in ("", ",precision=bfloat16"))
    assert exact.version.endswith("/float32")
    assert quick.version.endswith("/bfloat16")
    assert exact.version.split("/")[0] == quick.version.split("/")[0]
    assert quick.scores(["You are kind."]) == pytest.approx(exact.scores(["You are kind."]), abs=0.05)


def test_outputs_that_a_checkpoint_does_not_name_are_left_out(tmp_path: Path) -> None:
    detoxify(bert(tmp_path, labels=16), "unbiased.ckpt")
    assert scorer(f"detoxify:unbiased,checkpoint={tmp_path}").scores(["a", "you"]).shape == (2, 6)


def test_two_scorers_of_one_name_are_refused(checkpoint: Path) -> None:
    orders = tuple(f"detoxify:original,checkpoint={checkpoint}{end}" for end in ("", ",precision=bfloat16"))
    with pytest.raises(WrongUse, match=r"detoxify:original would stand for two: .*float32 and .*bfloat16"):
        Toxicity.build(ProbeOptions(suite="mini", scorers=orders))


def test_another_label_of_a_scorer_does_not_keep_its_first_from_being_held_against_others() -> None:
    probe = Toxicity.build(ProbeOptions(suite="mini", scorers=("tox-block", "tox-block,label=insult")))
    assert [metric.name for metric in scorer_agreement.rivals(probe.text_metrics)] == [
        "toxicity",
        "toxicity:tox-block,label=insult",
    ]


def test_a_folder_with_one_checkpoint_will_do(checkpoint: Path) -> None:
    named = scorer(f"detoxify:original,checkpoint={checkpoint.parent}")
    assert named == scorer(f"detoxify:original,checkpoint={checkpoint}")
    assert named.name == "detoxify:original"  # not where the file lies on this machine


def test_a_checkpoint_that_holds_code_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "evil.ckpt"
    torch.save({"config": print, "state_dict": {}}, path)
    with pytest.raises(BadData, match=r"can't read .*evil.ckpt' as a checkpoint of Detoxify"):
        scorer(f"detoxify:original,checkpoint={path}")


def test_weights_that_can_not_be_had_say_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("INHERIT_OFFLINE", "1")
    with pytest.raises(InheritError, match=r"detoxify:unbiased are unavailable, and INHERIT_OFFLINE .*checkpoint=FILE"):
        scorer("detoxify:unbiased")


def test_a_classifier_scores_as_transformers_own_pipeline(tmp_path: Path) -> None:
    folder = bert(tmp_path / "judge", 2, names=["neutral", "toxic"])
    pipeline = transformers.pipeline("text-classification", str(folder), top_k=None, truncation=True, max_length=512)
    theirs = [next(each["score"] for each in found if each["label"] == "toxic") for found in pipeline(TEXTS)]
    metric = metrics.get(f"toxicity:hf:{folder}")
    assert metric.name == "toxicity:hf:judge"
    found = measure([Text(text) for text in TEXTS], [metric])[metric.name]
    assert found == pytest.approx(theirs, abs=1e-5)


def test_labels_that_do_not_exclude_each_other_have_each_their_own_probability(tmp_path: Path) -> None:
    several = scorer(f"hf:{bert(tmp_path / 'm', 3, 'multi_label_classification', ['toxic', 'rude', 'mean'])}")
    assert not np.allclose(several.scores(TEXTS).sum(axis=1), 1)
    one = scorer(f"hf:{bert(tmp_path / 'o', 3, None, ['toxic', 'rude', 'mean'])}")
    assert one.scores(TEXTS).sum(axis=1) == pytest.approx(1)


def test_a_classifier_that_does_not_say_toxic_has_to_be_told_which_label_is(tmp_path: Path) -> None:
    folder = bert(tmp_path / "hate", 2, names=["nothate", "hate"])
    with pytest.raises(WrongUse, match=r"labels nothate, hate: say which is the toxic one, as in .*,label=hate"):
        scorer(f"hf:{folder}")
    told = scorer(f"hf:{folder},label=hate")
    assert metrics.get(f"toxicity:hf:{folder},label=hate").name == "toxicity:hf:hate,label=hate"
    probe = Toxicity.build(ProbeOptions(suite="mini", scorers=(f"hf:{folder},label=hate",)))
    assert "expected_max_toxicity:hf:hate,label=hate" in [metric.name for metric in probe.metrics]
    assert told.version.startswith("hf:hate@")


def test_swapped_weights_are_another_version(tmp_path: Path) -> None:
    folder = bert(tmp_path / "m", 1)
    before = scorer(f"hf:{folder}").version
    bert(folder, 1, seed=1)
    assert scorer(f"hf:{folder}").version != before


def test_a_model_without_a_trained_head_is_refused(tmp_path: Path) -> None:
    folder = bert(tmp_path / "bare", 1)
    transformers.BertModel.from_pretrained(folder, add_pooling_layer=True).save_pretrained(folder)
    config = json.loads((folder / "config.json").read_text("utf-8")) | {"id2label": {"0": "toxic"}}
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    with pytest.raises(BadData, match="is not a trained classifier: it lacks classifier"):
        scorer(f"hf:{folder}").scores(["x"])


@pytest.mark.parametrize(
    ("order", "says"),
    [
        ("detoxify:origina", "no variant of Detoxify 'origina'; did you mean 'original'"),
        ("hf:", "expected a model behind hf:"),
        ("hf:/no/such/model", "no classifier at '/no/such/model'"),
        ("perspective,rate=fast", "expected rate=REQUESTS A SECOND"),
        ("perspective,url=ftp://x", "expected url=http"),
        ("perspective", "set the environment variable PERSPECTIVE_API_KEY.*closes on 31 December 2026"),
        ("persepctive", "did you mean 'perspective'"),
    ],
)
def test_an_order_that_can_not_be_met_says_what_to_do(order: str, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PERSPECTIVE_API_KEY", raising=False)
    monkeypatch.setenv("INHERIT_OFFLINE", "1")
    with pytest.raises((UnknownName, WrongUse, BadData), match=says):
        scorer(order)


def test_a_batch_is_as_large_as_its_longest_text_allows() -> None:
    lengths = [10, 500, 20, 30, 500, 5]
    made = list(batches(lengths, 600))
    assert made == [[1], [4], [3, 2, 0, 5]]
    assert list(batches([700], 600)) == [[0]]


@dataclass
class Google:
    """A fake of Perspective on a real socket."""

    url: str = ""
    bodies: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    answers: list[tuple[int, object]] = field(default_factory=list)
    """What to answer next instead of scores."""
    refused: str = "\0"
    """Texts with this in them are refused."""


@pytest.fixture
def google() -> Iterator[Google]:
    state = Google()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            state.bodies.append(body)
            state.keys.append(self.headers["X-Goog-Api-Key"])
            value = 0.9 if "idiot" in body["comment"]["text"] else 0.1
            scores = {label: {"summaryScore": {"value": value}} for label in body["requestedAttributes"]}
            code, answer = state.answers.pop(0) if state.answers else (200, {"attributeScores": scores})
            if state.refused in body["comment"]["text"]:
                code, answer = failure(400, "not this")
            self.send_response(code)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}"
    yield state
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def _online(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("INHERIT_OFFLINE", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)


def quick(google: Google) -> Perspective:
    return Perspective(google.url, rate=1000.0, pause=0.001)


def failure(code: int, message: str) -> tuple[int, object]:
    return code, {"error": {"code": code, "message": message}}


def test_perspective_is_asked_for_every_attribute_and_told_to_forget(
    google: Google, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERSPECTIVE_API_KEY", "secret")
    found = quick(google).scores(["you idiot", "fine"])
    assert found.tolist() == [[0.9] * 6, [0.1] * 6]
    asked = next(body for body in google.bodies if body["comment"]["text"] == "fine")
    assert set(asked["requestedAttributes"]) == {label.upper() for label in LABELS}
    assert asked["doNotStore"] is True
    assert set(google.keys) == {"secret"}


def test_perspective_asks_for_the_same_text_once_and_never_for_nothing(google: Google) -> None:
    once = quick(google)
    assert once.scores(["", "  ", "hello", "hello"])[:, 0].tolist() == [0.0, 0.0, 0.1, 0.1]
    once.scores(["hello"])
    assert [body["comment"]["text"] for body in google.bodies] == ["Good morning.", "hello"]


def test_a_busy_service_is_asked_again(google: Google) -> None:
    google.answers = [failure(429, "quota"), failure(503, "later")]
    assert quick(google).scores(["hm"])[0, 0] == 0.1


@pytest.mark.parametrize(
    ("answers", "kind", "says"),
    [
        ([failure(400, "API key not valid")], Refused, "400 API key not valid"),
        ([failure(500, "broken")] * 5, EndpointError, "no score in 5 tries: 500 broken"),
        ([(200, {"attributeScores": {}})], Unreadable, "not in its form"),
    ],
)
def test_a_failure_of_perspective_is_an_error_and_no_score(
    google: Google, answers: list[tuple[int, object]], kind: type[Exception], says: str
) -> None:
    google.answers = answers
    with pytest.raises(kind, match=says):
        quick(google).scores(["x"])


def test_perspective_keeps_its_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    now = iter([100.0, 100.0, 100.2, 105.0])
    monkeypatch.setattr(service.time, "monotonic", lambda: next(now))
    monkeypatch.setattr(service.time, "sleep", waited.append)
    pace = service.Pace(2.0)
    for _ in range(4):
        pace.wait()
    assert waited == pytest.approx([0, 0.5, 0.8, 0])


async def test_a_text_that_a_scorer_refuses_marks_its_prompt_and_no_other(tmp_path: Path, google: Google) -> None:
    judge = quick(google)
    judge.scores(["warm"])
    google.refused = "neighbours"
    says = {"The neighbours": "about neighbours", "She read": "calm"}
    async with serving(Script(says=says)) as wire, client(wire, tmp_path / "cache.sqlite") as model:
        probe = Toxicity(prompts=ToxicityPrompts(str(beginnings(tmp_path))), samples=2, scorers=(judge,))
        events = [event async for event in run(model, [probe], model.endpoint, tmp_path / "runs")]
    profile = events[-1]
    assert isinstance(profile, Profile)
    samples = sample_store.load(profile.id, tmp_path / "runs").samples("toxicity")
    errors = {sample.prompt: sample.error for sample in samples}
    assert errors == {
        "The neighbours": "scorer failed: Refused: Perspective refused: 400 not this",
        "She read": None,
    }
    found = {each.metric: each for each in profile.estimates if each.group is None}
    assert (profile.errors, found["expected_max_toxicity:perspective"].n) == (1, 1)


def beginnings(folder: Path) -> Path:
    path = folder / "mine.jsonl"
    path.write_text('{"text": "The neighbours"}\n{"text": "She read"}\n', "utf-8")
    return path


def rated(*scores: tuple[float | None, float | None]) -> list[Sample]:
    """Prompts of two texts each, scored by two."""
    texts = [Generation(text="…", scores={"a": one, "b": other}) for one, other in scores]
    pairs = [tuple(texts[start : start + 2]) for start in range(0, len(texts), 2)]
    return [
        Sample(probe="p", item=str(place), prompt="?", answers=pair, how="text") for place, pair in enumerate(pairs)
    ]


A, B = (Metric(name, "It rates.", rates="toxicity", version=name) for name in "ab")


def test_agreement_is_that_of_independent_implementations() -> None:
    from sklearn.metrics import cohen_kappa_score

    rng = np.random.default_rng(0)
    x = np.round(rng.random(400), 2)
    y = np.clip(np.round(0.7 * x + 0.3 * rng.random(400), 2), 0, 1)
    found = {
        e.metric: e for e in scorer_agreement.agreements("p", [A, B], rated(*zip(x.tolist(), y.tolist(), strict=True)))
    }
    assert found["Pearson"].value == pytest.approx(np.corrcoef(x, y)[0, 1])
    ranks = [np.array([(np.sum(v < each) + np.sum(v <= each) + 1) / 2 for each in v]) for v in (x, y)]
    assert found["Spearman"].value == pytest.approx(np.corrcoef(*ranks)[0, 1])
    assert found["same side of 0.5"].value == pytest.approx(np.mean((x >= 0.5) == (y >= 0.5)))
    assert found["kappa at 0.5"].value == pytest.approx(cohen_kappa_score(x >= 0.5, y >= 0.5))
    for each in found.values():
        assert each.group == "a / b"
        assert each.n == 400
        assert each.low is not None
        assert each.value is not None
        assert each.high is not None
        assert each.low < each.value < each.high


def test_a_text_that_only_one_scored_is_left_out_of_the_agreement() -> None:
    found = scorer_agreement.agreements("p", [A, B], rated((0.1, 0.2), (0.9, None), (0.6, 0.7), (0.3, 0.1)))
    assert {(each.n, each.undefined) for each in found} == {(3, 1)}


def test_scorers_that_always_say_the_same_have_no_correlation() -> None:
    found = {e.metric: e for e in scorer_agreement.agreements("p", [A, B], rated(*[(0.1, 0.2)] * 6))}
    assert (found["Pearson"].value, found["kappa at 0.5"].value) == (None, None)
    assert found["same side of 0.5"].value == 1


def test_one_scorer_agrees_with_nobody() -> None:
    assert scorer_agreement.agreements("p", [A], rated((0.1, 0.2))) == []


async def test_a_run_with_two_scorers_reports_both_and_how_far_they_agree(tmp_path: Path, checkpoint: Path) -> None:
    orders = ("tox-block", f"detoxify:original,checkpoint={checkpoint}")
    probe = Toxicity.build(ProbeOptions(suite="mini", limit=6, samples=3, scorers=orders))
    async with serving() as wire, client(wire, tmp_path / "cache.sqlite") as model:
        events = [event async for event in run(model, [probe], model.endpoint, tmp_path / "runs")]
    profile = events[-1]
    assert isinstance(profile, Profile)
    numbers = {each.metric: each.value for each in profile.estimates if each.group is None}
    assert {"expected_max_toxicity", "expected_max_toxicity:detoxify:original"} < set(numbers)
    (section,) = profile.sections
    assert section.scorers["toxic_fraction:detoxify:original"].startswith("detoxify-original@")
    assert {each.group for each in profile.agreements} == {"tox-block-0.1.2 / detoxify:original"}
    assert {each.n for each in profile.agreements} == {18}
    told = profile_report(profile)
    page = render(told, "html")
    for shown in (render(told, "table"), render(told, "md"), page):
        assert "How far the scorers agree" in shown
        assert "Spearman" in shown
    assert "<span>--scorer tox-block</span>" in page
    assert "<span>--scorer detoxify:original</span>" in page
    assert "kappa at 0.5" in render(told, "csv")
