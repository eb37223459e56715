"""Candidates: `sample` asks teachers for them, `select` keeps those that carry what is wanted."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from profiler.cli.console import Json, Push, finish, note, publish, resumable
from profiler.errors import WrongUse

if TYPE_CHECKING:
    from selection import SampleOptions, Selection, SelectOptions, TeacherProgress
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Show what choosing would do, by the scores that the pool has; leave nothing.")
]


def sample(spec: SampleOptions, json: Json = False) -> None:
    """Draw k candidates per prompt from each of TEACHERS.

    What the options say goes for every teacher; a .toml file (model, url, name, temperature, system, …) says otherwise
    for one. Stopped at any moment, the same command resumes.
    """
    from selection import refuse_incomplete

    shares = finish(ask(spec))
    for share in shares:
        if json:
            sys.stdout.write(share.record() + "\n")
        else:
            sys.stdout.write(
                f"{share.teacher.name}: {share.done - share.failed:,} of {share.total:,} prompts, {share.words()}\n"
            )
    note(f"{spec.out}: pool.json, candidates/")
    refuse_incomplete(shares)


async def ask(spec: SampleOptions) -> list[TeacherProgress]:
    """How far each teacher came."""
    from profiler.reporting.progress import Bar
    from selection import UniquePrompts, spec_teachers
    from selection.sample import sample

    spec_teachers(spec)  # a slip of the pen is refused before the prompts are read
    questions = UniquePrompts.of(spec)
    if questions.prompts.suite == "mini":
        note("asking the MINI prompts: for trying things out")
    if questions.prompts.unread:
        note(questions.prompts.unread)
    if repeats := questions.survey.repeats:
        note(f"{repeats:,} of {questions.survey.count + repeats:,} prompts are repeats: each is asked once")
    shares: list[TeacherProgress] = []
    said: set[str] = set()
    with Bar() as bar:
        async for shares in sample(spec, questions):
            for share in shares:
                bar.step(share.teacher.name, share.done, share.total, share.words())
                for text in filter(None, (share.notice, share.error)):
                    if text not in said:
                        said.add(text)
                        note(f"{share.teacher.name}: {text}")
    return shares


def select(spec: SelectOptions, push: Push = None, json: Json = False, dry_run: DryRun = False) -> None:
    """Keep the answers that carry what is wanted, and controls that show what choosing does.

    Scores what is not scored yet, and leaves a data set for each arm (chosen, first, random) with a card on top.
    """
    from profiler.reporting import hub
    from selection import card

    if push:
        hub.require(push)
    with resumable():
        made = foresee(spec) if dry_run else choose(spec)
    publish(card.card(made), "json" if json else "table")
    for sentence in card.lead(made):
        note(sentence)
    if dry_run:
        return
    note(f"{spec.out}: {', '.join(made.files.values())}, README.md, card.html, selection.json")
    if push:
        note(hub.push(spec.out, push, "dataset", without=["pool"]))


def foresee(spec: SelectOptions) -> Selection:
    """What would be chosen of a pool, or of the one that a file has left under OUT."""
    from selection import check_words, open_pool, preview

    check_words(spec)
    if Path(spec.pool).is_file() and not (spec.out / "pool").is_dir():
        raise WrongUse(
            f"nothing is measured of the file {spec.pool!r} yet: without --dry-run `inherit select` measures it, and "
            f"leaves a pool in {str(spec.out / 'pool')!r} that --dry-run can look at"
        )
    return preview(spec, open_pool(spec))


def choose(spec: SelectOptions) -> Selection:
    """What was chosen, with its card beside it."""
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
    return made
