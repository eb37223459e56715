"""lm-eval finds our tasks and is told what it must know, and what it leaves becomes a profile; none needs lm-eval."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner

import inheritance_profile_finder as finder
from profiler import cli, probes
from profiler.endpoints.requests import Answer
from profiler.errors import BadData, WrongUse
from profiler.harnesses import imported
from profiler.harnesses.lm_eval import options
from profiler.harnesses.lm_eval import results as lm_eval_results
from profiler.probes import ProbeOptions, forms
from profiler.records import Likelihood, Sample, Sampling
from profiler.runs import sample_store
from profiler.runs.rescore import rescored
from profiler.runs.run import BATCH, AnsweredItem, Progress, scored, section

TASKS = Path(finder.FOLDER)
MANAGER = """
class TaskManager:
    def __init__(self, verbosity=None, include_path=None, include_defaults=True, metadata=None):
        self.include_path = include_path
"""


def python(code: str, where: Path, **environment: str) -> str:
    """What CODE prints in an interpreter that has read our .pth file and finds WHERE's lm_eval."""
    started = (TASKS / "inheritance_profile.pth").read_text("utf-8")
    path = os.pathsep.join([str(where), str(TASKS.parent)])
    done = subprocess.run(
        [sys.executable, "-W", "always", "-c", f"{started}\n{code}"],
        env={**os.environ, "PYTHONPATH": path, **environment},
        cwd=where,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout + done.stderr


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with an lm_eval whose task manager shows where it looks."""
    package = tmp_path / "lm_eval" / "tasks"
    package.mkdir(parents=True)
    for folder in (package, package.parent):
        (folder / "__init__.py").touch()
    (package / "manager.py").write_text(MANAGER, "utf-8")
    return tmp_path


def test_lm_eval_looks_into_our_folder_without_being_told(place: Path) -> None:
    said = python("from lm_eval.tasks.manager import TaskManager as T; print(T().include_path)", place)
    assert said.strip() == repr([finder.FOLDER])


def test_folders_of_the_user_come_after_ours_and_so_win(place: Path) -> None:
    code = "from lm_eval.tasks.manager import TaskManager as T; print(T(include_path='mine').include_path)"
    assert python(code, place).strip() == repr([finder.FOLDER, "mine"])


def test_our_folder_named_by_the_user_is_not_read_twice(place: Path) -> None:
    code = f"from lm_eval.tasks.manager import TaskManager as T; print(T(None, {finder.FOLDER!r} + '/').include_path)"
    assert python(code, place).strip() == repr([finder.FOLDER])


def test_a_manager_without_its_own_tasks_is_left_without_ours(place: Path) -> None:
    code = "from lm_eval.tasks.manager import TaskManager as T; print(T(include_defaults=False).include_path)"
    assert python(code, place).strip() == "None"


def test_a_variable_turns_the_finder_off(place: Path) -> None:
    code = "from lm_eval.tasks.manager import TaskManager as T; print(T().include_path)"
    assert python(code, place, INHERIT_LM_EVAL="off").strip() == "None"
    code = "from inheritance_profile_finder import state; print(state())"
    assert python(code, place, INHERIT_LM_EVAL="off").strip() == "off, by INHERIT_LM_EVAL"
    assert python(code, place).strip() == "yes"


def test_an_lm_eval_of_another_shape_is_not_broken(place: Path) -> None:
    (place / "lm_eval" / "tasks" / "manager.py").write_text("fine = True", "utf-8")
    said = python("import lm_eval.tasks.manager as m; print(m.fine)", place)
    assert "True" in said
    assert "lm-eval was not told of the inherit_* tasks" in said
    assert "inherit tasks-path" in said


def test_starting_python_imports_nothing_else(place: Path) -> None:
    code = "import sys; print(*sorted(sys.modules))"
    before = subprocess.run(
        [sys.executable, "-W", "always", "-c", code], capture_output=True, text=True, check=True, cwd=place
    ).stdout.split()
    assert set(python(code, place).split()) - set(before) <= {"__future__", "inheritance_profile_finder"}


def test_the_command_names_the_folder() -> None:
    said = CliRunner().invoke(cli.app, ["tasks-path"])
    assert said.output.strip() == str(TASKS)


def yaml() -> dict[str, str]:
    """Each task or group by name, as its file stands."""
    found = {}
    for path in TASKS.rglob("*.yaml"):
        text = path.read_text("utf-8")
        found[text.partition("\n")[0].partition(": ")[2]] = text
    return found


def test_every_probe_has_a_task_and_every_task_a_probe() -> None:
    tasks = {name: text for name, text in yaml().items() if text.startswith("task: ")}
    asked = {name: re.findall(r"^probe: (\w+)$", text, re.MULTILINE) for name, text in tasks.items()}
    wanted = {f"inherit_{probe}": [probe] for probe in probes.served()}
    assert asked == wanted, "a probe's task is a YAML file of three lines in lm_eval_tasks/, and a line in groups/"


def groups() -> dict[str, list[str]]:
    files = yaml().items()
    return {name: re.findall(r"^  - (\w+)$", text, re.MULTILINE) for name, text in files if text.startswith("group: ")}


def test_the_profile_holds_what_is_asked_when_no_probe_is_named() -> None:
    inside = [task for group in groups()["inheritance_profile"] for task in groups()[group]]
    assert sorted(inside) == sorted(f"inherit_{probe}" for probe in forms.default())


def test_the_profile_of_a_chat_endpoint_holds_the_forms_in_words() -> None:
    wanted = [f"inherit_{[*probes.get(probe).in_words, probe][0]}" for probe in forms.default()]
    assert sorted(groups()["inheritance_profile_chat"]) == sorted(wanted)


def test_options_stand_among_the_models_arguments() -> None:
    metadata = {"pretrained": "gpt2", "dtype": "float32", "suite": "mini", "samples": 5, "lang": "de"}
    assert options.options(metadata) == ProbeOptions(suite="mini", lang="de", samples=5)


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        ({"suite": "papers"}, "`suite`: expected one of 'auto', 'mini', 'paper' or 'full', found 'papers'"),
        ({"samples": 0}, "`samples`: expected at least 1, found 0"),
        ({"samples": "many"}, "`samples`: expected a whole number"),
    ],
)
def test_an_option_that_cannot_be_meant_is_named(metadata: Mapping[str, object], said: str) -> None:
    with pytest.raises(WrongUse, match=re.escape(said)):
        options.options(metadata)


def test_a_folder_of_data_that_is_not_there_is_named() -> None:
    with pytest.raises(WrongUse, match="no such folder"):
        options.folder({"data": "/nowhere"})


def test_an_instrument_that_lm_eval_lacks_is_named() -> None:
    with pytest.raises(WrongUse, match="loglikelihood, letter"):
        options.scoring_method({"scoring_method": "top_logprobs"})


def test_each_sample_of_a_server_has_a_seed_and_none_elsewhere() -> None:
    drawn = Sampling(temperature=1.0, top_p=0.9, max_tokens=20)
    assert options.arguments(drawn, 7) == {
        "until": [],
        "max_gen_toks": 20,
        "temperature": 1.0,
        "top_p": 0.9,
        "seed": 7,
    }
    here = options.arguments(drawn)
    assert "seed" not in here
    assert here["do_sample"] is True


def test_generation_arguments_become_our_sampling() -> None:
    changed = {"temperature": 0.7, "max_gen_toks": 30, "until": ["\n"], "do_sample": True}
    assert options.sampling(changed) == {"temperature": 0.7, "max_tokens": 30, "stop": ("\n",)}
    assert options.sampling({"top_k": 5, "repetition_penalty": 1.2}) == {"top_k": 5, "repetition_penalty": 1.2}
    with pytest.raises(WrongUse, match="num_beams"):
        options.sampling({"num_beams": 5})


def test_top_k_is_handed_to_a_checkpoint_and_refused_for_a_server_that_may_ignore_it() -> None:
    drawn = Sampling(temperature=1.0, top_k=50, repetition_penalty=1.2)
    here = options.arguments(drawn)
    assert (here["top_k"], here["repetition_penalty"]) == (50, 1.2)
    with pytest.raises(WrongUse, match="heeds top_k, repetition_penalty"):
        options.arguments(drawn, 7)


class Words:
    """A tokenizer of words that opens texts with <s>, or not."""

    bos_token = "<s>"

    def __init__(self, opens: bool = True) -> None:
        self.bos_token_id = 0 if opens else None

    def encode(self, text: str, *, add_special_tokens: bool = True) -> list[int]:
        opening = [0] if add_special_tokens and self.bos_token_id == 0 else []
        return opening + [len(word) for word in text.split()]


SERVER = {"model": "m", "base_url": "http://localhost:8000/v1/completions"}


@pytest.mark.parametrize(
    ("said", "extra"),
    [
        ("leaves that out", {}),
        ("stands there twice", {"add_bos_token": True, "tokenized_requests": False}),
        ("weighs a token of the context", {"tokenized_requests": False}),
    ],
)
def test_a_server_asked_without_its_first_token_is_refused(said: str, extra: Mapping[str, object]) -> None:
    with pytest.raises(WrongUse, match=said) as error:
        options.EvaluatedModel({**SERVER, "tokenizer": Words(), **extra}).check(weighs=True)
    assert "add_bos_token=True into --model_args" in str(error.value)


@pytest.mark.parametrize(
    "arguments",
    [
        {**SERVER, "tokenizer": Words(), "add_bos_token": True},
        {**SERVER, "tokenizer": Words(opens=False)},
        {**SERVER, "base_url": "http://localhost:8000/v1/chat/completions"},
        {"pretrained": "gpt2"},
    ],
)
def test_other_models_are_asked(arguments: Mapping[str, object]) -> None:
    options.EvaluatedModel(arguments).check(weighs=True)


def test_texts_that_are_sent_as_they_are_need_no_first_token() -> None:
    options.EvaluatedModel({**SERVER, "tokenizer": Words(), "tokenized_requests": False}).check(weighs=False)


def test_only_the_continuation_is_counted() -> None:
    count = options.EvaluatedModel({"tokenizer": Words()}).count
    assert count("Who was late? ", "the nurse") == 2
    assert count("", "The nurse slept.") == 3


def test_a_model_without_a_known_tokenizer_says_what_is_missing() -> None:
    with pytest.raises(WrongUse, match="tokenizer=PATH_OR_ID"):
        options.EvaluatedModel({}).count("", "The nurse slept.")


# What lm-eval leaves


def asked(count: int = 40) -> list[Sample]:
    """Samples of BBQ's mini set, one of each three options taken in turn."""
    probe = probes.get("bbq").build(ProbeOptions(suite="mini", limit=count))
    answers = [
        AnsweredItem(
            item,
            probe.ask(item),
            Answer(
                "loglikelihood",
                likelihoods=tuple(Likelihood(total=-4.0 + (place == number % 3), tokens=3) for place in range(3)),
            ),
        )
        for number, item in enumerate(probe.items)
    ]
    return scored(probe, answers[:BATCH])


def left(where: Path, samples: list[Sample], effective: int | None = None, **results: object) -> Path:
    """A folder as lm-eval 0.4.13 leaves it."""
    probe = probes.get("bbq").build(ProbeOptions(suite="mini", limit=len(samples)))
    metadata = {
        "version": 1,
        "inherit": section(probe, Progress("bbq", len(samples), len(samples), how="loglikelihood")).model_dump(),
        "versions": {"inheritance-profiler": "0.1", "spacy": "3.8.18"},
    }
    whole = {
        "results": {},
        "configs": {"inherit_bbq": {"task": "inherit_bbq", "metadata": metadata}, "arc_easy": {"metadata": {}}},
        "n-samples": {"inherit_bbq": {"original": 192, "effective": effective or len(samples)}},
        "config": {"model": "hf", "model_args": {"pretrained": "models/base"}},
        "date": 1795263988.4,
        "lm_eval_version": "0.4.13",
        "chat_template": None,
        "total_evaluation_time_seconds": "12.3456",
    }
    folder = where / "models__base"
    folder.mkdir(parents=True)
    lines = [orjson.dumps({"doc_id": 0, "items": sample.model_dump(exclude_defaults=True)}) for sample in samples]
    (folder / "samples_inherit_bbq_2026-11-21T12-26-56.057615.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    (folder / "results_2026-11-21T12-26-56.057615.json").write_bytes(orjson.dumps(whole | results))
    return where


def test_what_lm_eval_left_becomes_a_profile_with_the_same_numbers(tmp_path: Path) -> None:
    samples = asked()
    done = imported.keep(lm_eval_results.harvest(left(tmp_path / "lm", samples)), tmp_path / "runs")
    probe = probes.get("bbq").build(ProbeOptions(suite="mini", limit=40))
    rows = [{"item": s.item, "likelihoods": [[one.total, one.tokens] for one in s.likelihoods]} for s in samples]
    assert list(done.estimates) == rescored(probe, rows).estimates
    assert done.endpoint.model == "models/base"
    assert done.versions == {"inheritance-profiler": "0.1", "spacy": "3.8.18", "lm-eval": "0.4.13"}
    assert (done.seconds, done.errors) == (12.346, 0)
    assert sorted(sample.item for sample in sample_store.Run(tmp_path / "runs" / done.id).samples("bbq")) == sorted(
        sample.item for sample in samples
    )


def test_the_same_results_are_kept_once(tmp_path: Path) -> None:
    results = left(tmp_path / "lm", asked(4))
    first, second = (imported.keep(lm_eval_results.harvest(results), tmp_path / "runs") for _ in range(2))
    assert first.id == second.id
    assert len(sample_store.runs(tmp_path / "runs")) == 1


def test_the_command_shows_the_profile(tmp_path: Path) -> None:
    results = left(tmp_path / "lm", asked(12))
    said = CliRunner().invoke(
        cli.app, ["report", "--lm-eval", str(results), "--out", str(tmp_path / "runs"), "--name", "base"]
    )
    assert said.exit_code == 0, said.output
    assert "base · " in said.output
    assert "bbq [mini]" in said.output
    assert "accuracy_ambig" in said.output


def test_a_servers_address_and_no_key_is_kept(tmp_path: Path) -> None:
    arguments = {**SERVER, "auth_token": "secret"}
    results = left(tmp_path / "lm", asked(4), config={"model": "local-completions", "model_args": arguments})
    done = imported.keep(lm_eval_results.harvest(results), tmp_path / "runs")
    assert done.endpoint.url == "http://localhost:8000/v1"
    assert "secret" not in done.model_dump_json()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"configs": {"arc_easy": {"metadata": {"version": 1}}}},
            "none of the inherit_* tasks; its tasks are arc_easy",
        ),
        ({"n-samples": {"inherit_bbq": {"effective": 5}}}, "asked 5 items, but 4 samples"),
    ],
)
def test_results_that_are_no_whole_profile_are_refused(tmp_path: Path, change: dict[str, object], said: str) -> None:
    with pytest.raises(BadData, match=re.escape(said)):
        lm_eval_results.harvest(left(tmp_path, asked(4), **change))


def test_results_without_samples_say_how_to_get_them(tmp_path: Path) -> None:
    results = left(tmp_path, asked(4))
    next(results.rglob("samples_*")).unlink()
    with pytest.raises(BadData, match="--log_samples"):
        lm_eval_results.harvest(results)


def test_answers_that_were_only_kept_are_no_profile(tmp_path: Path) -> None:
    results = left(tmp_path, asked(1))
    next(results.rglob("samples_*")).write_bytes(b'{"doc_id": 0}\n')
    with pytest.raises(BadData, match="--predict_only"):
        lm_eval_results.harvest(results)


def test_a_folder_without_results_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadData, match=r"no results of lm-eval under .*results_\*\.json"):
        lm_eval_results.harvest(tmp_path)


def test_of_several_results_the_newest_is_taken(tmp_path: Path) -> None:
    left(tmp_path / "a", asked(4))
    newer = tmp_path / "a" / "results_2026-11-22T08-00-00.000000.json"
    newer.write_bytes(b"{}")
    with pytest.raises(BadData, match="2026-11-22"):
        lm_eval_results.harvest(tmp_path)


def test_the_start_of_python_is_held_up_by_less_than_a_millisecond(tmp_path: Path) -> None:
    compiled = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(tmp_path)}  # as pip leaves it
    taken = []
    for _ in range(7):
        said = subprocess.run(
            [sys.executable, "-X", "importtime", "-c", (TASKS / "inheritance_profile.pth").read_text("utf-8")],
            env={**os.environ, "PYTHONPATH": str(TASKS.parent), **compiled},
            capture_output=True,
            text=True,
            check=True,
        ).stderr
        found = re.search(r"\|\s+(\d+) \|\s+inheritance_profile_finder", said)
        assert found is not None
        taken.append(int(found[1]))
    assert min(taken) < 1000, "microseconds"


def test_a_users_folder_of_our_tasks_name_stays_the_users(place: Path) -> None:
    (place / "lm_eval_tasks").mkdir()
    (place / "lm_eval_tasks" / "__init__.py").write_text("print('mine')", "utf-8")
    code = "from lm_eval.tasks.manager import TaskManager as T; print(T().include_path); import lm_eval_tasks"
    assert python(code, place).splitlines() == [repr([finder.FOLDER]), "mine"]
