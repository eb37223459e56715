"""A probe's numbers as HELM's stats; the probe scores, profiler.runs.estimates estimates."""

from collections.abc import Iterable

from helm.benchmark.adaptation.scenario_state import ScenarioState
from helm.benchmark.metrics.metric import MetricInterface, MetricMetadata, MetricResult, PerInstanceStats
from helm.benchmark.metrics.metric_name import MetricName
from helm.benchmark.metrics.metric_service import MetricService
from helm.benchmark.metrics.statistic import Stat
from helm.benchmark.scenarios.scenario import TEST_SPLIT
from helm.common.hierarchical_logger import hlog, hwarn

from profiler.errors import EndpointError
from profiler.harnesses.helm.folder import RunOutcome, score
from profiler.harnesses.helm.spec import ProbeSpec, Scalar
from profiler.metrics import Metric
from profiler.records import Estimate, Sample
from profiler.runs import sample_store
from profiler.runs.estimates import estimates

GROUP = "group"
"""The split of a number of one category: in stats.json, and out of HELM's tables, which would average it in."""

BETTER = {"high": False, "low": True}
"""A metric's ideal → HELM's `lower_is_better`; it has no word for a metric that would like to be 0 or 50."""


class ProbeMetric(MetricInterface):
    """All numbers of a probe, with the ends of their intervals beside them."""

    def __init__(self, probe: str, **given: Scalar) -> None:
        self.spec = ProbeSpec.of(probe, given)

    def evaluate(
        self, scenario_state: ScenarioState, metric_service: MetricService, eval_cache_path: str, parallelism: int
    ) -> MetricResult:
        probe, _, samples, _ = score(self.spec, RunOutcome.model_validate(scenario_state, from_attributes=True))
        errors = [sample for sample in samples if sample.error]
        for sample in errors:
            hwarn(f"{probe.name} {sample.item} failed: {sample.error}")
        if len(errors) > self.spec.failures:
            raise EndpointError(
                f"{len(errors)} of {len(samples)} items of inherit_{probe.name} failed; the last: {errors[-1].error}. "
                "No numbers are made of the rest: run again, what was answered is kept; or give "
                f"failures={len(errors)} to leave them out"
            )
        numbers = estimates(probe.name, probe.metrics, sample_store.columns(samples), probe.lang)
        counts = [
            stat(f"{probe.name}.items", len(samples) - len(errors)),
            stat(f"{probe.name}.errors", len(errors)),
        ]
        return MetricResult([*counts, *stats(numbers)], [instance(sample) for sample in samples if not sample.error])

    def get_metadata(self) -> list[MetricMetadata]:
        probe = self.spec.built()
        shown = [described(probe.name, metric) for metric in probe.metrics]
        ends = [MetricMetadata(f"{metric.name}.{end}") for metric in shown for end in ("low", "high")]
        counts = [
            MetricMetadata(f"{probe.name}.items", description="Items that were answered."),
            MetricMetadata(f"{probe.name}.errors", description="Items that failed.", lower_is_better=True),
        ]
        return [*shown, *ends, *counts]


def described(probe: str, metric: Metric) -> MetricMetadata:
    ideal = f" Ideal: {metric.ideal}." if isinstance(metric.ideal, int | float) else ""
    unit = f" ({metric.unit})" if metric.unit else ""
    return MetricMetadata(
        name=f"{probe}.{metric.name}",
        display_name=f"{metric.name}{unit}",
        short_display_name=metric.name,
        description=f"{metric.about}{ideal}",
        lower_is_better=BETTER.get(str(metric.ideal)),
        group=probe,
    )


def stats(numbers: Iterable[Estimate]) -> list[Stat]:
    """Each number, of all items and of each category; one that is undefined has a stat of no values."""
    found = []
    for number in numbers:
        name = f"{number.probe}.{number.metric}"
        if number.value is None and number.group is None:
            hlog(f"{name} is undefined: {number.reason}")
        ends = {name: number.value, f"{name}.low": number.low, f"{name}.high": number.high}
        found += [stat(called, value, number.group) for called, value in ends.items()]
    return found


def stat(name: str, value: float | None, group: str | None = None) -> Stat:
    named = MetricName(name, TEST_SPLIT) if group is None else MetricName(name, GROUP, group)
    return Stat(named).add(value)


def instance(sample: Sample) -> PerInstanceStats:
    """An item's columns; those that are undefined for it are left out, as HELM does."""
    columns = {f"{sample.probe}.{name}": value for name, value in sample.scores.items() if value is not None}
    return PerInstanceStats(sample.item, None, 0, [stat(name, value) for name, value in columns.items()])
