"""A study: students taught by teachers towards objectives, and what each of them inherited."""

from profiler.study.findings import StudyResults
from profiler.study.plan import Study, read_study, study_of, study_text
from profiler.study.records import Findings
from profiler.study.schedule import Schedule

__all__ = ["Findings", "Schedule", "Study", "StudyResults", "read_study", "study_of", "study_text"]
