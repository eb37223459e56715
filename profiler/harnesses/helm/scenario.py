"""A probe's items as HELM's instances."""

from __future__ import annotations

from helm.benchmark.scenarios.scenario import TEST_SPLIT, Input, Instance, Output, Reference, Scenario, ScenarioMetadata

from profiler.datasets import Item
from profiler.endpoints import Choose, Request
from profiler.harnesses.helm.spec import ProbeSpec, Scalar


class ProbeScenario(Scenario):
    """What a probe asks, item by item; each prompt opens with the address that our client finds the item by."""

    tags = ["inherit"]  # noqa: RUF012  HELM's own declaration

    def __init__(self, probe: str, **given: Scalar) -> None:
        super().__init__()
        self.spec = ProbeSpec.of(probe, given)
        self.name = f"inherit_{probe}"
        self.description = about(self.spec)

    def get_instances(self, output_path: str) -> list[Instance]:
        probe = self.spec.built()
        return [self._instance(item, probe.ask(item)) for item in probe.items]

    def _instance(self, item: Item, request: Request) -> Instance:
        options = request.choices if isinstance(request, Choose) else ()
        return Instance(
            Input(self.spec.prompt(item, request)),
            [Reference(Output(option), []) for option in options],
            split=TEST_SPLIT,
            sub_split=item.group,
            id=item.id,
        )

    def get_metadata(self) -> ScenarioMetadata:
        probe = self.spec.built()
        mini = " [mini]" if probe.suite == "mini" else ""
        return ScenarioMetadata(
            name=self.name,
            main_metric=f"{probe.name}.{probe.metrics[0].name}",
            main_split=TEST_SPLIT,
            display_name=f"{probe.name}{mini}",
            description=self.description,
        )


def about(spec: ProbeSpec) -> str:
    """What the probe is, and of which suite, in a sentence or two."""
    probe = spec.built()
    first = (type(probe).__doc__ or probe.name).strip().partition("\n")[0]
    warning = " MINI set, for trying things out: do not publish its numbers." if probe.suite == "mini" else ""
    return f"{first}{warning}"
