"""Settings files: a recipe, a study or any other record as a person writes it, in YAML, TOML or JSON."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from profiler.errors import BadData, MissingExtra, UnknownName, WrongUse

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

MOST = 100_000
"""Parts that a settings file may have."""

SHOWN = 200
"""Characters of what came that are shown."""

R = TypeVar("R", bound=BaseModel)

KINDS = {
    **dict.fromkeys(("int_parsing", "int_type", "int_from_float"), "a whole number"),
    **dict.fromkeys(("float_parsing", "float_type", "finite_number"), "a number"),
    **dict.fromkeys(("bool_parsing", "bool_type"), "true or false"),
    **dict.fromkeys(("list_type", "tuple_type"), "a list"),
    **dict.fromkeys(("dict_type", "model_type"), "keys with values"),
    "string_type": "a text",
    "greater_than_equal": "at least {ge}",
    "greater_than": "more than {gt}",
    "less_than_equal": "at most {le}",
    "less_than": "less than {lt}",
    "literal_error": "one of {expected}",
    "string_too_short": "a text that is not empty",
    "extra_forbidden": "no such key",
    "too_short": "at least {min_length} of them",
    "too_long": "at most {max_length} of them",
}
"""What a validation calls a problem → what was expected, to a reader."""


def load(path: Path) -> dict[str, object]:
    """The content of a YAML or TOML file."""
    try:
        text = path.read_text("utf-8-sig")  # an editor of Windows puts a mark before the text
    except OSError as error:
        raise BadData(f"can't read {str(path)!r}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise BadData(f"{path} is not UTF-8: byte {error.start:,}; save it as UTF-8") from None
    match path.suffix:
        case ".toml":
            return parse_toml(text, str(path))
        case ".yaml" | ".yml" | ".json":
            return _yaml(text, path)
    raise BadData(f"can't read {path.name!r}: expected .yaml, .yml, .json or .toml")


def parse_toml(text: str, name: str) -> dict[str, object]:
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadData(f"{name} is not TOML: {error}") from None


def _yaml(text: str, path: Path) -> dict[str, object]:
    try:  # what a run left is JSON, which needs no extra
        if isinstance(found := json.loads(text), dict):
            return found
    except (ValueError, RecursionError):
        pass
    try:
        import yaml
    except ModuleNotFoundError:
        raise MissingExtra("train", f"{path}: YAML, unlike TOML,") from None
    try:
        found = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise BadData(f"{path} is not YAML: {' '.join(str(error).split())}") from None
    if parts(found, {}) >= MOST:
        raise BadData(f"{path} has more than {MOST:,} parts once its aliases are written out")
    if not isinstance(found, dict):
        raise BadData(f"{path}: expected lines of `key: value`, found {type(found).__name__}")
    return found


def parts(value: object, known: dict[int, int]) -> int:
    """How many parts a value has, those that are named by an alias as often as they are named."""
    if not isinstance(value, (dict, list)):
        return 1
    if id(value) not in known:
        known[id(value)] = MOST  # as long as it is not counted: what holds itself has no end
        inner = value.values() if isinstance(value, dict) else value
        known[id(value)] = 1 + sum(parts(one, known) for one in inner)
    return known[id(value)]


def checked(record: type[R], fields: Mapping[str, object], where: str, named: Callable[[str], str] | None = None) -> R:
    """The RECORD of these FIELDS; what is wrong with the first of them is one sentence, which says WHERE."""
    refuse_unknown(f"key in {where}", fields, record, where)
    return validated(record, fields, where, named)


def refuse_unknown(kind: str, fields: Iterable[str], record: type[BaseModel], where: str) -> None:
    """Refuse a key that a record does not have."""
    for name in fields:
        if name not in record.model_fields:
            raise UnknownName(kind, str(name), record.model_fields, where)


def validated(
    record: type[R], fields: Mapping[str, object], where: str, named: Callable[[str], str] | None = None
) -> R:
    """The RECORD of these FIELDS, where unknown ones were refused before; a field goes by what NAMED calls it."""
    try:
        return record.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        place = first["loc"]
        if first["type"] == "extra_forbidden":
            *path, last = place
            kind = f"key of `{'.'.join(map(str, path))}`" if path else "key"
            raise UnknownName(f"{kind} in {where}", str(last), _keys(record, path), where) from None
        key = named(str(place[0])) if named and place else f"{where}: `{'.'.join(map(str, place))}`"
        raise WrongUse(f"{key}: {expected(first)}") from None


def _keys(record: type[BaseModel], path: Iterable[str | int]) -> list[str]:
    """The keys that the part of a RECORD at this PATH has; a step that is no field of it is a list's or a mapping's."""
    for step in path:
        field = record.model_fields.get(str(step))
        record = next(_records(field.annotation), record) if field else record
    return [*record.model_fields]


def _records(kind: object) -> Iterator[type[BaseModel]]:
    """The records in a type such as dict[str, Record] or Record | None."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        yield kind
    for inner in get_args(kind):
        yield from _records(inner)


def expected(problem: ErrorDetails) -> str:
    """What was expected and what came, of one PROBLEM that a validation found."""
    what = KINDS.get(problem["type"])
    if problem["type"] == "missing":
        return "is needed"
    if one_of := re.search(r"is not one of (.*?)\.?$", problem["msg"]):  # the command line's own check of a choice
        what = f"one of {one_of[1]}"
    told = problem["msg"].removeprefix("Value error, ").replace("Input should be", "expected")
    told = f"expected {what.format(**problem.get('ctx', {}))}" if what else told
    found = repr(problem["input"])
    return f"{told}, found {found if len(found) <= SHOWN else f'{found[:SHOWN]}…'}"


def text(record: type[BaseModel], values: BaseModel | None = None, null: str = "null") -> str:
    """Every key of a record as YAML, each explained; without VALUES, all defaults."""
    known = values.model_dump(mode="json") if values else {}
    lines = []
    for name, field in record.model_fields.items():
        value = known.get(name) if values else field.get_default(call_default_factory=True)
        written = "" if field.is_required() and not values else _as_json(value, null)
        explained = about(record, name)
        lines += ([f"# {explained}"] if explained else []) + [f"{name}: {written}".rstrip()]
    return "\n".join(lines) + "\n"


def about(record: type[BaseModel], name: str) -> str:
    return " ".join((record.model_fields[name].description or "").split())


def _as_json(value: object, null: str) -> str:
    plain = json.dumps(value, ensure_ascii=False, default=lambda part: part.model_dump(exclude_defaults=True))
    return null if value is None else plain
