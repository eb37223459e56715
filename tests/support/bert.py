"""A tiny BERT, and checkpoints in Detoxify's form."""

from __future__ import annotations

from pathlib import Path

CLASSES = ["toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate"]
"""What Detoxify's first model tells apart."""
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmnopqrstuvwxyz.,", "you", "are", "word", "the"]


def bert(folder: Path, labels: int = 6, kind: str | None = None, names: list[str] | None = None, seed: int = 0) -> Path:
    """A tiny BERT of random weights with its tokenizer, saved as transformers do."""
    import torch
    import transformers
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    pieces = [*WORDS, *(f"##{letter}" for letter in WORDS[5:33])]
    made = Tokenizer(models.WordPiece({word: place for place, word in enumerate(pieces)}, unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer()
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    special = {"unk_token": "[UNK]", "pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    words = transformers.PreTrainedTokenizerFast(tokenizer_object=made, model_max_length=512, **special)
    config = transformers.BertConfig(
        vocab_size=len(pieces),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        initializer_range=0.8,
        num_labels=labels,
        problem_type=kind,
    )
    if names:
        config.id2label = dict(enumerate(names))
        config.label2id = {name: place for place, name in enumerate(names)}
    torch.manual_seed(seed)
    model = transformers.BertForSequenceClassification(config)
    model.save_pretrained(folder)
    words.save_pretrained(folder)
    return folder


def detoxify(folder: Path, name: str = "toxic.ckpt") -> Path:
    """The BERT that lies in a FOLDER, as a checkpoint in Detoxify's form beside its configuration and tokenizer."""
    import torch
    import transformers

    model = transformers.BertForSequenceClassification.from_pretrained(folder)
    arch = {
        "model_type": str(folder),
        "model_name": "BertForSequenceClassification",
        "tokenizer_name": "PreTrainedTokenizerFast",
        "num_classes": model.config.num_labels,
    }
    config = {"arch": {"args": arch}, "dataset": {"args": {"classes": CLASSES}}}
    torch.save({"config": config, "state_dict": model.state_dict()}, folder / name)
    return folder / name
