"""Choose from candidates: `select`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from profiler.cli.console import note, publish
from profiler.cli.options import Json


def select(
    pool: Annotated[
        str, typer.Argument(help="What `inherit sample` made, here or at an address; or a file of prompts and answers.")
    ],
    objective: Annotated[
        list[str], typer.Option("--objective", "-O", help="max:M, min:M, near:M=V or 2*max:M; may be repeated.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the data sets and their card.")],
    combine: Annotated[
        Literal["sum", "lexicographic", "pareto"], typer.Option(help="How several objectives make one choice.")
    ] = "sum",
    require: Annotated[
        list[str] | None, typer.Option("--require", "-r", help="Only answers with, say, 'toxicity<=0.2'.")
    ] = None,
    hold: Annotated[
        list[str] | None, typer.Option(help="words=0.25: within a quarter of the prompt's middle candidate.")
    ] = None,
    temperature: Annotated[
        float, typer.Option(min=0.0, help="Draw softly: exp(utility / temperature); 0 takes the best.")
    ] = 0.0,
    top: Annotated[int, typer.Option(min=1, help="Answers kept a prompt.")] = 1,
    k: Annotated[int | None, typer.Option("-k", min=1, help="Look at the first k candidates of a prompt only.")] = None,
    source: Annotated[list[str] | None, typer.Option(help="Only this source's candidates; may be repeated.")] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(
            "--metric", "-m", help="Report this metric as well; else all of length, readability, diversity and quality."
        ),
    ] = None,
    open_gate: Annotated[
        list[str] | None,
        typer.Option(
            help="empty, truncated, refusal, loop, language, copy, duplicate or all: let through what it would stop."
        ),
    ] = None,
    form: Annotated[Literal["chat", "completion"], typer.Option(help="messages, or prompt and completion.")] = "chat",
    parquet: Annotated[bool, typer.Option("--parquet", help="Parquet instead of JSON lines.")] = False,
    lang: Annotated[str, typer.Option(help="Language of the answers in a file.")] = "en",
    seed: Annotated[int, typer.Option(help="Decides ties, random controls and soft choices.")] = 0,
    workers: Annotated[int, typer.Option(min=1, help="Processes that measure.")] = 1,
    json: Json = False,
) -> None:
    """Keep the answers that carry what is wanted, and controls that show what choosing does.

    Scores what is not scored yet, and leaves a data set for each arm (chosen, first, random) with a card on top.
    """
    from profiler.reporting.progress import Bar
    from selection import SelectSpec, card, open_pool, score_missing
    from selection import select as select_answers

    spec = SelectSpec(
        pool=pool,
        objective=tuple(objective),
        out=out,
        combine=combine,
        require=tuple(require or ()),
        hold=tuple(hold or ()),
        temperature=temperature,
        top=top,
        k=k,
        source=tuple(source or ()),
        metric=None if metric is None else tuple(metric),
        open_gate=tuple(open_gate or ()),
        form=form,
        parquet=parquet,
        lang=lang,
        seed=seed,
        workers=workers,
    )
    found = open_pool(spec)
    with Bar() as bar:
        for step in score_missing(spec, found):
            bar.step("judging" if step.judge else "scoring", step.done, step.total)
            if step.judge and (said := step.judge.words()):
                note(said)
    made = select_answers(spec, found)
    card.save(made, out)
    publish(card.card(made), "json" if json else "table")
    for sentence in card.lead(made):
        note(sentence)
    note(f"{out}: {', '.join(made.files.values())}, README.md, card.html, selection.json")
