"""`inherit sample`: candidates of one or several teachers, kept as they come and never paid for twice."""

from __future__ import annotations

import asyncio
import json
import random
from pathlib import Path

import pytest

from profiler.cli import main
from profiler.datasets import prompts
from profiler.errors import BadData, InheritError, StoreError, UnknownName, WeightsChanged, WrongUse
from profiler.records import Endpoint
from selection import Pool, SampleOptions
from selection.sample import TeacherProgress, UniquePrompts
from selection.teacher import read_teacher, spec_teachers, teacher_fields
from tests.support.command import inherit
from tests.support.killing import asked_again, finish, kill_in_the_middle
from tests.support.pool import asked, questions, rows, teacher
from tests.support.wire import Fault, Script, serving


async def test_every_candidate_says_who_wrote_it_how_and_from_which_seed(tmp_path: Path) -> None:
    async with serving() as wire:
        (share,) = await asked(questions(tmp_path), [teacher(wire)], tmp_path / "pool")
    found = rows(tmp_path / "pool")
    assert len(found) == 15
    row = found["question 4 end", "wire", 2]
    assert (row.seed, row.finish in ("stop", "length"), bool(row.fingerprint)) == (5, True, True)
    assert row.sampling == teacher(wire).sampling
    assert row.usage.completion > 0
    assert (share.done, share.failed, share.error) == (5, 0, None)
    assert len({each.text for key, each in found.items() if key[0] == "question 4 end"}) == 3


async def test_several_teachers_stand_side_by_side_and_one_may_join_later(tmp_path: Path) -> None:
    asking = questions(tmp_path)
    async with serving() as one, serving(Script(weights="two")) as two:
        terse = teacher(two, "terse", k=2, prompt_template="Briefly. {prompt}")
        await asked(asking, [teacher(one)], tmp_path / "pool")
        before = len(one.units("question"))
        await asked(asking, [teacher(one), terse], tmp_path / "pool")
        assert len(one.units("question")) == before, "the first is not asked again"
        assert {body["prompt"] for body in two.asked("question")} == {f"Briefly. question {n} end" for n in range(5)}
    assert Pool(tmp_path / "pool").about.sources == ("wire", "terse")
    assert len(rows(tmp_path / "pool")) == 5 * 3 + 5 * 2


async def test_more_candidates_keep_those_that_are_there(tmp_path: Path) -> None:
    asking = questions(tmp_path)
    async with serving() as wire:
        await asked(asking, [teacher(wire)], tmp_path / "pool")
        few, paid = rows(tmp_path / "pool"), len(wire.units("question"))
        await asked(asking, [teacher(wire, k=5)], tmp_path / "pool")
        assert len(wire.units("question")) == paid + 5 * 2
    many = rows(tmp_path / "pool")
    assert len(many) == 25
    assert all(many[key].text == row.text for key, row in few.items())


async def test_a_repeated_prompt_is_asked_once(tmp_path: Path) -> None:
    asking = questions(tmp_path, 3, also=["question 1 end", "日本語 🙂 end", "long " * 20_000])
    assert (asking.survey.count, asking.survey.repeats) == (5, 1)
    async with serving() as wire:
        await asked(asking, [teacher(wire)], tmp_path / "pool")
    assert len(rows(tmp_path / "pool")) == 15


async def test_a_teacher_that_goes_away_keeps_what_it_answered_and_finishes_later(tmp_path: Path) -> None:
    asking = questions(tmp_path, 40)
    async with serving() as steady, serving(Script(weights="shaky")) as shaky:
        both = [teacher(steady), teacher(shaky, "shaky", endpoint=Endpoint(model="wire", url=shaky.url))]
        shaky.faults.append(Fault("401", match="question", after=6, says="the key was withdrawn"))
        good, gone = await asked(asking, both, tmp_path / "pool")
        assert (good.done, good.error) == (40, None)
        assert gone.failed or gone.error
        kept = [row for row in rows(tmp_path / "pool").values() if row.source == "shaky"]
        assert 0 < len(kept) < 120
        paid = len(shaky.units("question"))
        shaky.faults.clear()
        good, gone = await asked(asking, both, tmp_path / "pool")
        assert (gone.done, gone.failed, gone.error) == (40, 0, None)
        assert len(shaky.units("question")) == 120, "what was answered is not asked again"
        assert paid < 120
    assert len(rows(tmp_path / "pool")) == 240


async def test_a_teacher_that_is_not_there_does_not_stop_the_others(tmp_path: Path) -> None:
    async with serving() as wire:
        nobody = teacher(wire, "nobody", endpoint=Endpoint(model="x", url="http://127.0.0.1:9/v1"))
        good, gone = await asked(questions(tmp_path), [teacher(wire), nobody], tmp_path / "pool")
    assert good.error is None
    assert gone.error is not None
    assert "127.0.0.1:9" in gone.error
    assert len(rows(tmp_path / "pool")) == 15


def test_the_command_names_a_teacher_that_is_not_there_and_ends_with_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    questions(tmp_path)
    words = ["sample", "m@http://127.0.0.1:9/v1", "--prompts", str(tmp_path / "questions.jsonl")]
    monkeypatch.setattr("sys.argv", ["inherit", *words, "--out", str(tmp_path / "pool")])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    told = capsys.readouterr()
    assert "no connection to http://127.0.0.1:9/v1: Connection refused" in told.err
    assert "run the same command again to resume" in told.err
    assert "m: 0 of 5 prompts" in told.out


async def test_one_request_that_fails_is_named_and_asked_again(tmp_path: Path) -> None:
    asking = questions(tmp_path)
    async with serving(Script(faults=(Fault("400", match="question 2", says="too long"),))) as wire:
        (share,) = await asked(asking, [teacher(wire)], tmp_path / "pool")
        assert share.failed == 1
        assert "too long" in (share.last_error or "")
        (segment,) = Pool(tmp_path / "pool").segments()
        footer = Pool(tmp_path / "pool").footer(segment)
        assert footer is not None
        assert ["too long" in why for why in footer.failed.values()] == [True]
        paid = len(wire.units("question"))
        await asked(asking, [teacher(wire)], tmp_path / "pool")
        assert len(wire.units("question")) == paid, "the others are not"


async def test_other_weights_under_one_name_are_refused(tmp_path: Path) -> None:
    asking = questions(tmp_path)
    async with serving() as wire:
        await asked(asking, [teacher(wire)], tmp_path / "pool")
    async with serving(Script(weights="others")) as wire:
        with pytest.raises(WeightsChanged, match="'wire' is not the one whose candidates are in"):
            await asked(asking, [teacher(wire)], tmp_path / "pool")


async def test_weights_that_wobble_are_known_again_without_the_journal(tmp_path: Path) -> None:
    asking = questions(tmp_path)
    async with serving(Script(wobble=0.02)) as wire:
        await asked(asking, [teacher(wire)], tmp_path / "pool")
        paid = len(wire.units("question"))
        for path in (tmp_path / "pool").glob("cache.sqlite*"):
            path.unlink()
        await asked(asking, [teacher(wire)], tmp_path / "pool")
        assert len(wire.units("question")) == paid, "the block is whole"


async def test_a_pool_takes_no_other_prompts_and_no_other_sampling(tmp_path: Path) -> None:
    async with serving() as wire:
        await asked(questions(tmp_path), [teacher(wire)], tmp_path / "pool")
        with pytest.raises(WrongUse, match="was asked otherwise"):
            await asked(questions(tmp_path), [teacher(wire, system="Be brief.")], tmp_path / "pool")
        with pytest.raises(WrongUse, match="holds answers to other prompts"):
            await asked(questions(tmp_path, 6), [teacher(wire)], tmp_path / "pool")


async def test_a_full_disk_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    async with serving() as wire:
        asking = questions(tmp_path)
        monkeypatch.setattr("os.fsync", full)
        with pytest.raises(StoreError, match="the disk is full; make room and run the same command again"):
            await asked(asking, [teacher(wire)], tmp_path / "pool")
        monkeypatch.undo()
        await asked(asking, [teacher(wire)], tmp_path / "pool")
        assert len(wire.units("question")) == 15, "nothing is paid twice"


async def test_prompts_must_be_named() -> None:
    done = await inherit("sample", "demo", "--out", "pool")
    assert done.code == 2
    assert "expected --prompts (" in done.err


def test_no_prompts_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "empty.jsonl"
    path.write_text("", "utf-8")
    with pytest.raises(BadData, match="holds no rows"):
        _ = UniquePrompts(prompts(str(path))).survey


def test_cost_and_time_left_are_told() -> None:
    one = read_teacher("demo", {"price": (0.5, 1.5)})
    share = TeacherProgress(one, total=100)
    share.done, share.seconds = 50, 100.0
    share.usage = share.usage.model_copy(update={"prompt": 1_000_000, "completion": 2_000_000})
    assert share.words() == "20,000 tokens/s · 100 s left · cost 3.50 of about 7.00".replace("100 s", "2 min")
    assert share.cost == 3.5


def test_a_teacher_is_named_by_a_word_or_a_file(tmp_path: Path) -> None:
    path = tmp_path / "terse.toml"
    path.write_text(
        'model = "demo"\nname = "terse"\nsystem = "Be brief."\ntemperature = 0.5\nk = 2\nrepetition_penalty = 1.1\n',
        "utf-8",
    )
    named = ["demo", "org/m@http://localhost:8000/v1", str(path)]
    plain, served, terse = spec_teachers(
        SampleOptions.model_validate(
            {"teachers": named, "out": "", "prompts": "mini", "k": 8, "top_p": 0.9, "top_k": 50}
        )
    )
    assert (plain.name, plain.endpoint.url, plain.k) == ("demo", None, 8)
    assert served.endpoint == Endpoint(model="org/m", url="http://localhost:8000/v1")
    assert (terse.name, terse.k, terse.sampling.temperature, terse.sampling.top_p) == ("terse", 2, 0.5, 0.9)
    assert (terse.sampling.top_k, terse.sampling.repetition_penalty) == (50, 1.1)
    assert teacher_fields(terse)["repetition_penalty"] == 1.1
    assert "repetition_penalty" not in teacher_fields(plain)


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        ('model = "demo"\ntemprature = 1', UnknownName, "did you mean 'temperature'"),
        ("model = demo", BadData, "is not TOML"),
        ('name = "x"', BadData, "expected at least `model"),
        ('model = "demo"\nnum_beam_groups = 10', WrongUse, "num_beam_groups can't be heeded: .* no longer has diverse"),
        ('model = "demo"\nk = "many"', WrongUse, "k: expected a whole number"),
    ],
)
def test_a_teachers_file_that_is_none_is_named(tmp_path: Path, text: str, error: type[InheritError], says: str) -> None:
    path = tmp_path / "t.toml"
    path.write_text(text, "utf-8")
    with pytest.raises(error, match=says):
        read_teacher(str(path), {})


def test_two_teachers_of_one_name_are_refused() -> None:
    with pytest.raises(WrongUse, match="two teachers are called 'demo'"):
        spec_teachers(SampleOptions.model_validate({"teachers": ["demo", "demo"], "out": "", "prompts": "mini"}))


def command(url: str, path: Path, out: Path) -> list[str]:
    words = ["sample", f"wire@{url}", "--prompts", str(path), "-k", "2", "--max-tokens", "20", "--concurrency", "8"]
    return ["-c", "from profiler.cli import main; main()", *words, "--out", str(out)]


async def test_the_command_samples_and_selects(tmp_path: Path) -> None:
    questions(tmp_path, 20)
    async with serving() as wire:
        await finish(command(wire.url, tmp_path / "questions.jsonl", tmp_path / "pool"))
    words = ["select", str(tmp_path / "pool"), "-O", "max:words", "-m", "words", "--skip-filter", "all"]
    await finish(["-c", "from profiler.cli import main; main()", *words, "--out", str(tmp_path / "out")])
    made = [json.loads(line) for line in (tmp_path / "out" / "chosen.jsonl").read_text("utf-8").splitlines()]
    assert len(made) == 20
    assert {row["source"] for row in made} == {"wire"}
    assert all(row["fingerprint"] and json.loads(row["sampling"])["max_tokens"] == 20 for row in made)


@pytest.mark.slow
async def test_sampling_that_is_killed_six_times_pays_for_no_answer_twice(tmp_path: Path) -> None:
    questions(tmp_path, 3000)
    rng = random.Random(5)
    async with serving(Script(latency=0.02)) as wire:
        again = command(wire.url, tmp_path / "questions.jsonl", tmp_path / "killed")
        kills = [await kill_in_the_middle(again, wire, rng) for _ in range(6)]
        await finish(again)
        assert not asked_again(wire, kills, "question")
    async with serving() as wire:
        await finish(command(wire.url, tmp_path / "questions.jsonl", tmp_path / "whole"))
    await asyncio.sleep(0)
    killed, whole = (
        {key: (row.text, row.seed, row.usage) for key, row in rows(tmp_path / name).items()}
        for name in ("killed", "whole")
    )
    assert killed == whole
    assert len(killed) == 6000


async def test_teachers_are_asked_an_instruction_with_its_input(tmp_path: Path) -> None:
    path = tmp_path / "tasks.jsonl"
    said = [
        {"instruction": "Classify.", "input": text, "output": "It is so."} for text in ("I loved it.", "I hated it.")
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in said), "utf-8")
    async with serving() as wire:
        words = ["sample", f"wire@{wire.url}", "--prompts", str(path), "-k", "1", "--max-tokens", "8"]
        done = await inherit(*words, "-o", str(tmp_path / "pool"))
        assert done.code == 0, done.err
        assert {body["prompt"] for body in wire.asked("Classify")} == {
            f"### Question: Classify.\n\n{text}\n### Answer:" for text in ("I loved it.", "I hated it.")
        }
        await inherit(*words, "--column", "alpaca", "-o", str(tmp_path / "filled"))
        filled = [body["prompt"] for body in wire.asked("### Input:")]
    assert "other columns with text are not asked: output" in done.err
    assert len(filled) == 2
    assert all(text.startswith("Below is an instr") and text.endswith("### Response:") for text in filled)
