"""An answer as it travels in HELM's results, and back: nothing of it is lost on the way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from profiler.endpoints import Answer, Choose, Request, Weigh
from profiler.records import Generation, How, Likelihood, Record

KEY: Literal["inherit"] = "inherit"
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
        untold = tuple(text.model_copy(update={"text": ""}) for text in answer.generations)
        return cls(
            how=answer.how,
            weights=weights,
            url=url,
            generations=untold,
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
