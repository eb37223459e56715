"""Judges: `judge` asks a model which answer is better; `agree` compares verdicts with humans and each other."""

from __future__ import annotations

import sys
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from profiler.cli.console import Format, Json, Save, finish, keep_options, note, publish
from profiler.errors import FAILED, Incomplete, Unreadable, WrongUse
from profiler.files import require_writable

if TYPE_CHECKING:
    from profiler.judging import Judgement, Jury, Pair, StudentJudge, Template
    from profiler.runs.options import AgreeOptions, JudgeOptions


def judge(options: JudgeOptions, json: Json = False) -> None:
    """Ask MODEL which of two answers is better, in both orders.

    Leaves a verdict file, a row for each pair, which `inherit agree` reads with those of other judges. The prompt
    `labels` compares the probabilities of A and B, which suits small and base models; `reasons` lets a chat model write
    before it decides; `answers` weighs the answers themselves.
    """
    from profiler import judging
    from profiler.reporting.judging import jury_report

    path = ask(options, finish)
    made = judging.compare_raters(judging.read_labels([path]))
    publish(jury_report(made), "json" if json else "table")
    refuse_incomplete(made, path)


def refuse_incomplete(jury: Jury, path: Path) -> None:
    """Raise where too many of a judge's verdicts failed, or none of them names an answer."""
    from profiler.judging import Judgement

    (said,) = (rater for rater in jury.raters if rater.kind == "judge")
    asked = said.labels + said.unparseable + said.failed
    if said.failed > FAILED * asked:
        made = map(Judgement.model_validate_json, path.read_bytes().splitlines())
        *_, last = (ruling.error for one in made for ruling in one.rulings if ruling.error)
        raise Incomplete.of(f"{said.name} {said.failed:,} of {asked:,} verdicts", last)
    if not said.labels:
        raise Unreadable(f"none of {asked:,} verdicts names an answer; {path} has them. Try another --prompt")


def ask(options: JudgeOptions, finish: Callable[[Coroutine[Any, Any, list[Judgement]]], list[Judgement]]) -> Path:
    """The verdict file that asking MODEL leaves."""
    from profiler import judging
    from profiler.datasets import drawn, found_in
    from profiler.runs.as_judges import plain

    shown = judging.load_template(options.prompt)
    if options.ties and not shown.tie:
        raise WrongUse(
            f"prompt {shown.name!r} knows no ties: it has no heading `tie:` with the sentence that allows one"
        )
    if options.between:
        first, _, second = options.between.partition(",")
        found = judging.pairs_between([Path(one) for one in options.pairs], first.strip(), second.strip())
    else:
        with found_in(options.data):
            found = judging.load_pairs(options.pairs, options.form)
    if options.pairs == ("mini",):
        note("judging the MINI pairs: for trying things out; do not publish their numbers")
    found = drawn(found, options.limit)
    name = f"{plain(options.name or options.model)}-{plain(Path(options.pairs[0]).name)}-{shown.id}.jsonl"
    path = options.save or options.out / "verdicts" / name
    require_writable(path)
    made = finish(_judge(options, found, shown))
    judging.save_judgements(made, path)
    keep_options(options, path)
    note(f"{path}: {len(made):,} pairs judged")
    return path


async def _judge(options: JudgeOptions, pairs: Sequence[Pair], shown: Template) -> list[Judgement]:
    """Every pair's judgement, in the order of the pairs."""
    from profiler.endpoints import connect
    from profiler.reporting.progress import Bar
    from profiler.runs import Progress, as_judges

    made: list[Judgement] = []
    async with connect(options.endpoint, options.out / "cache.sqlite", concurrency=options.concurrency) as client:
        await client.fingerprint()
        if client.notice:
            note(client.notice)
        name = options.name or options.model
        with Bar() as bar:
            async for step in as_judges.judged(client, name, pairs, shown, options.ties, options.max_tokens):
                if isinstance(step, Progress):
                    bar.show(step)
                else:
                    made = step
    return made


def agree(
    options: AgreeOptions,
    format: Format = "table",
    save: Save = None,
    json: Json = False,
) -> None:
    """Compare recorded verdicts with human labels and each other.

    Knows the forms of PandaLM, LLMBar, AlpacaEval, MT-bench, JudgeBench and Auto-J, and rows such as
    {"id": 7, "gold": 1, "verdict": 2, "verdict_swapped": 1}; --columns says where any other file keeps what. Files are
    joined by the pair's id.
    """
    from profiler.reporting.judging import jury_report

    publish(jury_report(jury(options), ["inherit", *sys.argv[1:]]), "json" if json else format, save)
    keep_options(options, save)


def jury(options: AgreeOptions) -> Jury:
    """What the files say of their raters."""
    from profiler import judging
    from profiler.runs import as_judges

    labels = as_judges.labels(options.files, options.form, options.swapped)
    families, trained = relations(options.same_family), students(options.student)
    return judging.compare_raters(labels, families, options.orders, options.resamples, students=trained)


def students(given: Sequence[str]) -> list[StudentJudge]:
    """What --student says."""
    from profiler.judging import StudentJudge

    found = []
    for one in given:
        student, equals, others = one.rpartition("=")
        before, _, teacher = (name.strip() for name in others.partition(","))
        if not (equals and before and teacher):
            raise WrongUse(f"expected --student STUDENT=BEFORE,TEACHER, found {one!r}")
        found.append(StudentJudge(student.strip(), before, teacher))
    return found


def relations(given: Sequence[str]) -> Mapping[str, frozenset[str]]:
    """What --same-family says, by judge."""
    found: dict[str, frozenset[str]] = {}
    for one in given:
        judge, equals, writers = one.rpartition("=")
        if not equals or not writers:
            raise WrongUse(f"expected --same-family JUDGE=WRITER[,WRITER], found {one!r}")
        found[judge] = found.get(judge, frozenset()) | {writer.strip() for writer in writers.split(",")}
    return found
