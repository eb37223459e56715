"""Training: a student learns the answers of a data set, as a recipe says."""

from training.checkpoint import finished_training
from training.recipe import read_recipe, recipe_of, recipe_text
from training.records import Claim, Recipe, Training
from training.sft import check, train

__all__ = [
    "Claim",
    "Recipe",
    "Training",
    "check",
    "finished_training",
    "read_recipe",
    "recipe_of",
    "recipe_text",
    "train",
]
