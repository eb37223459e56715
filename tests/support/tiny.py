"""Checkpoints small enough to make in a test: real architectures with random weights, and a small tokenizer."""

from __future__ import annotations

from pathlib import Path

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

CORPUS = [
    "The nurse said that the doctor was late, and the patient waited in the corridor.",
    "A teacher and an engineer met at the station. Who was in a hurry? The engineer was.",
    "Water boils at a hundred degrees; it freezes at zero. The river runs to the sea.",
]

SIZES = {"hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 4, "max_position_embeddings": 256}
# Wide weights: with the usual narrow ones a random model predicts nearly the same thing whatever it sees.
WIDE = {"initializer_range": 0.4}


def configuration(kind: str, vocabulary: int) -> transformers.PretrainedConfig:
    """The configuration of a tiny model of this kind."""
    common = {"vocab_size": vocabulary, "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1, **WIDE}
    decoder = {**common, **SIZES, "intermediate_size": 64, "num_key_value_heads": 2}
    match kind:
        case "llama":
            return transformers.LlamaConfig(**decoder)
        case "qwen2":
            return transformers.Qwen2Config(**decoder)
        case "mistral":
            return transformers.MistralConfig(**decoder, sliding_window=8)
        case "gemma3":
            return transformers.Gemma3TextConfig(**decoder, head_dim=8, sliding_window=8, sliding_window_pattern=2)
        case "gemma2":
            return transformers.Gemma2Config(**decoder, head_dim=8, sliding_window=8, final_logit_softcapping=3.0)
        case "gpt2":
            return transformers.GPT2Config(**common, n_embd=32, n_layer=4, n_head=4, n_positions=256)
        case "bloom":
            return transformers.BloomConfig(**common, hidden_size=32, n_layer=4, n_head=4)
        case "mamba":
            return transformers.MambaConfig(**common, hidden_size=32, num_hidden_layers=2, state_size=4)
    raise ValueError(kind)


def tokenizer(bos: bool = True, template: str | None = None) -> transformers.PreTrainedTokenizerFast:
    """Byte-level BPE; with `bos` it opens every text, as Llama's and Gemma's do, without it has none, as Qwen's."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=600,
        special_tokens=["<s>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator(CORPUS, trainer)
    if bos:
        made.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    names = {"bos_token": "<s>"} if bos else {}
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=made, eos_token="</s>", chat_template=template, **names
    )


def checkpoint(folder: Path, kind: str, bos: bool = True, template: str | None = None, seed: int = 0) -> Path:
    """Save a tiny model of this kind with its tokenizer."""
    words = tokenizer(bos, template)
    torch.manual_seed(seed)
    model = transformers.AutoModelForCausalLM.from_config(configuration(kind, len(words)))
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    words.save_pretrained(folder)
    return folder
