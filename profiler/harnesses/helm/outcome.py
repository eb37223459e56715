"""What HELM brings back of a run, handed to the probe's own scoring."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from pydantic import ValidationError

from profiler.endpoints import Answer
from profiler.errors import BadData, EndpointError, WeightsChanged
from profiler.harnesses.helm.reply import KEY, StoredAnswer
from profiler.harnesses.helm.spec import DrawSettings, ProbeSpec
from profiler.probes import Probe
from profiler.records import Sample
from profiler.runs import BATCH, AnsweredItem, scored


@dataclass(frozen=True)
class RequestOutcome:
    """One request's end, as it stands in HELM's scenario state."""

    item: str
    prompt: str
    texts: tuple[str, ...]
    told: Mapping[str, object]
    """What our client put beside the reason that the first completion ended."""
    error: str | None = None

    @property
    def reply(self) -> StoredAnswer:
        try:
            return StoredAnswer.model_validate(self.told.get(KEY))
        except ValidationError:
            raise BadData(f"the answer to {self.item!r} is not one of model=inherit/…; no other can be read") from None


class ScoredRun(NamedTuple):
    """What was asked in a run, what the probe makes of the answers, and who gave them."""

    probe: Probe
    asked: list[AnsweredItem]
    samples: list[Sample]
    reply: StoredAnswer
    """One of them; all come from the same weights."""


def score(spec: ProbeSpec, drawn: DrawSettings, outcomes: Sequence[RequestOutcome]) -> ScoredRun:
    """The samples that the probe makes of the answers; items that failed are marked, and never scored."""
    probe = spec.built(drawn)
    replies = [outcome.reply for outcome in outcomes if not outcome.error]
    if not replies:
        why = f"; the last error: {outcomes[-1].error}" if outcomes else ""
        raise EndpointError(f"no item of inherit_{spec.probe} was answered{why}")
    if len(found := {reply.weights for reply in replies}) > 1:
        raise WeightsChanged(f"{len(found)} models answered this run under one name: ask all of it again")
    asked = list(_asked(spec, probe, outcomes, replies[0]))
    batches = (asked[start : start + BATCH] for start in range(0, len(asked), BATCH))
    return ScoredRun(probe, asked, [sample for batch in batches for sample in scored(probe, batch)], replies[0])


def _asked(
    spec: ProbeSpec, probe: Probe, outcomes: Sequence[RequestOutcome], typical: StoredAnswer
) -> Iterator[AnsweredItem]:
    for outcome in outcomes:
        item = spec.item(outcome.item)
        request = probe.ask(item)
        if outcome.prompt != spec.prompt(item, request):
            raise BadData(
                f"{probe.name} now asks item {item.id!r} otherwise than this run did: the data or inherit has changed; "
                "run it again"
            )
        answer = Answer(typical.how, error=outcome.error) if outcome.error else outcome.reply.answer(outcome.texts)
        yield AnsweredItem(item, request, answer)
