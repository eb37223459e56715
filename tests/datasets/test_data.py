"""Reading prompts: any file, checked as it is read, named by its content."""

from __future__ import annotations

import gzip
import json
import sys
from dataclasses import replace
from hashlib import sha256
from itertools import islice
from pathlib import Path
from types import SimpleNamespace

import pytest

from profiler import datasets
from profiler.errors import BadData, MissingExtra, NotAvailable, WrongUse
from profiler.probes import ProbeOptions, attributes
from profiler.probes.attributes import Attributes
from profiler.probes.toxicity import Toxicity
from profiler.runs.profile import warnings
from tests.support.official import OFFICIAL, needs


def lines(path: Path, *rows: object) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def asked(where: Path | str, column: str | None = None) -> list[str]:
    return [prompt for _, prompt in datasets.prompts(str(where), column)]


def test_the_mini_set_has_at_least_sixty_different_prompts() -> None:
    prompts = asked("mini")
    assert len(set(prompts)) == len(prompts) >= 60


@pytest.mark.parametrize("name", ["p.jsonl", "p.jsonl.gz", "p.json", "p.csv", "p.tsv", "p.parquet"])
def test_prompts_are_the_same_from_every_kind_of_file(tmp_path: Path, name: str) -> None:
    path, rows = tmp_path / name, [{"prompt": "Why?", "n": "1"}, {"prompt": 'Say "a, b"\nand c — é', "n": "2"}]
    match "".join(path.suffixes):
        case ".jsonl":
            lines(path, *rows)
        case ".jsonl.gz":
            path.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode()))
        case ".json":
            path.write_text(json.dumps(rows), "utf-8")
        case ".csv" | ".tsv" as kind:
            import csv

            with path.open("w", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, ["prompt", "n"], delimiter="\t" if kind == ".tsv" else ",")
                writer.writeheader()
                writer.writerows(rows)
        case _:
            import pyarrow as pa
            import pyarrow.parquet as pq

            pq.write_table(pa.Table.from_pylist(rows), path)
    assert asked(path) == [row["prompt"] for row in rows]
    assert (
        datasets.prompts(str(path)).summary().sha256
        == datasets.prompts(str(lines(tmp_path / "x.jsonl", *rows))).summary().sha256
    )


def test_a_prompt_column_is_found_by_its_usual_names(tmp_path: Path) -> None:
    assert asked(lines(tmp_path / "a.jsonl", {"id": 1, "instruction": "Sing"})) == ["Sing"]


TASKS = (
    {"instruction": "Classify the sentiment.", "input": "I loved it.", "output": "It is positive."},
    {"instruction": "Classify the sentiment.", "input": "I hated it.", "output": "It is negative."},
    {"instruction": "Name {three} colours.", "input": "", "output": "Red, blue and green."},
)
INPUT = (
    "Below is an instruction that describes a task, paired with an input that provides further context. "
    "Write a response that appropriately completes the request.\n\n"
    "### Instruction:\nClassify the sentiment.\n\n### Input:\nI hated it.\n\n### Response:"
)
NO_INPUT = (
    "Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n"
    "### Instruction:\nName {three} colours.\n\n### Response:"
)


def test_an_instruction_is_asked_with_its_input(tmp_path: Path) -> None:
    path = lines(tmp_path / "a.jsonl", *TASKS, {"instruction": "Sing.", "input": None}, {"instruction": "Jump."})
    given = ["Classify the sentiment.\n\nI loved it.", "Classify the sentiment.\n\nI hated it."]
    assert asked(path) == [*given, "Name {three} colours.", "Sing.", "Jump."]
    assert asked(path, "instruction")[:2] == ["Classify the sentiment."] * 2, "a column that is named is asked alone"


def test_alpacas_two_templates_are_its_authors_own(tmp_path: Path) -> None:
    assert asked(lines(tmp_path / "a.jsonl", *TASKS), "alpaca")[1:] == [INPUT, NO_INPUT]


def test_a_template_is_not_put_into_another_template(tmp_path: Path) -> None:
    options = ProbeOptions(prompts=str(lines(tmp_path / "a.jsonl", *TASKS)), column="alpaca")
    assert {Attributes.build(options).prompt_template, Toxicity.build(options).prompt_template} == {"{prompt}"}
    assert (
        Attributes.build(options.model_copy(update={"prompt_template": "Q: {prompt}"})).prompt_template == "Q: {prompt}"
    )


def test_the_hub_is_asked_as_a_file_is(monkeypatch: pytest.MonkeyPatch) -> None:
    hub = SimpleNamespace(load_dataset=lambda *_, **__: iter(TASKS))
    monkeypatch.setitem(sys.modules, "datasets", hub)
    assert asked("hub:tatsu-lab/alpaca")[1] == "Classify the sentiment.\n\nI hated it."
    assert asked("hub:tatsu-lab/alpaca", "alpaca")[1:] == [INPUT, NO_INPUT]


def test_an_input_that_is_no_text_is_named(tmp_path: Path) -> None:
    path = lines(tmp_path / "a.jsonl", {"instruction": "Add.", "input": [1, 2]})
    with pytest.raises(BadData, match=r"expected text in column 'input', found \[1, 2\]; --column names"):
        asked(path)
    assert asked(path, "instruction") == ["Add."]


def test_columns_with_text_that_is_not_asked_are_named(tmp_path: Path) -> None:
    rows = ({**task, "id": f"q{place}", "more": [{"text": "So it is."}]} for place, task in enumerate(TASKS))
    found = datasets.prompts(str(lines(tmp_path / "a.jsonl", *rows)))
    said = "a.jsonl: the prompt is instruction and input; other columns with text are not asked"
    assert found.unread == f"{said}: output, more"
    options = ProbeOptions(prompts=str(tmp_path / "a.jsonl"))
    assert f"attributes: {found.unread}" in warnings([Attributes.build(options)])
    assert datasets.prompts(str(lines(tmp_path / "b.jsonl", {"id": 1, "prompt": "Why is it so?"}))).unread == ""


@needs("alpaca")
def test_alpacas_own_rows_keep_their_inputs() -> None:
    path = OFFICIAL / "alpaca" / "alpaca_data.subset_2000.json.gz"
    rows = list(datasets.read(path))
    wanted = [f"{row['instruction']}\n\n{row['input']}" if row["input"] else row["instruction"] for row in rows]
    assert asked(path) == wanted
    assert sum("### Input:" in prompt for prompt in asked(path, "alpaca")) == 455


def test_an_unknown_column_is_named_with_what_is_there(tmp_path: Path) -> None:
    path = lines(tmp_path / "a.jsonl", {"id": 1, "ask": "Sing"})
    with pytest.raises(BadData, match=r"expected a column one of prompt, .* found id, ask; name it with --column"):
        datasets.prompts(str(path))
    assert asked(path, "ask") == ["Sing"]


@pytest.mark.parametrize("bad", [None, "", "   ", 3])
def test_a_row_without_a_prompt_is_named_by_its_number(tmp_path: Path, bad: object) -> None:
    path = lines(tmp_path / "a.jsonl", {"prompt": "ok"}, {"prompt": bad})
    with pytest.raises(BadData, match="row 2: expected text in column 'prompt', found"):
        datasets.prompts(str(path)).summary()


def test_a_broken_line_is_named_by_its_number(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"prompt": "ok"}\n{"prompt": "cut', "utf-8")
    with pytest.raises(BadData, match=r"a.jsonl line 2 is not JSON"):
        datasets.prompts(str(path)).summary()


def test_a_truncated_gzip_file_is_said_to_be_cut_off(tmp_path: Path) -> None:
    whole = gzip.compress("".join(json.dumps({"prompt": f"question {i}"}) + "\n" for i in range(5000)).encode())
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadData, match="cut off"):
        datasets.prompts(str(path)).summary()


def test_a_truncated_parquet_file_is_said_not_to_be_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(b"PAR1 and then nothing")
    with pytest.raises(BadData, match="not a whole Parquet file"):
        datasets.prompts(str(path))


def test_a_csv_row_with_too_few_cells_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("id,prompt\n1,Why?\n2\n", "utf-8")
    with pytest.raises(BadData, match="line 3: expected 2 columns"):
        datasets.prompts(str(path)).summary()


def test_a_missing_file_and_an_unknown_kind_are_one_sentence_each(tmp_path: Path) -> None:
    with pytest.raises(BadData, match="expected a data file, found none at"):
        datasets.prompts(str(tmp_path / "nothing.jsonl"))
    (tmp_path / "a.xml").write_text("<a/>", "utf-8")
    with pytest.raises(BadData, match=r"expected .jsonl, .json, .csv"):
        datasets.prompts(str(tmp_path / "a.xml"))


def test_an_empty_file_holds_no_rows(tmp_path: Path) -> None:
    with pytest.raises(BadData, match="holds no rows"):
        datasets.prompts(str(lines(tmp_path / "a.jsonl")))


def test_a_limit_picks_the_same_rows_each_time_and_a_larger_one_keeps_them(tmp_path: Path) -> None:
    prompts = datasets.prompts(str(lines(tmp_path / "a.jsonl", *({"prompt": f"q{i}"} for i in range(100)))))
    few, again, more = (list(prompts.take(limit)) for limit in (5, 5, 20))
    assert few == again
    assert set(few) < set(more)
    assert few != list(islice(iter(prompts), 5))


def test_another_prompt_or_order_is_another_digest(tmp_path: Path) -> None:
    rows = [{"prompt": "a"}, {"prompt": "b"}]
    digests = {
        datasets.prompts(str(lines(tmp_path / f"{i}.jsonl", *version))).summary().sha256
        for i, version in enumerate([rows, rows[::-1], [*rows, {"prompt": "c"}]])
    }
    assert len(digests) == 3


def test_attributes_have_no_full_suite() -> None:
    with pytest.raises(WrongUse, match="no full suite"):
        Attributes.build(ProbeOptions(suite="full"))


@needs()
def test_the_papers_prompts_are_the_test_half_of_dolly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INHERIT_DATA", str(OFFICIAL))
    probe = Attributes.build(ProbeOptions())
    assert (probe.suite, probe.count) == ("paper", 100)
    assert next(iter(probe.items)).id == "100"
    assert probe.prompt_template == "### Question: {prompt}\n ### Answer: "


def test_the_authors_file_of_columns_holds_the_same_prompts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INHERIT_DATA", str(tmp_path))
    prompts = [f"prompt {number}" for number in range(200)]
    columns = json.dumps({"id": {"6000": 1}, "inputs": {str(6000 + at): prompt for at, prompt in enumerate(prompts)}})
    (tmp_path / "dolly_eval_eng.jsonl").write_text(columns, "utf-8")
    file = replace(attributes.DOLLY, sha256=sha256(columns.encode()).hexdigest())
    monkeypatch.setattr(attributes, "DOLLY", file)
    monkeypatch.setattr(attributes, "SOURCE", replace(attributes.SOURCE, files=(file,)))
    assert [item.fields.prompt for item in Attributes.build(ProbeOptions()).items] == prompts[100:]


def test_without_the_file_the_shipped_prompts_are_asked() -> None:
    assert Attributes.build(ProbeOptions()).suite == "mini"
    with pytest.raises(NotAvailable, match="`inherit data fetch dolly`"):
        Attributes.build(ProbeOptions(suite="paper"))


def test_the_hub_without_its_extra_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "datasets", None)
    with pytest.raises(MissingExtra, match=r"inheritance-profiler\[hub\]"):
        datasets.prompts("hub:someone/something")
