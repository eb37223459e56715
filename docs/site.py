"""What MkDocs is told beyond mkdocs.yml: where links out of docs/ lead, and a sample report of this very version."""

from __future__ import annotations

import re
import tempfile
import tomllib
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from profiler.study import Findings, report

ROOT = Path(__file__).parents[1]
SOURCE = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"].get("urls", {}).get("Source")
"""Where the repository is public; None as long as nobody knows."""
STUDY = ROOT / "examples" / "steer_length" / "results" / "report.json"


def on_page_markdown(markdown: str, **_: object) -> str:
    """A link to a file outside docs/ leads to the repository, or says where the file is in it."""
    linked = rf"[\1]({SOURCE}/blob/HEAD/\2)" if SOURCE else r"\1 (`\2` in the repository)"
    return re.sub(r"\[([^\]]+)\]\(\.\./([^)]+)\)", linked, markdown)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """The report of the study in examples/, written anew from its record."""
    with tempfile.TemporaryDirectory() as folder:
        report.save(Findings.model_validate_json(STUDY.read_bytes()), Path(folder))
        page = (Path(folder) / "report.html").read_text("utf-8")
    files.append(File.generated(config, "sample_report.html", content=page))
    return files
