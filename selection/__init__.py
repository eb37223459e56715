"""Active inheritance: candidates of one or several teachers, scored; the ones that carry what is wanted, kept."""

from selection.objective import read_objective
from selection.pool import Pool
from selection.records import Candidate, Objective, SampleSpec, Selection, SelectSpec, Teacher
from selection.sample import sample
from selection.score import score
from selection.select import open_pool, read_selection, score_missing, select

__all__ = [
    "Candidate",
    "Objective",
    "Pool",
    "SampleSpec",
    "SelectSpec",
    "Selection",
    "Teacher",
    "open_pool",
    "read_objective",
    "read_selection",
    "sample",
    "score",
    "score_missing",
    "select",
]
