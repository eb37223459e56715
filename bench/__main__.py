"""Runs the benchmarks and keeps what they print in docs/benchmarks.md: `python -m bench [NAME …]`."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
HEAD = """# Benchmarks

Each compares with a peer in the same run, on the machine that its line names; `make bench` makes the page anew. Ratios
carry over to other machines better than times do.
"""
MILLIONS = "selection 5200 26000 52000 --each 100 --words 22 -O max:mtld -m words --workers 2"
PARTS = {  # a module and what it is told → the section of the page
    "start": "Waiting for the command",
    "text": "Text metrics against TextDescriptives and LexicalRichness",
    "bbq": "Scoring BBQ",
    "toxicity": "Scoring toxicity: tox-block alone, and Detoxify's BERT against its own `predict`",
    "perspective": "How near tox-block comes to Perspective, on texts that no fit has seen",
    "agreement": "Agreement of verdicts against a loop over scikit-learn",
    "service": "The profiler service",
    "client": "The client against a bare loop",
    "sampling": "Sampling: storing included, against the server's own speed",
    "selection": "Scoring and selecting, ten times the prompts",
    MILLIONS: "Scoring and selecting millions",
    "places": "Scoring on Ray and by our own processes",
    "replicas": "Several servers of one model",
    "study": "A study with one place and with two",
    "engines": "One model in this process and behind vLLM",
    "helm": "A profile against `helm-run`",
    "local": "The in-process engine against lm-eval's `hf`",
    "lm_eval": "One vLLM server, asked by `inherit profile` and by lm-eval",
}


def machine() -> str:
    cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text("utf-8"))
    name = cpu.group(1) if cpu else platform.processor()
    return f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores of {name}, Python {platform.python_version()}"


def kept() -> dict[str, str]:
    """The sections that the page holds now."""
    if not PAGE.exists():
        return {}
    cut = re.split(r"^## (.+)\n", PAGE.read_text("utf-8"), flags=re.MULTILINE)[1:]
    return {title: body.strip() for title, body in zip(cut[::2], cut[1::2], strict=True)}


def main() -> None:
    sections = kept()
    for name in [name for name in PARTS if not sys.argv[1:] or name.split()[0] in sys.argv[1:]]:
        print(f"bench.{name} …", file=sys.stderr)
        done = subprocess.run(
            [sys.executable, "-m", *f"bench.{name}".split()], stdout=subprocess.PIPE, text=True, check=True
        )
        sections[PARTS[name]] = f"*{machine()}; `python -m bench.{name}`*\n\n{done.stdout.strip()}"
        body = "\n\n".join(f"## {title}\n\n{sections[title]}" for title in PARTS.values() if title in sections)
        PAGE.write_text(f"{HEAD}\n{body}\n", "utf-8")


if __name__ == "__main__":
    main()
