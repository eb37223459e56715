"""The doors through which the demo model is asked the same items: our command, lm-eval, HELM."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from profiler.cli.serve import started
from profiler.endpoints import Server
from profiler.endpoints.local import demo
from profiler.endpoints.vllm import server as serving
from profiler.harnesses import imported
from profiler.harnesses.helm import folder
from profiler.harnesses.lm_eval import results as lm_eval_results
from profiler.runs import Run, sample_store

ROOT = Path(__file__).parents[1]
MODEL = "demo"
LM_EVAL = "INHERIT_LMEVAL_PYTHON"
HELM = "INHERIT_HELM_PYTHON"
FLIGHT = 4
"""Requests that lm-eval and HELM make at once."""

QUIET = {"GOMP_SPINCOUNT": "1000"}
"""Threads that wait don't keep others from working: a busy machine is many times quicker."""

Numbers = dict[str, float | None]


@dataclass(frozen=True)
class Question:
    """So many items of a probe, and how answers are drawn where there are any to draw."""

    probe: str
    limit: int
    tokens: int | None = None
    samples: int | None = None


@dataclass(frozen=True)
class Door:
    """A way to ask the model."""

    name: str
    title: str
    ask: Callable[[Question, Path, str], None]
    """Asks and leaves what the harness leaves under a folder; the last argument is the server's address."""
    kept: Callable[[Path], Run]
    """That, as a run of ours."""
    printed: Callable[[Path], Numbers] | None = None
    """The numbers that the harness itself prints, by our metrics' names."""
    served: bool = True
    needs: str | None = None
    """The variable that names its interpreter."""


def run(command: list[str], place: Path, **more: str) -> None:
    """A command in its own process, its output in a log; what is of this checkout is found first."""
    place.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "1", **QUIET, **more}
    with (place / "log").open("ab") as log:
        done = subprocess.run(command, cwd=place, env=environment, stdout=log, stderr=log, check=False)
    if done.returncode:
        said = (place / "log").read_text("utf-8", errors="replace")[-2000:]
        sys.exit(f"{' '.join(command)} ended with {done.returncode}; {place / 'log'} ends:\n{said}")


# Our own command


def inherit(question: Question, place: Path, url: str) -> None:
    command = [str(Path(sys.executable).with_name("inherit")), "profile", MODEL, "--out", "runs"]
    command += ["-p", question.probe, "-n", str(question.limit), *(["--url", url] if url else ["--engine", "local"])]
    command += ["--max-tokens", str(question.tokens)] if question.tokens else []
    command += ["--samples", str(question.samples)] if question.samples else []
    run(command, place)


def exact(question: Question, place: Path, url: str) -> None:
    run([sys.executable, "-m", "bench.exact", question.probe, str(question.limit)], place)


def newest(out: Path) -> Run:
    """The newest: one that was stopped at its very end is asked again, at no cost."""
    return sample_store.runs(out)[0]


# lm-eval


def lm_eval(question: Question, place: Path, model: str, arguments: str) -> None:
    command = [interpreter(LM_EVAL), "-m", "lm_eval", "--model", model, "--model_args", arguments]
    command += ["--tasks", f"inherit_{question.probe}", "--limit", str(question.limit), "--output_path", "results"]
    command += ["--log_samples", "--use_cache", str(place / "cache")]
    command += ["--device", "cpu", "--batch_size", "8"] if model == "hf" else []
    command += ["--metadata", f"samples={question.samples}"] if question.samples else []
    command += ["--gen_kwargs", f"max_gen_toks={question.tokens}"] if question.tokens else []
    run(command, place)


def lm_eval_here(question: Question, place: Path, url: str) -> None:
    lm_eval(question, place, "hf", f"pretrained={demo.checkpoint()},dtype=bfloat16")


def lm_eval_served(question: Question, place: Path, url: str) -> None:
    at = f"model={MODEL},base_url={url}/completions,tokenizer={demo.checkpoint()},add_bos_token=True"
    lm_eval(question, place, "local-completions", f"{at},num_concurrent={FLIGHT},max_retries=1")


def lm_eval_kept(place: Path) -> Run:
    return Run(place / "runs" / imported.keep(lm_eval_results.harvest(place / "results"), place / "runs").id)


def lm_eval_printed(place: Path) -> Numbers:
    results = json.loads(lm_eval_results.newest(place / "results").read_bytes())["results"]
    (found,) = results.values()
    return {key.removesuffix(",none"): value for key, value in found.items() if "_stderr" not in key}


# HELM


def helm(question: Question, place: Path, url: str) -> None:
    spec = f"inherit_{question.probe}:limit={question.limit}"
    spec += f",max_tokens={question.tokens}" if question.tokens else ""
    spec += f",num_outputs={question.samples}" if question.samples else ""
    command = [str(Path(interpreter(HELM)).with_name("helm-run")), "-r", f"{spec},model=inherit/{MODEL}"]
    run([*command, "-m", "1000000", "--suite", "parity", "-n", str(FLIGHT)], place, INHERIT_URL=url)


def suite(place: Path) -> Path:
    return place / "benchmark_output" / "runs" / "parity"


def helm_kept(place: Path) -> Run:
    (harvest,) = folder.harvests(suite(place))
    return Run(place / "runs" / imported.keep(harvest, place / "runs").id)


def helm_printed(place: Path) -> Numbers:
    (path,) = suite(place).glob("inherit_*/stats.json")
    listed = [stat for stat in json.loads(path.read_bytes()) if stat["name"]["split"] == "test"]
    return {stat["name"]["name"].partition(".")[2]: stat.get("mean") for stat in listed}


DOORS = [
    Door("inherit", "`inherit profile`, in process", inherit, lambda place: newest(place / "runs"), served=False),
    Door("lm_eval", "`lm_eval --model hf`", lm_eval_here, lm_eval_kept, lm_eval_printed, False, LM_EVAL),
    Door("inherit-vllm", "`inherit profile`, vLLM", inherit, lambda place: newest(place / "runs")),
    Door(
        "lm_eval-vllm",
        "`lm_eval --model local-completions`, vLLM",
        lm_eval_served,
        lm_eval_kept,
        lm_eval_printed,
        needs=LM_EVAL,
    ),
    Door("helm-vllm", "`helm-run`, vLLM", helm, helm_kept, helm_printed, needs=HELM),
]
EXACT = Door("float32", "`inherit profile`, float32", exact, lambda place: newest(place / "runs"), served=False)
"""What the others are compared with, and no door of a user's: asked of what is weighed only."""


def interpreter(variable: str) -> str:
    python = os.environ.get(variable)
    if not python:
        sys.exit(f"{variable} must name an interpreter that has it; the Makefile says how its environment is made")
    return python


@contextmanager
def served(log: Path) -> Iterator[Server]:
    """A vLLM server that reads one text at a time: in a batch, bfloat16 rounds by who else is in it."""
    plan = serving.ServerPlan(serving.source(MODEL), MODEL, more=("--max-num-seqs", "1", "--no-enable-prefix-caching"))
    with started(plan, log=log) as server:
        yield server


def ready(place: Path) -> bool:
    """Whether a door was gone through to its end; what was left half done is begun anew, its caches kept."""
    return (place / "done").exists()


def passed(door: Door, question: Question, place: Path, url: str) -> None:
    for left in ("results", "benchmark_output"):
        shutil.rmtree(place / left, ignore_errors=True)
    door.ask(question, place, url)
    door.kept(place)
    (place / "done").touch()
