"""An answer as it travels in HELM's results, and back to the probe's own scoring: nothing of it is lost on the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from pydantic import AliasPath, BaseModel, Field, ValidationError

from profiler.endpoints import Answer, Choose, Request, Weigh
from profiler.errors import BadData, EndpointError, WeightsChanged
from profiler.harnesses.helm.spec import DrawSettings, ProbeSpec
from profiler.probes import Probe
from profiler.records import Generation, How, Likelihood, Record, Sample
from profiler.runs import BATCH, AnsweredItem, scored

KEY = "inherit"
"""Where a result's first completion keeps it, beside the reason that it ended."""


class StoredAnswer(Record):
    """All of an answer but its texts, which are HELM's completions."""

    how: How
    weights: str
    """Id of the fingerprint of the weights that answered."""
    url: str
    generations: tuple[Generation, ...] = ()
    likelihoods: tuple[Likelihood, ...] = ()
    choice: int | None = None
    confidences: tuple[float, ...] = ()

    @classmethod
    def of(cls, answer: Answer, weights: str, url: str) -> StoredAnswer:
        return cls(
            how=answer.how,
            weights=weights,
            url=url,
            generations=tuple(text.model_copy(update={"text": ""}) for text in answer.generations),
            likelihoods=answer.likelihoods,
            choice=answer.choice,
            confidences=answer.confidences,
        )

    def answer(self, texts: Sequence[str]) -> Answer:
        written = tuple(
            generation.model_copy(update={"text": text})
            for generation, text in zip(self.generations, texts, strict=bool(self.generations))
        )
        return Answer(self.how, written, self.likelihoods, self.choice, self.confidences)


def listed(request: Request, likelihoods: Sequence[Likelihood]) -> str:
    """Likelihoods for a reader, a line each: the text, its log-probability, its tokens."""
    texts = request.texts if isinstance(request, Weigh) else request.choices if isinstance(request, Choose) else ()
    return "\n".join(
        f"{likelihood.total:9.3f} / {likelihood.tokens} tokens  {text.strip()}"
        for text, likelihood in zip(texts, likelihoods, strict=True)
    )


class HelmCompletion(BaseModel):
    """A text that came, as HELM writes it."""

    text: str
    finish_reason: Mapping[str, object] | None = None


class RequestOutcome(BaseModel):
    """One request's end, as it stands in HELM's scenario state."""

    item: str = Field(validation_alias=AliasPath("instance", "id"))
    prompt: str = Field(validation_alias=AliasPath("request", "prompt"))
    success: bool = Field(validation_alias=AliasPath("result", "success"))
    completions: list[HelmCompletion] = Field(validation_alias=AliasPath("result", "completions"))
    words: str | None = Field(None, validation_alias=AliasPath("result", "error"))
    seconds: float | None = Field(None, validation_alias=AliasPath("result", "request_time"))
    moment: int | None = Field(None, validation_alias=AliasPath("result", "request_datetime"))

    @property
    def error(self) -> str | None:
        return None if self.success else self.words or "failed"

    @property
    def reply(self) -> StoredAnswer:
        told = self.completions[0].finish_reason if self.completions else None
        try:
            return StoredAnswer.model_validate((told or {}).get(KEY))
        except ValidationError:
            raise BadData(f"the answer to {self.item!r} is not one of model=inherit/…; no other can be read") from None


class RunOutcome(BaseModel):
    """What is needed of a scenario state of HELM's, as its class has it or its file."""

    model: str = Field(validation_alias=AliasPath("adapter_spec", "model_deployment"))
    temperature: float = Field(validation_alias=AliasPath("adapter_spec", "temperature"))
    max_tokens: int = Field(validation_alias=AliasPath("adapter_spec", "max_tokens"))
    stop: tuple[str, ...] = Field((), validation_alias=AliasPath("adapter_spec", "stop_sequences"))
    samples: int = Field(validation_alias=AliasPath("adapter_spec", "num_outputs"))
    requests: list[RequestOutcome] = Field(validation_alias="request_states")


class ScoredRun(NamedTuple):
    """What was asked in a run, what the probe makes of the answers, and who gave them."""

    probe: Probe
    asked: list[AnsweredItem]
    samples: list[Sample]
    reply: StoredAnswer
    """One of them; all come from the same weights."""


def score(spec: ProbeSpec, run: RunOutcome) -> ScoredRun:
    """The samples that the probe makes of the answers; items that failed are marked, and never scored."""
    probe = spec.built(DrawSettings(run.temperature, run.max_tokens, run.stop, run.samples))
    replies = [outcome.reply for outcome in run.requests if not outcome.error]
    if not replies:
        why = f"; the last error: {run.requests[-1].error}" if run.requests else ""
        raise EndpointError(f"no item of inherit_{spec.probe} was answered{why}")
    if len(found := {reply.weights for reply in replies}) > 1:
        raise WeightsChanged(f"{len(found)} models answered this run under one name: ask all of it again")
    asked = []
    for outcome in run.requests:
        item = spec.item(outcome.item)
        request = probe.ask(item)
        if outcome.prompt != spec.prompt(item, request):
            raise BadData(
                f"{probe.name} now asks item {item.id!r} otherwise than this run did: the data or inherit has changed; "
                "run it again"
            )
        texts = [completion.text for completion in outcome.completions]
        failed = Answer(replies[0].how, error=outcome.error)
        asked.append(AnsweredItem(item, request, failed if outcome.error else outcome.reply.answer(texts)))
    batches = (asked[start : start + BATCH] for start in range(0, len(asked), BATCH))
    return ScoredRun(probe, asked, [sample for batch in batches for sample in scored(probe, batch)], replies[0])
