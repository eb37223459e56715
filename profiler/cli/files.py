"""Score what is in a file, without a model: `score`, `rescore`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from profiler.cli.console import announce, note
from profiler.cli.options import Data, Items, Json, Scorers, Subset
from profiler.cli.profile import build


def score(
    file: Annotated[str, typer.Argument(help="A .jsonl, .json, .csv or .parquet file, or - for lines on stdin.")],
    metric: Annotated[list[str] | None, typer.Option("--metric", "-m", help="Only this one; may be repeated.")] = None,
    column: Annotated[str | None, typer.Option(help="The column that holds the text.")] = None,
    lang: Annotated[str, typer.Option(help="Language of the texts.")] = "en",
    workers: Annotated[int, typer.Option(min=1, help="Processes that measure.")] = 1,
    save: Annotated[Path | None, typer.Option(help="Write each text's scores to this .jsonl file.")] = None,
    json: Json = False,
) -> None:
    """Measure the texts of a file.

    Prints a table of means with intervals; --save keeps a row of scores for each text.
    """
    from profiler.runs import score_texts as scoring

    texts = scoring.texts(file, column, lang)
    found = scoring.score(texts, metric, workers, save)
    if json:
        for estimate in found:
            sys.stdout.write(estimate.model_dump_json() + "\n")
    else:
        from profiler.reporting import profile

        sys.stdout.write(profile.estimates_text(found))


def rescore(
    probe: Annotated[str, typer.Argument(help="Whose questions were answered.")],
    file: Annotated[Path, typer.Argument(help="Rows of an item's id and its choice, likelihoods or texts.")],
    answer: Annotated[str | None, typer.Option(help="The column of the answer, if it is called otherwise.")] = None,
    suite: Items = "auto",
    prompts: Annotated[str | None, typer.Option(help="A file of what was asked, instead of a suite.")] = None,
    subset: Subset = None,
    scorer: Scorers = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Score answers that were recorded elsewhere, without a model.

    A row is {"item": ID, "choice": 2}, {"item": ID, "likelihoods": [[-7.5, 3], …]} or {"item": ID, "texts": ["…"]}, or
    as lm-eval, HELM and the authors' scripts write it: docs/probes.md has the forms.
    """
    from profiler.datasets import found_in
    from profiler.probes.probe import Options
    from profiler.reporting import profile
    from profiler.runs import foreign_answers, rescore

    with found_in(data):
        (asked,) = build([probe], Options(suite, prompts, subset=subset, scorers=tuple(scorer or ())))
        announce([asked])
        found = rescore.rescored(asked, foreign_answers.read(file), answer)
    if json:
        sys.stdout.writelines(estimate.model_dump_json() + "\n" for estimate in found.estimates)
    else:
        sys.stdout.write(profile.estimates_text(found.estimates))
    note(f"{asked.name} [{asked.suite}]: {found.answered:,} of {asked.count:,} items answered")
    for error in found.errors[:5]:
        note(f"could not be scored: {error}")
