"""A model in this process answers as the plain model would, whatever it is batched with."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import torch
import transformers

from profiler.endpoints.engine import Call, SampleCall, ScoreCall
from profiler.endpoints.local.checkpoint import Precision
from profiler.endpoints.local.engine import WINDOW, LocalEngine
from profiler.endpoints.local.packed import PackedLinear
from profiler.errors import BadData, EndpointDown, EndpointError, Refused, WrongUse
from profiler.records import Endpoint, Generation, Likelihood, Sampling
from tests.support import tiny
from tests.support.local import answered, each

PREFIX = "The nurse said that the doctor was late, and the patient"
CHOICES = (" waited", " waited at the station for a long time indeed", " slept")
CHAT = "{% for m in messages %}<s>{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}assistant:"

KINDS = ["llama", "qwen2", "mistral", "gemma3", "gemma2", "gpt2", "bloom", "mamba"]


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hub can't be reached, and transformers says nothing of the kernels that this machine lacks."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    """Makes a tiny checkpoint of a kind."""

    def make(kind: str = "llama", **options: object) -> Path:
        return tiny.checkpoint(tmp_path / f"{kind}-{len(list(tmp_path.iterdir()))}", kind, **options)

    return make


def engine(folder: Path) -> LocalEngine:
    return LocalEngine(Endpoint(model=str(folder)), precision="float32")


def plain(engine: LocalEngine, context: str, text: str) -> tuple[float, int]:
    """One forward pass of the bare model over one text: what every cleverness must equal."""
    checkpoint = engine.load().checkpoint
    words = checkpoint.tokenizer
    whole = words(context + text).input_ids
    start = len(words(context).input_ids) if context else 1
    with torch.no_grad():
        likely = checkpoint.model(torch.tensor([whole])).logits[0].float().log_softmax(-1)
    return sum(likely[at - 1, whole[at]].item() for at in range(start, len(whole))), len(whole) - start


@pytest.mark.parametrize(
    ("kind", "precision"), [*((kind, "float32") for kind in KINDS), ("llama", "bfloat16"), ("gemma3", "bfloat16")]
)
def test_weights_laid_out_for_the_processor_change_no_number(
    folder: Callable[..., Path], kind: str, precision: Precision
) -> None:
    at = folder(kind)
    ours = LocalEngine(Endpoint(model=str(at)), precision=precision).load().checkpoint.model
    theirs = transformers.AutoModelForCausalLM.from_pretrained(at, dtype=precision).eval()
    laid_out = sum(isinstance(layer, PackedLinear) for layer in ours.modules())
    reads_them_itself = kind == "mamba"
    assert laid_out == (0 if reads_them_itself else sum(type(layer) is torch.nn.Linear for layer in theirs.modules()))
    ids = torch.randint(5, 60, (3, 7), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        found, expected = ours(input_ids=ids).logits, theirs(input_ids=ids).logits
    assert found.dtype == expected.dtype
    torch.testing.assert_close(found, expected, **({"rtol": 2e-2, "atol": 2e-2} if precision == "bfloat16" else {}))


@pytest.mark.parametrize("kind", KINDS)
async def test_sharing_a_prompt_changes_no_likelihood(folder: Callable[..., Path], kind: str) -> None:
    model = engine(folder(kind))
    texts = ("The engineer was late.", "The river runs to the sea; it freezes.", "A")
    values = await answered(
        model,
        ScoreCall(PREFIX, CHOICES, (0, 1, 2)),
        ScoreCall("Water", (" boils", " freezes at zero."), (0, 1)),
        ScoreCall("", texts, (0, 1, 2)),
    )
    asked = [(PREFIX, text) for text in CHOICES] + [("Water", " boils"), ("Water", " freezes at zero.")]
    keys = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (2, 0), (2, 1), (2, 2)]
    for key, (context, text) in zip(keys, asked + [("", text) for text in texts], strict=True):
        total, tokens = plain(model, context, text)
        value = values[key]
        assert isinstance(value, Likelihood)
        assert value.tokens == tokens
        assert value.total == pytest.approx(total, abs=1e-4 * max(1, tokens))


@pytest.mark.parametrize(("kind", "shares"), [("llama", True), ("gemma3", True), ("bloom", False), ("mamba", False)])
async def test_an_architecture_that_cannot_share_is_found_out(
    folder: Callable[..., Path], kind: str, shares: bool
) -> None:
    assert bool(engine(folder(kind)).load().scorer.longest) is shares


async def test_calls_that_begin_alike_share_too(folder: Callable[..., Path]) -> None:
    model = engine(folder())
    shots = "Water boils at a hundred degrees. The river runs to the sea. " * 2
    calls = [
        ScoreCall(shots + question, CHOICES, (0, 1, 2)) for question in ("Who waited?", "Who slept?", "Who was late?")
    ]
    seen: list[int] = []
    hook = model.load().checkpoint.model.register_forward_pre_hook(
        lambda module, args, kwargs: seen.append(kwargs["input_ids"].numel()), with_kwargs=True
    )
    values = await answered(model, *calls)
    hook.remove()
    one, whole = (
        len(model.load().checkpoint.encode(text)) for text in (shots, shots + "Who waited?" + "".join(CHOICES))
    )
    assert sum(seen) <= one + 3 * (whole - one)
    for (call, index), value in values.items():
        assert isinstance(value, Likelihood)
        assert value.total == pytest.approx(plain(model, calls[call].prefix, CHOICES[index])[0], abs=1e-3)


async def test_only_the_texts_asked_for_are_scored(folder: Callable[..., Path]) -> None:
    values = await answered(engine(folder()), ScoreCall(PREFIX, CHOICES, (2,)))
    assert list(values) == [(0, 2)]


async def test_a_space_that_ends_the_prefix_belongs_to_the_choice(folder: Callable[..., Path]) -> None:
    model = engine(folder())
    values = await answered(model, ScoreCall("Water", (" boils",), (0,)), ScoreCall("Water ", ("boils",), (0,)))
    assert values[0, 0] == values[1, 0]


async def test_without_a_begin_token_the_first_token_does_not_count(folder: Callable[..., Path]) -> None:
    model = engine(folder(bos=False))
    values = await answered(model, ScoreCall("", ("Water boils", "", "W"), (0, 1, 2)))
    counted = len(model.load().checkpoint.encode("Water boils")) - 1
    assert [value.tokens for value in values.values() if isinstance(value, Likelihood)].count(0) == 2
    assert isinstance(values[0, 0], Likelihood)
    assert values[0, 0].tokens == counted
    assert (await model.capabilities()).bos is False


@pytest.mark.parametrize("kind", KINDS[:-1])
async def test_greedy_text_is_the_bare_models(folder: Callable[..., Path], kind: str) -> None:
    model = engine(folder(kind))
    prompts = ["Water", PREFIX, "A teacher and an engineer met"]
    values = await answered(model, *(SampleCall(prompt, Sampling(max_tokens=12), (0,)) for prompt in prompts))
    checkpoint = model.load().checkpoint
    for number, prompt in enumerate(prompts):
        tokens = list(checkpoint.encode(prompt))
        start = len(tokens)
        while len(tokens) < start + 12 and tokens[-1] not in checkpoint.ends:
            with torch.no_grad():
                tokens.append(int(checkpoint.model(torch.tensor([tokens])).logits[0, -1].argmax()))
        value = values[number, 0]
        assert isinstance(value, Generation)
        assert value.text == checkpoint.tokenizer.decode(tokens[start:], skip_special_tokens=True)
        assert value.usage.prompt == start
        assert value.usage.completion == len(tokens) - start


async def test_an_architecture_that_cannot_be_continued_says_so(folder: Callable[..., Path]) -> None:
    model = engine(folder("mamba"))
    values = await answered(
        model, SampleCall("Water", Sampling(max_tokens=2), (0,)), ScoreCall("Water", (" boils",), (0,))
    )
    assert isinstance(values[0, 0], Refused)
    assert "serve it" in str(values[0, 0])
    assert isinstance(values[1, 0], Likelihood)
    assert not (await model.capabilities()).completions


@pytest.mark.parametrize("kind", ["gemma3", "gpt2"])
async def test_a_sample_is_the_same_alone_and_in_company(folder: Callable[..., Path], kind: str) -> None:
    model = engine(folder(kind))
    sampling = Sampling(temperature=1.0, top_p=0.9, max_tokens=10, seed=5)
    calls = [SampleCall(prompt, sampling, tuple(range(6))) for prompt in (PREFIX, "Water", "The river runs")]
    together = await answered(model, *calls)
    alone = await answered(model, SampleCall("Water", sampling, (4,)))
    shifted = await answered(model, SampleCall("Water", sampling.model_copy(update={"seed": 9}), (0,)))
    texts = {key: value.text for key, value in together.items() if isinstance(value, Generation)}
    assert len(set(texts.values())) > 6
    for other in (alone[0, 4], shifted[0, 0]):
        assert isinstance(other, Generation)
        assert other.text == texts[1, 4]


@pytest.mark.parametrize("kind", KINDS[:-1])
async def test_a_place_that_becomes_free_is_taken_at_once_and_no_text_changes(
    folder: Callable[..., Path], kind: str
) -> None:
    model = engine(folder(kind))
    loaded = model.load()
    long = SampleCall("Water", Sampling(temperature=1.0, max_tokens=40), (0,))
    short = Sampling(temperature=1.0, top_p=0.9, max_tokens=5)
    calls = [
        long,
        *(SampleCall(f"{'The river runs to ' * (1 + number % 3)}{number}", short, (0, 1)) for number in range(6)),
    ]
    alone = [
        (await answered(model, call._replace(indices=(index,))))[0, index] for call in calls for index in call.indices
    ]
    loaded.drawer.rows, passes, ended = 4, 0, []

    def count(*_: object) -> None:
        nonlocal passes
        passes += 1

    loaded.checkpoint.model.register_forward_pre_hook(count)
    together: dict[tuple[int, int], object] = {}

    def take(key: int, index: int, value: object) -> None:
        ended.append(key)
        together[key, index] = value

    await model.perform(each(calls), take)
    texts = [together[key, index].text for key, call in enumerate(calls) for index in call.indices]  # type: ignore[attr-defined]
    assert texts == [value.text for value in alone]  # type: ignore[attr-defined]
    assert ended[-1] == 0, "the others came and went while the long one was being written"
    assert passes < 40 + 8


async def test_prompts_do_not_share_their_random_numbers(folder: Callable[..., Path]) -> None:
    """With common numbers, errors of different items would be correlated and intervals too narrow."""
    model = engine(folder())
    checkpoint = model.load().checkpoint
    torch.nn.init.zeros_(checkpoint.model.get_output_embeddings().weight)
    sampling = Sampling(temperature=1.0, max_tokens=4)
    values = await answered(
        model, *(SampleCall(prompt, sampling, (0,)) for prompt in ("Water", "River", "Sea", "Zero"))
    )
    assert len({value.text for value in values.values() if isinstance(value, Generation)}) == 4


async def test_samples_follow_the_models_nucleus(folder: Callable[..., Path]) -> None:
    model = engine(folder())
    checkpoint = model.load().checkpoint
    values = await answered(
        model, SampleCall("Water", Sampling(temperature=1.5, top_p=0.8, max_tokens=1), tuple(range(3000)))
    )
    with torch.no_grad():
        logits = checkpoint.model(torch.tensor([checkpoint.encode("Water")])).logits[0, -1]
    likely, order = torch.softmax(logits / 1.5, -1).sort(descending=True)
    kept = int((likely.cumsum(-1) - likely < 0.8).sum())
    expected: Counter[str] = Counter()
    for token, share in zip(order[:kept].tolist(), (likely[:kept] / likely[:kept].sum()).tolist(), strict=True):
        expected[checkpoint.decode([token]) if token not in checkpoint.ends else ""] += share
    drawn = Counter(value.text for value in values.values() if isinstance(value, Generation))
    assert set(drawn) <= set(expected)
    assert len(expected) > 3
    distance = sum(abs(drawn[text] / 3000 - share) for text, share in expected.items()) / 2
    assert distance < 0.05


async def test_top_k_and_repetition_penalty_draw_as_transformers_does(folder: Callable[..., Path]) -> None:
    model = engine(folder())
    checkpoint = model.load().checkpoint
    drawn = Sampling(temperature=1.5, top_p=0.9, top_k=6, repetition_penalty=1.7, max_tokens=1)
    greedy = Sampling(repetition_penalty=1.7, max_tokens=12)
    text = "Water Water boils Water"
    values = await answered(model, SampleCall(text, drawn, tuple(range(3000))), SampleCall(text, greedy, (0,)))
    ids = torch.tensor([checkpoint.encode(text)])
    penalty = transformers.RepetitionPenaltyLogitsProcessor(1.7)
    cuts = (transformers.TopKLogitsWarper(6), transformers.TopPLogitsWarper(0.9))
    with torch.no_grad():
        scores = penalty(ids, checkpoint.model(ids).logits[:, -1]) / 1.5
        for cut in cuts:
            scores = cut(ids, scores)
        row = ids
        for _ in range(12):
            best = penalty(row, checkpoint.model(row).logits[:, -1]).argmax(-1)
            row = torch.cat([row, best[None]], -1)
            if best.item() in checkpoint.ends:
                row = row[:, :-1]
                break
    expected: Counter[str] = Counter()
    for token, share in enumerate(scores.softmax(-1)[0].tolist()):
        if share:
            expected[checkpoint.decode([token], ids[0].tolist()) if token not in checkpoint.ends else ""] += share
    found = Counter(value.text for key, value in values.items() if key[0] == 0 and isinstance(value, Generation))
    assert 1 < len(expected) <= 6
    assert set(found) == set(expected)
    assert sum(abs(found[text] / 3000 - share) for text, share in expected.items()) / 2 < 0.05
    one = values[1, 0]
    assert isinstance(one, Generation)
    assert one.text == checkpoint.decode(row[0, ids.shape[1] :].tolist(), ids[0].tolist())


async def test_text_ends_before_a_stop_string(folder: Callable[..., Path]) -> None:
    model = engine(folder())
    whole = (await answered(model, SampleCall(PREFIX, Sampling(max_tokens=12), (0,))))[0, 0]
    assert isinstance(whole, Generation)
    assert whole.finish == "length"
    stop = whole.text[3:5]
    cut = (await answered(model, SampleCall(PREFIX, Sampling(max_tokens=12, stop=(stop,)), (0,))))[0, 0]
    assert isinstance(cut, Generation)
    assert cut.finish == "stop"
    assert cut.text == whole.text[: whole.text.index(stop)]
    assert cut.usage.completion < 12


async def test_first_tokens_alternatives_come_with_their_log_probabilities(folder: Callable[..., Path]) -> None:
    model = engine(folder())
    values = await answered(model, SampleCall("Water", Sampling(temperature=0.7, max_tokens=2), (0,), top=5))
    top = values[0, 0].top  # type: ignore[attr-defined]
    checkpoint = model.load().checkpoint
    with torch.no_grad():
        likely = checkpoint.model(torch.tensor([checkpoint.encode("Water")])).logits[0, -1].log_softmax(-1)
    expected: dict[str, float] = {}
    for value, token in zip(*likely.topk(5), strict=True):
        expected.setdefault(checkpoint.decode([int(token)]), value.item())  # of tokens that look alike, the likelier
    assert top == pytest.approx(expected, abs=1e-4)


async def test_chat_goes_through_the_checkpoints_template(folder: Callable[..., Path]) -> None:
    model = engine(folder(template=CHAT))
    sampling = Sampling(max_tokens=8)
    values = await answered(
        model,
        SampleCall("Water?", sampling, (0,), chat=True, system="Be brief."),
        SampleCall("system: Be brief.\n<s>user: Water?\nassistant:", sampling, (0,)),
    )
    assert (await model.capabilities()).chat
    assert values[0, 0].text == values[1, 0].text  # type: ignore[attr-defined]
    assert values[0, 0].usage == values[1, 0].usage  # type: ignore[attr-defined]


async def test_chat_without_a_template_is_refused(folder: Callable[..., Path]) -> None:
    model = engine(folder())
    values = await answered(model, SampleCall("Water?", Sampling(max_tokens=2), (0,), chat=True))
    assert isinstance(values[0, 0], Refused)
    assert "no chat template" in str(values[0, 0])
    assert not (await model.capabilities()).chat


async def test_a_text_past_the_context_fails_alone(folder: Callable[..., Path]) -> None:
    long = PREFIX * 40
    values = await answered(
        engine(folder()),
        ScoreCall(long, CHOICES, (0, 1)),
        ScoreCall("Water", (" boils",), (0,)),
        SampleCall("Water", Sampling(max_tokens=300), (0, 1)),
        SampleCall("Water", Sampling(max_tokens=3), (0,)),
    )
    refused = {key for key, value in values.items() if isinstance(value, Refused)}
    assert refused == {(0, 0), (0, 1), (2, 0), (2, 1)}
    assert "context of 256" in str(values[0, 0])
    assert len(values) == 6


async def test_out_of_memory_halves_the_batch(folder: Callable[..., Path]) -> None:
    model = engine(folder())
    checkpoint = model.load().checkpoint
    calls = [ScoreCall(f"{PREFIX} {number}", CHOICES, (0, 1, 2)) for number in range(6)]
    calls += [SampleCall(f"Water {number}", Sampling(temperature=1.0, max_tokens=4), (0, 1)) for number in range(3)]
    before = await answered(model, *calls)

    def narrow(module: object, args: object, kwargs: dict[str, torch.Tensor]) -> None:
        if len(kwargs["input_ids"]) > 2:
            raise torch.OutOfMemoryError

    checkpoint.model.register_forward_pre_hook(narrow, with_kwargs=True)
    after = await answered(model, *calls)
    assert after.keys() == before.keys()
    for key, value in before.items():
        if isinstance(value, Likelihood):
            assert after[key].total == pytest.approx(value.total, abs=1e-3)  # type: ignore[attr-defined]
        else:
            assert after[key].text == value.text  # type: ignore[attr-defined]


async def test_no_memory_for_a_single_text_ends_the_run_in_one_sentence(folder: Callable[..., Path]) -> None:
    model = engine(folder())

    def full(*_: object) -> None:
        raise torch.OutOfMemoryError

    model.load().checkpoint.model.register_forward_pre_hook(full)
    for call in (ScoreCall(PREFIX, CHOICES, (0, 1, 2)), SampleCall(PREFIX, Sampling(max_tokens=4), (0, 1))):
        with pytest.raises(EndpointDown, match="no memory"):
            await answered(model, call)


async def test_calls_are_pulled_no_faster_than_they_are_answered(folder: Callable[..., Path]) -> None:
    pulled = 0

    async def endless() -> AsyncIterator[tuple[int, Call]]:
        nonlocal pulled
        while True:
            yield pulled, ScoreCall("Water", (" boils",), (0,))
            pulled += 1

    got = 0

    def take(*_: object) -> None:
        nonlocal got
        got += 1
        if got == 1000:
            task.cancel()

    task = asyncio.create_task(engine(folder()).perform(endless(), take))
    with pytest.raises(asyncio.CancelledError):
        await task
    assert got >= 1000
    assert pulled <= got + 3 * WINDOW


async def test_a_caller_that_waits_for_each_answer_is_answered(folder: Callable[..., Path]) -> None:
    ready = asyncio.Event()

    async def hesitant() -> AsyncIterator[tuple[int, Call]]:
        for key in range(3):
            yield key, ScoreCall("Water", (" boils",), (0,))
            await ready.wait()
            ready.clear()

    seen = []

    def take(key: int, *_: object) -> None:
        seen.append(key)
        ready.set()

    async with asyncio.timeout(30):
        await engine(folder()).perform(hesitant(), take)
    assert seen == [0, 1, 2]


async def test_cancelling_stops_a_long_draw(folder: Callable[..., Path]) -> None:
    model = engine(folder())
    model.load()
    steps = 0

    def count(*_: object) -> None:
        nonlocal steps
        steps += 1

    model.load().checkpoint.model.register_forward_pre_hook(count)
    model.load().checkpoint.__dict__["ends"] = frozenset()

    draw = SampleCall("Water", Sampling(temperature=1.0, max_tokens=250), tuple(range(20)))
    task = asyncio.create_task(model.perform(each([draw]), lambda *_: None))
    while not steps:
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert steps < 200


def test_a_processor_that_is_not_to_use_avx_512_computes_in_float32() -> None:
    said = "from profiler.endpoints.local.checkpoint import numbers; print(numbers('auto'))"
    environment = {**os.environ, "ATEN_CPU_CAPABILITY": "avx2", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.strip() == "torch.float32"


async def test_fingerprint_is_of_the_weights_not_the_path(folder: Callable[..., Path]) -> None:
    one, same, other = folder(seed=1), folder(seed=1), folder(seed=2)
    prints = [await engine(each).fingerprint() for each in (one, same, other)]
    assert prints[0].id == prints[1].id != prints[2].id


@pytest.mark.parametrize(
    ("name", "error", "says"),
    [
        ("gpt@http://127.0.0.1:9/v1", WrongUse, "they stand apart: gpt --url http://127.0.0.1:9/v1"),
        ("./nowhere", WrongUse, "no folder './nowhere'"),
        ("x" * 5000, WrongUse, "xxx' can't be a checkpoint's folder: File name too long"),
        ("~nobody-of-this-name/x", WrongUse, "can't be a checkpoint's folder"),
        ("org/name", EndpointError, "'org/name' is no folder, and the hub can't be reached"),
        ("what is this", WrongUse, "neither a folder, nor a hub id"),
    ],
)
async def test_a_model_that_is_not_there_is_named_in_one_sentence(name: str, error: type, says: str) -> None:
    with pytest.raises(error, match=says):
        await LocalEngine(Endpoint(model=name)).capabilities()


async def test_a_folder_without_a_checkpoint_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadData, match="is not a checkpoint"):
        await engine(tmp_path).capabilities()
    (tmp_path / "config.json").write_text('{"model_type": "nothing known"}')
    with pytest.raises(BadData, match="can't load"):
        await engine(tmp_path).capabilities()


def test_without_torch_the_extra_is_named(folder: Callable[..., Path]) -> None:
    script = (
        "import sys, asyncio; sys.modules['torch'] = None\n"
        "from profiler.endpoints.local.engine import LocalEngine\n"
        "from profiler.records import Endpoint\n"
        f"asyncio.run(LocalEngine(Endpoint(model={str(folder())!r})).capabilities())"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env={**os.environ})
    assert "pip install 'inheritance-profiler[local]'" in done.stderr
