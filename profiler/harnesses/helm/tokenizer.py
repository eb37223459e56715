"""The server's own tokenizer, for HELM's own scenarios: they count tokens to fit a prompt into the model's window."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import orjson
from helm.benchmark.window_services.local_window_service import LocalWindowService
from helm.common.cache import CacheConfig
from helm.common.tokenization_request import DecodeRequest, TokenizationRequest
from helm.tokenizers.caching_tokenizer import CachingTokenizer

from profiler import http
from profiler.errors import EndpointError, InheritError, Unreadable
from profiler.harnesses.helm.spec import SCHEME
from profiler.records import Endpoint

SECONDS = 60.0
BLANKS = {"\u2581": " ", "\u0120": " ", "\u010a": "\n"}
"""How vocabularies write a blank and a line's end (SentencePiece; byte-level BPE)."""

Raw = dict[str, Any]
"""A request or response as HELM caches it."""


class ServerTokenizer(CachingTokenizer):
    """Asks /tokenize and /detokenize, which stand beside /v1 on vLLM's servers."""

    def __init__(self, cache_config: CacheConfig, url: str, served: str) -> None:
        super().__init__(cache_config)
        self._root = url.rstrip("/").removesuffix("/v1")
        self._served = served

    def _tokenization_request_to_cache_key(self, request: TokenizationRequest | DecodeRequest) -> Raw:
        return asdict(request) | {"url": self._root}

    _decode_request_to_cache_key = _tokenization_request_to_cache_key

    def _tokenize_do_it(self, request: Raw) -> Raw:
        if not request["text"]:
            return {"tokens": []}
        asked = {"model": self._served, "prompt": request["text"], "add_special_tokens": False}
        if request["encode"]:
            return {"tokens": self._asked("/tokenize", asked, "tokens")}
        written = self._asked("/tokenize", asked | {"return_token_strs": True}, "token_strs")
        return {"tokens": [token.translate(str.maketrans(BLANKS)) for token in written]}

    def _decode_do_it(self, request: Raw) -> Raw:
        return {"text": self._asked("/detokenize", {"model": self._served, "tokens": request["tokens"]}, "prompt")}

    def _asked(self, path: str, body: Mapping[str, object], field: str) -> Any:
        reply = fetched(Endpoint(model=self._served, url=self._root), path, body)
        if field not in reply:
            raise Unreadable(f"expected {field!r} of {self._root}{path}, found {', '.join(reply)}")
        return reply[field]


class TextWindow(LocalWindowService):
    """HELM's window over a prompt, looked through only where HELM has written the prompt."""

    def fits_within_context_window(self, text: str, expected_completion_token_length: int = 0) -> bool:
        return text.startswith(SCHEME) or super().fits_within_context_window(text, expected_completion_token_length)

    def truncate_from_right(self, text: str, expected_completion_token_length: int = 0) -> str:
        if self.fits_within_context_window(text, expected_completion_token_length):
            return text  # as it is: to encode and decode it may change it
        cut: str = super().truncate_from_right(text, expected_completion_token_length)
        return cut


def window(url: str, served: str) -> int | None:
    """How many tokens the server lists for the model; None where it does not say."""
    try:
        listed = fetched(Endpoint(model=served, url=url), "/models").get("data", [])
    except InheritError:
        return None  # not the place to say it: the first request says it better
    return next((model.get("max_model_len") for model in listed if model.get("id") == served), None)


def fetched(endpoint: Endpoint, path: str, body: Mapping[str, object] | None = None) -> Raw:
    """A JSON object from the server; HELM asks for it from threads of its own."""
    address = f"{endpoint.url}".rstrip("/") + path
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {os.environ.get(endpoint.key) or 'EMPTY'}"}
    try:
        work = http.sent(address, None if body is None else orjson.dumps(body), headers, seconds=SECONDS)
        reply: Raw = orjson.loads(http.wait(work))
    except http.Failed as error:
        if not error.status:
            raise EndpointError(f"no answer from {address}: {error}") from None
        why = " (vLLM's servers have it; the inherit_* run specs do without)" if error.status == 404 else ""
        raise EndpointError(f"{address} answered {error.status}{why}") from None
    except orjson.JSONDecodeError as error:
        raise EndpointError(f"no answer from {address}: {error}") from None
    return reply
