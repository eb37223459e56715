"""Judges: `judge` asks a model which answer is better; `agree` holds verdicts against humans and each other."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from profiler.cli.console import finish, note, publish
from profiler.cli.options import Chat, Data, Format, Json, Key, Model, Out, Save, Url
from profiler.errors import WrongUse

if TYPE_CHECKING:
    from profiler.judging import ColumnRoles, Judgement, Pair, StudentJudge, Template
    from profiler.records import Endpoint

Read = Literal["first", "swapped", "both", "averaged"]

Gold = Annotated[list[str] | None, typer.Option(help="A column of human labels; may be repeated.")]
Id = Annotated[str | None, typer.Option("--id", help="The column that names the pair.")]
Preset = Annotated[
    str | None,
    typer.Option(
        help="The form of the files: inherit, pandalm, llmbar, alpaca_eval, mt_bench, judgebench or auto_j; "
        "where left out, each file's columns tell it."
    ),
]
Roles = Annotated[
    list[str] | None,
    typer.Option(
        help="ROLE=COLUMN,… with the roles id, prompt, a, b, writer_a, writer_b, group, gold, verdict, "
        "verdict_swapped, judge and swapped; may be repeated."
    ),
]
Label = Annotated[
    list[str] | None, typer.Option(help="WORD=a|b|tie|unreadable|absent: what a label means; may be repeated.")
]


def judge(
    model: Model,
    pairs: Annotated[list[str] | None, typer.Option(help="mini, pandalm, or a file; may be repeated.")] = None,
    between: Annotated[
        str | None, typer.Option(help="X,Y: make the pairs of what writers X and Y wrote, from files of candidates.")
    ] = None,
    prompt: Annotated[str, typer.Option(help="labels, reasons, answers, or a .txt template of yours.")] = "labels",
    ties: Annotated[bool, typer.Option("--ties", help="Let the judge say that neither is better.")] = False,
    limit: Annotated[int | None, typer.Option("--limit", "-n", min=1, help="Pairs to judge, picked by seed.")] = None,
    url: Url = None,
    chat: Chat = False,
    key: Key = "OPENAI_API_KEY",
    max_tokens: Annotated[int, typer.Option(min=1, help="New tokens for a judge's reasons, at most.")] = 512,
    concurrency: Annotated[int, typer.Option(min=1, help="Requests in flight at a server.")] = 64,
    name: Annotated[str | None, typer.Option(help="What to call the judge; the model's name if left out.")] = None,
    preset: Preset = None,
    columns: Roles = None,
    gold: Gold = None,
    id: Id = None,
    label: Label = None,
    save: Annotated[Path | None, typer.Option(help="The verdict file; else one under --out.")] = None,
    data: Data = None,
    out: Out = Path("runs"),
    json: Json = False,
) -> None:
    """Ask MODEL which of two answers is better, in both orders.

    Leaves a verdict file, a row for each pair, which `inherit agree` reads with those of other judges. The prompt
    `labels` compares the probabilities of A and B, which suits small and base models; `reasons` lets a chat model write
    before it decides; `answers` weighs the answers themselves.
    """
    from profiler import judging
    from profiler.datasets import found_in
    from profiler.records import Endpoint
    from profiler.reporting.judging import jury_report
    from profiler.runs.as_judges import plain

    shown = judging.load_template(prompt)
    if ties and not shown.tie:
        raise WrongUse(
            f"prompt {shown.name!r} knows no ties: it has no heading `tie:` with the sentence that allows one"
        )
    wanted = pairs or ["mini"]
    if between:
        first, _, second = between.partition(",")
        found = judging.pairs_between([Path(one) for one in wanted], first.strip(), second.strip())
    else:
        with found_in(data):
            found = judging.load_pairs(wanted, preset, named(columns, id, gold), judging.parse_labels(label or []))
    if wanted == ["mini"]:
        note("judging the MINI pairs: for trying things out; do not publish their numbers")
    found = judging.some_pairs(found, limit)
    called = name or model
    path = save or out / "verdicts" / f"{plain(called)}-{plain(Path(wanted[0]).name)}-{shown.id}.jsonl"
    made = finish(_judge(Endpoint(model=model, url=url, key=key, chat=chat), called, found, shown, ties, max_tokens,
                         out / "cache.sqlite", concurrency))  # fmt: skip
    judging.save_judgements(made, path)
    told = judging.compare_raters(judging.read_labels([path]))
    publish(jury_report(told), "json" if json else "table")
    note(f"{path}: {len(made):,} pairs judged")


async def _judge(
    endpoint: Endpoint,
    name: str,
    pairs: Sequence[Pair],
    shown: Template,
    ties: bool,
    tokens: int,
    cache: Path,
    concurrency: int,
) -> list[Judgement]:
    """Every pair's judgement, in the order of the pairs."""
    from profiler.endpoints.client import connect
    from profiler.reporting.progress import Bar
    from profiler.runs.as_judges import judged
    from profiler.runs.run import Progress

    made: list[Judgement] = []
    async with connect(endpoint, cache, concurrency=concurrency) as client:
        await client.fingerprint()
        if client.notice:
            note(client.notice)
        with Bar() as bar:
            async for step in judged(client, name, pairs, shown, ties, tokens):
                if isinstance(step, Progress):
                    bar.show(step)
                else:
                    made = step
    return made


def agree(
    files: Annotated[
        list[Path],
        typer.Argument(help="Verdicts and human labels: .jsonl, .json, .csv or .parquet; folders of runs, too."),
    ],
    preset: Preset = None,
    columns: Roles = None,
    gold: Gold = None,
    verdict: Annotated[
        list[str] | None, typer.Option(help="A column of verdicts, or FIRST,SWAPPED for both orders; may be repeated.")
    ] = None,
    id: Id = None,
    label: Label = None,
    swapped: Annotated[
        Literal["auto", "answers", "places"],
        typer.Option(help="What a verdict on swapped answers names: the answer, or the place it stood in."),
    ] = "auto",
    reading: Annotated[
        Read | None, typer.Option(help="How judges' verdicts are read where they are held against each other.")
    ] = None,
    kin: Annotated[
        list[str] | None, typer.Option(help="JUDGE=WRITER[,WRITER]: its teacher, student or family; may be repeated.")
    ] = None,
    student: Annotated[
        list[str] | None,
        typer.Option(help="STUDENT=BEFORE,TEACHER: hold a trained judge against what it was; may be repeated."),
    ] = None,
    format: Annotated[Format, typer.Option("--format", "-f")] = "table",
    resamples: Annotated[int, typer.Option(min=1, help="Bootstrap draws behind each interval.")] = 1000,
    save: Save = None,
    json: Json = False,
) -> None:
    """Hold recorded verdicts against human labels and each other.

    Knows the forms of PandaLM, LLMBar, AlpacaEval, MT-bench, JudgeBench and Auto-J, and rows such as
    {"id": 7, "gold": 1, "verdict": 2, "verdict_swapped": 1}; --columns says where any other file keeps what. Files are
    joined by the pair's id.
    """
    from profiler import judging
    from profiler.reporting.judging import jury_report
    from profiler.runs import as_judges

    words = judging.parse_labels(label or [])
    labels = as_judges.labels(files, preset, named(columns, id, gold, verdict), words, swapped)
    found = judging.compare_raters(labels, relations(kin or []), reading, resamples, students=students(student or []))
    publish(jury_report(found, ["inherit", *sys.argv[1:]]), "json" if json else format, save)


def named(
    columns: Sequence[str] | None,
    id: str | None,
    gold: Sequence[str] | None,
    verdict: Sequence[str] | None = None,
) -> ColumnRoles:
    """What --columns says, and --id, --gold and --verdict for short."""
    from profiler.judging import parse_columns

    short = [*([f"id={id}"] if id else ()), *(f"gold={one}" for one in gold or ())]
    pairs = [f"verdict={one.replace(',', ',verdict_swapped=')}" for one in verdict or ()]
    return parse_columns([*(columns or ()), *short, *pairs])


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
    """What --kin says, by judge."""
    found: dict[str, frozenset[str]] = {}
    for one in given:
        judge, equals, writers = one.rpartition("=")
        if not equals or not writers:
            raise WrongUse(f"expected --kin JUDGE=WRITER[,WRITER], found {one!r}")
        found[judge] = found.get(judge, frozenset()) | {writer.strip() for writer in writers.split(",")}
    return found
