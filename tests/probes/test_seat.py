"""SEAT: effect sizes and permutation tests of what a model's hidden states hold."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest

from profiler.datasets import Item
from profiler.endpoints.requests import Answer
from profiler.errors import BadData, EndpointError
from profiler.probes import ProbeOptions
from profiler.probes.seat import SOURCE, AssociationTest, Seat
from profiler.records import HiddenState, Profile
from profiler.runs.rescore import rescored
from profiler.runs.run import run
from profiler.stats import association
from tests.support.ask import client
from tests.support.official import OFFICIAL, needs
from tests.support.wire import Script, serving

PROBE = Seat()


def naive(x: list, y: list, a: list, b: list) -> tuple[float, float]:
    """Effect size and exact p, by the letter of Caliskan et al. 2017."""

    def cosine(one: list[float], other: list[float]) -> float:
        return sum(p * q for p, q in zip(one, other, strict=True)) / math.hypot(*one) / math.hypot(*other)

    def s(w: list[float]) -> float:
        return sum(cosine(w, each) for each in a) / len(a) - sum(cosine(w, each) for each in b) / len(b)

    near, far = [s(w) for w in x], [s(w) for w in y]
    every, mean = near + far, sum(near + far) / (len(x) + len(y))
    spread = math.sqrt(sum((each - mean) ** 2 for each in every) / (len(every) - 1))
    gap = sum(near) - sum(far)
    further = [
        2 * sum(every[i] for i in chosen) - sum(every) >= gap - 1e-12
        for chosen in combinations(range(len(every)), len(x))
    ]
    return (sum(near) / len(x) - sum(far) / len(y)) / spread, sum(further) / len(further)


def answer(vectors: np.ndarray) -> Answer:
    return Answer("hidden_states", states=tuple(HiddenState(float32=v.astype("<f4").tobytes()) for v in vectors))


def made(rng: np.random.Generator, sizes: tuple[int, ...], apart: float) -> tuple[Item, np.ndarray]:
    """A test of made-up vectors whose targets lie APART."""
    names = [tuple(f"{role}{i}" for i in range(size)) for role, size in enumerate(sizes)]
    vectors = rng.normal(size=(sum(sizes), 6)).astype(np.float32)
    vectors[: sizes[0]] += apart
    vectors[-sizes[3] :] -= apart
    return Item("made", AssociationTest(*names)), vectors


@pytest.mark.parametrize(("sizes", "apart"), [((4, 4, 3, 5), 0.3), ((5, 5, 4, 4), 0.0), ((6, 6, 6, 6), 0.8)])
def test_effect_size_and_exact_p_are_those_of_a_naive_implementation(sizes, apart):
    item, vectors = made(np.random.default_rng(7), sizes, apart)
    scores = PROBE.score(item, answer(vectors))
    d, p = naive(*(part.tolist() for part in np.split(vectors.astype(float), np.cumsum(sizes)[:-1])))
    assert scores["effect_size"] == pytest.approx(d, abs=1e-12)
    assert scores["effect_size_abs"] == pytest.approx(abs(d), abs=1e-12)
    assert scores["p_value"] == pytest.approx(p, abs=1e-15)
    assert scores["significant"] == float(p < 0.05)


def test_equal_partitions_count_and_alike_texts_have_no_effect_size():
    alike = np.array([0.1 + 0.2, 0.3])
    assert association.effect_size(np.array([0.5, 0.5]), np.array([0.5, 0.5])) is None
    assert association.permutation_p(alike, np.array([0.3, 0.1 + 0.2])) == 1.0  # all sums equal but for rounding
    assert association.permutation_p(np.array([3.0, 4.0]), np.array([1.0, 2.0])) == 1 / 6


def test_many_partitions_are_drawn_by_a_seed_and_p_is_never_zero():
    rng = np.random.default_rng(3)
    near, far = rng.normal(0.5, 1, 10), rng.normal(0, 1, 10)  # 184,756 partitions
    every = np.concatenate([near, far])
    exact = np.mean([every[list(chosen)].sum() >= near.sum() - 1e-9 for chosen in combinations(range(20), 10)])
    drawn = association.permutation_p(near, far)
    assert drawn == association.permutation_p(near, far)
    assert drawn == pytest.approx(exact, abs=4 * math.sqrt(exact * (1 - exact) / 100_000))
    assert 1 / 100_000 <= association.permutation_p(near + 50, far) < 1e-4


async def test_a_model_in_this_process_is_asked_and_its_states_are_kept(tmp_path):
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    from profiler.endpoints.client import connect
    from profiler.records import Endpoint
    from tests.support.tiny import checkpoint

    folder = checkpoint(tmp_path / "model", "llama")
    endpoint = Endpoint(model=str(folder))
    found = []
    for _ in range(2):
        async with connect(endpoint, tmp_path / "cache.sqlite") as model:
            async for step in run(model, [PROBE], endpoint, tmp_path / "runs"):
                last = step
            assert isinstance(last, Profile)
            found.append(last)
    first, again = found
    assert first.estimates == again.estimates
    assert (first.usage.prompt > 0, again.usage.prompt, first.sections[0].how) == (True, 0, "hidden_states")
    words = transformers.AutoTokenizer.from_pretrained(folder)
    bare = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)

    def state(text: str) -> list[float]:
        ids = words(text, return_tensors="pt").input_ids
        with torch.inference_mode():
            return bare(ids, output_hidden_states=True).hidden_states[-1].mean(dim=1)[0].tolist()

    value = {(number.metric, number.group): number for number in first.estimates}
    for item in PROBE.items:
        sides = [np.array([state(text) for text in texts]) for texts in item.fields]
        near, far = (association.associations(targets, *sides[2:]) for targets in sides[:2])
        close = 0.05  # bfloat16, where the processor has it
        assert value["effect_size", item.id].value == pytest.approx(association.effect_size(near, far), abs=close)
    assert value["p_value", None].value is None
    assert 0 < value["p_value", PROBE.items[0].id].value <= 1


async def test_behind_a_server_it_is_refused_in_one_sentence(tmp_path):
    async with serving(Script()) as wire, client(wire, tmp_path / "cache.sqlite") as model:
        with pytest.raises(EndpointError) as told:
            async for _ in run(model, [PROBE], model.endpoint, tmp_path / "runs"):
                pass
    assert str(told.value) == (
        "seat can't be asked here: a server gives no hidden states: run the checkpoint in this process"
    )


def test_recorded_answers_are_refused():
    with pytest.raises(BadData, match="hidden states, which no file of answers holds"):
        rescored(PROBE, [{"item": "fruit_disease", "likelihoods": []}])


@needs("seat")
def test_the_authors_tests_are_read_from_the_users_folder(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("INHERIT_DATA", str(OFFICIAL))
    probe = Seat.build(ProbeOptions(suite="paper"))
    assert len(probe.items) == 19
    assert SOURCE.licence == "CC BY-NC 4.0"
