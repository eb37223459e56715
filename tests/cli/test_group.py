"""What goes for every command: help by purpose, wrong use in one sentence, -q and -v anywhere, completion."""

import json
import re
from pathlib import Path

import pytest
import typer

from profiler import cli
from tests.support.command import inherit

NOT_OURS = ("Usage:", "Error:", "Input should", "Value error", "Invalid value", "Got unexpected", "No such", "Missing ")
"""Phrases of the libraries that read command lines and records."""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["profil"], "no command 'profil'; did you mean 'profile'? `inherit --help` lists them"),
        (["profile"], "expected MODEL (demo, a path or hub id"),
        (["profile", "demo", "--limit", "x"], "--limit: expected a whole number, found 'x'"),
        (["profile", "demo", "-n", "0"], "--limit: expected at least 1, found '0'"),
        (["profile", "demo", "--temperature", "hot"], "--temperature: expected a number, found 'hot'"),
        (
            ["profile", "demo", "--suite", "big"],
            "--suite: expected one of 'auto', 'mini', 'paper', 'full', found 'big'",
        ),
        (["profile", "demo", "--limi", "3"], "no option '--limi'; did you mean '--limit'? `inherit profile --help`"),
        (["profile", "demo", "--limit"], "--limit: expected a value, found none"),
        (["profile", "demo", "more"], "expected nothing more, found 'more'"),
        (
            ["profile", "demo", "--prompt-template", "Q:"],
            "--prompt-template: must hold {prompt}, where the prompt goes",
        ),
        (["sample", "demo", "--prompts", "mini", "-o", "o", "--prompt-template", "Q:"], "--prompt-template: must hold"),
        (["profile", "demo", "--column", "text"], "--column text names a column of --prompts, and none are given"),
        (["profile", "demo", "-p", "bbq", "--prompts", "f.csv"], "--prompts is for ability, attributes, calibration"),
        (
            ["profile", "demo", "-p", "bbq", "-p", "attributes", "--subset", "toxic"],
            "--subset is for toxicity, and noth",
        ),
        (["compare", "a"], "expected OTHERS (Runs to compare with BASE), found none"),
        (["ls", "thing"], "WHAT: expected one of 'runs', 'metrics', 'probes', 'scorers', found 'thing'"),
        (["select", "pool", "-O", "max:words"], "expected --out (Folder for the data sets"),
        (["show", "latest", "-o", "nowhere"], "no run is finished in 'nowhere' yet; `inherit profile demo --quick`"),
        (["show", "example/teacher", "nothing"], "`inherit show example/teacher` lists them"),
        (["compare", "example/teacher", "example/student", "--fail-on", "better"], "not 'better'"),
        (["data", "check", "--data", "nowhere"], "no folder 'nowhere'; expected the official data files there"),
        (["show", "example/teacher", "bbq", "-n", "0"], "--limit: expected at least 1, found '0'"),
        (["show", "example/teacher", "bbq", "--save", "a.csv"], "`inherit export example/teacher bbq --save FILE`"),
    ],
)
async def test_wrong_use_names_the_option_what_was_expected_and_what_came(words: list[str], said: str) -> None:
    done = await inherit(*words)
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert done.err.count("\n") == 1
    assert not any(phrase in done.err for phrase in NOT_OURS)


async def test_a_file_of_options_is_checked_in_the_same_words(tmp_path: Path) -> None:
    (tmp_path / "options.json").write_text(json.dumps({"model": "demo", "limit": "x"}), "utf-8")
    done = await inherit("profile", f"@{tmp_path / 'options.json'}")
    assert (done.code, done.err) == (2, "inherit: --limit: expected a whole number, found 'x'\n")


async def test_help_lists_the_commands_by_purpose() -> None:
    done = await inherit("--help")
    places = [done.out.index(f"\n{purpose}") for purpose in ("See ", "Choose ", "Serve ", "Look ")]
    assert places == sorted(places)
    assert places[0] < done.out.index("  profile ") < places[1] < done.out.index("  study ") < places[2]


async def test_help_names_what_is_taken_as_its_text_does_and_parts_options_by_purpose() -> None:
    told = (await inherit("profile", "--help")).out
    assert "profile [OPTIONS] MODEL\n" in told
    assert re.search(r"-n, --limit N +Ask only so many", told)
    places = [told.index(f"\n{part}:") for part in ("Arguments", "Which model", "What it is asked", "How it answers")]
    assert places == sorted(places)
    assert "data [OPTIONS] [WHAT] [NAME...]" in " ".join((await inherit("data", "--help")).out.split())
    for name in typer.main.get_command(cli.app).commands:  # type: ignore[attr-defined]
        told = (await inherit(name, "--help")).out
        assert not re.search(r"<\w|list\[| range>|\{\w+\}\s*$", told), told


async def test_version_is_printed() -> None:
    done = await inherit("--version")
    assert done.code == 0
    assert done.out.startswith("inherit 0.")


@pytest.mark.parametrize("place", [0, 99])
async def test_quiet_leaves_the_result_and_errors_only_wherever_it_stands(place: int) -> None:
    words = ["doctor", "./nothere"]
    assert "lm-eval" in (await inherit(*words)).err
    words.insert(place, "-q")
    assert (await inherit(*words)).err.startswith("inherit: no folder './nothere'; ")


async def test_verbose_says_where_an_error_comes_from() -> None:
    plain, told = await inherit("compare", "a", "b"), await inherit("compare", "a", "b", "-v")
    assert "Traceback" not in plain.err
    assert "Traceback" in told.err
    assert "in load" in told.err
    assert told.err.endswith(plain.err)


async def test_the_shell_completes_commands_and_options(monkeypatch: pytest.MonkeyPatch) -> None:
    for words, completed in {"inherit stu": "study", "inherit profile --prob": "--probe"}.items():
        monkeypatch.setenv("_INHERIT_COMPLETE", "complete_bash")
        monkeypatch.setenv("COMP_WORDS", words)
        monkeypatch.setenv("COMP_CWORD", str(words.count(" ")))
        assert completed in (await inherit()).out.split()


async def test_a_model_that_is_not_there_is_said_before_data_are_looked_for(tmp_path: Path) -> None:
    words = ("-p", "ability", "--prompts", str(tmp_path / "none.jsonl"), "-o", str(tmp_path))
    done = await inherit("profile", "./nothere", *words)
    assert done.err == (
        "inherit: no folder './nothere'; expected a checkpoint's folder, a hub id such as 'org/name', or 'demo'\n"
    )
    done = await inherit("profile", "m", "--url", "nonsense", *words)
    assert done.err == "inherit: expected --url http://HOST/v1 or https://HOST/v1, found 'nonsense'\n"
