"""Choose from candidates: `select`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from profiler.cli.console import note, publish
from profiler.cli.options import Json

if TYPE_CHECKING:
    from selection import SelectSpec


def select(spec: SelectSpec, json: Json = False) -> None:
    """Keep the answers that carry what is wanted, and controls that show what choosing does.

    Scores what is not scored yet, and leaves a data set for each arm (chosen, first, random) with a card on top.
    """
    from profiler.reporting.progress import Bar
    from selection import card, open_pool, score_missing
    from selection import select as select_answers

    found = open_pool(spec)
    with Bar() as bar:
        for step in score_missing(spec, found):
            bar.step("judging" if step.judge else "scoring", step.done, step.total)
            if step.judge and (said := step.judge.words()):
                note(said)
    made = select_answers(spec, found)
    card.save(made, spec.out)
    publish(card.card(made), "json" if json else "table")
    for sentence in card.lead(made):
        note(sentence)
    note(f"{spec.out}: {', '.join(made.files.values())}, README.md, card.html, selection.json")
