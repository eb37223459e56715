"""A recipe is read from YAML or TOML and checked before anything is paid for."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import ValidationError

from profiler.errors import BadData, MissingExtra, UnknownName, WrongUse
from profiler.records import Recipe

LR = {"full": 2e-5, "lora": 2e-4, "qlora": 2e-4}
"""Stanford Alpaca's rate for all weights; ten times that for an adapter, as Hu et al. 2021 and its followers do."""


def read(path: Path | None, changes: Sequence[str] = ()) -> Recipe:
    """The recipe in a file, with KEY=VALUE changes on top."""
    fields = dict(parsed(path)) if path else {}
    for change in changes:
        key, equals, value = change.partition("=")
        if not equals:
            raise WrongUse(f"expected --set KEY=VALUE, found {change!r}")
        fields[key.strip()] = value.strip()
    return checked(fields, str(path) if path else "--set")


def parsed(path: Path) -> Mapping[str, object]:
    """The content of a YAML or TOML file."""
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise BadData(f"can't read the recipe {str(path)!r}: {error.strerror}") from None
    match path.suffix:
        case ".toml":
            return _toml(text, path)
        case ".yaml" | ".yml" | ".json":
            return _yaml(text, path)
    raise BadData(f"can't read {path.name!r} as a recipe: expected .yaml, .yml, .json or .toml")


def _toml(text: str, path: Path) -> Mapping[str, object]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadData(f"{path} is not TOML: {error}") from None


def _yaml(text: str, path: Path) -> Mapping[str, object]:
    try:
        import yaml
    except ModuleNotFoundError:
        raise MissingExtra("train", "a recipe in YAML") from None
    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise BadData(f"{path} is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(found, dict):
        raise BadData(f"{path}: expected lines of `key: value`, found {type(found).__name__}")
    return found


def checked(fields: Mapping[str, object], where: str) -> Recipe:
    """The recipe of these fields; what is wrong is said in one sentence."""
    for name in fields:
        if name not in Recipe.model_fields:
            raise UnknownName("recipe key", str(name), Recipe.model_fields, "inherit train --show")
    try:
        recipe = Recipe.model_validate(fields)  # lax: YAML 1.1 reads 2e-5 as a text, and so comes what --set gives
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        if first["type"] == "missing":
            raise WrongUse(f"{where}: the recipe needs `{key}`: {_about(key)}") from None
        raise WrongUse(f"{where}: `{key}`: {first['msg']}, found {first['input']!r}") from None
    if "{prompt}" not in recipe.frame:
        raise WrongUse(f"{where}: `frame` must hold {{prompt}}, found {recipe.frame!r}")
    return recipe if recipe.lr else recipe.model_copy(update={"lr": LR[recipe.method]})


def shown(recipe: Recipe | None = None) -> str:
    """A recipe as YAML, each key explained; without one, all defaults."""
    values = recipe.model_dump() if recipe else {}
    lines = []
    for name, field in Recipe.model_fields.items():
        value = values.get(name) if recipe else (None if field.is_required() else field.default)
        text = json.dumps(value, ensure_ascii=False) if value is not None or not field.is_required() else ""
        lines += [f"# {_about(name)}", f"{name}: {text}".rstrip()]
    return "\n".join(lines) + "\n"


def _about(name: str) -> str:
    return " ".join((Recipe.model_fields[name].description or "").split())
