"""Judges: `agree` holds recorded verdicts against humans and each other."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer

from profiler.commands.option import Format, Json
from profiler.errors import WrongUse

Read = Literal["first", "swapped", "both", "averaged"]


def agree(
    files: Annotated[list[Path], typer.Argument(help="Verdicts and human labels: .jsonl, .json, .csv or .parquet.")],
    gold: Annotated[list[str] | None, typer.Option(help="A column of human labels; may be repeated.")] = None,
    verdict: Annotated[
        list[str] | None, typer.Option(help="A column of verdicts, or FIRST,SWAPPED for both orders; may be repeated.")
    ] = None,
    id: Annotated[str | None, typer.Option("--id", help="The column that names the pair.")] = None,
    label: Annotated[
        list[str] | None, typer.Option(help="WORD=a|b|tie|unreadable|absent: what a label means; may be repeated.")
    ] = None,
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
    format: Annotated[Format, typer.Option("--format", "-f")] = "table",
    resamples: Annotated[int, typer.Option(min=1, help="Bootstrap draws behind each interval.")] = 1000,
    json: Json = False,
) -> None:
    """Hold recorded verdicts against human labels and each other.

    Knows the forms of PandaLM, LLMBar, AlpacaEval, MT-bench and JudgeBench, and rows such as
    {"id": 7, "gold": 1, "verdict": 2, "verdict_swapped": 1}. Files are joined by the pair's id.
    """
    from profiler import verdicts
    from profiler.judge import ballot, jury
    from profiler.judge.form import Wishes
    from profiler.judge.label import words

    wishes = Wishes(id, tuple(gold or ()), tuple(verdict or ()))
    ballots = ballot.read(files, wishes, words(label or []), swapped)
    found = jury.jury(ballots, relations(kin or []), reading, resamples)
    sys.stdout.write(verdicts.render(found, "json" if json else format))


def relations(given: Sequence[str]) -> Mapping[str, frozenset[str]]:
    """What --kin says, by judge."""
    found: dict[str, frozenset[str]] = {}
    for one in given:
        judge, equals, writers = one.rpartition("=")
        if not equals or not writers:
            raise WrongUse(f"expected --kin JUDGE=WRITER[,WRITER], found {one!r}")
        found[judge] = found.get(judge, frozenset()) | {writer.strip() for writer in writers.split(",")}
    return found
