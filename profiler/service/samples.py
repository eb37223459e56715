"""The samples of a run: a page of a million of them, and one with what another run made of the same question."""

# Column names are quoted, and all else that is asked travels beside the SQL.
# ruff: noqa: S608

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import orjson
from fastapi import Query, Request

from profiler.errors import WrongUse
from profiler.records import Record, Sample
from profiler.reporting.side_by_side import differing
from profiler.runs import Run
from profiler.service.pages import Pages
from profiler.service.problems import Missing
from profiler.service.runs import index_of, readable
from profiler.service.sample_file import FoundSample, SampleFile, asked, found_sample, sample_file

router = Pages(tags=["samples"])

PAGE = 50
"""Samples of a page."""
WINDOW = 250_000
COSTLY = 25_000
"""Rows that are searched at a time; fewer where texts are read or two files joined."""
TRIED = 2000
"""Rows that may hold a text and are read at a time."""
ENOUGH = 0.1
"""Seconds after which no further window is begun."""
HEAD = 200
"""Characters of a prompt or an answer that a list shows."""

Short = Annotated[str, Query(max_length=300)]
Finite = Annotated[float | None, Query(allow_inf_nan=False)]


class SampleHead(Record):
    """A sample as a list shows it."""

    row: int
    """Its place in the file."""
    item: str
    group: str | None
    prompt: str
    answer: str
    score: float | None
    error: str | None


class SamplesPage(Record):
    """Some samples of a probe."""

    run: str
    name: str
    probe: str
    probes: tuple[str, ...]
    samples: tuple[SampleHead, ...]
    after: str | None
    """What to ask for the next ones by; None where these are the last."""
    total: int
    """Samples of the probe, whatever is asked for."""
    searched: int | None
    """Rows that were looked at so far, where the search goes on on the next page."""
    groups: tuple[str, ...]
    scores: tuple[str, ...]
    group: str = ""
    score: str = ""
    low: float | None = None
    high: float | None = None
    only: str = ""
    base: str = ""
    q: str = ""
    sort: str = ""
    down: bool = True


class AnswerText(Record):
    """An answer in pieces: (text, whether only this side has it here)."""

    pieces: tuple[tuple[str, bool], ...]
    note: str = ""


class SampleSide(Record):
    """What a run made of a question."""

    run: str
    name: str
    sample: Sample
    answers: tuple[AnswerText, ...]


class SamplePage(Record):
    """One question, and what one run or two made of it."""

    run: str
    probe: str
    item: str
    base: str
    row: int
    previous: str | None
    next: str | None
    sides: tuple[SampleSide, ...]
    scores: tuple[tuple[str, tuple[float | None, ...]], ...]


@router.page("/runs/{id}/samples/{probe}", "sample_list.html", api="/api/runs/{id}/samples/{probe}")
def samples(
    request: Request,
    id: str,
    probe: str,
    group: Short = "",
    score: Short = "",
    low: Annotated[str, Query(max_length=30)] = "",
    high: Annotated[str, Query(max_length=30)] = "",
    only: Annotated[str, Query(pattern="^(|error|undefined|differs)$")] = "",
    base: Short = "",
    q: Short = "",
    sort: Short = "",
    down: bool = True,
    after: Annotated[str, Query(max_length=100)] = "",
) -> SamplesPage:
    """Samples of a probe: by group, score, error, text, or where another run's differ; the next page by `after`."""
    index = index_of(request)
    run = index.run(id)
    about = readable(run)
    path = _file(run, probe)
    known = sample_file(path)
    for name, given in (("score", score), ("sort", sort)):
        if given and given not in known.scores:
            # A number that is made of several scores has none of its own: the samples are shown as they were asked.
            score, sort = ("" if name == "score" else score), ("" if name == "sort" else sort)
    if q:
        sort = ""  # what is searched is read in its order
    wanted = _Wanted(path, known, group, score, _number(low), _number(high), only, q, sort, down)
    if only == "differs":
        if not base:
            raise WrongUse("`differs` needs the run to differ from: name it as base")
        wanted = wanted._replace(base=_file(index.run(base), probe))
    found, last, searched = wanted.page(after)
    return SamplesPage(
        run=id,
        name=about.name,
        probe=probe,
        probes=tuple(section.probe for section in about.sections),
        samples=tuple(found),
        after=last,
        total=known.rows,
        searched=searched,
        groups=known.groups,
        scores=known.scores,
        group=group,
        score=score,
        low=wanted.low,
        high=wanted.high,
        only=only,
        base=base,
        q=q,
        sort=sort,
        down=down,
    )


@router.page("/runs/{id}/samples/{probe}/{item:path}", "sample.html")
def sample(request: Request, id: str, probe: str, item: str, base: Short = "") -> SamplePage:
    """One question with all that was answered, and what BASE made of it side by side."""
    index = index_of(request)
    run = index.run(id)
    path = _file(run, probe)
    mine = _one(path, item, id)
    sides = [(id, readable(run).name, mine.sample)]
    if base:
        other = index.run(base)
        sides = [(base, readable(other).name, _one(_file(other, probe), item, base).sample), *sides]
    names = dict.fromkeys(name for *_, one in sides for name in one.scores)
    return SamplePage(
        run=id,
        probe=probe,
        item=item,
        base=base,
        row=mine.row,
        previous=mine.previous,
        next=mine.next,
        sides=tuple(
            SampleSide(run=run, name=name, sample=one, answers=answers)
            for (run, name, one), answers in zip(sides, _answers([one for *_, one in sides]), strict=True)
        ),
        scores=tuple((name, tuple(one.scores.get(name) for *_, one in sides)) for name in names),
    )


def _answers(sides: list[Sample]) -> list[tuple[AnswerText, ...]]:
    """Each side's answers; the first ones of two sides compared word by word."""
    made: list[list[AnswerText]] = [
        [
            AnswerText(pieces=((a.text, False),), note="cut off by the token limit" if a.finish == "length" else "")
            for a in one.answers
        ]
        for one in sides
    ]
    if len(sides) == 2 and all(made):
        compared = differing(*(one.answers[0].text for one in sides))
        for answers, pieces in zip(made, compared, strict=True):
            told = tuple((piece.text, piece.own) for piece in pieces)
            answers[0] = answers[0].model_copy(update={"pieces": told})
    return [tuple(answers) for answers in made]


class _Wanted(NamedTuple):
    """Which samples of a file are asked for, in which order."""

    path: Path
    known: SampleFile
    group: str
    score: str
    low: float | None
    high: float | None
    only: str
    text: str
    sort: str
    down: bool
    base: Path | None = None

    def page(self, after: str) -> tuple[list[SampleHead], str | None, int | None]:
        """A page of them from behind AFTER on, what to go on behind, and how many rows were searched if not all."""
        began = time.monotonic()
        if self.sort:
            rows = self._sorted(after)
            last = rows[PAGE - 1] if len(rows) > PAGE else None
            return self._heads([row for row, _ in rows[:PAGE]]), last and f"{last[0]}~{last[1]}", None
        start = int(after) + 1 if after.isdecimal() and len(after) < 19 else 0
        found: list[int] = []
        size = COSTLY if self.text or self.base else WINDOW
        while True:
            end = min(start + size, self.known.rows)
            more, start = self._window(start, end, PAGE + 1 - len(found))
            found += more
            if len(found) > PAGE:
                return self._heads(found[:PAGE]), str(found[PAGE - 1]), None
            if start >= self.known.rows:
                return self._heads(found), None, None
            if time.monotonic() - began > ENOUGH:
                return self._heads(found), str(start - 1), start

    def _window(self, start: int, end: int, many: int) -> tuple[list[int], int]:
        """So many fitting rows of those from START on and before END, and where to look on."""
        where, told = self._where()
        if not where:
            return [*range(start, min(end, start + many))], end
        sql = (
            f"SELECT s.file_row_number, {'s.json' if self.text else 'NULL'} "
            f"FROM read_parquet(?, file_row_number = true) s {self._joined()}"
            f"WHERE s.file_row_number >= ? AND s.file_row_number < ?{where} ORDER BY 1 LIMIT ?"
        )
        most = TRIED if self.text else many
        tried = asked(sql, self.path, *self._beside(), start, end, *told, most)
        found = [row for row, json in tried if not self.text or _says(json, self.text)][:many]
        return found, end if len(tried) < most else tried[-1][0] + 1

    def _sorted(self, after: str) -> list[tuple[int, float]]:
        where, told = self._where()
        column, way, less = _quoted(f"score.{self.sort}"), *(("DESC", "<") if self.down else ("ASC", ">"))
        row, _, value = after.partition("~")
        if row.isdecimal() and _number(value) is not None:
            where += f" AND (s.{column} {less} ? OR (s.{column} = ? AND s.file_row_number > ?))"
            told += [_number(value), _number(value), int(row)]
        sql = (
            f"SELECT s.file_row_number, s.{column} FROM read_parquet(?, file_row_number = true) s {self._joined()}"
            f"WHERE s.{column} IS NOT NULL{where} ORDER BY s.{column} {way}, s.file_row_number LIMIT ?"
        )
        return asked(sql, self.path, *self._beside(), *told, PAGE + 1)

    def _joined(self) -> str:
        return "JOIN read_parquet(?) b USING (item) " if self.base else ""

    def _beside(self) -> list[Any]:
        return [str(self.base)] if self.base else []

    def _where(self) -> tuple[str, list[Any]]:
        where = ""
        told: list[Any] = []
        if self.group:
            where, told = where + ' AND s."group" = ?', [*told, self.group]
        if self.score:
            column = _quoted(f"score.{self.score}")
            for sign, end in ((">=", self.low), ("<=", self.high)):
                if end is not None:
                    where, told = f"{where} AND s.{column} {sign} ?", [*told, end]
        if self.only == "error":
            where += " AND s.error IS NOT NULL"
        if self.only == "undefined":
            names = [self.score] if self.score else self.known.scores
            any_of = " OR ".join(f"s.{_quoted(f'score.{name}')} IS NULL" for name in names)
            where += f" AND s.error IS NULL AND ({any_of or 'false'})"
        if self.base:
            theirs = sample_file(self.base).scores
            both = [name for name in ([self.score] if self.score else self.known.scores) if name in theirs]
            apart = [
                f"s.{column} IS DISTINCT FROM b.{column}" for column in (_quoted(f"score.{name}") for name in both)
            ]
            where += f" AND ({' OR '.join(['s.choice IS DISTINCT FROM b.choice', *apart])})"
        if self.text:
            # As it stands in JSON, whose own words are sorted out by reading what is found.
            where, told = where + " AND contains(lower(s.json), lower(?))", [*told, _inside(self.text)]
        return where, told

    def _heads(self, rows: list[int]) -> list[SampleHead]:
        """The samples of some rows, in their order."""
        if not rows:
            return []
        column = f"s.{_quoted(f'score.{self.sort or self.score}')}" if self.sort or self.score else "NULL"
        these = ", ".join(map(str, rows))
        sql = (
            f'SELECT s.file_row_number, s.item, s."group", left(s.prompt, {HEAD}), s.json, {column}, s.error '
            "FROM read_parquet(?, file_row_number = true) s "
            f"WHERE s.file_row_number BETWEEN {min(rows)} AND {max(rows)} AND s.file_row_number IN ({these})"
        )
        found = {row[0]: row for row in asked(sql, self.path)}
        return [
            SampleHead(row=row, item=item, group=group, prompt=prompt, answer=_said(json), score=score, error=error)
            for row, item, group, prompt, json, score, error in (found[row] for row in rows)
        ]


def _said(json: str) -> str:
    """The beginning of an answer, or which option was taken."""
    one = Sample.model_validate_json(json)
    if one.answers:
        text = one.answers[0].text
        return text if len(text) <= HEAD else text[:HEAD] + "…"
    return "" if one.choice is None else f"option {one.choice + 1}"


def _says(json: str, text: str) -> bool:
    """Whether a text stands in what was asked or answered, in capitals or small letters."""
    one = orjson.loads(json)
    said = (one["item"], one["prompt"], *(answer["text"] for answer in one["answers"]))
    return any(text.lower() in each.lower() for each in said)


def _one(path: Path, item: str, run: str) -> FoundSample:
    if not (found := found_sample(path, item)):
        raise Missing(f"{run!r} was not asked {item!r}")
    return found


def _file(run: Run, probe: str) -> Path:
    """The file of a probe's samples; the probe is looked up in the run, its name is no path."""
    if probe not in (section.probe for section in readable(run).sections):
        raise Missing(f"{run.folder.name!r} has no probe {probe!r}")
    path = run.folder / "samples" / f"{probe}.parquet"
    if not path.is_file():
        raise Missing(f"the samples of {probe!r} were here and are gone; the profile's numbers are not")
    return path


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _inside(text: str) -> str:
    """TEXT as pydantic writes it inside a JSON string."""
    return orjson.dumps(text).decode()[1:-1]


def _number(words: str) -> float | None:
    """A number as a form sends it; None where the field was left empty."""
    if not words.strip():
        return None
    if not re.fullmatch(r"\s*[-+]?[\d.]+(?:[eE][-+]?\d+)?\s*", words):
        raise WrongUse(f"expected a number, found {words!r}")
    try:
        return float(words)
    except ValueError:
        raise WrongUse(f"expected a number, found {words!r}") from None
