"""A study: students taught by teachers towards objectives, and what each of them inherited."""

from profiler.study import charts, report
from profiler.study.assumptions import Assumptions, read_assumptions
from profiler.study.findings import StudyResults
from profiler.study.forecast import Forecast, away, forecast
from profiler.study.graph import carry_out
from profiler.study.plan import Study, read_study, study_of, study_text
from profiler.study.records import Findings
from profiler.study.stage import Stage, StageRecord
from profiler.study.stage_order import Schedule, StageGraph, StageNode

__all__ = [
    "Assumptions",
    "Findings",
    "Forecast",
    "Schedule",
    "Stage",
    "StageGraph",
    "StageNode",
    "StageRecord",
    "Study",
    "StudyResults",
    "away",
    "carry_out",
    "charts",
    "forecast",
    "read_assumptions",
    "read_study",
    "report",
    "study_of",
    "study_text",
]
