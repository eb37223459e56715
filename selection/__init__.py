"""Active inheritance: candidates of one or several teachers, scored; the ones that carry what is wanted, kept."""

from selection import card
from selection.choose import utility
from selection.croissant import croissant
from selection.filters import active_filters
from selection.objective import objective_metrics, objective_words, read_objective
from selection.pool import BLOCK, Pool, Segment, candidate_table, prompt_id
from selection.records import Candidate, Goal, Objective, PoolContents, SampleOptions, Selection, SelectOptions, Teacher
from selection.sample import PromptSurvey, TeacherProgress, UniquePrompts, refuse_incomplete, sample
from selection.score import (
    PromptedText,
    cheap_metrics,
    filters_version,
    refuse_unknown_scores,
    score,
    score_metric,
    stored_scores,
)
from selection.select import FirstBlocks, check_words, open_pool, preview, read_selection, score_missing, select
from selection.teacher import read_price, read_teacher, spec_teachers, teacher_fields

__all__ = [
    "BLOCK",
    "Candidate",
    "FirstBlocks",
    "Goal",
    "Objective",
    "Pool",
    "PoolContents",
    "PromptSurvey",
    "PromptedText",
    "SampleOptions",
    "Segment",
    "SelectOptions",
    "Selection",
    "Teacher",
    "TeacherProgress",
    "UniquePrompts",
    "active_filters",
    "candidate_table",
    "card",
    "cheap_metrics",
    "check_words",
    "croissant",
    "filters_version",
    "objective_metrics",
    "objective_words",
    "open_pool",
    "preview",
    "prompt_id",
    "read_objective",
    "read_price",
    "read_selection",
    "read_teacher",
    "refuse_incomplete",
    "refuse_unknown_scores",
    "sample",
    "score",
    "score_metric",
    "score_missing",
    "select",
    "spec_teachers",
    "stored_scores",
    "teacher_fields",
    "utility",
]
