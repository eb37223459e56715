"""Score what is in a file, without a model: `score`, `rescore`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from profiler.cli.console import keep_options, note
from profiler.cli.options import Json

if TYPE_CHECKING:
    from profiler.records import Estimate
    from profiler.runs import RescoreOptions, ScoreOptions


def score(options: ScoreOptions, json: Json = False) -> None:
    """Measure the texts of a file.

    Prints a table of means with intervals; --save keeps a row of scores for each text.
    """
    from profiler.runs import score_texts

    texts = score_texts.texts(options.file, options.column, options.lang)
    show(score_texts.score(texts, options.metrics, options.workers, options.save), json)
    keep_options(options, options.save)


def rescore(options: RescoreOptions, json: Json = False) -> None:
    """Score answers that were recorded elsewhere, without a model.

    A row is {"item": ID, "choice": 2}, {"item": ID, "likelihoods": [[-7.5, 3], …]} or {"item": ID, "texts": ["…"]}, or
    as lm-eval, HELM and the authors' scripts write it: docs/probes.md has the forms.
    """
    from profiler import probes
    from profiler.datasets import found_in
    from profiler.reporting.progress import Downloads
    from profiler.runs import foreign_answers, profile, rescore

    with found_in(options.data):
        with Downloads():
            asked = probes.get(options.probe).build(options.told)
        for said in profile.warnings([asked]):
            note(said)
        found = rescore.rescored(asked, foreign_answers.read(options.file), options.answer)
    show(found.estimates, json)
    note(f"{asked.name} [{asked.suite}]: {found.answered:,} of {asked.count:,} items answered")
    for error in found.errors[:5]:
        note(f"could not be scored: {error}")


def show(found: Sequence[Estimate], json: bool) -> None:
    from profiler.reporting.profile import estimates_text

    lines = "".join(estimate.model_dump_json() + "\n" for estimate in found)
    sys.stdout.write(lines if json else estimates_text(found))
