"""Who said what of which pair: verdict files of any form become one table of raters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import chain, islice
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import ValidationError

from profiler import datasets
from profiler.agreement import ABSENT, TIE, UNREADABLE, A, B
from profiler.datasets import Json, Row
from profiler.errors import BadData
from profiler.judge.form import Form, Votes, Wishes, a_person, form, people, second_order
from profiler.judge.label import Vocabulary, shares
from profiler.records import Judgement, Pair, Winner

Second = Literal["auto", "answers", "places"]
"""What a verdict on swapped answers names; auto believes the file's form."""

DULL = ("result", "results", "annotations", "verdicts", "judgments", "judgements", "predictions", "output", "outputs")
"""Names of files that name no judge."""
LOOK = 200
"""Rows from which a file's form is told."""
NAMES: tuple[Winner, ...] = ("a", "b", "tie")
CODES: Mapping[str | None, int] = {"a": A, "b": B, "tie": TIE, None: UNREADABLE}
SWAPPED = {A: B, B: A}


class Vote(NamedTuple):
    """One label, and how sure the judge was of each answer."""

    code: int
    shares: tuple[float, ...] = ()


@dataclass
class Ballot:
    """What one rater said, by pair and order: False as the answers are, True swapped."""

    human: bool
    votes: dict[bool, dict[int, Vote]] = field(default_factory=lambda: {False: {}, True: {}})
    failed: int = 0
    sure: bool = False
    """It is known what its verdicts on swapped answers name."""


@dataclass
class Ballots:
    """All raters' labels of the same pairs."""

    pairs: dict[str, Pair] = field(default_factory=dict)
    raters: dict[str, Ballot] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    places: dict[str, int] = field(default_factory=dict)
    """Pair → its number."""

    def place(self, pair: Pair) -> int:
        """The number of a pair; what is new about it is kept."""
        known = self.pairs.get(pair.id)
        if known is None:
            self.places[pair.id] = len(self.pairs)
            self.pairs[pair.id] = pair
        elif not known.prompt and pair.prompt:
            self.pairs[pair.id] = pair
        elif known.prompt and pair.prompt and (known.prompt, known.a, known.b) != (pair.prompt, pair.a, pair.b):
            raise BadData(f"pair {pair.id!r} has other texts in another file; name the column of its id with --id")
        return self.places[pair.id]

    def rater(self, name: str, human: bool) -> Ballot:
        if name not in self.raters:
            self.raters[name] = Ballot(human)
        return self.raters[name]

    def take(self, said: Judgement) -> None:
        """Count what a judge of ours said of a pair, and what humans did."""
        place = self.place(said.pair)
        for name, winner in said.pair.humans.items():
            self.rater(name, True).votes[False][place] = Vote(CODES[winner])
        ballot = self.rater(said.judge, False)
        ballot.sure = True
        for ruling in said.rulings:
            if ruling.error:
                ballot.failed += 1
            else:
                ballot.votes[ruling.order == "ba"][place] = Vote(CODES[ruling.winner], ruling.shares)


def read(
    paths: Sequence[Path],
    wishes: Wishes | None = None,
    words: Mapping[str, int] | None = None,
    second: Second = "auto",
    needed: bool = True,
) -> Ballots:
    """The labels of all files, which may be NEEDED; a pair is known by its id, or by its texts where it has none."""
    ballots = Ballots()
    keyed: dict[str, bool] = {}
    for path, name in zip(paths, names(paths), strict=True):
        rows = datasets.read(path)
        head = list(islice(rows, LOOK))
        if not head:
            raise BadData(f"{path.name} holds no rows")
        found = form(head, path.name, wishes or Wishes())
        keyed[path.name] = bool(found.key or found.answers or found.own)
        Reader(ballots, found, path, name, words or {}, second).take(chain(head, rows))
    if len(paths) > 1 and not all(keyed.values()):
        without = next(name for name, has in keyed.items() if not has)
        raise BadData(f"{without} has no column of ids, so its rows can't be joined with other files'; add an `id`")
    if needed and not ballots.raters:
        raise BadData(f"found neither human labels nor verdicts in {', '.join(path.name for path in paths)}; "
                      "name the columns with --gold and --verdict")  # fmt: skip
    return ballots


@dataclass
class Reader:
    """Reads one file into the ballots."""

    ballots: Ballots
    form: Form
    path: Path
    name: str
    """What to call a judge that neither row nor column names."""
    words: Mapping[str, int]
    second: Second

    def __post_init__(self) -> None:
        self._columns: dict[str, Vocabulary] = {}
        self._again = 0

    def take(self, rows: Iterable[Row]) -> None:
        for number, row in enumerate(rows):
            try:
                self.ballots.take(Judgement.model_validate(row)) if self.form.own else self._row(number, row)
            except (BadData, ValidationError) as error:
                raise BadData(f"{self.path.name} row {number + 1}: {error}") from None
        self._check()

    def _check(self) -> None:
        if self._again:
            self.ballots.notes.append(
                f"{self.path.name}: {self._again} labels of a human who had labelled the pair otherwise before; "
                "the first counts"
            )
        together = sum((column.seen for column in self._columns.values()), Counter[str]())
        for name, column in self._columns.items():
            column.check(together)
            if strange := column.unknown:
                most = ", ".join(repr(word) for word, _ in strange.most_common(3))
                self.ballots.notes.append(
                    f"{self.path.name}: {sum(strange.values())} verdicts in {name!r} name no answer, such as {most}; "
                    "they count as unreadable"
                )

    def _row(self, number: int, row: Row) -> None:
        pair, turned = _pair(self.form, number, row)
        place = self.ballots.place(pair)
        writers = (_text(row, self.form.writers, 0), _text(row, self.form.writers, 1))
        for votes in self.form.humans:
            said = votes.said(row)
            if said and said.first is not None:
                self._vote(votes, votes.name, True, place, False, said.first, writers, turned)
        if self.form.boxed:
            box = Votes("", self.form.boxed, lambda _: None)
            for name, label in people(row.get(self.form.boxed)):
                self._vote(box, name, True, place, False, label, writers, turned)
        for votes in self.form.judges:
            self._judge(votes, row, place, writers, turned)

    def _judge(self, votes: Votes, row: Row, place: int, writers: tuple[str | None, str | None], turned: bool) -> None:
        said = votes.said(row)
        if said is None:
            return
        named = row.get(self.form.judge) if self.form.judge else None
        person = named is not None and a_person(named)
        name = _judge_name(named) if named is not None else votes.name or self.name
        swapped = bool(self.form.order) and second_order(row.get(self.form.order or ""))
        self._vote(votes, name, person, place, swapped, said.first, writers, turned)
        if said.both:
            self._vote(votes, name, person, place, True, said.second, writers, turned)

    def _vote(
        self,
        votes: Votes,
        name: str,
        human: bool,
        place: int,
        swapped: bool,
        value: Json,
        writers: tuple[str | None, str | None],
        turned: bool,
    ) -> None:
        column = self._columns.get(votes.column)
        if column is None:
            column = self._columns[votes.column] = Vocabulary(votes.column, self.words, strict=human)
        code = column.code(value, writers)
        if code == ABSENT:
            return
        places = self.second == "places" or (self.second == "auto" and votes.places)
        if turned != (swapped and places):
            code = SWAPPED.get(code, code)
        ballot = self.ballots.rater(name, human)
        ballot.sure |= self.second != "auto"
        kept = ballot.votes[swapped]
        if place in kept and kept[place].code != code:
            if not human:
                pair = list(self.ballots.pairs)[place]
                raise BadData(
                    f"{name!r} rules on pair {pair!r} twice, and differently; "
                    "name the column of the pair's id with --id"
                )
            self._again += 1
            return
        kept[place] = Vote(code, shares(value) or () if not human else ())


def _pair(found: Form, number: int, row: Row) -> tuple[Pair, bool]:
    """A row's pair; and whether its answers had to be turned, so that one pair of writers has one id."""
    prompt = "\n\n".join(text for column in found.prompt if (text := _said(row.get(column))))
    a, b = (_said(row.get(column)) for column in found.answers) if found.answers else ("", "")
    writers = tuple(_text(row, found.writers, side) for side in (0, 1))
    if found.writers is None and isinstance(row.get("cmp_key"), str):  # PandaLM: the two writers in one column
        parts = str(row["cmp_key"]).split("_")
        writers = (parts[0], parts[1]) if len(parts) == 2 else writers
    turned = bool(found.writers and found.writers[0] in found.key) and str(writers[0]) > str(writers[1])
    if turned:
        a, b, writers = b, a, (writers[1], writers[0])
    if found.key:
        named = {**row, **dict(zip(found.writers or (), writers, strict=False))}
        key = "/".join(str(named.get(column)) for column in found.key)
    elif found.answers:
        key = blake2b("\0".join([prompt, a, b]).encode("utf-8", "replace"), digest_size=8).hexdigest()
    else:
        key = str(number)
    group = row.get(found.group) if found.group else None
    pair = Pair(
        id=key,
        prompt=prompt,
        a=a,
        b=b,
        writer_a=writers[0],
        writer_b=writers[1],
        humans={},  # given, because a default would be copied deeply, row by row
        group=None if group is None else str(group),
        cluster=str(row.get(found.key[0])) if len(found.key) > 1 else None,
    )
    return pair, turned


def _said(value: Json) -> str:
    """A text; of a conversation, what was said in it."""
    if isinstance(value, list):
        return "\n\n".join(str(turn.get("content", "")) if isinstance(turn, dict) else str(turn) for turn in value)
    return "" if value is None else str(value)


def _text(row: Row, columns: tuple[str, str] | None, side: int) -> str | None:
    value = row.get(columns[side]) if columns else None
    return None if value is None else str(value)


def _judge_name(value: Json) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def names(paths: Sequence[Path]) -> list[str]:
    """What to call judges whose files do not name them: the file's name, with its folders' where that is dull."""
    stems = [path.name.removesuffix(".gz").rpartition(".")[0] for path in paths]
    told = [stem not in DULL and stems.count(stem) == 1 for stem in stems]
    return [
        stem if tells else "/".join([*path.resolve().parts[-3:-1], *([] if stem in DULL else [stem])])
        for path, stem, tells in zip(paths, stems, told, strict=True)
    ]
