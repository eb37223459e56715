"""The models of tiny.yaml: the architectures that the paper taught, with few weights, all of them random."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoModelForCausalLM, LlamaConfig, MixtralConfig, PretrainedConfig, PreTrainedTokenizerFast

from profiler.datasets import prompts

# The heads are the smallest that vLLM computes on processors.
HEADS = {"num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 32}
SIZE = {"hidden_size": 16, "intermediate_size": 32, **HEADS}
ENDS = {"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1, "max_position_embeddings": 4096}
# Wide weights: with the usual narrow ones a random model predicts nearly the same thing whatever it sees.
SHAPE = {**SIZE, **ENDS, "initializer_range": 0.4}


def tokenizer() -> PreTrainedTokenizerFast:
    """Byte-level BPE of the shipped prompts."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=800, special_tokens=["<s>", "</s>"], initial_alphabet=alphabet, show_progress=False
    )
    made.train_from_iterator((text for _, text in prompts("mini")), trainer)
    return PreTrainedTokenizerFast(tokenizer_object=made, bos_token="<s>", eos_token="</s>")  # noqa: S106


def main(folder: Path) -> None:
    words = tokenizer()
    shape = {**SHAPE, "vocab_size": len(words)}
    kinds: dict[str, PretrainedConfig] = {
        "Llama-2-7b-hf": LlamaConfig(**shape, num_hidden_layers=1),
        "Llama-2-13b-hf": LlamaConfig(**shape, num_hidden_layers=2),
        "Mixtral-8x7B-Instruct-v0.1": MixtralConfig(**shape, num_hidden_layers=1, num_local_experts=2),
    }
    for seed, (name, config) in enumerate(kinds.items()):
        torch.manual_seed(seed)
        AutoModelForCausalLM.from_config(config).save_pretrained(folder / name)
        words.save_pretrained(folder / name)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if sys.argv[1:] else Path(__file__).parent / "work" / "models")
