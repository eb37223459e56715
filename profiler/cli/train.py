"""Train a student: `train`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from profiler.cli.console import Json, Push, note, resumable
from profiler.cli.elsewhere import Gpus, On, Processors, handed, options

if TYPE_CHECKING:
    from training import Recipe, Training


def train(
    recipe: Annotated[Path | None, typer.Argument(help="A recipe in YAML or TOML.")] = None,
    changes: Annotated[list[str] | None, typer.Option("--set", help="KEY=VALUE on top; may be repeated.")] = None,
    show: Annotated[bool, typer.Option("--show", help="Print the recipe with every key, and train nothing.")] = False,
    check: Annotated[bool, typer.Option("--check", help="See whether it all fits, and train nothing.")] = False,
    processes: Annotated[int, typer.Option(min=1, help="Processes that train together, one a GPU.")] = 1,
    log: Annotated[
        str | None, typer.Option(help="wandb, mlflow, tensorboard or trackio: where the trainer reports to.")
    ] = None,
    push: Push = None,
    on: On = "here",
    gpus: Gpus = 0,
    processors: Processors = 1,
    json: Json = False,
) -> None:
    """Train a student on chosen answers, as a recipe says.

    A training that was stopped resumes from its last checkpoint when the same command is given again.
    """
    from profiler.datasets import settings
    from profiler.reporting import hub
    from training import Recipe, read_recipe, train_together

    if not (show or check):
        own = {"set": changes or (), "processes": processes, "log": log, "push": push, "json": json}
        usual = {"processes": 1, "log": None, "push": None}
        words = ["train", *([str(recipe)] if recipe else []), *options(own, usual)]
        if handed(on, gpus, processors, words):
            return
    if show and not recipe and not changes:
        sys.stdout.write(settings.text(Recipe))
        return
    read = read_recipe(recipe and Path(str(recipe).removeprefix("@")), changes or ())
    if show:
        sys.stdout.write(settings.text(Recipe, read))
    elif check:
        tell(read)
    else:
        if push:
            hub.require(push)
        with resumable():
            done = train_together(read, processes, log) if processes > 1 else alone(read, log)
        sys.stdout.write(done.model_dump_json(indent=1) + "\n" if json else summary(done))
        note(after(done))
        if push:
            note(hub.push(Path(done.model or done.adapter or done.recipe.out), push, "model"))


def tell(recipe: Recipe) -> None:
    """What would be learned from."""
    from training import check

    _, examples = check(recipe)
    dropped = f", {examples.dropped:,} left out as too long" if examples.dropped else ""
    sys.stdout.write(
        f"{len(examples.kept):,} examples fit{dropped}; {examples.tokens:,} tokens, "
        f"{examples.learned:,} of them answers that are learned\n"
    )


def alone(recipe: Recipe, log: str | None = None) -> Training:
    """Train in this process."""
    from profiler.reporting.progress import Waiting
    from training import train

    with Waiting() as waiting:
        return train(recipe, waiting.say, log)


def summary(done: Training) -> str:
    """A training in a few lines."""
    learned = f"{done.examples:,} examples, {done.learned:,} tokens of answers"
    dropped = f", {done.dropped:,} left out as too long" if done.dropped else ""
    loss = f"loss {done.losses[0]:.3f} → {done.losses[-1]:.3f}" if done.losses else "no step"
    resumed = f", gone on with {done.resumed} times" if done.resumed else ""
    lines = [
        f"{done.recipe.method} of {done.recipe.student}: {done.trained:,} of {done.parameters:,} parameters",
        f"{learned}{dropped}",
        f"{done.steps:,} steps in {done.seconds:,.0f} s{resumed}; {loss}",
    ]
    places = [("adapter", done.adapter), ("model", done.model)]
    return "\n".join([*lines, *(f"{name:8} {place}" for name, place in places if place)]) + "\n"


def after(done: Training) -> str:
    """How to go on with what was trained."""
    if done.model:
        return f"inherit serve {done.model}\ninherit profile {done.model}"
    served = f"inherit serve {done.recipe.student} --adapter {Path(done.recipe.out).name}={done.adapter}"
    return f"{served}\ninherit profile {done.adapter}"
