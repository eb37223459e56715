"""The command as a user types it: what it prints, what it leaves, how it exits."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from profiler.runs import sample_store
from tests.support.command import SECRET, Done, asked, inherit
from tests.support.wire import Fault, Script, Wire, serving


async def process(*words: str | Path, folder: Path) -> Done:
    """The command as a process of its own."""
    started = await asyncio.create_subprocess_exec(
        Path(sys.executable).with_name("inherit"),
        *map(str, words),
        cwd=folder,
        env={**os.environ, "OPENAI_API_KEY": SECRET},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(started.communicate(), 90)
    return Done(int(started.returncode or 0), out.decode(), err.decode())


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


async def profiled(wire: Wire, folder: Path, *words: str) -> Done:
    return await inherit("profile", "wire", "--url", wire.url, "--prompts", asked(folder), *words)


async def test_profile_prints_a_table_and_leaves_a_profile_samples_and_a_report(tmp_path: Path) -> None:
    async with serving() as wire:
        done = await profiled(wire, tmp_path)
    run = sample_store.load("latest", tmp_path / "runs")
    assert done.code == 0, done.err
    assert "mtld" in done.out
    assert "95 % interval" in done.out
    assert run.folder.name in done.err
    assert (run.folder / "report.html").read_text("utf-8").startswith("<!doctype html>")
    assert [sample.prompt for sample in run.samples("attributes")]


async def test_a_run_that_was_killed_before_its_page_gets_it_by_the_same_command(tmp_path: Path) -> None:
    async with serving() as wire:
        first = await profiled(wire, tmp_path)
        run = sample_store.load("latest", tmp_path / "runs")
        page, before = run.folder / "report.html", (run.folder / "profile.json").read_bytes()
        whole = page.read_text("utf-8")
        page.unlink()
        again = await profiled(wire, tmp_path)
        assert [one.folder for one in sample_store.runs(tmp_path / "runs")] == [run.folder]
        assert (page.read_text("utf-8"), (run.folder / "profile.json").read_bytes()) == (whole, before)
        assert f"{run.folder.name} is finished but for its page" in again.err
        assert again.out == first.out
        await profiled(wire, tmp_path)
        assert len(sample_store.runs(tmp_path / "runs")) == 2


async def test_many_numbers_end_in_one_screen_that_says_where_the_rest_is(tmp_path: Path) -> None:
    async with serving() as wire:
        done = await inherit("profile", "wire", "--url", wire.url, "--suite", "mini", "--quick")
    run = sample_store.load("latest", tmp_path / "runs")
    lines = done.out.splitlines()
    assert len(lines) + len(done.err.splitlines()[-2:]) <= 24
    assert max(map(len, lines)) <= 80
    assert lines[0].startswith("wire: ")
    assert "words an answer" in done.out
    assert f"all of them: inherit show {run.folder.relative_to(tmp_path)}" in done.out
    assert "report.html" in done.err
    assert (await inherit("show", str(run.folder))).out.count("\n") > 100


async def test_quick_asks_little_as_far_as_nothing_else_is_said(tmp_path: Path) -> None:
    words = ["profile", "wire", "--suite", "mini", "--samples", "2", "-p", "toxicity", "-p", "attributes", "-p", "bbq"]
    async with serving() as wire:
        await inherit(*words, "--quick", "--url", wire.url)
    run = sample_store.load("latest", tmp_path / "runs")
    by = {section.probe: section for section in run.profile.sections}
    assert {section.items for section in by.values()} == {12}
    assert by["attributes"].sampling.max_tokens == 48  # type: ignore[union-attr]
    assert by["toxicity"].sampling.max_tokens == 20  # type: ignore[union-attr]
    assert [section.writing.samples for section in by.values() if section.writing] == [2, 2]
    page = (run.folder / "report.html").read_text("utf-8")
    assert "--quick" in page
    async with serving() as wire:
        await inherit(*words, "--url", wire.url, "--limit", "3", "--out", "whole")
    whole = sample_store.load("latest", tmp_path / "whole")
    assert "--quick" not in (whole.folder / "report.html").read_text("utf-8")


async def test_json_is_the_stored_profile_and_nothing_else_is_on_stdout(tmp_path: Path) -> None:
    async with serving() as wire:
        done = await profiled(wire, tmp_path, "--json")
    assert json.loads(done.out) == json.loads(sample_store.load("latest", tmp_path / "runs").profile.model_dump_json())


async def test_the_key_is_sent_but_never_printed_or_stored(tmp_path: Path) -> None:
    async with serving(Script(key=SECRET)) as wire:
        words = ("--url", wire.url, "--prompts", asked(tmp_path), "--json")
        done = await process("profile", "wire", *words, folder=tmp_path)
    left = [path for path in (tmp_path / "runs").rglob("*") if path.is_file()]
    assert done.code == 0, done.err
    assert SECRET not in done.out + done.err
    assert len(left) >= 4
    assert not [path for path in left if SECRET.encode() in path.read_bytes()]


async def test_a_further_header_is_sent_by_its_variable_and_never_printed_or_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEWAY_KEY", "canary-in-a-header")
    monkeypatch.setenv("TEAM", "red")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    words = (
        "--header",
        "api-key=GATEWAY_KEY",
        "--header",
        "X-Team=TEAM",
        "--key",
        "NONE",
        "--prompts",
        asked(tmp_path),
    )
    async with serving(Script(headers={"api-key": "canary-in-a-header", "X-Team": "red"})) as wire:
        done = await inherit("profile", "wire", "--url", wire.url, *words)
        drawn = await inherit("sample", f"wire@{wire.url}", *words, "-k", "2", "--out", tmp_path / "pool")
    assert (done.code, drawn.code) == (0, 0), done.err + drawn.err
    async with serving(Script(headers={"api-key": "another"})) as wire:
        refused = await inherit("profile", "wire", "--url", wire.url, *words)
    assert refused.code == 1
    assert "[key]" in refused.err
    left = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not [path for path in left if b"canary-in-a-header" in path.read_bytes()]
    assert "canary" not in done.out + done.err + drawn.out + drawn.err + refused.out + refused.err
    (page,) = (tmp_path / "runs").rglob("report.html")
    assert "--header api-key=GATEWAY_KEY" in page.read_text("utf-8")


@pytest.mark.parametrize(
    "said", ["api-key", "api-key=sk-1234567890abcdef", "=X", "a b=X", "Content-Type=X", "x=NOT_SET"]
)
async def test_a_header_that_can_not_be_meant_is_refused_unread(said: str) -> None:
    done = await inherit("profile", "wire", "--url", "http://127.0.0.1:9/v1", "--header", said)
    assert (done.code, "--header" in done.err) == (2, True)
    assert "sk-123" not in done.err


async def test_a_wrong_key_names_the_variable_to_set(tmp_path: Path) -> None:
    async with serving(Script(key="another")) as wire:
        done = await process("profile", "wire", "--url", wire.url, folder=tmp_path)
    assert done.code == 1
    assert "OPENAI_API_KEY" in done.err
    assert "Traceback" not in done.err
    assert SECRET not in done.err


async def test_the_mini_set_is_announced_and_marked(tmp_path: Path) -> None:
    async with serving() as wire:
        done = await inherit("profile", "wire", "--url", wire.url, "-n", "2")
    assert "MINI" in done.err
    assert "[mini]" in done.out


async def test_what_an_endpoint_can_not_answer_is_left_out_unless_it_was_named(tmp_path: Path) -> None:
    async with serving(Script(echo=False)) as wire:
        done = await inherit("profile", "wire", "--url", wire.url, "-n", "4")
        named = await inherit("profile", "wire", "--url", wire.url, "-n", "4", "-p", "crows_pairs")
    asked = {section.probe for section in sample_store.load("latest", tmp_path / "runs").profile.sections}
    assert done.code == 0, done.err
    assert "crows_pairs: asked as crows_pairs_chat, another instrument, because it gives no log-prob" in done.err
    assert {"attributes", "bbq", "crows_pairs_chat", "stereoset_chat", "stereoset_inter_chat"} <= asked
    assert not {"crows_pairs", "stereoset", "stereoset_inter"} & asked
    assert (named.code, "crows_pairs can't be asked here" in named.err) == (1, True)
    assert "crows_pairs_chat asks about the same in words" in named.err


async def test_the_reading_is_the_users_choice_and_is_recorded(tmp_path: Path) -> None:
    async with serving() as wire:
        ask = ("profile", "wire", "--url", wire.url, "-n", "6", "-p", "bbq", "--scoring-method")
        runs = [await inherit(*ask, method) for method in ("loglikelihood", "top_logprobs", "letter")]
        turned = await inherit(*ask, "letter", "--order", "7")
        refused = await inherit("profile", "wire", "--url", wire.url, "-p", "crows_pairs", "--scoring-method", "letter")
    assert [run.code for run in (*runs, turned)] == [0, 0, 0, 0]
    found = sorted(sample_store.runs(tmp_path / "runs"), key=lambda run: run.profile.started)
    assert [run.profile.sections[0].how for run in found] == ["loglikelihood", "top_logprobs", "letter", "letter"]
    assert len({run.folder.name.rsplit("-", 1)[1] for run in found}) == 4, "another instrument is another plan"
    assert found[3].profile.sections[0].settings["order"] == 7
    orders = [[sample.order for sample in run.samples("bbq")] for run in found]
    assert orders[0] == [()] * 6
    assert orders[1] == orders[2] != orders[3]
    assert refused.code == 1
    assert "read by loglikelihood, not by letter" in refused.err


async def test_numbers_of_two_instruments_are_never_compared(tmp_path: Path) -> None:
    async with serving() as wire:
        ask = ("profile", "wire", "--url", wire.url, "-n", "8", "-p", "bbq", "-p")
        likely = await inherit(*ask, "crows_pairs")
        words = await inherit(*ask, "crows_pairs_chat", "--scoring-method", "letter")
    assert (likely.code, words.code) == (0, 0)
    runs = {run.profile.sections[0].how: run.folder.name for run in sample_store.runs(tmp_path / "runs")}
    done = await inherit("compare", runs["loglikelihood"], runs["letter"])
    assert done.code == 2
    assert "bbq: read by: loglikelihood → letter" in done.err
    assert (
        "crows_pairs: only the base was asked it; the other side was asked crows_pairs_chat, another instrument"
        in done.err
    )


async def test_compare_shows_a_change_and_fail_on_exits_3(tmp_path: Path) -> None:
    async with serving(Script(says={"question": " Yes. It is a long and winding answer."})) as wire:
        await profiled(wire, tmp_path, "--name", "before")
    async with serving(Script(weights="two", says={"question": " No."})) as wire:
        await profiled(wire, tmp_path, "--name", "after")
    after, before = (run.folder.name for run in sample_store.runs(tmp_path / "runs"))
    done = await inherit("compare", before, after, "--fail-on", "significant", "--junit", "checks.xml")
    assert done.out.startswith("after differs significantly from before in ")
    assert "lower" in done.out
    assert "attributes.words (" in done.err
    assert done.code == 3
    (suite,) = ElementTree.parse(tmp_path / "checks.xml").getroot()
    assert int(suite.get("failures", 0)) > 0
    bound = [await inherit("compare", before, after, "--fail-on", f"words>{most}") for most in (0, 100)]
    assert [run.code for run in bound] == [3, 0]
    unknown = await inherit("compare", before, after, "--fail-on", "wrds>1")
    assert (unknown.code, "'wrds', which was not compared; did you mean attributes." in unknown.err) == (2, True)
    alone = await inherit("compare", before, after, "--junit", "checks.xml")
    assert (alone.code, "say what must not be" in alone.err) == (2, True)


async def test_a_comparison_of_too_few_items_never_passes(tmp_path: Path) -> None:
    async with serving() as wire:
        await profiled(wire, tmp_path, "-n", "3", "--name", "before")
    async with serving(Script(weights="two")) as wire:
        await profiled(wire, tmp_path, "-n", "3", "--name", "after")
    after, before = (run.folder.name for run in sample_store.runs(tmp_path / "runs"))
    done = await inherit("compare", before, after, "--fail-on", "worse")
    assert (done.code, "--fail-on worse can tell nothing" in done.err) == (3, True)
    assert "too few items for a verdict (3)" in done.err


async def test_compare_refuses_other_questions_and_says_what_differs(tmp_path: Path) -> None:
    async with serving() as wire:
        await profiled(wire, tmp_path, "--samples", "1")
        await profiled(wire, tmp_path, "--prompt-template", "Q: {prompt} A:")
    one, two = (run.folder.name for run in sample_store.runs(tmp_path / "runs"))
    done = await inherit("compare", one, two)
    assert done.code == 2
    assert "prompt_template" in done.err


async def test_show_prints_samples_with_their_answers(tmp_path: Path) -> None:
    async with serving() as wire:
        await profiled(wire, tmp_path)
    done = await inherit("show", "latest", "attributes", "-n", "2")
    assert done.code == 0, done.err
    assert done.out.count("question") == 2


async def test_export_writes_a_row_for_each_answer(tmp_path: Path) -> None:
    async with serving() as wire:
        await profiled(wire, tmp_path, "--samples", "3", "--temperature", "1")
    await inherit("export", "latest", "attributes", "--save", "answers.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "answers.jsonl").read_text("utf-8").splitlines()]
    assert len(rows) == 18
    assert {(row["item"], row["index"]) for row in rows} == {(str(i), j) for i in range(6) for j in range(3)}
    assert all(row["words"] > 0 for row in rows)


async def test_score_measures_lines_from_stdin(tmp_path: Path) -> None:
    done = await inherit("score", "-", "-m", "words", "--json", stdin="one two three\nfour\n")
    estimate = json.loads(done.out)
    assert (estimate["metric"], estimate["value"], estimate["n"]) == ("words", 2.0, 2)


async def test_lines_on_stdin_may_come_from_windows_and_must_be_utf_8() -> None:
    words = ("score", "-", "-m", "characters", "--json")
    done = await inherit(*words, stdin=b"\xef\xbb\xbfab\r\ncd\r\n")
    assert json.loads(done.out)["value"] == 2
    done = await inherit(*words, stdin=b"ab\ncaf\xe9\n")
    assert (done.code, done.err.partition(" is")[0]) == (2, "inherit: stdin line 2")


async def test_scores_of_texts_have_their_unit_and_leave_a_file_in_a_new_folder(tmp_path: Path) -> None:
    done = await inherit("score", "-", "-m", "words", "--save", tmp_path / "new" / "scores.jsonl", stdin="one two\n")
    head, row = (re.split(r"  +", line) for line in done.out.splitlines())
    assert (head[0], row[0], row[head.index("unit")]) == ("metric", "words", "words")
    assert (tmp_path / "new" / "scores.jsonl").is_file()


async def test_a_run_that_is_compared_with_itself_is_said_to_be() -> None:
    assert "is compared with itself" in (await inherit("compare", "example/student", "example/student")).err


async def test_that_no_sample_failed_is_said() -> None:
    done = await inherit("show", "example/teacher", "bbq", "--errors")
    assert (done.out, done.err) == ("", "no sample of bbq failed\n")


async def test_an_unknown_metric_is_met_with_a_suggestion(tmp_path: Path) -> None:
    done = await inherit("score", "-", "-m", "mtdl", stdin="one\n")
    assert (done.code, done.err) == (
        2,
        "inherit: no metric 'mtdl'; did you mean 'mtld'? `inherit ls metrics` lists them\n",
    )


async def test_doctor_says_what_an_endpoint_can_not_do_and_why(tmp_path: Path) -> None:
    async with serving(Script(echo=False, n=False)) as wire:
        done = await inherit("doctor", "wire", "--url", wire.url)
    assert done.code == 0, done.err
    assert "attributes" in done.out
    assert "echo" in done.out
    assert not list(tmp_path.iterdir())


async def test_a_server_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    done = await inherit("doctor", "wire", "--url", "http://127.0.0.1:9/v1")
    assert done.code == 1
    assert "127.0.0.1:9" in done.err


async def test_failed_items_are_announced(tmp_path: Path) -> None:
    async with serving(Script(faults=(Fault("400", match="question 3", says="content filter"),))) as wire:
        done = await profiled(wire, tmp_path)
    assert done.code == 4, "one of six is more than may fail"
    assert "1 failed" in done.err
    assert "content filter" in done.err


@pytest.mark.parametrize(
    "words", [("profile",), ("compare", "a"), ("profile", "x", "--temperature", "-1"), ("nothing",)]
)
async def test_wrong_use_exits_2(tmp_path: Path, words: tuple[str, ...]) -> None:
    assert (await inherit(*words)).code == 2


async def test_ls_lists_finished_and_stopped_runs(tmp_path: Path) -> None:
    (tmp_path / "runs" / "20260101-000000-m-aa").mkdir(parents=True)
    async with serving() as wire:
        await profiled(wire, tmp_path)
    done = await inherit("ls")
    assert [line.split()[-1] for line in done.out.splitlines()[1:]] == ["done", "stopped"]
