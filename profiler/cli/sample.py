"""Ask teachers for candidates: `sample`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from profiler.cli.console import finish, note
from profiler.cli.options import Chat, Data, Json, Key
from profiler.errors import EndpointDown

if TYPE_CHECKING:
    from selection import SampleSpec
    from selection.sample import TeacherProgress


def sample(
    teachers: Annotated[
        list[str], typer.Argument(help="demo, a path or hub id, MODEL@http://…/v1, or a .toml file that says more.")
    ],
    out: Annotated[
        str, typer.Option("--out", "-o", help="Folder for the candidates, or an address such as s3://bucket/pool.")
    ],
    prompts: Annotated[
        str, typer.Option(help="A .jsonl, .csv or .parquet file, hub:OWNER/NAME, mini or paper.")
    ] = "auto",
    column: Annotated[str | None, typer.Option(help="The column of --prompts that holds the prompt.")] = None,
    lang: Annotated[str, typer.Option(help="Language of the answers.")] = "en",
    limit: Annotated[int | None, typer.Option("--limit", "-n", min=1, help="Prompts, picked by seed.")] = None,
    k: Annotated[int, typer.Option("-k", min=1, help="Candidates a prompt and teacher.")] = 10,
    temperature: Annotated[float, typer.Option(min=0.0, help="How freely words are drawn.")] = 1.0,
    top_p: Annotated[float, typer.Option(min=0.0, max=1.0, help="Nucleus that tokens are drawn from.")] = 0.95,
    max_tokens: Annotated[int, typer.Option(min=1, help="New tokens an answer, at most.")] = 512,
    stop: Annotated[list[str] | None, typer.Option(help="Stop before this string; may be repeated.")] = None,
    seed: Annotated[int, typer.Option(help="Candidate i is drawn with seed + i.")] = 0,
    frame: Annotated[str | None, typer.Option(help="Text with {prompt} in it, for a completions endpoint.")] = None,
    system: Annotated[str, typer.Option(help="System message, for a chat endpoint.")] = "",
    chat: Chat = False,
    key: Key = "OPENAI_API_KEY",
    price: Annotated[
        str | None, typer.Option(help="0.5/1.5: money for a million tokens read, and for a million written.")
    ] = None,
    concurrency: Annotated[int, typer.Option(min=1, help="Requests in flight at a server.")] = 64,
    data: Data = None,
    json: Json = False,
) -> None:
    """Draw k candidates a prompt from each of TEACHERS.

    What the options say goes for every teacher; a .toml file (model, url, name, temperature, system, …) says otherwise
    for one. Stopped at any moment, the same command goes on.
    """
    from selection import SampleSpec

    spec = SampleSpec(
        teachers=tuple(teachers),
        out=out,
        prompts=prompts,
        column=column,
        lang=lang,
        limit=limit,
        k=k,
        temperature=temperature,
        top_p=top_p,
        max_tokens=max_tokens,
        stop=tuple(stop or ()),
        seed=seed,
        frame=frame,
        system=system,
        chat=chat,
        key=key,
        price=price,
        concurrency=concurrency,
        data=data,
    )
    shares = finish(_sample(spec))
    for share in shares:
        if json:
            sys.stdout.write(share.record() + "\n")
        else:
            sys.stdout.write(
                f"{share.teacher.name}: {share.done - share.failed:,} of {share.total:,} prompts, {share.words()}\n"
            )
    note(f"{out}: pool.json, candidates/")
    if gone := [share for share in shares if share.error]:
        whys = "; ".join(
            f"{share.teacher.name!r} after {share.done:,} of {share.total:,}: {share.error}" for share in gone
        )
        raise EndpointDown(f"went away: {whys}. What was answered is kept: run the same command again to go on")


async def _sample(spec: SampleSpec) -> list[TeacherProgress]:
    from profiler.reporting.progress import Bar
    from selection.sample import UniquePrompts, sample
    from selection.teacher import spec_teachers

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
