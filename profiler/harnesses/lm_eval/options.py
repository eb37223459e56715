"""What lm-eval's --model_args, --metadata and --gen_kwargs say: of the model, as our options, as our sampling."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol, cast, get_args

from profiler.datasets import settings
from profiler.endpoints import ScoringMethod
from profiler.errors import WrongUse
from profiler.probes import ProbeOptions
from profiler.records import Sampling

TOLD = [
    name for name in ProbeOptions.model_fields if name not in (*Sampling.model_fields, "limit", "data", "gold", "bins")
]
"""Options that may stand in the metadata, each under its own name; of the others lm-eval has words of its own."""

FIELDS = {"temperature": "temperature", "top_p": "top_p", "max_gen_toks": "max_tokens", "until": "stop", "seed": "seed"}
FIELDS |= {"top_k": "top_k", "repetition_penalty": "repetition_penalty"}
"""lm-eval's name of a generation argument → ours; `do_sample` follows from the temperature."""

TOKENIZERS = ("tokenizer", "pretrained", "model")
"""Arguments that name the tokenizer; lm-eval takes the first that is given."""

UNKNOWN = (
    "these scores are per token, and lm-eval hands over sums only: counting needs the model's tokenizer; name it as "
    "tokenizer=PATH_OR_ID in --model_args (from Python: simple_evaluate(…, metadata={'tokenizer': …}))"
)


def folder(metadata: Mapping[str, object]) -> Path | None:
    """The user's folder of official files."""
    named = metadata.get("data")
    if named and not Path(str(named)).expanduser().is_dir():
        raise WrongUse(f"--metadata data={named}: no such folder; expected one with the official data files")
    return Path(str(named)) if named else None


def options(metadata: Mapping[str, object]) -> ProbeOptions:
    """The options of the run; the model's own arguments stand in the same mapping and are passed over."""
    given = {name: metadata[name] for name in TOLD if metadata.get(name) is not None}
    if isinstance(named := given.get("scorers"), str):
        given["scorers"] = (named,)
    return settings.checked(ProbeOptions, given, "--metadata")


def scoring_method(metadata: Mapping[str, object]) -> ScoringMethod:
    """The instrument for choices."""
    given = str(metadata.get("scoring_method", "auto"))
    known = [name for name in get_args(ScoringMethod) if name != "top_logprobs"]
    if given not in known:
        raise WrongUse(
            f"--metadata scoring_method={given}: expected one of {', '.join(known)}; lm-eval can do no other"
        )
    return cast(ScoringMethod, given)


def arguments(drawn: Sampling | None, seed: int | None = None) -> dict[str, object]:
    """Generation arguments; SEED is for servers, which need one: `hf` knows none.

    Without `do_sample` lm-eval takes what a server wrote from its cache the next time.
    """
    drawn = drawn or Sampling()
    if seed is not None and drawn.rarer:
        named = ", ".join(drawn.rarer)
        raise WrongUse(f"lm-eval can't tell whether a server heeds {named}: leave it out, or ask by `inherit profile`")
    found: dict[str, object] = {"until": list(drawn.stop), "max_gen_toks": drawn.max_tokens, **drawn.rarer}
    if not drawn.temperature:
        return {**found, "temperature": 0.0} if seed is not None else {**found, "do_sample": False}
    found |= {"temperature": drawn.temperature, "top_p": drawn.top_p}
    # Without top_k, transformers takes 50, or what the checkpoint's settings say.
    return {**found, "seed": seed} if seed is not None else {**found, "do_sample": True, "top_k": drawn.top_k}


def sampling(changed: Mapping[str, object]) -> dict[str, object]:
    """Fields of Sampling from what the user changed by --gen_kwargs."""
    given = {name: value for name, value in changed.items() if name != "do_sample"}
    for name in given:
        if name not in FIELDS:
            raise WrongUse(f"--gen_kwargs {name}: expected some of {', '.join(FIELDS)}")
    if "until" in given:
        stop = given["until"]
        given["until"] = (stop,) if isinstance(stop, str) else tuple(cast(list[str], stop))
    return {FIELDS[name]: value for name, value in given.items()}


class Tokenizer(Protocol):
    """The part of a transformers tokenizer that is used."""

    bos_token: str
    bos_token_id: int | None

    def encode(self, text: str, *, add_special_tokens: bool = True) -> list[int]: ...


@dataclass(frozen=True)
class EvaluatedModel:
    """The model behind lm-eval, as far as its arguments tell, which lm-eval hands on as metadata."""

    arguments: Mapping[str, object]

    @property
    def served(self) -> bool:
        """Whether it is asked over HTTP: only then does every sample take a seed, and only then must it."""
        return bool(self.arguments.get("base_url") or self.arguments.get("model"))

    @property
    def chat(self) -> bool:
        """Whether it only answers messages, as far as the address tells."""
        return "chat/completions" in str(self.arguments.get("base_url", ""))

    @cached_property
    def tokenizer(self) -> Tokenizer:
        named = next((self.arguments[name] for name in TOKENIZERS if self.arguments.get(name)), None)
        if named is None:
            raise WrongUse(UNKNOWN)
        if not isinstance(named, str):  # lm-eval takes a ready tokenizer too
            return named  # type: ignore[return-value]
        from transformers import AutoTokenizer

        fixed = {key: self.arguments[key] for key in ("revision", "trust_remote_code") if key in self.arguments}
        try:
            loaded: Tokenizer = AutoTokenizer.from_pretrained(named, **fixed)
        except (OSError, ValueError) as error:
            raise WrongUse(f"{UNKNOWN}; {named!r} could not be loaded: {error}") from None
        return loaded

    def count(self, context: str, continuation: str) -> int:
        """How many tokens of the continuation lm-eval weighs."""
        # As in its `_encode_pair`: blanks that end the context go with the continuation.
        before = context.rstrip()
        return self._tokens(context + continuation) - (self._tokens(before) if before else 0)

    def _tokens(self, text: str) -> int:
        return len(self.tokenizer.encode(text, add_special_tokens=False))

    def check(self, weighs: bool) -> None:
        """Refuse a served model that would be asked without its begin-of-text token: its numbers come out wrong.

        Seen with Gemma: the likeliest of three answers becomes another one.
        """
        if not self.served or self.chat:
            return
        backend = str(self.arguments.get("tokenizer_backend", "auto")).lower()
        as_tokens = bool(self.arguments.get("tokenized_requests", True)) and backend != "none"
        added = bool(self.arguments.get("add_bos_token", False))
        wrong = not added if as_tokens else weighs  # a text that is sent as it is gets the token from the server
        if not wrong or not self.begins:
            return
        if as_tokens:
            why = "lm-eval leaves that out of what it sends to a server unless told, and the numbers come out wrong"
        elif added:
            why = "with add_bos_token=True and tokenized_requests=False that stands there twice"
        else:
            why = "with tokenized_requests=False lm-eval does not count that, and weighs a token of the context as well"
        raise WrongUse(
            f"this model's texts begin with {self.tokenizer.bos_token!r}: {why}; "
            "put add_bos_token=True into --model_args, and leave tokenized_requests out"
        )

    @property
    def begins(self) -> bool:
        """Whether the tokenizer begins every text with a token of its own; no where there is no such tokenizer."""
        try:
            return self.tokenizer.bos_token_id in self.tokenizer.encode("a")[:1]
        except WrongUse:
            return False
