"""What HELM finds through our entry point: a run spec for every probe, and models behind `inherit/`."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial

from helm.benchmark.adaptation.adapter_spec import ADAPT_GENERATION, AdapterSpec
from helm.benchmark.metrics.metric import MetricSpec
from helm.benchmark.model_deployment_registry import (
    ClientSpec,
    ModelDeployment,
    WindowServiceSpec,
    model_deployment_generator,
)
from helm.benchmark.model_metadata_registry import get_all_models, get_unknown_model_metadata, register_model_metadata
from helm.benchmark.run_spec import RunSpec, run_spec_function
from helm.benchmark.scenarios.scenario import ScenarioSpec
from helm.benchmark.tokenizer_config_registry import TokenizerConfig, TokenizerSpec, tokenizer_config_generator
from helm.common.hierarchical_logger import hwarn

from profiler import probes
from profiler.errors import WrongUse
from profiler.harnesses.helm.spec import ProbeSpec, Scalar, drawing
from profiler.harnesses.helm.tokenizer import window
from profiler.records import Endpoint

HERE = "profiler.harnesses.helm"
URL = "INHERIT_URL"
PREFIX = "inherit"

UNKNOWN = 2**31 - 1
"""Tokens of a window whose size the server does not say."""


def run_spec(probe: str, **given: Scalar) -> RunSpec:
    """One probe, with the options of `inherit profile` by the same names."""
    built = ProbeSpec.of(probe, given).built()
    if "prompts" not in given:
        given = {**given, "suite": built.suite}  # what `auto` found is part of the run's name
    if built.suite == "mini":
        hwarn(f"inherit_{probe} asks its MINI set: for trying things out; do not publish its numbers")
    if missing := ", ".join(built.missing):
        hwarn(f"inherit_{probe} leaves out, because their official files are not at hand: {missing}")
    spec = ProbeSpec.of(probe, given)
    arguments = {"probe": probe, **dict(spec.given)}
    drawn = drawing(built)
    return RunSpec(
        name=f"inherit_{probe}:" + ",".join(f"{name}={value}" for name, value in spec.given),
        scenario_spec=ScenarioSpec(f"{HERE}.scenario.ProbeScenario", arguments),
        adapter_spec=AdapterSpec(
            method=ADAPT_GENERATION,
            input_prefix="",
            input_suffix="",
            output_prefix="",
            output_suffix="",
            max_train_instances=0,
            temperature=drawn.temperature,
            max_tokens=drawn.max_tokens,
            stop_sequences=list(drawn.stop),
            num_outputs=drawn.samples,
        ),
        metric_specs=[MetricSpec(f"{HERE}.metric.ProbeMetric", arguments)],
        groups=[f"inherit_{probe}"],
    )


def declare() -> None:
    """Make every probe's run spec known, those of installed packages too."""
    register: Callable[[str], Callable[[Callable[..., RunSpec]], object]] = run_spec_function
    for name in probes.every():
        register(f"inherit_{name}")(partial(run_spec, name))


@model_deployment_generator(PREFIX)
def deployment(name: str) -> ModelDeployment:
    """A model served at the address in INHERIT_URL: inherit/<the name that the server lists>."""
    url = address(name)
    if name not in get_all_models():
        register_model_metadata(get_unknown_model_metadata(name))
    served = name.partition("/")[2]
    reached = {"url": url, "served": served}
    return ModelDeployment(
        name=name,
        model_name=name,
        client_spec=ClientSpec(f"{HERE}.client.InheritClient", reached),
        tokenizer_name=name,
        window_service_spec=WindowServiceSpec(f"{HERE}.tokenizer.TextWindow"),
        max_sequence_length=window(Endpoint(model=served, url=url)) or UNKNOWN,
    )


@tokenizer_config_generator(PREFIX)
def tokenizer(name: str) -> TokenizerConfig:
    """The server's own tokenizer, under the model's name."""
    reached = {"url": address(name), "served": name.partition("/")[2]}
    return TokenizerConfig(name, TokenizerSpec(f"{HERE}.tokenizer.ServerTokenizer", reached), "", "")


def address(name: str) -> str:
    url = os.environ.get(URL)
    if not url:
        raise WrongUse(f"where is {name} served? Set {URL} to the server's address, up to and including /v1")
    return url


declare()
