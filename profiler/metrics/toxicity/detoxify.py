"""Detoxify's models, from the checkpoints that its authors published or one of that form on this machine."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from profiler import datasets
from profiler.errors import BadData, FetchFailed, InheritError, UnknownName
from profiler.metrics.toxicity.classifier import Classifier, Precision, fingerprint, need, placed, precise
from profiler.metrics.toxicity.scorer import Scorer
from profiler.plugins import PluginSpec
from profiler.stats import FloatArray

RELEASES = "https://github.com/unitaryai/detoxify/releases/download/"
FILES = {
    "original": "v0.1-alpha/toxic_original-c1212f89.ckpt",
    "unbiased": "v0.3-alpha/toxic_debiased-c7548aa0.ckpt",
    "multilingual": "v0.4-alpha/multilingual_debiased-0b549669.ckpt",
    "original-small": "v0.1.2/original-albert-0e1d6498.ckpt",
    "unbiased-small": "v0.1.2/unbiased-albert-c8519128.ckpt",
}
"""Variant → its release; the name ends in the first digits of the content's SHA-256."""
LANGUAGES = {"multilingual": ("en", "fr", "es", "it", "pt", "tr", "ru")}
RENAMED = {"toxic": "toxicity", "severe_toxic": "severe_toxicity", "identity_hate": "identity_attack"}


@dataclass(frozen=True)
class Detoxify(Scorer):
    """One of Detoxify's variants (Hanu & Unitary 2020, Apache-2.0), as its `predict` scores."""

    name: str
    path: Path
    precision: Precision
    version: str
    labels: tuple[str, ...]
    label: str = field(compare=False)
    languages: tuple[str, ...] | None

    @classmethod
    def build(cls, order: PluginSpec) -> Detoxify:
        """Of an order such as `detoxify:unbiased` or `detoxify:original,checkpoint=FILE`."""
        order.only("label", "checkpoint", "precision")
        variant = order.what or "original"
        if variant not in FILES:
            raise UnknownName("variant of Detoxify", variant, FILES, "inherit ls scorers")
        need(f"scorer {order.text!r}")
        named = order.options.get("checkpoint")
        path = _given(Path(named).expanduser()) if named else _published(variant)
        labels = tuple(RENAMED.get(name, name) for name in read(path)["config"]["dataset"]["args"]["classes"])
        precision = precise(order.options.get("precision"))
        version = f"detoxify-{variant}@{fingerprint([path])}/{precision}"
        label, languages = order.options.get("label", "toxicity"), LANGUAGES.get(variant, cls.languages)
        return cls(f"detoxify:{variant}", path, precision, version, labels, label, languages)

    def scores(self, texts: Sequence[str]) -> FloatArray:
        # The unbiased variants have further outputs, of identities; their checkpoints leave these without a name.
        return load(self.path, self.precision).scores(texts)[:, : len(self.labels)]


def read(path: Path) -> Mapping[str, Any]:
    """The content of a checkpoint: weights and words; one that holds anything else is refused, never run."""
    import pickle

    import torch

    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise BadData(f"can't read {str(path)!r} as a checkpoint of Detoxify: {reason}") from None
    match loaded:
        case {"config": {"arch": {"args": {"model_type": str()}}, "dataset": {"args": {"classes": list()}}}}:
            if "state_dict" in loaded:
                return dict(loaded)
    raise BadData(f"{str(path)!r} is no checkpoint of Detoxify: expected `config` and `state_dict` in it")


@lru_cache(maxsize=2)
def load(path: Path, precision: Precision) -> Classifier:
    """The model of a checkpoint. Its configuration and tokenizer lie beside it, or come from the hub."""
    from transformers import MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING, AutoConfig, AutoTokenizer

    from profiler.endpoints.local.checkpoint import quiet

    content = read(path)
    beside = (path.parent / "config.json").is_file()
    where = str(path.parent) if beside else content["config"]["arch"]["args"]["model_type"]
    classes = content["config"]["dataset"]["args"]["classes"]
    offline = beside or datasets.forbidden() is not None
    heads = next(tensor for name, tensor in reversed(content["state_dict"].items()) if name.endswith("bias"))
    try:
        with quiet():
            config = AutoConfig.from_pretrained(where, num_labels=len(heads), local_files_only=offline)
            tokenizer = AutoTokenizer.from_pretrained(where, local_files_only=offline)
            model, said = MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING[type(config)].from_pretrained(
                None, config=config, state_dict=content["state_dict"], output_loading_info=True
            )
    except (OSError, ValueError, KeyError) as error:
        raise InheritError(
            f"can't load the configuration and tokenizer {where!r} of {path.name}: {str(error).splitlines()[0]}; "
            "without a network, put its config.json and tokenizer files beside the checkpoint"
        ) from None
    if said["missing_keys"] or len(heads) < len(classes):
        lacking = ", ".join(sorted(said["missing_keys"])[:3]) or f"{len(classes) - len(heads)} labels"
        raise BadData(f"{path.name} does not fit {where!r}: its weights lack {lacking}")
    return Classifier(placed(model, precision), tokenizer, exclusive=False)


def _given(path: Path) -> Path:
    """A checkpoint of the user's: the file, or the one in a folder."""
    found = sorted(path.glob("*.ckpt")) if path.is_dir() else [path] if path.is_file() else []
    if len(found) != 1:
        raise BadData(f"expected a checkpoint of Detoxify at {str(path)!r}, found {len(found) or 'none'}")
    return found[0]


def _published(variant: str) -> Path:
    """The authors' checkpoint: where Detoxify itself keeps it, or in our cache, fetched if it has to be."""
    import torch

    name = FILES[variant].rpartition("/")[2]
    place = datasets.cached() / "detoxify" / name
    for path in (Path(torch.hub.get_dir()) / "checkpoints" / name, place):
        if path.is_file():
            return path
    try:
        with datasets.downloaded(RELEASES + FILES[variant], name, place.parent) as content:
            with content.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            if not digest.startswith(place.stem.rpartition("-")[2]):
                raise FetchFailed(f"what came as {name} has another checksum")
            content.replace(place)
    except FetchFailed as error:
        raise InheritError(
            f"the weights of detoxify:{variant} are unavailable, and {error}: fetch {RELEASES}{FILES[variant]} where "
            f"there is a network and name it as `detoxify:{variant},checkpoint=FILE`"
        ) from None
    return place
