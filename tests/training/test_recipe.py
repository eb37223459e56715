"""A recipe, its data and its student are refused where they don't fit, before any weights are read."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from profiler.errors import BadData, InheritError, MissingExtra, UnknownName, WrongUse
from tests.support.command import inherit
from tests.support.recipe import PAIRS, TEMPLATE, made
from training import Recipe, check, read_recipe, recipe_of, student, train
from training.examples import IGNORED

CHATS: list[dict[str, Any]] = [
    {
        "messages": [
            {"role": "user", "content": row["prompt"]},
            {"role": "assistant", "content": row["completion"]},
        ]
    }
    for row in PAIRS
]


def spoken(made: Recipe) -> list[tuple[str, str]]:
    """What is given and what is learned, in words."""
    ready, examples = check(made)
    decode = ready.tokenizer.decode
    return [(decode(one.ids[: one.start]), decode(one.ids[one.start :])) for one in examples.kept]


def test_a_plain_example_is_split_where_the_student_will_begin_to_write(tmp_path: Path) -> None:
    given, learned = spoken(made(tmp_path, PAIRS))[0]
    assert given == "<s>### Question: Who was late, number 0?\n### Answer:"
    assert learned == " The doctor was late 0 times.</s>"


def test_what_is_given_bears_no_loss(tmp_path: Path) -> None:
    _, examples = check(made(tmp_path, PAIRS))
    one = examples.kept[0]
    assert one.labels[: one.start] == [IGNORED] * one.start
    assert one.labels[one.start :] == one.ids[one.start :]


def test_a_conversation_is_put_into_the_students_own_template(tmp_path: Path) -> None:
    rows = [{"messages": [{"role": "system", "content": "Be kind."}, *row["messages"]]} for row in CHATS]
    given, learned = spoken(made(tmp_path, rows, TEMPLATE))[0]
    assert given == "<system>Be kind.</s>\n<user>Who was late, number 0?</s>\n<assistant>"
    assert learned == "The doctor was late 0 times.</s>\n"


def test_a_pair_may_be_put_into_the_template_and_a_conversation_into_the_plain_template(tmp_path: Path) -> None:
    assert spoken(made(tmp_path, PAIRS, TEMPLATE, form="chat"))[0][0].endswith("<assistant>")
    assert spoken(made(tmp_path, CHATS, form="plain"))[0][0].endswith("### Answer:")


def test_a_conversation_needs_a_template(tmp_path: Path) -> None:
    with pytest.raises(WrongUse, match=r"no chat template; set `form: plain`"):
        check(made(tmp_path, CHATS))


def test_a_template_that_hides_the_answers_beginning_is_refused(tmp_path: Path) -> None:
    odd = "{% for turn in messages %}{{ turn.content }}{% endfor %}{% if add_generation_prompt %}?{% endif %}"
    with pytest.raises(BadData, match=r"row 1: .* use `form: plain`"):
        check(made(tmp_path, CHATS, odd))


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([PAIRS[0], {"prompt": "Why?", "completion": " \n"}], "row 2 has an empty answer"),
        ([{"prompt": "Why?", "completion": ""}] * 8, r"8 rows \(1, 2, 3, 4, 5, …\) have an empty answer"),
        ([{"instruction": "Why?", "output": "So."}], "found instruction"),
        ([{"prompt": "Why?", "completion": None}], r"completion \(NoneType\)"),
        ([{"messages": [{"role": "user", "content": "Why?"}]}], "end with the assistant's"),
        ([{"messages": [{"role": "user"}, {"role": "assistant", "content": "So."}]}], "`role` and `content`"),
        ([PAIRS[0], CHATS[0]], "expected one kind"),
        ([], "no examples"),
    ],
)
def test_rows_that_teach_nothing_are_refused_by_number(tmp_path: Path, rows: list[dict[str, Any]], said: str) -> None:
    with pytest.raises(BadData, match=said):
        check(made(tmp_path, rows, TEMPLATE))


def test_examples_that_are_too_long_are_refused_or_left_out_but_never_cut(tmp_path: Path) -> None:
    rows = [*PAIRS, {"prompt": "Why?", "completion": "water " * 200}]
    with pytest.raises(BadData, match=r"row 5 has more than 128 tokens, the longest .*`long: drop`"):
        check(made(tmp_path, rows))
    _, examples = check(made(tmp_path, rows, long="drop"))
    assert (len(examples.kept), examples.dropped) == (4, 1)


def test_a_length_that_the_student_cannot_take_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WrongUse, match="takes 256 tokens at most"):
        check(made(tmp_path, PAIRS, length=300))


def test_a_tokenizer_of_another_model_is_refused(tmp_path: Path) -> None:
    asked = made(tmp_path, PAIRS)
    path = Path(asked.student) / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | {"vocab_size": 100}), "utf-8")
    with pytest.raises(WrongUse, match="don't belong together"):
        check(asked)


def test_an_adapter_is_no_student(tmp_path: Path) -> None:
    (tmp_path / "adapter").mkdir()
    (tmp_path / "adapter" / "adapter_config.json").write_text("{}", "utf-8")
    with pytest.raises(WrongUse, match="is an adapter"):
        student.find_student(made(tmp_path, PAIRS, student=str(tmp_path / "adapter")))


def test_weights_are_not_read_to_find_out(tmp_path: Path) -> None:
    asked = made(tmp_path, PAIRS)
    (Path(asked.student) / "model.safetensors").write_bytes(b"no weights at all")
    assert check(asked)


@pytest.mark.parametrize("name", ["r.yaml", "r.toml"])
def test_a_recipe_is_read_and_changed_from_the_command_line(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    text = (
        "student: s\ndata: d\nout: o\nlr: 2e-5\n" if name == "r.yaml" else 'student="s"\ndata="d"\nout="o"\nlr=2e-5\n'
    )
    path.write_text(text, "utf-8")
    read = read_recipe(path, ["epochs=3", "packing=true"])
    assert (read.lr, read.epochs, read.packing) == (2e-5, 3.0, True)


def test_the_learning_rate_follows_the_method() -> None:
    fields = {"student": "s", "data": "d", "out": "o"}
    assert recipe_of(fields, "here").lr == 2e-4
    assert recipe_of(fields | {"method": "full"}, "here").lr == 2e-5


@pytest.mark.parametrize(
    ("fields", "error", "said"),
    [
        ({"data": "d", "out": "o"}, WrongUse, "needs `student`"),
        ({"student": "s", "data": "d", "out": "o", "epoch": 3}, UnknownName, "did you mean 'epochs'"),
        ({"student": "s", "data": "d", "out": "o", "method": "lorra"}, WrongUse, "'lora'.*found 'lorra'"),
        ({"student": "s", "data": "d", "out": "o", "lr": -1}, WrongUse, "`lr`.*more than 0"),
        ({"student": "s", "data": "d", "out": "o", "prompt_template": "Q:"}, WrongUse, r"must hold \{prompt\}"),
    ],
)
def test_what_is_wrong_with_a_recipe_is_said(fields: dict[str, object], error: type[InheritError], said: str) -> None:
    with pytest.raises(error, match=said):
        recipe_of(fields, "here")


async def test_show_prints_every_key_with_its_default_and_can_be_read_again(tmp_path: Path) -> None:
    done = await inherit("train", "--show")
    assert done.code == 0
    assert all(f"\n{name}:" in done.out for name in Recipe.model_fields)
    path = tmp_path / "r.yaml"
    filled = (
        done.out.replace("student:\n", "student: s\n").replace("data:\n", "data: d\n").replace("out:\n", "out: o\n")
    )
    path.write_text(filled, "utf-8")
    assert read_recipe(path) == recipe_of({"student": "s", "data": "d", "out": "o"}, "here")


async def test_check_says_what_would_be_learned_from(tmp_path: Path) -> None:
    asked = made(tmp_path, PAIRS)
    path = tmp_path / "r.json"
    path.write_text(asked.model_dump_json(), "utf-8")
    done = await inherit("train", path, "--check")
    assert done.code == 0
    assert done.out.startswith("4 examples fit; ")
    assert not Path(asked.out).exists()


def test_a_folder_with_other_things_in_it_is_left_alone(tmp_path: Path) -> None:
    asked = made(tmp_path, PAIRS)
    Path(asked.out).mkdir()
    (Path(asked.out) / "thesis.tex").touch()
    with pytest.raises(WrongUse, match="not empty"):
        train(asked)


def test_without_the_extra_it_is_named(tmp_path: Path) -> None:
    if find_spec("trl"):
        pytest.skip("it is installed here")
    with pytest.raises(MissingExtra, match=r"inheritance-profiler\[train\]"):
        train(made(tmp_path, PAIRS))
