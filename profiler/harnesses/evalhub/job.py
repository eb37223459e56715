"""A job that EvalHub started: what it says becomes our options, and what comes of it goes back under our names."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalhub.adapter import (
    DefaultCallbacks,
    EvaluationResult,
    FrameworkAdapter,
    JobPhase,
    JobResults,
    JobStatus,
    JobStatusUpdate,
    MessageInfo,
    resolve_model_credentials,
)

from profiler.datasets import found_in, settings
from profiler.errors import Incomplete, InheritError, UnknownName, WrongUse
from profiler.harnesses.evalhub import provider
from profiler.runs import Progress, profile
from profiler.runs.options import ProfileOptions

if TYPE_CHECKING:
    from evalhub.adapter import JobCallbacks, JobSpec

    from profiler.records import Estimate, Profile
    from profiler.runs import Run

KEY = "INHERIT_EVALHUB_KEY"
"""Variable of this process that holds the key that EvalHub mounts as a file."""
EVERY = 2.0
"""Seconds between two words on how far the job is."""
OURS = ("model", "url", "probes", "out", "key", "header", "log", "limit", "engine")
"""Options that EvalHub says otherwise, or that are not its to say."""
ENDINGS = {"/chat/completions": True, "/completions": False}
"""What may stand behind /v1 in a model's address → whether it asks for chat."""


class ProbeJob(FrameworkAdapter):
    """One probe, asked of one model."""

    def run_benchmark_job(self, config: JobSpec, callbacks: JobCallbacks) -> JobResults:
        """Ask the probe; its numbers are those of `inherit profile`, and the run is kept beside the job."""
        started = time.monotonic()
        options = told(config, (self.local_jobs_base_path or Path()) / "runs")
        if credentials := resolve_model_credentials():
            os.environ[KEY] = credentials.api_key or ""
        tell(callbacks, JobPhase.LOADING_DATA)
        run = asked(options, callbacks)
        if failed := run.profile.incomplete:
            raise Incomplete(f"incomplete: too many requests failed: {', '.join(failed)}; start the job again")
        tell(callbacks, JobPhase.POST_PROCESSING)
        return results(config, run, time.monotonic() - started)


def told(config: JobSpec, out: Path) -> ProfileOptions:
    """The job as the options of `inherit profile`."""
    known = provider.asked()
    if config.benchmark_id not in known:
        raise UnknownName("benchmark", config.benchmark_id, known, "inherit ls probes")
    if wanted := config.primary_score:
        check_score(config.benchmark_id, wanted.metric, wanted.lower_is_better)
    given = {name: value for name, value in config.parameters.items() if value is not None}
    if wrong := [name for name in given if name in OURS]:
        raise WrongUse(f"parameter {wrong[0]!r} is not for a job to say: EvalHub's own fields say it")
    settings.refuse_unknown("parameter", given, ProfileOptions, "inherit profile --help")
    url, chat = address(config.model.url)
    given |= {"chat": chat} if chat is not None else {}
    given |= {"model": config.model.name, "url": url, "limit": config.num_examples, "out": out, "key": KEY}
    return settings.checked(ProfileOptions, {**given, "probes": (config.benchmark_id,)}, "the job's parameters")


def address(url: str) -> tuple[str, bool | None]:
    """A model's address up to /v1, and whether what stood behind it asks for chat."""
    if not url:
        raise WrongUse("expected the model's url, such as http://HOST/v1, found none")
    for ending, chat in ENDINGS.items():
        if url.rstrip("/").endswith(ending):
            return url.rstrip("/").removesuffix(ending), chat
    return url, None


def check_score(name: str, metric: str, lower: bool) -> None:
    """Refuse a primary score that the probe does not have, or that would count the wrong way round."""
    metrics = {each.name: each for each in provider.asked()[name]().metrics}
    if metric not in metrics:
        raise UnknownName(f"metric of {name}", metric, metrics, "inherit ls probes")
    if metrics[metric].ideal != ("low" if lower else "high"):
        way = "lower" if lower else "higher"
        raise WrongUse(f"{name}'s {metric} is not better where it is {way}: {provider.direction(metrics[metric])}")


def asked(options: ProfileOptions, callbacks: JobCallbacks) -> Run:
    """The run that the job leaves."""
    last = 0.0

    def step(progress: Progress) -> None:
        nonlocal last
        if (now := time.monotonic()) - last > EVERY or progress.done == progress.total:
            last = now
            tell(callbacks, JobPhase.RUNNING_EVALUATION, progress)

    def note(words: str) -> None:
        sys.stdout.write(words + "\n")
        warned = MessageInfo(message=words, message_code="note")
        callbacks.report_status(JobStatusUpdate(status=JobStatus.RUNNING, warning_message=warned))

    watcher = profile.Watcher(note, step)
    with found_in(options.data):
        build = partial(profile.build_probes, options)
        return asyncio.run(profile.profile(options, options.endpoint, build, watcher, paged=False))


def tell(callbacks: JobCallbacks, phase: JobPhase, progress: Progress | None = None) -> None:
    """Say where the job is: in EvalHub, and in the job's log, which has the items too."""
    update = JobStatusUpdate(status=JobStatus.RUNNING, phase=phase)
    if progress:
        update.progress = progress.done / max(progress.total, 1)
        update.total_steps, update.completed_steps = progress.total, progress.done
        sys.stdout.write(f"{progress.probe}: {progress.done:,} of {progress.total:,}, {progress.errors:,} failed\n")
    sys.stdout.flush()
    callbacks.report_status(update)


def results(config: JobSpec, run: Run, seconds: float) -> JobResults:
    """A profile in EvalHub's form: a number over all items under its own name, all else in `additional_info`."""
    made = run.profile
    whole = [each for each in made.estimates if each.group is None and each.value is not None]
    numbers = [
        EvaluationResult(
            metric_name=each.metric,
            metric_value=each.value,
            confidence_interval=None if each.low is None or each.high is None else (each.low, each.high),
            num_samples=each.n,
        )
        for each in whole
    ]
    numbers += [
        EvaluationResult(metric_name=f"{each.metric}_stderr", metric_value=each.stderr)
        for each in whole
        if each.stderr is not None
    ]
    main = provider.headline(config.benchmark_id, provider.asked()[config.benchmark_id])
    return JobResults(
        id=config.id,
        benchmark_id=config.benchmark_id,
        benchmark_index=config.benchmark_index,
        model_name=config.model.name,
        results=numbers,
        overall_score=next((each.value for each in whole if main and each.metric == main.name), None),
        num_examples_evaluated=sum(part.items - part.errors for part in made.sections),
        duration_seconds=seconds,
        additional_info=more(config.benchmark_id, made, run.folder),
    )


def more(name: str, made: Profile, folder: Path) -> Mapping[str, Any]:
    """What a number needs beside it: interval, direction, how it was read, of which items; why one is undefined."""
    metrics = {each.name: each for each in provider.asked()[name]().metrics}
    (section,) = made.sections
    return {
        "estimates": [
            _row(each) | ({"direction": provider.direction(metrics[each.metric])} if each.metric in metrics else {})
            for each in made.estimates
        ],
        "how": section.how,
        "suite": section.suite,
        "data": section.data,
        "items": section.items,
        "errors": section.errors,
        "weights": made.fingerprint.id,
        "versions": made.versions,
        "run": str(folder.resolve()),
    }


def _row(each: Estimate) -> dict[str, object]:
    return each.model_dump(mode="json", exclude={"probe"}, exclude_none=True) | {"value": each.value}


def main() -> int:
    """Carry out the job whose file EvalHub names; what fails is told in one sentence."""
    job = ProbeJob()
    callbacks = DefaultCallbacks.from_adapter(job)
    callbacks.report_status(JobStatusUpdate(status=JobStatus.RUNNING, phase=JobPhase.INITIALIZING))
    try:
        found = job.run_benchmark_job(job.job_spec, callbacks)
    except InheritError as error:
        return failed(callbacks, str(error), error.exit_code)
    except Exception as error:
        failed(callbacks, f"something went wrong that we did not foresee ({type(error).__name__})", 70)
        raise
    callbacks.report_results(found)
    return 0


def failed(callbacks: JobCallbacks, words: str, code: int) -> int:
    """Tell EvalHub why there are no numbers."""
    why = MessageInfo(message=words, message_code="inherit")
    callbacks.report_status(JobStatusUpdate(status=JobStatus.FAILED, error_message=why))
    sys.stderr.write(f"inherit: {words}\n")
    return code
