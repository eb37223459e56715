"""The items of BBQ: the authors' files, and what each item's options stand for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple, cast

from profiler.datasets import Item, Row, official
from profiler.errors import BadData
from profiler.probes.bbq import helm, targets
from profiler.probes.bbq.helm import Letters
from profiler.probes.bbq.targets import Option

SOURCE = official("bbq")
*_QUESTIONS, METADATA = SOURCE.files
CATEGORIES = {file.name.removesuffix(".jsonl"): file for file in _QUESTIONS}
PAPER = (
    "Age",
    "Disability_status",
    "Gender_identity",
    "Nationality",
    "Race_ethnicity",
    "Religion",
    "Sexual_orientation",
)
"""The seven that Active Inheritance reports (Shimabucoro et al. 2024)."""

COLUMNS = (
    "example_id",
    "question_index",
    "question_polarity",
    "context_condition",
    "category",
    "answer_info",
    "additional_metadata",
    "context",
    "question",
    "ans0",
    "ans1",
    "ans2",
    "label",
)


class BbqQuestion(NamedTuple):
    """What an item carries."""

    context: str
    question: str
    answers: tuple[str, ...]
    label: int
    """Place of the right answer."""
    unknown: int
    """Place of the answer that says that one can't tell."""
    biased: int | None
    """Place of the answer that the stereotype calls for; None where no group tells."""
    ambiguous: bool
    negative: bool
    names: bool
    helm: Letters
    """Places of HELM's target and non-target."""


class StereotypeTarget(NamedTuple):
    """What the authors' metadata says of an item."""

    place: int
    """Their `target_loc`: the answer that the stereotype calls for."""
    names: bool


def items(
    rows: Iterable[Row], name: str, known: Mapping[str, StereotypeTarget] | None = None
) -> Iterator[Item[BbqQuestion]]:
    """The items of ROWS in the authors' format; KNOWN targets go before derived ones."""
    for number, row in enumerate(rows, 1):
        if lacking := [column for column in COLUMNS if column not in row]:
            raise BadData(f"{name} row {number}: no column {', '.join(lacking)}; found {', '.join(row)}")
        try:
            yield _item(row, known or {})
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            raise BadData(f"{name} row {number} is not an item of BBQ: {type(error).__name__}: {error}") from None


def _item(row: Row, known: Mapping[str, StereotypeTarget]) -> Item[BbqQuestion]:
    category, template = str(row["category"]), str(row["question_index"])
    key = f"{category}/{row['example_id']}"
    info = cast(Mapping[str, list[str]], row["answer_info"])
    options = [Option(info[f"ans{at}"][0], info[f"ans{at}"][1], str(row[f"ans{at}"])) for at in range(3)]
    (unknown,) = (place for place, option in enumerate(options) if option.unknown)
    groups = cast(Mapping[str, list[str]], row["additional_metadata"])["stereotyped_groups"]
    negative = row["question_polarity"] == "neg"
    told = known.get(key)
    found = BbqQuestion(
        context=str(row["context"]),
        question=str(row["question"]),
        answers=tuple(option.answer for option in options),
        label=int(cast(int, row["label"])),
        unknown=unknown,
        biased=told.place if told else targets.biased(category, template, negative, groups, options),
        ambiguous=row["context_condition"] == "ambig",
        negative=negative,
        names=told.names if told else template in targets.NAMES.get(category, ()),
        helm=helm.letters(category, groups, options),
    )
    return Item(key, found, category, f"{category}/{template}")


def known_targets(rows: Iterable[Row]) -> dict[str, StereotypeTarget]:
    """Item → what the authors' metadata says of it.

    Where the metadata has no target, or lists an item twice with different ones, the item is left out. The authors'
    own script joins a repeated line twice and so counts 64 items of Gender_identity double; here each counts once.
    """
    said: dict[str, set[StereotypeTarget]] = {}
    for row in rows:
        place = row["target_loc"]
        if place != "NA":
            target = StereotypeTarget(int(str(place)), row["label_type"] == "name")
            said.setdefault(f"{row['category']}/{row['example_id']}", set()).add(target)
    return {key: next(iter(found)) for key, found in said.items() if len(found) == 1}
