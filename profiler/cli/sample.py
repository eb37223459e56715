"""Ask teachers for candidates: `sample`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from profiler.cli.console import finish, note
from profiler.cli.options import Chat, Data, Json, Key
from profiler.errors import EndpointDown, WrongUse

if TYPE_CHECKING:
    from selection.record import Teacher
    from selection.sample import Questions, Share


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
    from profiler.datasets import prompts as rows
    from profiler.datasets import use
    from selection.sample import Questions
    from selection.teacher import teachers as named

    use(data)
    defaults: dict[str, object] = {"temperature": temperature, "top_p": top_p, "max_tokens": max_tokens, "seed": seed}
    defaults |= {"k": k, "system": system, "chat": chat, "key": key, "stop": tuple(stop or ())}
    defaults |= ({"frame": frame} if frame else {}) | ({"price": money(price)} if price else {})
    asked = Questions(rows(prompts, column, lang), limit)
    if asked.prompts.suite == "mini":
        note("asking the MINI prompts: for trying things out")
    shares = finish(_sample(asked, named(teachers, defaults), out, lang, concurrency))
    for share in shares:
        if json:
            sys.stdout.write(share.record() + "\n")
        else:
            sys.stdout.write(
                f"{share.teacher.name}: {share.done - share.failed:,} of {share.total:,} prompts, {share.said()}\n"
            )
    note(f"{out}: pool.json, candidates/")
    if gone := [share for share in shares if share.error]:
        whys = "; ".join(
            f"{share.teacher.name!r} after {share.done:,} of {share.total:,}: {share.error}" for share in gone
        )
        raise EndpointDown(f"went away: {whys}. What was answered is kept: run the same command again to go on")


async def _sample(questions: Questions, teachers: list[Teacher], out: str, lang: str, concurrency: int) -> list[Share]:
    from profiler.progress import Bar
    from selection import sample as sampling

    survey = questions.survey()
    if survey.repeats:
        note(f"{survey.repeats:,} of {survey.count + survey.repeats:,} prompts are repeats: each is asked once")
    shares: list[Share] = []
    said: set[str] = set()
    with Bar() as bar:
        async for shares in sampling.sample(questions, teachers, out, lang, concurrency):
            for share in shares:
                bar.step(share.teacher.name, share.done, share.total, share.said())
                for text in filter(None, (share.notice, share.error)):
                    if text not in said:
                        said.add(text)
                        note(f"{share.teacher.name}: {text}")
    return shares


def money(words: str) -> tuple[float, float]:
    """What a million tokens cost to read, and to write."""
    read, _, written = words.partition("/")
    try:
        return float(read), float(written)
    except ValueError:
        raise WrongUse(f"expected a price such as 0.5/1.5 (read/written, a million tokens), found {words!r}") from None
