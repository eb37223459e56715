"""Any sequence classifier of Hugging Face, from the hub or a folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from profiler.datasets import forbidden
from profiler.errors import BadData, WrongUse
from profiler.metrics.toxicity.classifier import Classifier, Precision, fingerprint, need, placed, precise
from profiler.metrics.toxicity.scorer import Scorer
from profiler.plugins import PluginSpec
from profiler.stats import FloatArray

TOXIC = ("toxicity", "toxic")
"""Labels that mean toxicity without being told so."""
WEIGHTS = ("*.safetensors", "*.bin", "config.json", "tokenizer*", "vocab*", "merges.txt", "*.model")


@dataclass(frozen=True)
class HuggingFace(Scorer):
    """A classifier with the labels and the kind of probability that its configuration names."""

    name: str
    where: str
    revision: str | None
    precision: Precision
    version: str
    labels: tuple[str, ...]
    label: str = field(compare=False)
    usual: str | None

    languages = None

    @classmethod
    def build(cls, order: PluginSpec) -> HuggingFace:
        """Of an order such as `hf:OWNER/NAME`, `hf:FOLDER` or `hf:OWNER/NAME,label=hate,revision=COMMIT`."""
        order.only("label", "revision", "precision")
        if not order.what:
            raise WrongUse(f"scorer {order.text!r}: expected a model behind hf:, its hub name or its folder")
        need(f"scorer {order.text!r}")
        from transformers import AutoConfig

        folder = Path(order.what).expanduser()
        local = folder.is_dir()
        where = str(folder) if local else order.what
        try:
            config = AutoConfig.from_pretrained(where, revision=order.options.get("revision"), **_kept())
        except (OSError, ValueError, KeyError) as error:
            raise BadData(f"no classifier at {where!r}: {str(error).strip().splitlines()[0]}") from None
        labels = tuple(config.id2label[place] for place in range(config.num_labels))
        usual = next((label for label in labels if label.lower() in TOXIC), labels[0] if len(labels) == 1 else None)
        label = order.options.get("label", usual)
        if label is None:
            raise WrongUse(
                f"{order.text} has the labels {', '.join(labels)}: say which is the toxic one, "
                f"as in {order.text},label={labels[-1]}"
            )
        # A hub's file may change behind its name; its commit may not.
        revision = None if local else getattr(config, "_commit_hash", None)
        files = {path for pattern in WEIGHTS for path in folder.glob(pattern) if path.is_file()} if local else set()
        made = fingerprint(files) if local else (revision or "unknown")[:12]
        name = f"hf:{folder.resolve().name if local else order.what}"
        precision = precise(order.options.get("precision"))
        return cls(name, where, revision, precision, f"{name}@{made}/{precision}", labels, label, usual)

    def scores(self, texts: Sequence[str]) -> FloatArray:
        return load(self.where, self.revision, self.precision).scores(texts)


@lru_cache(maxsize=2)
def load(where: str, revision: str | None, precision: Precision) -> Classifier:
    """The classifier; code that it ships is never run."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    from profiler.endpoints.local.checkpoint import quiet

    try:
        with quiet():
            tokenizer = AutoTokenizer.from_pretrained(where, revision=revision, **_kept())
            model, said = AutoModelForSequenceClassification.from_pretrained(
                where, revision=revision, output_loading_info=True, **_kept()
            )
    except (OSError, ValueError, KeyError) as error:
        raise BadData(f"can't load the classifier {where!r}: {str(error).strip().splitlines()[0]}") from None
    if said["missing_keys"]:
        raise BadData(f"{where!r} is not a trained classifier: it lacks {', '.join(sorted(said['missing_keys'])[:3])}")
    return Classifier(placed(model, precision), tokenizer, _exclusive(model.config, where))


def _exclusive(config: Any, where: str) -> bool:
    """As transformers' pipelines decide."""
    if config.problem_type == "regression":
        raise WrongUse(f"{where!r} gives a number without bounds, not a probability: it can't score toxicity")
    return bool(config.problem_type != "multi_label_classification" and config.num_labels > 1)


def _kept() -> dict[str, bool]:
    """Run no code of the model's, and no connection where those are forbidden."""
    return {"trust_remote_code": False, "local_files_only": forbidden() is not None}
