"""What a task may know of lm-eval's model: the model_args, which lm-eval hands on as metadata, and its tokenizer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from profiler.errors import WrongUse

TOKENIZERS = ("tokenizer", "pretrained", "model")
"""Arguments that name the tokenizer; lm-eval takes the first that is given."""

UNKNOWN = (
    "these scores are per token, and lm-eval hands over sums only: counting needs the model's tokenizer; name it as "
    "tokenizer=PATH_OR_ID in --model_args (from Python: simple_evaluate(…, metadata={'tokenizer': …}))"
)


class Tokenizer(Protocol):
    """The part of a transformers tokenizer that is used."""

    bos_token: str
    bos_token_id: int | None

    def encode(self, text: str, *, add_special_tokens: bool = True) -> list[int]: ...


@dataclass(frozen=True)
class EvaluatedModel:
    """The model behind lm-eval, as far as its arguments tell."""

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

    @cached_property
    def count(self) -> Callable[[str, str], int]:
        """Context and continuation → how many tokens of the continuation lm-eval weighs."""
        encode = self.tokenizer.encode

        def tokens(text: str) -> int:
            return len(encode(text, add_special_tokens=False))

        def weighed(context: str, continuation: str) -> int:
            # As in its `_encode_pair`: blanks that end the context go with the continuation.
            before = context.rstrip()
            return tokens(context + continuation) - (tokens(before) if before else 0)

        return weighed

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
            tokenizer = self.tokenizer
        except WrongUse:
            return False
        return tokenizer.bos_token_id in tokenizer.encode("a")[:1]
