"""Hundreds of inputs that should not be: each is a sentence and an exit code, none is a traceback or a secret told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from profiler.endpoints import Generate
from profiler.records import Sampling
from tests.hostile.corpus import KINDS, REPLIES, Case
from tests.support.ask import HASTY, answers, client
from tests.support.command import inherit
from tests.support.wire import Script, serving


@pytest.mark.parametrize("kind", KINDS)
async def test_every_input_is_answered_in_a_sentence(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = []
    for number, case in enumerate(KINDS[kind]):
        folder = tmp_path / str(number)
        folder.mkdir()
        monkeypatch.chdir(folder)
        if problem := await found_wrong(case, folder):
            wrong.append(f"{' '.join(case.words)[:200]!r}: {problem}")
    assert not wrong, "\n".join(wrong)


async def found_wrong(case: Case, folder: Path) -> str | None:
    """What is wrong with how the command takes a case."""
    for name, content in case.files:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    try:
        done = await inherit(*case.words, stdin=case.stdin)
    except Exception as error:  # what a traceback would be made of
        return f"{type(error).__name__}: {error}"
    told = " ".join(done.err.split())
    if done.code != case.code or case.said not in told:
        return f"exit {done.code}, {told[-300:]!r}; expected exit {case.code}, {case.said!r}"
    if "canary" in done.err + done.out:
        return "a secret is told"
    if any(path.name == "pool.json" for path in folder.rglob("*")) and not case.files[0][0].startswith("pool"):
        return "a pool was begun"
    return "it ran what was planted" if list(folder.rglob("planted")) else None


async def test_every_reply_that_is_no_answer_is_an_error_of_its_item() -> None:
    script = Script(raw={f"reply {i} end": raw for i, raw in enumerate(REPLIES)})
    async with serving(script) as wire, client(wire, patience=replace(HASTY, tries=1, down=1000)) as model:
        asked = [(i, Generate(f"reply {i} end", Sampling(temperature=1.0))) for i in range(len(REPLIES))]
        found = await answers(model, asked)
    assert not [REPLIES[i][:80] for i, answer in found.items() if not answer.error]
    assert max(len(str(answer.error)) for answer in found.values()) < 400
