"""Where a file keeps pairs, human labels and verdicts: named presets, or as a user says."""

import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files
from itertools import zip_longest
from types import MappingProxyType
from typing import NamedTuple, cast

from pydantic import Field

from profiler.datasets import Json, Row
from profiler.errors import BadData, UnknownName, WrongUse
from profiler.records import Record

TEXTS = ("id", "prompt", "a", "b", "writer_a", "writer_b", "group", "judge", "swapped")
"""Roles that hold no labels."""


class ColumnRoles(Record):
    """Which columns hold what; names and texts that stand in several are joined.

    A dot leads into an object or a list, a star stands for the name of a rater.
    """

    id: tuple[str, ...] = ()
    prompt: tuple[str, ...] = ()
    a: tuple[str, ...] = ()
    b: tuple[str, ...] = ()
    writer_a: tuple[str, ...] = ()
    writer_b: tuple[str, ...] = ()
    group: tuple[str, ...] = ()
    judge: tuple[str, ...] = ()
    """Who judged the row."""
    swapped: tuple[str, ...] = ()
    """Whether the row's answers were swapped."""
    gold: tuple[str, ...] = ()
    """Labels of humans."""
    verdict: tuple[str, ...] = ()
    verdict_swapped: tuple[str, ...] = ()
    """The verdicts on swapped answers, in the order of `verdict`."""

    def every(self) -> list[str]:
        """All columns that are named, of whatever role."""
        return [column for role in ColumnRoles.model_fields for column in getattr(self, role) if column]


class FileForm(NamedTuple):
    """What a user says of files of labels; the rest their columns tell."""

    preset: str | None = None
    roles: ColumnRoles = ColumnRoles()
    words: Mapping[str, int] = MappingProxyType({})
    """Label → what it means."""


UNSAID = FileForm()


class Preset(ColumnRoles):
    """The columns of a tool's files, as presets.toml has them."""

    needs: tuple[str, ...] = ()
    besides: tuple[str, ...] = ()
    writers: str = ""
    """Holds the names of both writers, with an underscore between them."""
    people: str = ""
    """What the names of judges look like who are human."""
    places: bool = False
    """A verdict on swapped answers names the place of an answer, not the answer."""
    labels: dict[str, str] = Field(default={})

    def fits(self, columns: Sequence[str], left: Sequence[str]) -> bool:
        """Whether it needs and knows COLUMNS; it has to know those that are LEFT when a user has named some."""
        return {*self.needs} <= {*columns} and not unknown(left, [*self.every(), *self.besides, self.writers])


class LabelPath(NamedTuple):
    """Where one rater's labels stand, or those of many where there is a star in the path."""

    rater: str
    """Empty where the row or the file names it."""
    first: str
    swapped: str = ""


@dataclass(frozen=True)
class FileColumns:
    """Where one file keeps what."""

    preset: Preset
    """Of its columns those that the file has."""
    humans: tuple[LabelPath, ...] = ()
    judges: tuple[LabelPath, ...] = ()
    unread: tuple[str, ...] = ()
    """Columns that nobody has named."""
    own: bool = False
    """It is a verdict file of `inherit judge`."""


@cache
def presets() -> Mapping[str, tuple[Preset, ...]]:
    """The known forms of files by name; a tool may write several."""
    text = files("profiler.judging").joinpath("presets.toml").read_text("utf-8")
    return {name: tuple(map(Preset.model_validate, forms)) for name, forms in tomllib.loads(text).items()}


def parse_columns(given: Iterable[str]) -> ColumnRoles:
    """What a user's ROLE=COLUMN,… options say."""
    found: dict[str, tuple[str, ...]] = {}
    for one in (part for text in given for part in text.split(",")):
        role, _, column = (part.strip() for part in one.partition("="))
        if role not in ColumnRoles.model_fields or not column:
            roles = ", ".join(ColumnRoles.model_fields)
            raise WrongUse(f"expected --columns ROLE=COLUMN,… with the roles {roles}; found {one!r}")
        before = found.get(role, ())
        if role == "verdict_swapped":  # of the verdict that was named last
            before += ("",) * (len(found.get("verdict", ())) - 1 - len(before))
            if len(before) >= len(found.get("verdict", ())):
                raise WrongUse(f"expected --columns verdict=COLUMN before verdict_swapped={column}")
        found[role] = (*before, column)
    return ColumnRoles.model_validate(found)


def file_columns(rows: Sequence[Row], file: str, preset: str | None, named: ColumnRoles) -> FileColumns:
    """Where FILE keeps what, from its first ROWS: as its columns tell, or a PRESET, or the columns that are NAMED."""
    columns = [*dict.fromkeys(column for row in rows for column in row)]
    if {"pair", "rulings"} <= {*columns}:
        return FileColumns(Preset(), own=True)
    mine = {role: wanted for role, wanted in named if any(has(columns, column) for column in wanted if column)}
    left = unknown(columns, named.every()) if mine else columns
    found = _form(columns, left, file, preset)
    form = (found or Preset()).model_copy(update={"verdict_swapped": ()} | mine if "verdict" in mine else mine)
    if unknown([*mine.get("gold", ()), *mine.get("verdict", ())], [*found.gold, *found.verdict] if found else ()):
        form = form.model_copy(update={"labels": {}})  # which tell of the form's own columns
    free = {
        role: [one for one in columns if role in mine or one not in named.every()] for role in ColumnRoles.model_fields
    }
    texts = {role: tuple(one for one in getattr(form, role) if has(free[role], one)) for role in TEXTS}
    alone = len(form.verdict) == 1 and form.verdict_swapped
    humans = _paths(rows, free["gold"], form.gold, ())
    judges = _paths(rows, free["verdict"], form.verdict, form.verdict_swapped)
    return FileColumns(
        form.model_copy(update=texts),
        tuple(path._replace(rater=path.first if path.rater or "gold" in mine else "gold") for path in humans),
        tuple(path._replace(rater=path.first) if "verdict" in mine and not alone else path for path in judges),
        () if found else tuple(left),
    )


def _form(columns: Sequence[str], left: Sequence[str], file: str, preset: str | None) -> Preset | None:
    """The one form that these columns are of; None where none is, but a user has named some and only these are LEFT."""
    if preset and preset not in presets():
        raise UnknownName("preset", preset, [*presets()], "inherit agree --help")
    for form in presets()[preset] if preset else ():
        if {*form.needs} <= {*columns}:
            return form
    if not left:
        return None
    fits = {name: form for name, forms in presets().items() for form in forms if form.fits(columns, left)}
    fits = {name: form for name, form in fits.items() if form.needs} or fits
    found = f"found {', '.join(columns)}"
    if len(fits) > 1:
        raise BadData(f"{file} may be of the forms {' and '.join(fits)}; say which with --preset; {found}")
    if preset and not fits:
        needs = " or ".join(", ".join(form.needs) for form in presets()[preset])
        raise BadData(f"{file} is not of the form {preset!r}, which needs the columns {needs}; {found}")
    if not fits and len(left) == len(columns):
        raise BadData(
            f"{file} is of no known form; name its columns with --columns, as in id=…,gold=…,verdict=…, "
            f"or its form with --preset {'|'.join(presets())}; {found}"
        )
    return next(iter(fits.values()), None)


def _paths(
    rows: Sequence[Row], columns: Sequence[str], firsts: Sequence[str], seconds: Sequence[str]
) -> Iterator[LabelPath]:
    """Where labels stand in ROWS, and those of swapped answers; a star in a column's name stands for a rater's."""
    taken = set[str]()
    for first, second in zip_longest(firsts, seconds, fillvalue=""):
        before, star, after = first.partition("*")
        several = bool(star) and "." not in before
        for path in [one for one in columns if fnmatchcase(one, first)] if several else [first] * has(columns, first):
            rater = path[len(before) : len(path) - len(after)] if several else ""
            other = second.replace("*", rater) if several else second
            if _stands(rows, path) and (several or first.partition(".")[0] not in taken):
                taken |= set() if star else {first.partition(".")[0]}  # one judge's labels are not several judges'
                yield LabelPath(rater, path, other if second and _stands(rows, other) else "")


def has(columns: Iterable[str], wanted: str) -> bool:
    """Whether WANTED is one of COLUMNS, a pattern of one or a path that begins with one."""
    return any(column == wanted or fnmatchcase(column, wanted.partition(".")[0]) for column in columns)


def unknown(columns: Iterable[str], known: Sequence[str]) -> list[str]:
    """Those of COLUMNS that no KNOWN column, pattern or path is about."""
    return [column for column in columns if not any(has([column], one) for one in known)]


def values_at(row: Row, path: str) -> Iterator[tuple[str, Json]]:
    """All that a path leads to in a row, with what its star stands for."""
    return iter([("", row[path])]) if path in row else _below(row, path.split("."), "")


def _below(value: Json | Row, keys: Sequence[str], name: str) -> Iterator[tuple[str, Json]]:
    if not keys or (value is None and "*" not in keys):
        yield name, cast(Json, value)
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            if keys[0] in ("*", str(place), str(place - len(value))):
                yield from _below(inner, keys[1:], f"{place + 1}" if keys[0] == "*" else name)
    elif isinstance(value, Mapping):
        for key in value if keys[0] == "*" else keys[:1]:
            if key in value:
                yield from _below(value[key], keys[1:], key if keys[0] == "*" else name)


def _stands(rows: Sequence[Row], path: str) -> bool:
    """Whether a path leads to a label in any of ROWS; a column may be empty in all."""
    found = ((path in row, value) for row in rows for _, value in values_at(row, path))
    return any(not isinstance(value, dict | list) and (plain or value is not None) for plain, value in found)
