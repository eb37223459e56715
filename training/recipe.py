"""A recipe is read from YAML or TOML and checked before anything is paid for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from profiler.datasets import settings
from profiler.errors import WrongUse
from training.records import Recipe

LR = {"full": 2e-5, "lora": 2e-4, "qlora": 2e-4}
"""Stanford Alpaca's rate for all weights; ten times that for an adapter, as Hu et al. 2021 and its followers do."""


def read_recipe(path: Path | None, changes: Sequence[str] = ()) -> Recipe:
    """The recipe in a file, with KEY=VALUE changes on top."""
    fields = settings.load(path) if path else {}
    for change in changes:
        key, equals, value = change.partition("=")
        if not equals:
            raise WrongUse(f"expected --set KEY=VALUE, found {change!r}")
        fields[key.strip()] = value.strip()
    return recipe_of(fields, str(path) if path else "--set")


def recipe_of(fields: Mapping[str, object], where: str) -> Recipe:
    """The recipe of these fields; what is wrong is said in one sentence."""
    settings.refuse_unknown("recipe key", fields, Recipe, "inherit train --show")
    for key in ("student", "data", "out"):
        if key not in fields:
            raise WrongUse(f"{where}: the recipe needs `{key}`: {settings.about(Recipe, key)}")
    # Lax: YAML 1.1 reads 2e-5 as a text, and so comes what --set gives.
    recipe = settings.validated(Recipe, fields, where)
    if "{prompt}" not in recipe.frame:
        raise WrongUse(f"{where}: `frame` must hold {{prompt}}, found {recipe.frame!r}")
    return recipe if recipe.lr else recipe.model_copy(update={"lr": LR[recipe.method]})


def recipe_text(recipe: Recipe | None = None) -> str:
    """A recipe as YAML, each key explained; without one, all defaults."""
    return settings.text(Recipe, recipe)
