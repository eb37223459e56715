"""Where the files of many tools keep pairs, human labels and verdicts: found by the names of their columns."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from profiler.datasets import Json, Row
from profiler.errors import BadData

KEYS = ("id", "pair_id", "pair", "item", "item_id", "idx", "index", "instance_id", "example_id", "uid", "key")
QUESTIONS = ("question_id", "prompt_id", "instruction_id")
PROMPTS = ("prompt", "instruction", "question", "query", "input", "context")
FIRST_ANSWERS: tuple[str, ...] = (
    "a",
    "answer_a",
    "response_a",
    "response1",
    "output_1",
    "answer_1",
    "completion_a",
    "conversation_a",
    "response_1",
    "answer1",
    "answer1_body",
    "output_a",
    "text_a",
    "summary_a",
    "model_output_1",
)
FIRST_WRITERS = ("writer_a", "model_a", "generator_1", "model_1", "source_a", "model1_id", "answer1_model_id", "model1")
GOLDS: tuple[str, ...] = (
    "gold",
    "gold_label",
    "human",
    "human_label",
    "human_preference",
    "human_winner",
    "ground_truth",
    "truth",
    "y_true",
    "majority",
    "gold_verdict",
    "human_verdict",
    "human_majority",
)
WEAK_GOLDS = ("label", "target", "preferred", "reference_label")
VERDICTS: tuple[str, ...] = (
    "verdict",
    "judgement",
    "judgment",
    "prediction",
    "pred",
    "predicted",
    "winner",
    "result",
    "decision",
    "choice",
    "preference",
    "vote",
    "y_pred",
    "judge_verdict",
    "judge_label",
    "output_label",
)
JUDGES = ("judge", "judge_name", "judge_model", "evaluator", "annotator", "rater", "grader", "judge_id")
ORDERS = ("order", "swap", "swapped", "is_swapped", "flipped", "is_flipped", "reversed", "position")
GROUPS = ("group", "category", "subset", "dataset")
BOXES = ("humans", "human_labels", "annotations", "annotators", "human_annotations", "votes", "labels")
SEVERAL = re.compile(r"(?:human_?)?(?:annotator|human|rater|expert|worker|annotation|labell?er|vote|label)[_ -]?\d+")
PERSON = re.compile(r"(?:human|expert|author|annotator|worker|crowd|person|rater)?[_ -]?\d*", re.IGNORECASE)
SUFFIX = re.compile(r"(.+)_(?:result|verdict|winner|judge?ment|preference|prediction|pred|decision|choice|label)")
HUMAN_WORDS = re.compile(r"human|gold|annotator|expert|majority")
SECOND_NAMES = (
    ("{}_ab", "{}_ba"),
    ("{}_1", "{}_2"),
    ("{}1", "{}2"),
    ("{}_first", "{}_second"),
    ("{}_original", "{}_swapped"),
    ("{}_original", "{}_swap"),
    ("{}_forward", "{}_reverse"),
    ("{}_forward", "{}_backward"),
    ("{}_order1", "{}_order2"),
    ("{}_False", "{}_True"),
    ("{}", "{}_swapped"),
    ("{}", "{}_swap"),
    ("{}", "{}_reversed"),
    ("{}", "{}_reverse"),
    ("{}", "{}_flipped"),
    ("{}", "swapped_{}"),
    ("{}", "swap_{}"),
    ("{}", "reversed_{}"),
)
BARE_ORDERS: tuple[tuple[str, str], ...] = (
    ("g1_winner", "g2_winner"),
    ("first", "second"),
    ("first", "swapped"),
    ("original", "swapped"),
    ("order_ab", "order_ba"),
    ("ab", "ba"),
    ("order1", "order2"),
    ("normal", "swapped"),
)
FIRST_WORDS = ("ab", "first", "original", "forward", "normal", "order1", "1", "swap = false", "false", "0", "unswapped")
SECOND_WORDS: tuple[str, ...] = (
    "ba",
    "second",
    "swapped",
    "swap",
    "reversed",
    "reverse",
    "backward",
    "flipped",
    "order2",
    "2",
    "swap = true",
    "true",
)
LABEL_WORDS = ("winner", "verdict", "decision", "label", "preference", "choice", "vote", "prediction")


class Said(NamedTuple):
    """What a row says for one rater, in each order it was asked in."""

    first: Json
    second: Json = None
    both: bool = False
    """Whether it was asked in the second order."""


@dataclass(frozen=True)
class Votes:
    """Where one rater's labels stand."""

    name: str
    """The rater's; empty where the row or the file names it."""
    column: str
    said: Callable[[Row], Said | None]
    places: bool = False
    """The second label names the place of an answer, not the answer."""


@dataclass(frozen=True)
class Wishes:
    """What a user says about a file's columns."""

    id: str | None = None
    gold: tuple[str, ...] = ()
    verdict: tuple[str, ...] = ()
    """A column, or two with a comma between them: the verdict with the answers as they are, and swapped."""


@dataclass(frozen=True)
class Form:
    """Where a file keeps what."""

    key: tuple[str, ...]
    prompt: tuple[str, ...]
    answers: tuple[str, str] | None
    writers: tuple[str, str] | None
    group: str | None
    humans: tuple[Votes, ...]
    judges: tuple[Votes, ...]
    judge: str | None = None
    """The column that names the judge of a row."""
    order: str | None = None
    """The column that says whether the answers were swapped."""
    boxed: str | None = None
    """The column that holds the labels of all humans."""
    own: bool = field(default=False)
    """Our own verdict file."""


def form(rows: Sequence[Row], name: str, wishes: Wishes) -> Form:
    """The form of a file, from its first ROWS."""
    columns: dict[str, Json] = {}
    for row in rows:
        for column, value in row.items():
            if columns.get(column) is None:
                columns[column] = value
    if {"pair", "rulings"} <= columns.keys():
        return Form((), (), None, None, None, (), (), own=True)
    for wanted in (*filter(None, [wishes.id]), *wishes.gold, *(c for v in wishes.verdict for c in v.split(","))):
        if wanted not in columns:
            raise BadData(f"{name}: no column {wanted!r}; found {', '.join(columns)}")
    judge = _named(columns, JUDGES)
    judge = judge if judge and _a_name([row.get(judge) for row in rows]) else None
    writers = _sides(columns, FIRST_WRITERS)
    humans, boxed = _humans(columns, wishes)
    taken = {votes.column for votes in humans}
    judges = _judges(columns, wishes, taken, judge)
    if not humans and not boxed and not wishes.gold:
        weak = [column for column in WEAK_GOLDS if column in columns and column not in wishes.verdict]
        humans = tuple(_plain(column, "gold") for column in weak[:1])
        judges = tuple(votes for votes in judges if votes.column not in weak)
    answers = _sides(columns, FIRST_ANSWERS)
    return Form(
        key=_key(columns, writers, wishes.id),
        prompt=tuple(column for column in _prompt(columns) if column not in (answers or ())),
        answers=answers,
        writers=writers,
        group=_named(columns, GROUPS),
        humans=humans,
        judges=judges,
        judge=judge,
        order=_named(columns, ORDERS) if judges and not _sided(judges, columns) else None,
        boxed=boxed,
    )


def second_order(value: Json) -> bool:
    """Whether a row's `order` says that the answers were swapped."""
    return str(value).strip().lower() in SECOND_WORDS


def a_person(value: Json) -> bool:
    """Whether a judge's name is that of a human annotator: expert_0, 17, human …"""
    return PERSON.fullmatch(str(value)) is not None


def orders(value: Json) -> Said | None:
    """A label, or the labels of both orders, however nested."""
    if isinstance(value, list):
        if value and isinstance(value[-1], dict) and _by_order(value[-1]):
            return orders(value[-1])
        if len(value) > 2:
            raise BadData(f"expected a label or the labels of two orders, found a list of {len(value)}")
        found = [_label(part) for part in value]
        if len(found) == 2:
            return Said(found[0], found[1], both=True)
        return Said(found[0]) if found else None
    if isinstance(value, dict) and (both := _by_order(value)):
        first, second = (_label(value[name]) if name in value else None for name in both)
        return Said(first, second, both=both[1] in value)
    return Said(_label(value))


def people(value: Json) -> list[tuple[str, Json]]:
    """Annotators and their labels, from a list or an object of them."""
    if isinstance(value, dict):
        return [(name, _label(label)) for name, label in value.items()]
    if not isinstance(value, list):
        return []
    found = []
    for number, one in enumerate(value, 1):
        named = next((one[key] for key in JUDGES if key in one), None) if isinstance(one, dict) else None
        found.append((f"annotator{number}" if named is None else str(named), _label(one)))
    return found


def _label(value: Json) -> Json:
    if isinstance(value, dict):
        return next((value[word] for word in LABEL_WORDS if word in value), None)
    return value


def _by_order(value: Mapping[str, Json]) -> tuple[str, str] | None:
    """The keys under which an object holds the labels of both orders."""
    lower = {key.lower(): key for key in value}
    first = next((lower[word] for word in FIRST_WORDS if word in lower), None)
    second = next((lower[word] for word in SECOND_WORDS if word in lower), None)
    return (first or "", second or "") if first and second else None


def _humans(columns: Mapping[str, Json], wishes: Wishes) -> tuple[tuple[Votes, ...], str | None]:
    if wishes.gold:
        return tuple(_plain(column, column) for column in wishes.gold), None
    several = [column for column in columns if SEVERAL.fullmatch(column.lower())]
    gold = [column for column in GOLDS if column in columns and not isinstance(columns[column], list | dict)]
    box = next((c for c in BOXES if c in columns and isinstance(columns[c], list | dict)), None)
    found = [_plain(column, column) for column in several if column not in wishes.verdict]
    return (*found, *(_plain(column, "gold") for column in gold[:1])), box


def _judges(columns: Mapping[str, Json], wishes: Wishes, taken: set[str], judge: str | None) -> tuple[Votes, ...]:
    if wishes.verdict:
        return tuple(_wished(wish) for wish in wishes.verdict)
    if "judgments" in columns and isinstance(columns["judgments"], list):  # JudgeBench: a list of what was seen
        return (Votes("", "judgments", lambda row: orders(row.get("judgments")), places=True),)
    for first, second in BARE_ORDERS:
        if first in columns and second in columns:
            return (_sided_votes("", first, second),)
    found: list[Votes] = []
    for column in (*VERDICTS, "verdicts", "results", "judgements"):
        pair = next(((f.format(column), s.format(column)) for f, s in SECOND_NAMES if _both(f, s, column, columns)), ())
        if pair:
            return (_sided_votes("", *pair),)
        if column in columns and column not in taken and column != judge:
            return _boxed(column, columns[column])
    for column in columns:
        named = SUFFIX.fullmatch(column)
        if named and column not in taken and not HUMAN_WORDS.search(column):
            other = next((s.format(column) for _, s in SECOND_NAMES if s.format(column) in columns), None)
            found.append(_sided_votes(named[1], column, other) if other else _orders(column, named[1]))
    return tuple(votes for votes in found if not any(votes.column in other.column.split(",")[1:] for other in found))


def _boxed(column: str, value: Json) -> tuple[Votes, ...]:
    """One judge's verdicts; several judges' where an object names them."""
    if not isinstance(value, dict) or _by_order(value) or any(word in value for word in LABEL_WORDS):
        return (_orders(column, ""),)

    def of(judge: str) -> Callable[[Row], Said | None]:
        def said(row: Row) -> Said | None:
            box = row.get(column)
            return orders(box[judge]) if isinstance(box, dict) and judge in box else None

        return said

    return tuple(Votes(judge, f"{column}.{judge}", of(judge)) for judge in value)


def _wished(wish: str) -> Votes:
    first, _, second = wish.partition(",")
    return _sided_votes("", first, second) if second else _orders(first, first)


def _plain(column: str, name: str) -> Votes:
    return Votes(name, column, lambda row: Said(_label(row[column])) if column in row else None)


def _orders(column: str, name: str) -> Votes:
    return Votes(name, column, lambda row: orders(row[column]) if column in row else None)


def _sided_votes(name: str, first: str, second: str) -> Votes:
    def said(row: Row) -> Said | None:
        if first not in row and second not in row:
            return None
        return Said(_label(row.get(first)), _label(row.get(second)), both=second in row)

    return Votes(name, f"{first},{second}", said)


def _both(first: str, second: str, base: str, columns: Mapping[str, Json]) -> bool:
    return first.format(base) in columns and second.format(base) in columns


def _sided(judges: Iterable[Votes], columns: Mapping[str, Json]) -> bool:
    """Whether a row holds both orders already."""
    return any("," in votes.column or isinstance(columns.get(votes.column), list | dict) for votes in judges)


def _named(columns: Mapping[str, Json], known: Iterable[str]) -> str | None:
    return next((column for column in known if column in columns), None)


def _a_name(values: Sequence[Json]) -> bool:
    """Whether a column names judges, and does not hold their labels."""
    words = {str(value).strip().lower() for value in values if value is not None}
    return not words <= {"a", "b", "c", "1", "2", "0", "tie", "model_a", "model_b", "a>b", "b>a", "error"}


def _sides(columns: Mapping[str, Json], firsts: Iterable[str]) -> tuple[str, str] | None:
    """The column of the first answer (or its writer) and that of the second."""
    for first in firsts:
        second = first.replace("1", "2") if "1" in first else f"{first[:-1]}b"
        if first in columns and second in columns:
            return first, second
    return None


def _prompt(columns: Mapping[str, Json]) -> tuple[str, ...]:
    """The prompt's column; an Alpaca instruction goes with its input."""
    if "instruction" in columns:
        return ("instruction", *(("input",) if "input" in columns else ()))
    found = _named(columns, PROMPTS)
    return (found,) if found else ()


def _key(columns: Mapping[str, Json], writers: tuple[str, str] | None, wished: str | None) -> tuple[str, ...]:
    if wished:
        return (wished,)
    for key in KEYS:
        if key in columns and not isinstance(columns[key], list | dict):
            return (key,)
    question = _named(columns, QUESTIONS)
    if question is None:
        return ()
    return (question, *(writers or ()), *(("turn",) if "turn" in columns else ()))
