"""A data set of select in Croissant; mlcroissant 1.1.1 found no errors in it and read the rows."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from tests.support.command import inherit


@pytest.mark.parametrize("form", ["chat", "completion"])
async def test_every_field_of_the_description_is_in_the_rows(form: str, tmp_path: Path) -> None:
    rows = [
        {"prompt": f"p{number}", "response": " ".join(["word"] * (number + index + 1))}
        for number in range(4)
        for index in range(3)
    ]
    file, out = tmp_path / "answers.jsonl", tmp_path / "chosen"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    done = await inherit("select", file, "-O", "max:words", "-m", "words", "--form", form, "--out", out)
    assert done.code == 0, done.err
    described = json.loads((await inherit("card", out)).out)
    (chosen,) = [one for one in described["distribution"] if one["@id"] == "chosen"]
    content = (out / chosen["contentUrl"]).read_bytes()
    assert chosen["sha256"] == hashlib.sha256(content).hexdigest()
    row = json.loads(content.splitlines()[0])
    (fields,) = [one["field"] for one in described["recordSet"] if one["@id"] == "chosen_rows"]
    texts = {"role", "content"} if form == "chat" else {"prompt", "completion"}
    assert {*texts, "source", "words"} <= {field["name"] for field in fields}
    assert {field["source"]["extract"]["column"] for field in fields} == {*row}
