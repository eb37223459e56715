"""Multiple-choice questions: where sets of them come from, how one is put to a model, and which option was taken."""

import hashlib
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import ClassVar, NamedTuple, Self, cast

from profiler import datasets
from profiler.datasets import File, Item, Json, Row, Source, drawn, official
from profiler.endpoints import Answer, Choose, lettered
from profiler.errors import BadData
from profiler.probes.probe import Probe, ProbeOptions

COLUMNS = ("question", "choices", "answer")
"""Of the shipped set and of a user's own: the question, its options, and the number of the right one, from 0."""


class Question(NamedTuple):
    """One question as a model sees it."""

    prompt: str
    """What each option continues."""
    options: tuple[str, ...]
    """The options as they are written, without the space before them."""
    gold: int
    """Place of the right one."""
    asked: str
    """The question for an endpoint that answers with a letter."""
    choices: tuple[str, ...]
    """What is weighed after the prompt: each option behind a space, or with what follows it."""
    given: tuple[str, ...] = ()
    """The options again where they stand in the middle of a sentence, and only what follows them is weighed."""

    def choose(self) -> Choose:
        """Each option is weighed after the prompt, or one is named by letter."""
        return Choose(self.prompt, self.choices, lettered(self.asked, self.options), self.given)


def question(prompt: str, options: Iterable[Json], gold: Json, asked: str = "", rest: str = "") -> Question:
    """A question as a row has it: asked as it is weighed if nothing else is said, REST following each option."""
    texts = tuple(map(str, options))
    choices = tuple(f"{text} {rest}" if rest else f" {text}" for text in texts)
    return Question(prompt, texts, int(str(gold)), asked or prompt, choices, texts if rest else ())


Put = Callable[[Row], Question]
"""How a row of a set is put to a model."""


@dataclass(frozen=True)
class QuestionSet:
    """Questions of one kind, with the file that they come from."""

    name: str
    file: str
    sha256: str
    rows: Callable[[], Iterable[tuple[str, Row]]]
    """Item id and row."""
    put: Put

    def items(self) -> Iterator[Item[Question]]:
        return (Item(key, self.put(row), group=self.name) for key, row in self.rows())


@dataclass(frozen=True)
class OfficialSet:
    """A published set."""

    name: str
    columns: str
    """Those that it has, blanks between them."""
    put: Put
    of: str = ""
    """The data set that it is of, where that is called otherwise."""
    place: int = 0
    """Of its file among the data set's."""

    @property
    def source(self) -> Source:
        return official(self.of or self.name)

    @property
    def file(self) -> File:
        return self.source.files[self.place]

    def read(self) -> QuestionSet:
        form = self.source.get(self.file).form

        def rows() -> Iterator[tuple[str, Row]]:
            found = self.source.rows(self.file, self.columns.split())
            return ((f"{self.name}/{number}", row) for number, row in enumerate(found))

        return QuestionSet(self.name, form.path, form.sha256, rows, self.put)


@dataclass(frozen=True)
class MultipleChoice(Probe[Question]):
    """What probes of multiple-choice questions share, whatever is made of the answers."""

    sets: tuple[QuestionSet, ...] = ()

    takes: ClassVar[frozenset[str] | None] = frozenset(("prompts",))
    official: ClassVar[tuple[OfficialSet, ...]]
    """The published sets of the suites paper and full."""

    @staticmethod
    @abstractmethod
    def put(row: Row) -> Question:
        """A question of the shipped set, or of a user's own, as this probe puts it to a model."""

    @classmethod
    def build(cls, options: ProbeOptions) -> Self:
        if options.prompts:
            path = Path(options.prompts).expanduser()
            return cls(path.name, options.limit, sets=(own(path, cls.put),))
        had = [] if options.suite == "mini" else [part for part in cls.official if part.source.had(part.file)]
        if not had and options.suite not in ("auto", "mini"):
            cls.official[0].read()  # says what is missing, and how to get it
        if not had:
            return cls("mini", options.limit, sets=mini(cls.put))
        missing = tuple(part.name for part in cls.official if part not in had)
        return cls("paper", options.limit, missing, tuple(part.read() for part in had))  # which is the full set too

    @cached_property
    def items(self) -> list[Item[Question]]:
        """As many of each set as of the others, where not all are wanted."""
        if self.limit is None:
            return [item for part in self.sets for item in part.items()]
        share, more = divmod(self.limit, len(self.sets))
        return [item for place, part in enumerate(self.sets) for item in drawn(part.items(), share + (place < more))]

    def right(self, item: Item[Question]) -> int:
        return item.fields.gold

    @property
    def data(self) -> Mapping[str, str]:
        return {part.file: part.sha256 for part in self.sets}


def mini(put: Put) -> tuple[QuestionSet, ...]:
    """The shipped questions, by kind."""

    def rows(kind: str) -> Iterator[tuple[str, Row]]:
        return ((str(row["id"]), row) for row in datasets.mini.rows("questions") if row["kind"] == kind)

    digest = datasets.mini.sha256("questions")
    return tuple(
        QuestionSet(kind, "mini questions", digest, partial(rows, kind), put) for kind in ("knowledge", "sense")
    )


def own(path: Path, put: Put) -> QuestionSet:
    """A user's file with the columns question, choices and answer."""
    name = Path(path.name.removesuffix(".gz")).stem

    def rows() -> Iterator[tuple[str, Row]]:
        for number, row in enumerate(datasets.read(path)):
            _check(f"{path.name} row {number + 1}", row)
            yield f"{name}/{number}", row

    next(iter(rows()), None)  # says what is wrong with the file before its digest is taken
    return QuestionSet(name, path.name, hashlib.sha256(path.read_bytes()).hexdigest(), rows, put)


def _check(where: str, row: Row) -> None:
    if lacking := [column for column in COLUMNS if column not in row]:
        raise BadData(f"{where}: no column {', '.join(lacking)}; found {', '.join(row)}")
    choices, answer = row["choices"], row["answer"]
    if not isinstance(choices, list) or len(choices) < 2 or not all(isinstance(text, str) and text for text in choices):
        raise BadData(f"{where}: expected a list of at least two texts in `choices`, found {choices!r}")
    if not isinstance(answer, int) or not 0 <= answer < len(choices):
        raise BadData(f"{where}: expected a number from 0 to {len(choices) - 1} in `answer`, found {answer!r}")


def listed(value: Json) -> list[Json]:
    """VALUE of a row whose columns are known."""
    return cast(list[Json], value)


def nested(value: Json) -> Row:
    return cast(Row, value)


def unparseable(answer: Answer) -> float:
    """1 for a written answer that names no option: it is wrong, and counted."""
    return float(not answer.likelihoods and answer.choice is None)


def openbook(row: Row) -> Question:
    """The stem, which the options continue: both probes ask it so."""
    of = nested(row["question"])
    options = [nested(choice) for choice in listed(of["choices"])]
    labels = [choice["label"] for choice in options]
    return question(str(of["stem"]), (choice["text"] for choice in options), labels.index(row["answerKey"]))
