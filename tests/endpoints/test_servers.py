"""Servers that are not vLLM: what each does its own way, and how it is asked then."""

import time
import tracemalloc
from dataclasses import replace
from pathlib import Path
from unittest.mock import AsyncMock

import orjson
import pytest

from profiler.endpoints import Choose, Generate, Weigh
from profiler.endpoints.openai import discovery, transport
from profiler.endpoints.openai.discovery import Inquiry
from profiler.endpoints.openai.transport import LARGEST
from profiler.errors import Refused, WrongUse
from profiler.records import Sampling
from tests.support.ask import HASTY, answers, client, one
from tests.support.command import asked, inherit
from tests.support.wire import Fault, Script, Wire, serving

WARM = Sampling(temperature=1.0, max_tokens=16, seed=7)


async def test_a_server_that_takes_few_samples_at_once_gives_the_same_samples_in_more_requests() -> None:
    asked = [(i, Generate(f"q {i}", WARM, n=10)) for i in range(6)]
    async with serving() as wire, client(wire) as model:
        whole = await answers(model, asked)
    async with serving(Script(most=4)) as wire, client(wire, concurrency=2) as model:
        found = await answers(model, asked)
        assert not any(answer.error for answer in found.values())
        texts = {key: [one.text for one in answer.generations] for key, answer in found.items()}
        assert texts == {key: [one.text for one in answer.generations] for key, answer in whole.items()}
        sizes = [body.get("n", 1) for body in wire.asked("q ")]
        assert [size for size in sizes[-9:] if size > 4] == [], "the largest group that was taken is remembered"


async def test_a_prompt_that_is_refused_does_not_make_the_groups_of_the_others_smaller() -> None:
    async with serving(Script(faults=(Fault("400", "poison", says="content"),))) as wire, client(wire) as model:
        found = await answers(model, [("bad", Generate("poison", WARM, n=10))])
        assert "content" in str(found["bad"].error)
        assert [body.get("n", 1) for body in wire.asked("poison")] == [10, 1]
        await answers(model, [("good", Generate("q", WARM, n=10))])
        assert [body.get("n", 1) for body in wire.asked("q")][-1] == 10


async def test_a_server_that_never_samples_is_found_out_and_not_asked_to() -> None:
    async with serving(Script(greedy=True)) as wire, client(wire) as model:
        can = await model.capabilities()
        assert (can.sampled, can.seed) == (False, False)
        assert "same text" in can.notes["sampled"]
        assert "does not sample" in str(await model.refusal(Generate("q", WARM)))
        assert (await one(model, Generate("q", Sampling()))).error is None
    async with serving(Script(seed=False)) as wire, client(wire) as model:
        assert (await model.capabilities()).sampled


async def test_a_server_to_which_no_new_tokens_mean_all_is_not_set_going_without_an_end() -> None:
    started = time.monotonic()
    async with serving(Script(endless=True, zero=True)) as wire, client(wire) as model:
        assert (await model.capabilities()).echo
        assert all(body.get("stop") for body in wire.bodies if body.get("max_tokens") == 0)
        assert (await one(model, Weigh(("She was late again.",)))).error is None
    assert time.monotonic() - started < 60


async def test_a_begin_of_text_that_is_counted_and_not_shown_is_there() -> None:
    async with serving(Script(shows_bos=False)) as wire, client(wire) as model:
        assert (await model.capabilities()).bos is True
    async with serving(Script(bos=False)) as wire, client(wire) as model:
        assert (await model.capabilities()).bos is False


async def test_a_text_ends_where_it_was_to_stop_though_the_server_leaves_the_string_in() -> None:
    drawn = WARM.model_copy(update={"stop": ("\n###", "END")})
    async with serving(Script(says={"q": " yes END\n### no"})) as wire, client(wire) as model:
        (found,) = (await one(model, Generate("q", drawn))).generations
        assert (found.text, found.finish) == (" yes ", "stop")


async def test_an_address_without_its_v1_is_refused_with_the_whole_one() -> None:
    async with serving(Script(native=True)) as wire:
        wire.url = wire.url.removesuffix("/v1")
        model = client(wire)
        with pytest.raises(Refused, match=rf"completions are answered at {wire.url}/v1; use that"):
            await model.capabilities()
        await model.close()


async def test_a_name_that_the_server_does_not_list_is_said_with_those_that_it_does() -> None:
    async with serving(Script(checks=False, model="listed")) as wire:
        done = await inherit("doctor", "other", "--url", wire.url)
        assert done.code == 0
        assert "lists no model 'other', but listed" in " ".join(done.err.split())


@pytest.mark.parametrize("value", [1000, -1e308, 1e308, float("nan"), 0.5])
async def test_what_can_be_no_log_probability_is_an_error_of_its_item(value: float) -> None:
    pick = Choose("The nurse said", (" he was late", " she was late"))
    async with serving() as wire, client(wire) as model:
        await model.fingerprint()
        wire.script = replace(wire.script, logprob=value)
        answer = await one(model, pick)
        assert answer.error
        assert answer.choice is None
    async with serving(Script(echo=False)) as wire, client(wire) as model:
        await model.fingerprint()
        wire.script = replace(wire.script, logprob=value)
        answer = await one(model, pick)
        assert answer.error or value < 0


@pytest.mark.parametrize("says", ["half \ud83d a pair", "[" * 200_000, "\x1b[31m red", "[/foo] [bold]"])
async def test_foreign_words_in_an_error_are_kept_as_plain_text(says: str) -> None:
    async with serving(Script(faults=(Fault("400", "q", says=says),))) as wire, client(wire) as model:
        answer = await one(model, Generate("q", WARM))
        assert str(answer.error).encode("utf-8")
        assert len(str(answer.error)) < 400


@pytest.mark.parametrize("usage", [-5, 10**30, "many", None, 1.5])
async def test_a_bill_that_no_server_can_mean_is_not_added_up(usage: object) -> None:
    async with serving(Script(usage=usage)) as wire, client(wire) as model:
        (found,) = (await one(model, Generate("q", WARM))).generations
        assert found.usage.completion == 0


async def test_what_a_content_filter_kept_is_no_empty_answer() -> None:
    async with serving(Script(faults=(Fault("filtered", "lake"),))) as wire, client(wire) as model:
        assert "content_filter" in str((await one(model, Generate("lake", WARM))).error)


async def test_bytes_that_are_not_utf_8_are_not_scored_as_question_marks() -> None:
    async with serving(Script(faults=(Fault("latin", "lake"),))) as wire, client(wire) as model:
        assert "UTF-8" in str((await one(model, Generate("lake", WARM))).error)


async def test_a_key_that_comes_back_is_blotted_out_wherever_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary-123")
    script = Script(says={"hill": "my key is sk-canary-123."}, faults=(Fault("302", "lake", says="sk-canary-123"),))
    async with serving(script) as wire, client(wire) as model:
        found = await answers(model, [("hill", Generate("hill", WARM)), ("lake", Generate("lake", WARM))])
        assert found["hill"].generations[0].text == "my key is [key]."
        assert "sk-canary" not in str(found["lake"].error)


@pytest.mark.parametrize("key", ["sk-1\nX-Evil: 1", "sk-ü"])
async def test_a_key_that_can_not_stand_in_a_header_is_one_sentence(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", key)
    async with serving() as wire:
        with pytest.raises(WrongUse, match="OPENAI_API_KEY"):
            client(wire)


@pytest.mark.parametrize("wait", [0, -5, "nan", "Thu, 01 Jan 1970 00:00:00 GMT"])
async def test_a_server_that_asks_for_no_wait_is_not_asked_again_at_once(wait: float | str) -> None:
    fault = Fault("429", "of the sea", times=3, retry_after=wait)
    patience = replace(HASTY, tries=9, first=0.05, longest=1.0, jitter=0.0)
    async with serving(Script(faults=(fault,))) as wire, client(wire, patience=patience) as model:
        await model.fingerprint()
        started = time.monotonic()
        assert (await one(model, Generate("of the sea", WARM))).error is None
        assert time.monotonic() - started >= 0.05 + 0.1 + 0.2 - 0.02


async def test_replies_in_flight_share_one_room_and_only_those_past_their_share_are_refused() -> None:
    script = Script(faults=(Fault("bomb", "poison"),))
    async with serving(script) as wire, client(wire, concurrency=8) as model:
        await model.fingerprint()
        tracemalloc.start()
        names = [f"{'poison' if i % 2 else 'q'} {i}" for i in range(8)]
        found = await answers(model, [(name, Generate(name, Sampling())) for name in names])
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert {key.split()[0] for key, answer in found.items() if answer.error} == {"poison"}
    assert all("reply of more than" in str(answer.error) for answer in found.values() if answer.error)
    assert most < 2 * LARGEST, "it was 320 MB for each"


LONG = WARM.model_copy(update={"max_tokens": 400})
LETTERED = Choose("q", (" one", " two"), question="Which letter?")


@pytest.mark.parametrize("form", ["apart", "tagged", "closed", "unseen"])
async def test_what_a_model_thinks_aloud_is_kept_beside_its_answer_and_is_no_part_of_it(form: str) -> None:
    script = Script(completions=False, thinks=form, says={"lake": "Blue water."})
    async with serving(script) as wire, client(wire) as model:
        (found,) = (await one(model, Generate("lake", LONG))).generations
        assert (found.text, found.finish) == ("Blue water.", "stop")
        assert found.thought == ("" if form == "unseen" else "The user may want B. Or is it C")


@pytest.mark.parametrize("form", ["apart", "tagged", "unseen"])
async def test_a_thought_that_the_limit_cut_off_is_an_error_and_no_answer(form: str) -> None:
    async with serving(Script(completions=False, thinks=form)) as wire, client(wire) as model:
        found = await one(model, Generate("lake", WARM))
        assert "thought until its tokens were used up" in str(found.error)


@pytest.mark.parametrize("form", ["apart", "tagged", "unseen"])
async def test_a_model_that_thinks_aloud_is_given_room_for_it_and_read_by_the_letter_it_ends_with(form: str) -> None:
    script = Script(completions=False, thinks=form, says={"letter": "B"})
    async with serving(script) as wire, client(wire) as model:
        can = await model.capabilities()
        assert (can.thinks, can.top_logprobs) == (True, 0)
        assert "thinks before it answers" in can.notes["top_logprobs"]
        found = await one(model, LETTERED)
        assert (found.how, found.choice, found.error) == ("letter", 1, None)
    async with serving(Script(completions=False)) as wire, client(wire) as model:
        assert not (await model.capabilities()).thinks


async def test_an_answer_that_speaks_of_thinking_is_not_taken_for_a_thought() -> None:
    says = "Write <think> before and </think> after it."
    async with serving(Script(says={"lake": says}, completions=False)) as wire, client(wire) as model:
        (found,) = (await one(model, Generate("lake", LONG))).generations
        assert (found.text, found.thought) == (says, "")


async def test_a_thought_is_shown_and_exported_beside_its_answer(tmp_path: Path) -> None:
    async with serving(Script(completions=False, thinks="tagged", says={"end": "Blue water."})) as wire:
        words = ("--prompts", asked(tmp_path, 2), "--max-tokens", "300", "-o", tmp_path / "runs")
        assert (await inherit("profile", "wire", "--url", wire.url, *words)).code == 0
    shown = await inherit("show", "latest", "attributes", "-n", "1", "-o", tmp_path / "runs")
    assert "  | The user may want B. Or is it C\n  Blue water.\n" in shown.out
    done = await inherit("export", "latest", "attributes", "--save", tmp_path / "rows.jsonl", "-o", tmp_path / "runs")
    assert done.code == 0
    rows = [orjson.loads(line) for line in (tmp_path / "rows.jsonl").read_text("utf-8").splitlines()]
    assert {(row["text"], row["thought"]) for row in rows} == {("Blue water.", "The user may want B. Or is it C")}


HOSTED = ("max_tokens", "temperature", "top_p", "logprobs", "seed", "stop", "top_k", "min_p")


async def test_a_hosted_model_that_refuses_the_usual_settings_is_asked_without_them() -> None:
    script = Script(completions=False, refuses=HOSTED, says={"lake": "Blue END water."})
    async with serving(script) as wire, client(wire) as model:
        can = await model.capabilities()
        assert (can.chat, can.temperature, can.seed, can.top_logprobs, can.sampled) == (True, False, False, 0, True)
        assert len(can.adapted) == 4, can.adapted
        warm = Sampling(temperature=1.0, max_tokens=50, stop=("END",))
        answer = await one(model, Generate("lake", warm, n=3))
        assert [found.text for found in answer.generations] == ["Blue "] * 3
        assert set(wire.bodies[-1]) == {"model", "messages", "max_completion_tokens", "n"}


@pytest.mark.parametrize("refused", HOSTED)
async def test_each_setting_that_is_refused_is_found_by_itself(refused: str) -> None:
    async with serving(Script(completions=False, refuses=(refused,))) as wire, client(wire) as model:
        drawn = Sampling(temperature=1.0, max_tokens=50, stop=("END",))
        found = await one(model, Generate("lake", drawn))
        assert found.error is None
        assert refused not in wire.bodies[-1]


async def test_what_a_model_that_only_draws_at_temperature_1_can_not_be_asked_is_one_sentence() -> None:
    async with serving(Script(completions=False, refuses=("temperature", "logprobs"))) as wire, client(wire) as model:
        assert "ask with --temperature 1" in str(await model.refusal(Generate("q", Sampling())))
        assert "a letter would be drawn by chance" in str(await model.refusal(LETTERED))
        assert await model.refusal(Generate("q", Sampling(temperature=1.0))) is None


async def test_a_servers_own_cut_of_unlikely_tokens_is_switched_off() -> None:
    async with serving(Script(min_p=0.05)) as wire, client(wire) as model:
        assert any("min_p 0 is sent" in words for words in (await model.capabilities()).adapted)
        await one(model, Generate("lake", WARM))
        assert wire.bodies[-1]["min_p"] == 0
        await one(model, Generate("lake", Sampling()))
        assert "min_p" not in wire.bodies[-1], "nothing is cut where the likeliest token is taken"
    async with serving(Script(refuses=("min_p", "top_k"))) as wire, client(wire) as model:
        await one(model, Generate("lake", WARM))
        assert not {"min_p", "top_k"} & set(wire.bodies[-1])


async def test_samples_drawn_with_a_servers_own_cut_are_not_taken_for_those_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def asked(wire: Wire) -> list[bool]:
        async with client(wire, tmp_path / "cache") as model:
            answers = [await one(model, Generate("lake", how)) for how in (WARM, Sampling())]
            return [answer.generations[0].cached for answer in answers]

    async with serving(Script(min_p=0.05)) as wire:
        with monkeypatch.context() as before:
            before.setattr(Inquiry, "_whole", AsyncMock())
            assert await asked(wire) == [False, False]
        assert await asked(wire) == [False, True], "greedy answers are not cut, and stay"
        assert await asked(wire) == [True, True]


async def test_candidates_drawn_with_a_servers_own_cut_are_drawn_again_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    teacher, prompts = tmp_path / "teacher.toml", asked(tmp_path, 2)

    async def drawn(wire: Wire) -> list[float | None]:
        teacher.write_text(f'model = "wire"\nurl = "{wire.url}"\n', "utf-8")
        before = len(wire.bodies)
        done = await inherit("sample", teacher, "--prompts", prompts, "-k", "3", "--out", tmp_path / "pool")
        assert done.code == 0, done.err
        return [body.get("min_p") for body in wire.bodies[before:] if "question" in str(body)]

    async with serving(Script(min_p=0.05)) as wire:
        with monkeypatch.context() as before:
            before.setattr(Inquiry, "_whole", AsyncMock())
            assert await drawn(wire) == [None, None]
        assert await drawn(wire) == [0, 0]
        assert await drawn(wire) == []


@pytest.mark.parametrize("chat", [True, False])
async def test_a_bill_that_counts_one_of_the_samples_makes_tokens_and_cost_at_least_so_much(
    tmp_path: Path, chat: bool
) -> None:
    script = Script(bills_one=True, completions=not chat, weights="b" if chat else "e")
    async with serving(script) as wire, client(wire) as model:
        assert any("at least" in words for words in (await model.capabilities()).adapted)
        assert (await one(model, Generate("lake", WARM, n=3))).usage.short
        assert not (await one(model, Generate("lake", Sampling()))).usage.short
    async with serving(script) as wire:
        words = ("-p", "toxicity", "--limit", "2", "--samples", "3", "-o", tmp_path)
        assert (await inherit("profile", "wire", "--url", wire.url, *words)).code == 0
        assert (await inherit("show", "latest", "-o", tmp_path, "--save", tmp_path / "page.html")).code == 0
        assert " in, at least " in (tmp_path / "page.html").read_text("utf-8")
        teacher = tmp_path / "teacher.toml"
        teacher.write_text(f'model = "wire"\nurl = "{wire.url}"\nprice = [1e6, 1e6]\n', "utf-8")
        drawn = ("-k", "3", "--out", tmp_path / "pool")
        done = await inherit("sample", teacher, "--prompts", asked(tmp_path, 2), *drawn)
        assert "cost at least " in done.err, done
    async with serving() as wire, client(wire) as model:
        assert not (await one(model, Generate("lake", WARM, n=3))).usage.short


@pytest.mark.parametrize(
    "fault", [Fault("drip"), Fault("drip", after=4), Fault("drip", "The nurse told"), Fault("hang")]
)
async def test_doctor_ends_in_its_time_however_slowly_a_server_answers(
    fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(discovery, "ALL", 1.0)
    async with serving(Script(faults=(fault,))) as wire:
        done = await inherit("doctor", "wire", "--url", wire.url)
        assert done.code == 1
        assert f"{wire.url} did not answer the first small questions within 1 s; is it busy?" in done.err


async def test_doctor_ends_where_a_reply_has_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "LARGEST", 2**22)
    async with serving(Script(faults=(Fault("endless"),))) as wire:
        done = await inherit("doctor", "wire", "--url", wire.url)
        assert done.code == 1
        assert "the server sent a reply of more than " in done.err
