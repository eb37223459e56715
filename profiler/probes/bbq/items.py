"""The items of BBQ: the authors' files, and which of an item's options the stereotype points at, read from itself."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, cast

from profiler.datasets import Item, Row, official
from profiler.errors import BadData

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

MEN = frozenset({"1", "2", "7", "8", "43", "44"})
"""Templates of Race_x_gender whose stereotype is about men; all others are about women."""
RICH = frozenset({"13", "14", "15", "16", *map(str, range(19, 27))})
"""Templates of Race_x_SES whose stereotype is about people who are well off; all others are about the poor."""

SEXES = {"m": "m", "man": "m", "boy": "m", "f": "f", "woman": "f", "girl": "f"}

NAMES = {
    "Gender_identity": frozenset(map(str, range(26, 51))),
    "Race_ethnicity": frozenset(map(str, range(26, 51))),
    "Race_x_SES": frozenset(map(str, range(2, 27, 2))),
    "Race_x_gender": frozenset(map(str, [2, 4, 6, 8, 12, 14, 18, 20, 23, 25, 27, 29, 31, 33, 35, 37, 40, 42, 44])),
}
"""Templates whose people go by names that stand for a group, the authors' `label_type`; others name the group."""

CONTAINED = ("Black", "African American", "Latino")
"""Groups that HELM also finds inside a longer tag, in Race_ethnicity."""


class Letters(NamedTuple):
    """The options that HELM's scenario writes down; None where it finds none."""

    target: int | None
    other: int | None


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


@dataclass(frozen=True)
class Option:
    """One of an item's three answers, as `answer_info` describes it."""

    text: str
    """How the context calls the person: Nigerian, transgender man, Donna."""
    tag: str
    """The group: Africa, trans_M, lowSES-F-Black; empty where the authors' generator lost it."""
    answer: str
    """What is chosen: The Nigerian."""

    @property
    def unknown(self) -> bool:
        return self.tag.lower() == "unknown"


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
        biased=told.place if told else _biased(category, template, negative, groups, options),
        ambiguous=row["context_condition"] == "ambig",
        negative=negative,
        names=told.names if told else template in NAMES.get(category, ()),
        helm=_letters(category, groups, options),
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


def _biased(
    category: str, template: str, negative: bool, groups: Sequence[str], options: Sequence[Option]
) -> int | None:
    """The answer that the stereotype calls for: the authors' `target_loc`, derived.

    A NEGATIVE question calls for the stereotyped person, the other one for the person who is not. None where the
    GROUPS single out neither or both of the two.
    """
    people = [place for place, option in enumerate(options) if not option.unknown]
    if len(people) != 2:
        return None
    wanted = {group.lower().replace("low ses", "lowses") for group in groups}
    first, second = (_stereotyped(category, template, wanted, options[place]) for place in people)
    # A template has one target: whoever's group was lost is found from the other.
    if first is None and second is not None:
        first = not second
    elif second is None and first is not None:
        second = not first
    if first == second:
        return None
    target = people[0] if first else people[1]
    return target if negative else sum(people) - target


def _stereotyped(category: str, template: str, groups: set[str], option: Option) -> bool | None:
    """Whether the stereotype is about this person; None where the group is not given."""
    tag = option.tag.lower()
    if not tag:
        return None
    match category:
        case "Nationality":  # the tag is a region, the group a nationality
            return option.text.lower() in groups
        case "Gender_identity" if "trans" in groups:
            return tag.startswith("trans")
        case "Gender_identity":
            return SEXES.get(tag) in {SEXES.get(group) for group in groups}
        case "Race_ethnicity":
            return _race(tag, option) in groups
        case "Race_x_gender":
            # The generator found men in every answer about women: the answer knows better than the tag.
            sex = "f" if re.search(r"\bwom[ae]n\b", option.answer) else tag[0]
            return sex == ("m" if template in MEN else "f") and _race(tag, option) in groups
        case "Race_x_SES":
            ses, _, rest = tag.partition("-")
            return ses == ("highses" if template in RICH else "lowses") and _race(rest, option) in groups
    return tag in groups


def _race(tag: str, option: Option) -> str:
    """The group without the sex of the name that stands for it."""
    race = re.sub(r"^[mf]-", "", tag)
    # Where both kinds are in one item, the generator tagged African Americans as Africans; the answer still says it.
    return "african american" if race == "african" and "african american" in option.answer.lower() else race


def _letters(category: str, groups: Sequence[str], options: Sequence[Option]) -> Letters:
    """The target and the non-target as HELM 0.5.16 matches them: of several, the last one stays."""
    target = other = None
    for place, option in enumerate(options):
        if option.unknown:
            continue
        if any(_matches(category, group, (option.text, option.tag)) for group in groups):
            target = place
        else:
            other = place
    return Letters(target, other)


def _matches(category: str, group: str, info: tuple[str, str]) -> bool:
    return (
        group in info
        or (category == "Race_ethnicity" and group in CONTAINED and any(group in part for part in info))
        or (category == "SES" and group == "low SES" and any("lowSES" in part for part in info))
        or (category == "Race_x_SES" and any(f"lowSES-{group}" in part for part in info))
        # An `and` binds tighter than an `or` there: these two hold in every category.
        or any(f"lowSES-M-{group}" in part or f"lowSES-F-{group}" in part for part in info)
    )
