"""What is asked of a model, kept, estimated, compared and scored anew: a run is a folder."""

from profiler.runs import as_judges, compare, estimates, foreign_answers, profile, rescore, run, score_texts, store
from profiler.runs.as_judges import judged, plain
from profiler.runs.compare import registered
from profiler.runs.estimates import overall
from profiler.runs.options import (
    AgreeOptions,
    CompareOptions,
    EndpointOptions,
    JudgeOptions,
    ProfileOptions,
    RescoreOptions,
    ScoreOptions,
)
from profiler.runs.profile import Watcher, ask_probes
from profiler.runs.run import BATCH, AnsweredItem, Progress, refusals, scored, section, versions
from profiler.runs.score_texts import COLUMNS
from profiler.runs.store import Run, SampleColumns

__all__ = [
    "BATCH",
    "COLUMNS",
    "AgreeOptions",
    "AnsweredItem",
    "CompareOptions",
    "EndpointOptions",
    "JudgeOptions",
    "ProfileOptions",
    "Progress",
    "RescoreOptions",
    "Run",
    "SampleColumns",
    "ScoreOptions",
    "Watcher",
    "as_judges",
    "ask_probes",
    "compare",
    "estimates",
    "foreign_answers",
    "judged",
    "overall",
    "plain",
    "profile",
    "refusals",
    "registered",
    "rescore",
    "run",
    "score_texts",
    "scored",
    "section",
    "store",
    "versions",
]
