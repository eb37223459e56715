"""The command as a user types it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import NamedTuple

from typer.testing import CliRunner

from profiler import cli
from profiler.errors import InheritError, visible

SECRET = "sk-never-to-be-seen"


class Done(NamedTuple):
    code: int
    out: str
    err: str


async def inherit(*words: str | Path, stdin: str | bytes = "") -> Done:
    """The command, in a thread of this process: a process of its own would spend seconds on imports."""
    done = await asyncio.to_thread(CliRunner().invoke, cli.app, [*map(str, words)], stdin, {"OPENAI_API_KEY": SECRET})
    match done.exception:
        case InheritError() as error:
            return Done(error.exit_code, done.stdout, f"{done.stderr}inherit: {visible(str(error))}\n")
        case None | SystemExit():
            return Done(done.exit_code, done.stdout, done.stderr)
    raise done.exception


def asked(folder: Path, count: int = 6) -> Path:
    path = folder / "questions.jsonl"
    path.write_text("".join(json.dumps({"prompt": f"question {i} end"}) + "\n" for i in range(count)), "utf-8")
    return path
