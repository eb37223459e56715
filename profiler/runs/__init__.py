"""What is asked of a model, kept, estimated, compared and scored anew: a run is a folder."""

from profiler.runs import (
    as_judges,
    compare,
    estimates,
    foreign_answers,
    options,
    profile,
    rescore,
    run,
    sample_store,
    score_texts,
    scorer_agreement,
    tags,
    workload,
)
from profiler.runs.compare import matching, registered
from profiler.runs.run import BATCH, AnsweredItem, Progress, scored, section, versions
from profiler.runs.sample_store import Run, SampleColumns

__all__ = [
    "BATCH",
    "AnsweredItem",
    "Progress",
    "Run",
    "SampleColumns",
    "as_judges",
    "compare",
    "estimates",
    "foreign_answers",
    "matching",
    "options",
    "profile",
    "registered",
    "rescore",
    "run",
    "sample_store",
    "score_texts",
    "scored",
    "scorer_agreement",
    "section",
    "tags",
    "versions",
    "workload",
]
