"""The items of BBQ: the authors' files, and what each item's options stand for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple, TypedDict, cast

from profiler import source
from profiler.data import Row
from profiler.errors import BadData
from profiler.probe import Item, Json
from profiler.probes import bbq_groups, bbq_helm
from profiler.probes.bbq_groups import Option
from profiler.source import File, Source

REVISION = "bea11bd97d79217245b5871acd247b9d6eb24598"

CATEGORIES = {
    name: File(f"data/{name}.jsonl", sha256, rows, size=size)
    for name, rows, size, sha256 in (
        ("Age", 3680, 3_091_834, "46e805b3fc2d8cbd26eeb8e8430d98cf7b2dc9c83574ff3674e8ce4f0fca2a60"),
        ("Disability_status", 1556, 1_336_984, "375d40d9b71f056150264445ec189b13934998f3f49a1e311aa7578eb3b45e5f"),
        ("Gender_identity", 5672, 4_331_406, "8b5adbb368510a97d5775dc43e1c719e0249fe2da33f13c83e3e29edafec7a00"),
        ("Nationality", 3080, 2_900_040, "a583e74666aec0341ded8aa3983e7cad694eb24de72c254d28b2df3035720090"),
        ("Physical_appearance", 1576, 1_347_476, "e48d7e13508565f4801574e611043470c25c95a0a62af3699cb5ee7cb02608fb"),
        ("Race_ethnicity", 6880, 6_062_426, "4a9f1214cfaa115ce7f0bdb40609122e431f5152c71b8ca64d665e483b946ae6"),
        ("Race_x_SES", 11160, 11_222_218, "af8e2ae3d0e5be9ebcbfe7149e591d47ff649e263307f4548f7fb12f6a6d83e8"),
        ("Race_x_gender", 15960, 13_094_106, "e5dbba782f8c4e25b99dd5470b5136e2db73dbf401cf6d4a5a3ed31b02f95696"),
        ("Religion", 1200, 1_118_728, "cb9555f9f3454a52cd2df85956b59bd7fcca5aa922c8527693b1164d08417616"),
        ("SES", 6864, 5_696_950, "9f92754bb037b0982604b9112705fb81d60a19d9e759c67e4a85e484a070f528"),
        ("Sexual_orientation", 864, 729_010, "2c71036b9e7584fe589c42aef32c1a42bc01b9a5e9b1b8704342630cdb08cefd"),
    )
}
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
METADATA = File(
    "analysis_scripts/additional_metadata.csv",
    "f36708416b0e7adb81b47ad1926f9c39c2beb611702b73b01e06c9b6c9ffbd3d",
    0,
    "564eb184be7427cefe9f1ffd8fd03cb700e6aa98",
    same=(
        # what the authors' script makes of seven of their files
        File("additional_metadata.csv", "d58c9e88f25f0f03fce3b36106776ea94b8fddb805f8d313764652d9195378a0", 17692),
    ),
)
SOURCE = source.declare(
    Source(
        name="bbq",
        about="Questions about two people after a context that tells who it was, or does not (Bias Benchmark for QA).",
        licence="CC BY 4.0",
        citation="Parrish et al. 2022, BBQ: A Hand-Built Bias Benchmark for Question Answering, Findings of ACL",
        url=f"https://raw.githubusercontent.com/nyu-mll/BBQ/{REVISION}/{{path}}",
        files=(*CATEGORIES.values(), METADATA),
    )
)

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


class Fields(TypedDict):
    """What an item carries."""

    context: str
    question: str
    answers: list[str]
    label: int
    """Place of the right answer."""
    unknown: int
    """Place of the answer that says that one can't tell."""
    biased: int | None
    """Place of the answer that the stereotype calls for; None where no group tells."""
    ambiguous: bool
    negative: bool
    names: bool
    helm: list[int | None]
    """Places of HELM's target and non-target."""


class Target(NamedTuple):
    """What the authors' metadata says of an item."""

    place: int
    """Their `target_loc`: the answer that the stereotype calls for."""
    names: bool


def fields(item: Item) -> Fields:
    return cast(Fields, item.fields)


def items(rows: Iterable[Row], name: str, known: Mapping[str, Target] | None = None) -> Iterator[Item]:
    """The items of ROWS in the authors' format; KNOWN targets go before derived ones."""
    for number, row in enumerate(rows, 1):
        if lacking := [column for column in COLUMNS if column not in row]:
            raise BadData(f"{name} row {number}: no column {', '.join(lacking)}; found {', '.join(row)}")
        try:
            yield _item(row, known or {})
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            raise BadData(f"{name} row {number} is not an item of BBQ: {type(error).__name__}: {error}") from None


def _item(row: Mapping[str, Json], known: Mapping[str, Target]) -> Item:
    category, template = str(row["category"]), str(row["question_index"])
    key = f"{category}/{row['example_id']}"
    info = cast(Mapping[str, list[str]], row["answer_info"])
    options = [Option(info[f"ans{at}"][0], info[f"ans{at}"][1], str(row[f"ans{at}"])) for at in range(3)]
    (unknown,) = (place for place, option in enumerate(options) if option.unknown)
    groups = cast(Mapping[str, list[str]], row["additional_metadata"])["stereotyped_groups"]
    negative = row["question_polarity"] == "neg"
    told = known.get(key)
    found: Fields = {
        "context": str(row["context"]),
        "question": str(row["question"]),
        "answers": [option.answer for option in options],
        "label": int(cast(int, row["label"])),
        "unknown": unknown,
        "biased": told.place if told else bbq_groups.biased(category, template, negative, groups, options),
        "ambiguous": row["context_condition"] == "ambig",
        "negative": negative,
        "names": told.names if told else bbq_groups.names(category, template),
        "helm": list(bbq_helm.letters(category, groups, options)),
    }
    return Item(key, cast(Mapping[str, Json], found), category, f"{category}/{template}")


def targets(rows: Iterable[Row]) -> dict[str, Target]:
    """Item → what the authors' metadata says of it.

    Where the metadata has no target, or lists an item twice with different ones, the item is left out. The authors'
    own script joins a repeated line twice and so counts 64 items of Gender_identity double; here each counts once.
    """
    said: dict[str, set[Target]] = {}
    for row in rows:
        place = row["target_loc"]
        if place != "NA":
            target = Target(int(str(place)), row["label_type"] == "name")
            said.setdefault(f"{row['category']}/{row['example_id']}", set()).add(target)
    return {key: next(iter(found)) for key, found in said.items() if len(found) == 1}
