"""A probe's items as HELM's instances."""

from helm.benchmark.scenarios.scenario import TEST_SPLIT, Input, Instance, Output, Reference, Scenario, ScenarioMetadata

from profiler.endpoints import Choose
from profiler.harnesses.helm.spec import ProbeSpec, Scalar


class ProbeScenario(Scenario):
    """What a probe asks, item by item; each prompt opens with the address that our client finds the item by."""

    tags = ["inherit"]  # noqa: RUF012  HELM's own declaration

    def __init__(self, probe: str, **given: Scalar) -> None:
        super().__init__()
        self.spec = ProbeSpec.of(probe, given)
        self.name = f"inherit_{probe}"
        built = self.spec.built()
        about = (type(built).__doc__ or probe).strip().partition("\n")[0]
        warning = " MINI set, for trying things out: do not publish its numbers." if built.suite == "mini" else ""
        self.description = f"{about}{warning}"

    def get_instances(self, output_path: str) -> list[Instance]:
        probe = self.spec.built()
        found = []
        for item in probe.items:
            request = probe.ask(item)
            options = request.choices if isinstance(request, Choose) else ()
            asked = Input(self.spec.prompt(item, request))
            references = [Reference(Output(option), []) for option in options]
            found.append(Instance(asked, references, split=TEST_SPLIT, sub_split=item.group, id=item.id))
        return found

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
