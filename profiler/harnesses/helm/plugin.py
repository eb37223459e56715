"""What HELM finds through our entry point: a run spec for every probe, and models behind `inherit/`."""

from __future__ import annotations

import os
from functools import partial

from helm.benchmark import model_metadata_registry as metadata
from helm.benchmark.adaptation.adapter_spec import ADAPT_GENERATION, AdapterSpec
from helm.benchmark.metrics.metric import MetricSpec
from helm.benchmark.model_deployment_registry import (
    ClientSpec,
    ModelDeployment,
    WindowServiceSpec,
    model_deployment_generator,
)
from helm.benchmark.run_spec import RunSpec, run_spec_function
from helm.benchmark.scenarios.scenario import ScenarioSpec
from helm.benchmark.tokenizer_config_registry import TokenizerConfig, TokenizerSpec, tokenizer_config_generator
from helm.common.hierarchical_logger import hwarn

from profiler import probes
from profiler.errors import WrongUse
from profiler.harnesses.helm.spec import ProbeSpec, Scalar, drawing
from profiler.harnesses.helm.tokenizer import window

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


for probe in probes.every():
    run_spec_function(f"inherit_{probe}")(partial(run_spec, probe))


@model_deployment_generator(PREFIX)
def deployment(name: str) -> ModelDeployment:
    """A model served at the address in INHERIT_URL: inherit/<the name that the server lists>."""
    place = address(name)
    if name not in metadata.get_all_models():
        metadata.register_model_metadata(metadata.get_unknown_model_metadata(name))
    return ModelDeployment(
        name=name,
        model_name=name,
        client_spec=ClientSpec(f"{HERE}.client.InheritClient", place),
        tokenizer_name=name,
        window_service_spec=WindowServiceSpec(f"{HERE}.tokenizer.TextWindow"),
        max_sequence_length=window(**place) or UNKNOWN,
    )


@tokenizer_config_generator(PREFIX)
def tokenizer(name: str) -> TokenizerConfig:
    """The server's own tokenizer, under the model's name."""
    return TokenizerConfig(name, TokenizerSpec(f"{HERE}.tokenizer.ServerTokenizer", address(name)), "", "")


def address(name: str) -> dict[str, str]:
    """Where a model is served, and under which name."""
    url = os.environ.get(URL)
    if not url:
        raise WrongUse(f"where is {name} served? Set {URL} to the server's address, up to and including /v1")
    return {"url": url, "served": name.partition("/")[2]}
