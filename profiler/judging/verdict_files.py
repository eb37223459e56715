"""Who said what of which pair: verdict files of any form become one table of raters; and one's own are written."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import chain, islice
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import ValidationError

from profiler import datasets
from profiler.datasets import Json, Row
from profiler.errors import BadData
from profiler.files import write_whole
from profiler.judging.columns import UNSAID, FileColumns, FileForm, LabelPath, file_columns, has, values_at
from profiler.judging.labels import CODES, Vocabulary, shares
from profiler.judging.records import Judgement, Pair, Winner
from profiler.stats.raters import ABSENT, OTHER_SIDE

Second = Literal["auto", "answers", "places"]
"""What a verdict on swapped answers names; auto believes the file's form."""

DULL = ("result", "results", "annotations", "verdicts", "judgments", "judgements", "predictions", "output", "outputs")
"""Names of files that name no judge."""
LOOK = 200
"""Rows from which a file's form is told."""
NAMES: tuple[Winner, ...] = ("a", "b", "tie")
SWAPPED = {"false": False, "0": False, "ab": False, "true": True, "1": True, "ba": True}
"""What a row may say of whether its answers were swapped."""


class Vote(NamedTuple):
    """One label, and how sure the judge was of each answer."""

    code: int
    shares: tuple[float, ...] = ()


@dataclass
class RaterLabels:
    """What one rater said, by order (False as the answers are, True swapped) and by the pair's id."""

    human: bool
    votes: dict[bool, dict[str, Vote]] = field(default_factory=lambda: {False: {}, True: {}})
    failed: int = 0
    sure: bool = False
    """It is known what its verdicts on swapped answers name."""


@dataclass
class PairLabels:
    """All raters' labels of the same pairs."""

    pairs: dict[str, Pair] = field(default_factory=dict)
    raters: dict[str, RaterLabels] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    halves: set[str] = field(default_factory=set)
    """Pairs of which an answer is null, which nobody can judge; an empty one is an answer."""

    def keep(self, pair: Pair) -> None:
        """Take in what is new about a pair."""
        known = self.pairs.get(pair.id)
        if known is None or (not known.prompt and pair.prompt):
            self.pairs[pair.id] = pair
        elif pair.prompt and (known.prompt, known.a, known.b) != (pair.prompt, pair.a, pair.b):
            raise BadData(f"pair {pair.id!r} has other texts in another file; name the column of its id with --id")

    def rater(self, name: str, human: bool) -> RaterLabels:
        if name not in self.raters:
            self.raters[name] = RaterLabels(human)
        return self.raters[name]

    def take(self, said: Judgement) -> None:
        """Count what a judge of ours said of a pair, and what humans did."""
        self.keep(said.pair)
        for name, winner in said.pair.humans.items():
            self.rater(name, True).votes[False][said.pair.id] = Vote(CODES[winner])
        judge = self.rater(said.judge, False)
        judge.sure = True
        for ruling in said.rulings:
            if ruling.error:
                judge.failed += 1
            else:
                judge.votes[ruling.order == "ba"][said.pair.id] = Vote(
                    CODES[ruling.winner or "unparseable"], ruling.shares
                )


def read_labels(
    paths: Sequence[Path], form: FileForm = UNSAID, second: Second = "auto", needed: bool = True
) -> PairLabels:
    """The labels of all files, which may be NEEDED; a pair is known by its id, or by its texts where it has none.

    A file's columns tell its form; else a preset does, or the columns that a user has named, where it has them.
    """
    rows = [datasets.read(path) for path in paths]
    heads = [[*islice(one, LOOK)] for one in rows]
    if not all(heads):
        raise BadData(f"{paths[heads.index([])].name} holds no rows")
    known = [*dict.fromkeys(column for head in heads for row in head for column in row)]
    for wanted in form.roles.every():
        if not has(known, wanted):
            raise BadData(f"{', '.join(p.name for p in paths)}: no column {wanted!r}; found {', '.join(known)}")
    labels = PairLabels()
    for path, head, rest, name in zip(paths, heads, rows, judge_names(paths), strict=True):
        columns = file_columns(head, path.name, form.preset, form.roles)
        if len(paths) > 1 and not (columns.own or columns.preset.id or columns.preset.a):
            raise BadData(
                f"{path.name} has no column of ids, so its rows can't be joined with other files'; "
                "add an `id`, or name it with --id"
            )
        VerdictFile(labels, columns, path.name, name, form.words, second).take(chain(head, rest))
    if needed and not labels.raters:
        raise BadData(f"found neither human labels nor verdicts in {', '.join(path.name for path in paths)}; "
                      "name their columns with --columns, as in gold=…,verdict=…")  # fmt: skip
    return labels


class VerdictFile:
    """Reads one file into the labels."""

    def __init__(
        self, labels: PairLabels, columns: FileColumns, file: str, judge: str, words: Mapping[str, int], second: Second
    ) -> None:
        self.labels, self.columns, self.file, self.judge = labels, columns, file, judge
        self._words = {word: CODES[meaning] for word, meaning in columns.preset.labels.items()} | dict(words)
        self._places = second == "places" or (second == "auto" and columns.preset.places)
        self._sure = second != "auto"
        self._people = re.compile(columns.preset.people)
        self._read: dict[str, Vocabulary] = {}
        self._again = 0

    def take(self, rows: Iterable[Row]) -> None:
        for number, row in enumerate(rows):
            try:
                self.labels.take(Judgement.model_validate(row)) if self.columns.own else self._row(number, row)
            except (BadData, ValidationError) as error:
                raise BadData(f"{self.file} row {number + 1}: {error}") from None
        note = self.labels.notes.append
        if self.columns.unread:
            note(f"{self.file}: only the columns that you name are read, not {', '.join(self.columns.unread)}")
        if many := self._again:
            note(f"{self.file}: {many} labels of a human who had labelled the pair otherwise before; the first counts")
        for vocabulary in self._read.values():
            if unread := vocabulary.check():
                note(f"{self.file}: {unread}")

    def _row(self, number: int, row: Row) -> None:
        pair, turned = self._pair(number, row)
        self.labels.keep(pair)
        form = self.columns.preset
        if form.a and form.b and not (_values(row, form.a) and _values(row, form.b)):
            self.labels.halves.add(pair.id)
        writers = (pair.writer_b, pair.writer_a) if turned else (pair.writer_a, pair.writer_b)

        for path, name, human, swapped, value in self._labels(row):
            if "*" in path.first and isinstance(value, dict | list):
                continue
            if path.first not in self._read:
                column = f"{path.first},{path.swapped}" if path.swapped else path.first
                self._read[path.first] = Vocabulary(column, self._words, strict=human)
            code = self._read[path.first].code(value, writers)
            if code == ABSENT:
                continue
            turn = turned != (swapped and self._places)
            sure = () if human else shares(value) or ()
            vote = Vote(int(OTHER_SIDE[code]), sure[::-1]) if turn else Vote(code, sure)
            rater = self.labels.rater(name, human)
            rater.sure |= self._sure
            kept = rater.votes[swapped].setdefault(pair.id, vote)
            if kept.code != vote.code and not human:
                raise BadData(
                    f"{name!r} rules on pair {pair.id!r} twice, and differently; "
                    "name the column of the pair's id with --id"
                )
            self._again += kept.code != vote.code

    def _labels(self, row: Row) -> Iterator[tuple[LabelPath, str, bool, bool, Json]]:
        """Each label of a row: where it stands, whose it is, whether a human's, and whether of swapped answers."""
        for path in self.columns.humans:
            for name, value in values_at(row, path.first):
                if value is not None:
                    yield path, f"annotator{name}" if name.isdigit() else name or path.rater, True, False, value
        judge = _name(row, self.columns.preset.judge)
        human = bool(judge and self._people.fullmatch(judge))
        order = (_name(row, self.columns.preset.swapped) or "false").strip().lower()
        if order not in SWAPPED:
            raise BadData(f"column {self.columns.preset.swapped[0]!r}: expected true or false, found {order!r}")
        for path in self.columns.judges:
            for swapped, column in ((SWAPPED[order], path.first), (True, path.swapped)):
                for name, value in values_at(row, column) if column else ():
                    yield path, judge or name or path.rater or self.judge, human, swapped, value

    def _pair(self, number: int, row: Row) -> tuple[Pair, bool]:
        """A row's pair; and whether its answers had to be turned, so that one pair of writers has one id."""
        form = self.columns.preset
        prompt, a, b = _text(row, form.prompt), _text(row, form.a), _text(row, form.b)
        writers = [_name(row, form.writer_a), _name(row, form.writer_b)]
        if form.writers and len(parts := str(row.get(form.writers)).split("_")) == 2:
            writers = [*parts]
        turned = bool({*form.id} & {*form.writer_a}) and str(writers[0]) > str(writers[1])
        if turned:
            a, b, writers = b, a, writers[::-1]
        if form.id:
            named = dict(zip((*form.writer_a, *form.writer_b), writers, strict=False))
            key = "/".join(str(named.get(column, _name(row, [column]))) for column in form.id)
        elif form.a:
            key = blake2b("\0".join([prompt, a, b]).encode("utf-8", "replace"), digest_size=8).hexdigest()
        else:
            key = str(number)
        pair = Pair(
            id=key,
            prompt=prompt,
            a=a,
            b=b,
            writer_a=writers[0],
            writer_b=writers[1],
            humans={},  # given, because a default would be copied deeply, row by row
            group=_name(row, form.group),
            cluster=_name(row, form.id[:1]) if len(form.id) > 1 else None,
        )
        return pair, turned


def _values(row: Row, columns: Sequence[str]) -> list[Json]:
    """What COLUMNS hold, where the row has them."""
    if len(columns) == 1 and columns[0] in row:  # nearly always: this is done for every row and role
        return [] if (value := row[columns[0]]) is None else [value]
    return [value for column in columns for _, value in values_at(row, column) if value is not None]


def _text(row: Row, columns: Sequence[str]) -> str:
    return "\n\n".join(filter(None, map(_said, _values(row, columns)))) if columns else ""


def _said(value: Json) -> str:
    """A text; of a conversation, what was said in it."""
    if isinstance(value, list):
        return "\n\n".join(str(turn.get("content", "")) if isinstance(turn, dict) else str(turn) for turn in value)
    return str(value)


def _name(row: Row, columns: Sequence[str]) -> str | None:
    if not columns or not (values := _values(row, columns)):
        return None
    return " ".join(" ".join(map(str, one)) if isinstance(one, list) else str(one) for one in values)


def judge_names(paths: Sequence[Path]) -> list[str]:
    """What to call judges whose files do not name them: the file's name, with its folders' where that is dull.

    Of a file in the folder where the command was given there are no folders to tell it by.
    """
    stems = [path.name.removesuffix(".gz").rpartition(".")[0] for path in paths]
    told = [
        len(path.parts) == 1 or (stem not in DULL and stems.count(stem) == 1)
        for path, stem in zip(paths, stems, strict=True)
    ]
    return [
        stem if tells else "/".join([*path.resolve().parts[-3:-1], *([] if stem in DULL else [stem])])
        for path, stem, tells in zip(paths, stems, told, strict=True)
    ]


def save_judgements(judgements: Sequence[Judgement], path: Path) -> None:
    """Write a verdict file, whole or not at all."""
    write_whole(path, "".join(one.model_dump_json() + "\n" for one in judgements).encode("utf-8", "replace"))
