"""Ask teachers for candidates: `sample`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from profiler.cli.console import finish, note
from profiler.cli.options import Json
from profiler.errors import EndpointDown

if TYPE_CHECKING:
    from selection import SampleSpec, TeacherProgress


def sample(spec: SampleSpec, json: Json = False) -> None:
    """Draw k candidates a prompt from each of TEACHERS.

    What the options say goes for every teacher; a .toml file (model, url, name, temperature, system, …) says otherwise
    for one. Stopped at any moment, the same command goes on.
    """
    shares = finish(_sample(spec))
    for share in shares:
        if json:
            sys.stdout.write(share.record() + "\n")
        else:
            sys.stdout.write(
                f"{share.teacher.name}: {share.done - share.failed:,} of {share.total:,} prompts, {share.words()}\n"
            )
    note(f"{spec.out}: pool.json, candidates/")
    if gone := [share for share in shares if share.error]:
        whys = "; ".join(
            f"{share.teacher.name!r} after {share.done:,} of {share.total:,}: {share.error}" for share in gone
        )
        raise EndpointDown(f"went away: {whys}. What was answered is kept: run the same command again to go on")


async def _sample(spec: SampleSpec) -> list[TeacherProgress]:
    from profiler.reporting.progress import Bar
    from selection import UniquePrompts, spec_teachers
    from selection.sample import sample

    spec_teachers(spec)  # a slip of the pen is refused before the prompts are read
    questions = UniquePrompts.of(spec)
    if questions.prompts.suite == "mini":
        note("asking the MINI prompts: for trying things out")
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
