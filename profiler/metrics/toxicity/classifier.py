"""A sequence classifier: any of Hugging Face, from the hub or a folder.

Texts of like length go together, so that little of a batch is padding. Imports torch and transformers where they are
needed, and not before.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from profiler.datasets import forbidden
from profiler.errors import BadData, MissingExtra, WrongUse
from profiler.metrics.toxicity.scorer import Scorer
from profiler.plugins import PluginSpec
from profiler.stats import FloatArray

if TYPE_CHECKING:
    import torch

Precision = Literal["float32", "bfloat16"]
"""bfloat16 moves scores by up to 0.01, and is several times as fast where the processor computes in it."""

TOKENS = 1024
"""Tokens of a batch on the CPU, padding included: enough to keep it busy, few enough for its caches."""
MANY = 32_768
"""On a GPU."""
BEHIND = {"roberta", "xlm-roberta", "xlm-roberta-xl", "camembert"}
"""Architectures whose positions begin behind the padding token's: two fewer tokens fit than there are positions."""
USUAL = ("toxicity", "toxic")
"""Labels that mean toxicity without being told so."""
WEIGHTS = ("*.safetensors", "*.bin", "config.json", "tokenizer*", "vocab*", "merges.txt", "*.model")


@dataclass(frozen=True, eq=False)
class Classifier:
    """A model that gives each of its labels a probability."""

    model: Any
    tokenizer: Any
    exclusive: bool
    """Labels exclude one another, so that their probabilities make one; if not, each has its own."""

    @property
    def limit(self) -> int:
        """Tokens of a text that are read; the rest is cut off, as Detoxify and transformers' pipelines do."""
        config = self.model.config
        positions = getattr(config, "max_position_embeddings", None) or 512  # some architectures have no limit
        fit = positions - 2 if config.model_type in BEHIND else positions
        return int(min(self.tokenizer.model_max_length, fit))

    def scores(self, texts: Sequence[str]) -> FloatArray:
        """(texts, labels) probabilities."""
        import torch

        found = np.empty((len(texts), self.model.config.num_labels))
        if not texts:
            return found
        read = self.tokenizer(list(texts), truncation=True, max_length=self.limit).input_ids
        room = TOKENS if self.model.device.type == "cpu" else MANY
        alone = self.tokenizer.pad_token_id is None
        with torch.inference_mode():
            for places in batches([len(each) for each in read], 0 if alone else room):
                logits = self.model(**self._padded([read[place] for place in places])).logits.float()
                made = logits.softmax(dim=-1) if self.exclusive else logits.sigmoid()
                found[places] = made.cpu().numpy()
        return found

    def _padded(self, read: Sequence[Sequence[int]]) -> dict[str, torch.Tensor]:
        import torch

        longest = len(read[0])
        filling = self.tokenizer.pad_token_id
        ids = torch.tensor([[*each, *[filling] * (longest - len(each))] for each in read], device=self.model.device)
        sizes = torch.tensor([len(each) for each in read], device=self.model.device)
        mask = (torch.arange(longest, device=ids.device) < sizes[:, None]).long()
        return {"input_ids": ids, "attention_mask": mask}


def batches(lengths: Sequence[int], tokens: int) -> Iterator[list[int]]:
    """Places of texts, the longest first, as many together as fit into TOKENS when all are padded to the first."""
    order = sorted(range(len(lengths)), key=lengths.__getitem__, reverse=True)
    start = 0
    while start < len(order):
        many = max(1, tokens // max(1, lengths[order[start]]))
        yield order[start : start + many]
        start += many


def placed(model: Any, precision: Precision) -> Any:
    """MODEL where it runs best, in PRECISION."""
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    return model.to(device=device, dtype=getattr(torch, precision)).eval()


def need(what: str) -> None:
    """Say plainly when the libraries are not there."""
    try:
        import torch  # noqa: F401
        import transformers  # noqa: F401
    except ImportError:
        raise MissingExtra("toxicity", what) from None


def precise(named: str | None) -> Precision:
    """The precision that an order names; float32 where it names none."""
    match named or "float32":
        case "float32" | "bfloat16" as known:
            return known
    raise WrongUse(f"no precision {named!r}: expected float32 or bfloat16")


def fingerprint(files: Iterable[Path]) -> str:
    """A short name for the content of FILES."""
    whole = hashlib.sha256()
    for path in sorted(files, key=lambda path: path.name):
        with path.open("rb") as file:
            whole.update(hashlib.file_digest(file, "sha256").digest())
    return whole.hexdigest()[:12]


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
        usual = next((label for label in labels if label.lower() in USUAL), labels[0] if len(labels) == 1 else None)
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
    if model.config.problem_type == "regression":
        raise WrongUse(f"{where!r} gives a number without bounds, not a probability: it can't score toxicity")
    # As transformers' pipelines decide.
    exclusive = bool(model.config.problem_type != "multi_label_classification" and model.config.num_labels > 1)
    return Classifier(placed(model, precision), tokenizer, exclusive)


def _kept() -> dict[str, bool]:
    """Run no code of the model's, and no connection where those are forbidden."""
    return {"trust_remote_code": False, "local_files_only": forbidden() is not None}
