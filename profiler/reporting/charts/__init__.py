"""Charts of profiles, comparisons, judges and students: each is Altair's, for a page, a picture or a notebook."""

from profiler.reporting.charts import (
    altair,
    before_after,
    by_group,
    changes,
    distribution,
    rater_matrix,
    reliability,
    theme,
)

__all__ = ["altair", "before_after", "by_group", "changes", "distribution", "rater_matrix", "reliability", "theme"]
