"""`--push`: what was made, on a stand-in for the hub that is reached as HF_ENDPOINT says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.support.hub import TOKEN, Hub, served_hub
from tests.support.places import ROOT


def select(hub: Hub, folder: Path, token: str, repository: str = "me/long") -> subprocess.CompletedProcess[str]:
    rows = [{"prompt": f"p{number}", "response": "word " * (number % 7 + 1)} for number in range(40)]
    (folder / "answers.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    given = ["answers.jsonl", "-O", "max:words", "-m", "words", "--out", "chosen", "--push", repository]
    apart = {"HF_ENDPOINT": hub.url, "HF_TOKEN": token, "HF_HOME": str(folder), "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-c", "from profiler.cli import main; main()", "select", *given],
        cwd=folder,
        env=os.environ | apart,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_data_set_is_put_on_the_hub_in_a_private_repository(tmp_path: Path) -> None:
    with served_hub() as hub:
        done = select(hub, tmp_path, TOKEN)
    assert done.returncode == 0, done.stderr
    assert [(one["name"], one["type"], one.get("visibility", one.get("private"))) for one in hub.made] == [
        ("long", "dataset", "private")
    ]
    assert {path: content for path, content in hub.files.items() if path.endswith("chosen.jsonl")} == {
        "datasets/me/long/chosen.jsonl": (tmp_path / "chosen" / "chosen.jsonl").read_bytes()
    }
    out = tmp_path / "chosen"
    made = [path.relative_to(out) for path in sorted(out.rglob("*")) if path.is_file()]
    told = [path.as_posix() for path in made if path.parts[0] not in ("pool", ".lock")]
    assert sorted(hub.files) == [f"datasets/me/long/{path}" for path in sorted(told)], "the pool stays here"
    assert hub.files["datasets/me/long/README.md"].startswith(b"---\nconfigs:")
    assert done.stderr.splitlines()[-1].endswith("/datasets/me/long")
    assert TOKEN not in done.stdout + done.stderr


def test_who_may_not_push_is_told_before_anything_is_chosen(tmp_path: Path) -> None:
    with served_hub() as hub:
        done = select(hub, tmp_path, "hf_another")
    assert done.returncode == 1
    assert "hf auth login" in done.stderr
    assert not (tmp_path / "chosen").exists()
