"""What HELM finds through our entry point: a run spec for every probe, models behind `inherit/`, their tokenizer."""

import os
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from typing import Any

import orjson
from helm.benchmark import model_deployment_registry as deployments
from helm.benchmark import model_metadata_registry as metadata
from helm.benchmark.adaptation.adapter_spec import ADAPT_GENERATION, AdapterSpec
from helm.benchmark.metrics.metric import MetricSpec
from helm.benchmark.run_spec import RunSpec, run_spec_function
from helm.benchmark.scenarios.scenario import ScenarioSpec
from helm.benchmark.tokenizer_config_registry import TokenizerConfig, TokenizerSpec, tokenizer_config_generator
from helm.benchmark.window_services.local_window_service import LocalWindowService
from helm.common.cache import CacheConfig
from helm.common.hierarchical_logger import hwarn
from helm.common.tokenization_request import DecodeRequest, TokenizationRequest
from helm.tokenizers.caching_tokenizer import CachingTokenizer

from profiler import http, probes
from profiler.errors import EndpointError, InheritError, Unreadable, WrongUse
from profiler.harnesses.helm.spec import SCHEME, ProbeSpec, Scalar, drawing
from profiler.records import Endpoint

HERE = "profiler.harnesses.helm"
URL = "INHERIT_URL"
PREFIX = "inherit"

UNKNOWN = 2**31 - 1
"""Tokens of a window whose size the server does not say."""

SECONDS = 60.0
BLANKS = {"\u2581": " ", "\u0120": " ", "\u010a": "\n"}
"""How vocabularies write a blank and a line's end (SentencePiece; byte-level BPE)."""

Raw = dict[str, Any]
"""A request or response as HELM caches it."""


def run_spec(probe: str, **given: Scalar) -> RunSpec:
    """One probe, with the options of `inherit profile` by the same names."""
    built = ProbeSpec.of(probe, given).built()
    if "prompts" not in given:
        given = {**given, "suite": built.suite}  # what `auto` found is part of the run's name
    if built.suite == "mini":
        hwarn(f"inherit_{probe} asks its MINI set: for trying things out; do not publish its numbers")
    if missing := ", ".join(built.missing):
        hwarn(f"inherit_{probe} leaves out, because their official files are unavailable: {missing}")
    spec = ProbeSpec.of(probe, given)
    arguments = {"probe": probe, **dict(spec.given)}
    drawn = drawing(built)
    around = dict.fromkeys(("input_prefix", "input_suffix", "output_prefix", "output_suffix"), "")
    return RunSpec(
        name=f"inherit_{probe}:" + ",".join(f"{name}={value}" for name, value in spec.given),
        scenario_spec=ScenarioSpec(f"{HERE}.scenario.ProbeScenario", arguments),
        adapter_spec=AdapterSpec(
            method=ADAPT_GENERATION,
            **around,
            max_train_instances=0,
            temperature=drawn.temperature,
            max_tokens=drawn.max_tokens,
            stop_sequences=list(drawn.stop),
            num_outputs=drawn.samples,
        ),
        metric_specs=[MetricSpec(f"{HERE}.metric.ProbeMetric", arguments)],
        groups=[f"inherit_{probe}"],
    )


for probe in probes.served():  # those of installed packages too
    run_spec_function(f"inherit_{probe}")(partial(run_spec, probe))


@deployments.model_deployment_generator(PREFIX)
def deployment(name: str) -> deployments.ModelDeployment:
    """A model served at the address in INHERIT_URL: inherit/<the name that the server lists>."""
    place = address(name)
    if name not in metadata.get_all_models():
        metadata.register_model_metadata(metadata.get_unknown_model_metadata(name))
    return deployments.ModelDeployment(
        name=name,
        model_name=name,
        client_spec=deployments.ClientSpec(f"{HERE}.client.InheritClient", place),
        tokenizer_name=name,
        window_service_spec=deployments.WindowServiceSpec(f"{HERE}.plugin.TextWindow"),
        max_sequence_length=window(**place) or UNKNOWN,
    )


@tokenizer_config_generator(PREFIX)
def tokenizer(name: str) -> TokenizerConfig:
    """The server's own tokenizer, under the model's name."""
    return TokenizerConfig(name, TokenizerSpec(f"{HERE}.plugin.ServerTokenizer", address(name)), "", "")


def address(name: str) -> dict[str, str]:
    """Where a model is served, and under which name."""
    url = os.environ.get(URL)
    if not url:
        raise WrongUse(f"where is {name} served? Set {URL} to the server's address, up to and including /v1")
    return {"url": url, "served": name.partition("/")[2]}


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
        return str(super().truncate_from_right(text, expected_completion_token_length))


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
