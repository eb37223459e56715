"""What lm-eval's --metadata and --gen_kwargs say, as our options, and our sampling as its generation arguments."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import cast, get_args

from profiler.datasets import settings
from profiler.endpoints import Reading
from profiler.errors import WrongUse
from profiler.probes import ProbeOptions
from profiler.records import Sampling

DATA = "data"
READING = "reading"
TOLD = ("suite", "prompts", "column", "lang", "frame", "system", "subset", "samples", "order", "scorers")
"""Options that may stand in the metadata, each under its own name."""

FIELDS = {"temperature": "temperature", "top_p": "top_p", "max_gen_toks": "max_tokens", "until": "stop", "seed": "seed"}
"""lm-eval's name of a generation argument → ours."""
MOOT = ("do_sample",)
"""Follows from the temperature."""


def folder(metadata: Mapping[str, object]) -> Path | None:
    """The user's folder of official files."""
    named = metadata.get(DATA)
    if named and not Path(str(named)).expanduser().is_dir():
        raise WrongUse(f"--metadata {DATA}={named}: no such folder; expected one with the official data files")
    return Path(str(named)) if named else None


def options(metadata: Mapping[str, object]) -> ProbeOptions:
    """The options of the run; the model's own arguments stand in the same mapping and are passed over."""
    given = {name: metadata[name] for name in TOLD if metadata.get(name) is not None}
    if isinstance(named := given.get("scorers"), str):
        given["scorers"] = (named,)
    return settings.checked(ProbeOptions, given, "--metadata")


def reading(metadata: Mapping[str, object]) -> Reading:
    """The instrument for choices."""
    given = str(metadata.get(READING, "auto"))
    known = [name for name in get_args(Reading) if name != "top_logprobs"]
    if given not in known:
        raise WrongUse(f"--metadata {READING}={given}: expected one of {', '.join(known)}; lm-eval can do no other")
    return cast(Reading, given)


def arguments(drawn: Sampling | None, seed: int | None = None) -> dict[str, object]:
    """Generation arguments; SEED is for servers, which need one: `hf` knows none.

    Without `do_sample` lm-eval takes what a server wrote from its cache the next time.
    """
    drawn = drawn or Sampling()
    found: dict[str, object] = {"until": list(drawn.stop), "max_gen_toks": drawn.max_tokens}
    if not drawn.temperature:
        return {**found, "temperature": 0.0} if seed is not None else {**found, "do_sample": False}
    found |= {"temperature": drawn.temperature, "top_p": drawn.top_p}
    # Without top_k, transformers takes 50, or what the checkpoint's settings say.
    return {**found, "seed": seed} if seed is not None else {**found, "do_sample": True, "top_k": 0}


def sampling(changed: Mapping[str, object]) -> dict[str, float | int | tuple[str, ...]]:
    """Fields of Sampling from what the user changed by --gen_kwargs."""
    found: dict[str, float | int | tuple[str, ...]] = {}
    for name, value in changed.items():
        if name in MOOT:
            continue
        if name not in FIELDS:
            raise WrongUse(f"--gen_kwargs {name}: expected some of {', '.join(FIELDS)}")
        if name == "until":
            found[FIELDS[name]] = (value,) if isinstance(value, str) else tuple(cast(list[str], value))
        else:
            found[FIELDS[name]] = cast(float, value)
    return found
