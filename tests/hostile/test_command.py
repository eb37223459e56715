"""What should not be given to a command, and what should not come back to it: a sentence, never a traceback."""

import asyncio
import os
import sys
import tempfile
from pathlib import Path

import orjson
import pytest

from profiler import cli
from profiler.endpoints.vllm.server import port
from profiler.errors import StoreError
from profiler.files import write_whole
from profiler.reporting import progress
from profiler.runs import score_texts
from tests.support.command import asked, inherit
from tests.support.wire import Fault, Script, serving


@pytest.mark.parametrize("key", ["sk-canary-1234", "canary0123456789abcdef", "a b", "", "KEY=canary"])
async def test_a_key_in_the_place_of_its_name_is_refused_and_not_repeated(key: str, tmp_path: Path) -> None:
    async with serving() as wire:
        done = await inherit("profile", "wire", "--url", wire.url, "--key", key, "--suite", "mini", "-o", tmp_path)
    assert done.code == 2
    assert "NAME of an environment variable" in done.err
    assert "canary" not in done.err + done.out
    assert not any("canary" in path.read_text("utf-8", "replace") for path in tmp_path.rglob("*") if path.is_file())


async def test_a_run_of_which_too_much_failed_is_incomplete_and_resumed_in_its_folder(tmp_path: Path) -> None:
    words = ("profile", "wire", "-p", "attributes", "--prompts", asked(tmp_path), "-o", tmp_path / "runs")
    async with serving(Script(faults=(Fault("400", match="question 3", says="see [/foo] \x1b[31m"),))) as wire:
        done = await inherit(*words, "--url", wire.url)
        assert done.code == 4
        assert "incomplete: more than 10% failed: attributes 1 of 6; the last: 400: see [/foo] \\x1b[31m" in done.err
        assert "INCOMPLETE" in done.out
        listed = await inherit("ls", "--out", tmp_path / "runs", "--json")
        assert [row["state"] for row in orjson.loads(listed.out)] == ["incomplete"]
        (folder,) = {path.parent for path in (tmp_path / "runs").glob("*/profile.json")}
        wire.script = Script()
        done = await inherit(*words, "--url", wire.url)
        assert done.code == 0
        assert {path.parent for path in (tmp_path / "runs").glob("*/profile.json")} == {folder}
        assert len(wire.asked("question 1")) == 1, "what was answered is not paid again"


async def test_a_pool_without_a_usable_answer_does_not_end_well(tmp_path: Path) -> None:
    async with serving(Script(faults=(Fault("400", match="question", says="no"),))) as wire:
        teacher = tmp_path / "wire.toml"
        teacher.write_text(f'model = "wire"\nurl = "{wire.url}"\n', "utf-8")
        done = await inherit("sample", teacher, "--prompts", asked(tmp_path), "-k", "2", "--out", tmp_path / "pool")
    assert done.code == 4
    assert "'wire' 6 of 6: 400: no" in done.err


def test_foreign_words_on_a_terminal_are_no_markup_and_move_no_cursor(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")
    with progress.Bar() as bar:
        bar.step("[bold]probe[/nope]", 1, 2, "400: see [/foo] \x1b]0;title\x07")
    said = capsys.readouterr().err
    assert "[/foo]" in said
    assert "\x1b]0;" not in said


def test_a_wait_stands_on_a_terminal_until_it_is_over(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "200")
    with progress.Bar() as bar:
        bar.wait("waiting: http://h: 429: see [/foo] \x1b]0;title\x07; next try in 9 s")
        assert [task.description for task in bar._rich.tasks] == ["waiting"]
        bar._rich.refresh()
        bar.step("probe", 1, 2)
        assert [task.description for task in bar._rich.tasks] == ["probe"]
    said = capsys.readouterr().err
    assert "see [/foo]" in said
    assert "\x1b]0;" not in said


@pytest.mark.parametrize("words", [["profile"], ["data", "check", "--data"], ["agree"], ["card"], ["show"]])
def test_a_name_that_no_file_can_have_is_refused_in_a_sentence(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["inherit", *words, "x" * 5000])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    said = capsys.readouterr().err
    assert (stop.value.code, said.count("\n")) == (2, 1)
    assert said.endswith("File name too long\n")


def test_what_nobody_foresaw_is_one_sentence_and_a_file(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken() -> None:
        raise ZeroDivisionError("by \x1b[31m nothing\nand more")

    monkeypatch.setattr(cli, "app", broken)
    with pytest.raises(SystemExit) as stop:
        cli.main()
    said = capsys.readouterr().err
    assert stop.value.code == 70
    assert "did not foresee (ZeroDivisionError: by \\x1b[31m nothing)" in said
    place = Path(said.partition("the details are in ")[2].strip())
    assert "broken" in place.read_text("utf-8")
    place.unlink()


@pytest.mark.slow
async def test_two_commands_do_not_pay_twice_for_one_pool(tmp_path: Path) -> None:
    async with serving(Script(latency=1.0)) as wire:
        teacher = tmp_path / "wire.toml"
        teacher.write_text(f'model = "wire"\nurl = "{wire.url}"\n', "utf-8")
        words = ("sample", teacher, "--prompts", asked(tmp_path), "-k", "2", "--out", tmp_path / "pool")
        start = (sys.executable, "-c", "from profiler.cli import main; main()", *map(str, words))
        both = [await asyncio.create_subprocess_exec(*start, stderr=asyncio.subprocess.PIPE) for _ in range(2)]
        said = [err.decode() for _, err in await asyncio.gather(*(one.communicate() for one in both))]
    assert sorted(one.returncode or 0 for one in both) == [0, 1]
    assert "another inherit is drawing" in "".join(said)
    assert len(wire.units("question")) == 12


async def test_many_writers_of_one_file_leave_one_of_their_contents_whole(tmp_path: Path) -> None:
    contents = [bytes([65 + number]) * 300_000 for number in range(8)]
    await asyncio.gather(*(asyncio.to_thread(write_whole, tmp_path / "file", content) for content in contents * 5))
    assert (tmp_path / "file").read_bytes() in contents
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_planted_link_in_the_place_of_our_claims_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / "8000").write_text("precious", "utf-8")
    (tmp_path / f"inherit-{os.getuid()}-ports").symlink_to(tmp_path / "target")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(StoreError, match="only we can write"):
        port("127.0.0.1", None)
    assert (tmp_path / "target" / "8000").read_text("utf-8") == "precious"


async def test_what_is_waited_for_is_said_with_how_long(tmp_path: Path) -> None:
    words = ("profile", "wire", "-p", "attributes", "--prompts", asked(tmp_path), "-o", tmp_path / "runs")
    for status in ("429", "503"):
        fault = Fault(status, "question 3", times=1, retry_after=2, says="see [/foo] \x1b[31m")
        async with serving(Script(faults=(fault,), weights=status)) as wire:
            done = await inherit(*words, "--url", wire.url)
        assert done.code == 0
        told = f"waiting: {wire.url}: {status}: see [/foo] \\x1b[31m; next try in 2 s, in trouble for 0 s"
        assert told in done.err


async def test_a_command_that_is_asked_for_no_wait_does_not_ask_again_at_once(tmp_path: Path) -> None:
    waits = (0, -5, "nan", "inf", "Thu, 01 Jan 1970 00:00:00 GMT", "soon")
    faults = tuple(Fault("429", f"question {at}", times=2, retry_after=wait) for at, wait in enumerate(waits))
    words = ("profile", "wire", "-p", "attributes", "--prompts", asked(tmp_path), "-o", tmp_path / "runs")
    async with serving(Script(faults=faults)) as wire:
        done = await inherit(*words, "--url", wire.url)
        assert done.code == 0
        for at in range(len(waits)):
            both = zip(wire.bodies, wire.arrived, strict=True)
            first, second, third = (when for body, when in both if f"question {at} " in str(body))
            assert second - first >= 0.25
            assert third - second >= 0.5


SAID = {"LC_ALL": "C", "PYTHONIOENCODING": "ascii"}, {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
ENDS = [("", 0, ""), (">/dev/full", 1, "could not be written to stdout"), (">&-", 0, ""), ("2>&-", 0, "")]


@pytest.mark.parametrize("locale", SAID, ids=["ascii", "posix"])
async def test_a_result_is_written_in_any_locale_to_any_stdout(locale: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text('{"text": "one two"}\n' * 9, "utf-8")
    start = f"{sys.executable} -c 'from profiler.cli import main; main()' score {tmp_path}/t.jsonl -m words"
    path = str(Path(cli.__file__).parents[2])
    for end, code, said in ENDS:
        shell = await asyncio.create_subprocess_shell(
            f"{start} {end}", stdout=-1, stderr=-1, env={**os.environ, **locale, "PYTHONPATH": path}
        )
        out, err = await shell.communicate()
        assert shell.returncode == code, err
        assert said in err.decode("ascii")
        assert b"foresee" not in err
        assert ("words" in out.decode("ascii")) == (end in {"", "2>&-"})


async def test_scores_are_in_their_place_only_whole_and_go_on_where_they_were_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts, save = tmp_path / "t.jsonl", tmp_path / "s.jsonl"
    texts.write_text("".join(f'{{"text": "{"word " * (i % 9)}"}}\n' for i in range(1000)), "utf-8")
    words = ("score", texts, "-m", "words", "-m", "mtld", "--json")
    whole = await inherit(*words, "--save", tmp_path / "whole.jsonl")
    save.write_text("precious", "utf-8")
    real, seen = score_texts.measured, []

    def stopped(batches, *rest):
        for batch, columns in real(batches, *rest):
            seen.append(len(batch))
            yield batch, columns
            if len(seen) == 2:
                raise StoreError("pulled out")

    monkeypatch.setattr(score_texts, "measured", stopped)
    assert (await inherit(*words, "--save", save)).code == 1
    assert save.read_text("utf-8") == "precious"
    (part,) = tmp_path.glob(".s.jsonl.*.scores")
    part.write_bytes(part.read_bytes()[:-5])
    done = await inherit(*words, "--save", save)
    assert sum(seen[2:]) == 1000 - 639
    assert done.out == whole.out
    assert save.read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
    assert not [*tmp_path.glob(".s.jsonl.*")]
    seen.clear()
    texts.write_text("".join(f'{{"text": "two words", "other": "one", "n": {i}}}\n' for i in range(1000)), "utf-8")
    assert (await inherit(*words, "--column", "other", "--save", save)).code == 1
    done = await inherit("score", texts, "-m", "words", "-m", "mtld", "--column", "text", "--save", save)
    assert {orjson.loads(line)["words"] for line in save.read_bytes().splitlines()} == {2}, "another column's scores"
    texts.write_text('{"text": "other"}\n', "utf-8")
    assert orjson.loads((await inherit(*words, "--save", save)).out.splitlines()[0])["value"] == 1
    done = await inherit("score", texts, "-m", "words", "--save", texts)
    assert (done.code, "is the file that is read" in done.err) == (2, True)
    assert texts.read_text("utf-8") == '{"text": "other"}\n'
