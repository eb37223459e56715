"""Examples are rows of a file, put into tokens as the student will meet them, and refused where they don't fit."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from profiler.datasets import Row, read
from profiler.errors import BadData, WrongUse
from training.recipe import Recipe

IGNORED = -100
"""The label of a token that no loss is taken of."""

NAMED = 5
"""Rows that an error names."""

Turn = dict[str, str]


class Example(NamedTuple):
    """What is given, and what is to be learned."""

    row: int
    turns: tuple[Turn, ...]
    """The conversation before the answer."""
    answer: str


@dataclass(frozen=True)
class Tokens:
    """An example in tokens; the loss is taken of those from `start` on."""

    ids: list[int]
    start: int

    @property
    def labels(self) -> list[int]:
        return [IGNORED] * self.start + self.ids[self.start :]


@dataclass(frozen=True)
class TrainingSet:
    """All that is learned from."""

    kept: list[Tokens]
    dropped: int

    @property
    def tokens(self) -> int:
        return sum(len(example.ids) for example in self.kept)

    @property
    def learned(self) -> int:
        return sum(len(example.ids) - example.start for example in self.kept)


def read_examples(path: Path) -> tuple[list[Example], bool]:
    """The examples of a file, and whether its rows are conversations; empty answers and other rows are refused."""
    found: list[Example] = []
    chats = set()
    for number, row in enumerate(read(path), 1):
        chats.add("messages" in row)
        found.append(_conversation(row, number, path) if "messages" in row else _pair(row, number, path))
    empty = [example.row for example in found if not example.answer.strip()]
    if empty:
        raise BadData(f"{path}: {_rows(empty)} an empty answer; take them out: they teach to say nothing")
    if not found:
        raise BadData(f"{path} holds no examples")
    if len(chats) > 1:
        raise BadData(f"{path}: some rows hold `messages`, some `prompt` and `completion`; expected one kind")
    return found, chats == {True}


def _pair(row: Row, number: int, path: Path) -> Example:
    match row:
        case {"prompt": str(prompt), "completion": str(completion)}:
            return Example(number, ({"role": "user", "content": prompt},), completion)
    kinds = ", ".join(f"{name} ({type(value).__name__})" for name, value in row.items()) or "nothing"
    raise BadData(f"{path} row {number}: expected texts `prompt` and `completion`, or `messages`; found {kinds}")


def _conversation(row: Row, number: int, path: Path) -> Example:
    said = row["messages"]
    turns: list[Turn] = []
    for turn in said if isinstance(said, list) else []:
        match turn:
            case {"role": str(role), "content": str(content)}:
                turns.append({"role": role, "content": content})
            case _:
                raise BadData(f"{path} row {number}: a turn of `messages` needs texts `role` and `content`")
    if len(turns) < 2 or turns[-1]["role"] != "assistant":
        raise BadData(f"{path} row {number}: `messages` must be turns that end with the assistant's")
    return Example(number, tuple(turns[:-1]), turns[-1]["content"])


def tokenize(found: Sequence[Example], chat: bool, recipe: Recipe, tokenizer: Any, ends: frozenset[int]) -> TrainingSet:
    """Examples in tokens, none longer than the recipe allows."""
    chat = recipe.form == "chat" or (recipe.form == "auto" and chat)
    if chat and not tokenizer.chat_template:
        raise WrongUse(
            f"the examples are conversations and the tokenizer of {recipe.student!r} has no chat template; "
            "set `form: plain` to put them into `prompt_template`, or take a student that has one"
        )
    made = [_chat(example, tokenizer) if chat else _plain(example, recipe, tokenizer) for example in found]
    for one in made:
        if ends.isdisjoint(one.ids[one.start :]):  # without an end the student learns to go on for ever
            one.ids.append(tokenizer.eos_token_id)
    long = [example.row for example, one in zip(found, made, strict=True) if len(one.ids) > recipe.length]
    if long and recipe.long == "refuse":
        longest = max(len(one.ids) for one in made)
        raise BadData(
            f"{recipe.data}: {_rows(long)} more than {recipe.length} tokens, the longest {longest:,}; "
            "raise `length`, or set `long: drop` to leave them out"
        )
    kept = [one for one in made if len(one.ids) <= recipe.length]
    if not kept:
        raise BadData(f"{recipe.data}: no example has at most {recipe.length} tokens; raise `length`")
    return TrainingSet(kept, len(long))


def _plain(example: Example, recipe: Recipe, tokenizer: Any) -> Tokens:
    """The prompt in its template and the answer after it, split exactly where the student will begin to write."""
    if len(example.turns) > 1:
        raise WrongUse(
            f"{recipe.data} row {example.row}: `form: plain` takes one question and one answer, "
            f"found {len(example.turns) + 1} turns; use `form: chat`"
        )
    filled = recipe.prompt_template.replace("{prompt}", example.turns[0]["content"])
    parted = filled[-1:].isspace() or example.answer[:1].isspace()
    given = tokenizer(filled, add_special_tokens=True)["input_ids"]
    if given and given[-1] == tokenizer.eos_token_id:  # some tokenizers close a text; this one goes on
        given = given[:-1]
    answer = example.answer if parted else f" {example.answer}"
    return Tokens([*given, *tokenizer(answer, add_special_tokens=False)["input_ids"]], len(given))


def _chat(example: Example, tokenizer: Any) -> Tokens:
    """The conversation in the tokenizer's template; what it adds after asking for an answer is the answer."""
    from jinja2 import TemplateError

    turns = list(example.turns)
    try:
        given = tokenizer.apply_chat_template(turns, add_generation_prompt=True, tokenize=False)
        turns.append({"role": "assistant", "content": example.answer})
        whole = tokenizer.apply_chat_template(turns, tokenize=False)
    except TemplateError as error:
        raise BadData(f"row {example.row}: the tokenizer's chat template refused it: {error}") from None
    if not whole.startswith(given):
        raise BadData(
            f"row {example.row}: the tokenizer's chat template writes the conversation otherwise once it is answered, "
            "so the answer can't be told from the prompt; use `form: plain`"
        )
    ids = tokenizer(given, add_special_tokens=False)["input_ids"]
    return Tokens([*ids, *tokenizer(whole[len(given) :], add_special_tokens=False)["input_ids"]], len(ids))


def _rows(numbers: Sequence[int]) -> str:
    named = ", ".join(map(str, numbers[:NAMED])) + (", …" if len(numbers) > NAMED else "")
    return f"row {named} has" if len(numbers) == 1 else f"{len(numbers):,} rows ({named}) have"
