"""Training: a student learns the answers of a data set, as a recipe says."""

from training.checkpoint import Training, finished_training
from training.recipe import Recipe, read_recipe, recipe_of
from training.several import train_together
from training.sft import check, train
from training.student import ready

__all__ = [
    "Recipe",
    "Training",
    "check",
    "finished_training",
    "read_recipe",
    "ready",
    "recipe_of",
    "train",
    "train_together",
]
