"""What is sent to a server for a call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from profiler.endpoints.engine import SampleCall
from profiler.records import Json

Body = dict[str, Json]

COMPLETIONS = "/completions"
CHAT = "/chat/completions"


@dataclass(frozen=True)
class Dialect:
    """How this server wants to be asked."""

    model: str
    seeds: bool = True
    """It takes a seed, whether or not it heeds it."""
    limit: str = "max_tokens"
    """What chat calls the limit of new tokens; some models only know `max_completion_tokens`."""
    scored: int = 0
    """max_tokens of a request that only weighs: 0, or 1 where the server wants at least one."""
    beside: int = 1
    """Alternatives of each token of a weighed text that are asked for and not used: 0 where the server can do without,
    which spares it a search of its whole vocabulary for every token."""

    def draw(self, call: SampleCall, first: int, count: int) -> Body:
        """Ask for `count` samples, of which the first is drawn with seed + `first`."""
        sampling = call.sampling
        body: Body = {"model": self.model}
        if call.chat:
            system: list[Json] = [{"role": "system", "content": call.system}] if call.system else []
            body |= {"messages": [*system, {"role": "user", "content": call.prompt}], self.limit: sampling.max_tokens}
        else:
            body |= {"prompt": call.prompt, "max_tokens": sampling.max_tokens}
        body["temperature"] = sampling.temperature
        if sampling.temperature:
            body["top_p"] = sampling.top_p
            if self.seeds:
                body["seed"] = sampling.seed + first
        if count > 1:
            body["n"] = count
        if sampling.stop:
            body["stop"] = list(sampling.stop)
        if call.top and call.chat:
            body |= {"logprobs": True, "top_logprobs": call.top}
        elif call.top:
            body["logprobs"] = call.top
        return body

    def score(self, texts: Sequence[str]) -> Body:
        """Ask how likely each text is; several in one request make a list."""
        return {
            "model": self.model,
            "prompt": list(texts) if len(texts) > 1 else texts[0],
            "max_tokens": self.scored,
            "temperature": 0,
            "echo": True,
            "logprobs": self.beside,
        }


def path(call: SampleCall) -> str:
    return CHAT if call.chat else COMPLETIONS
