"""A checkpoint is a causal language model with its tokenizer, loaded into this process.

Imports torch and transformers: import this module only where a model is about to be used.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Literal

import torch
from safetensors import SafetensorError
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging

from profiler.endpoints.local.packed import pack, runs
from profiler.errors import BadData, MissingExtra, Refused

Precision = Literal["auto", "bfloat16", "float32"]

Key = tuple[int, int]
"""Which call, and which of its samples or texts."""

SLIDING = {"full_attention", "sliding_attention"}
"""The attention patterns whose masks we can make; a layer of any other kind is not given a mask of ours."""


class Checkpoint:
    """A model, its tokenizer, and what both say of themselves."""

    def __init__(self, model: Any, tokenizer: Any) -> None:
        self.model, self.tokenizer = model, tokenizer
        self.device: torch.device = model.device
        self.vocabulary: int = model.get_output_embeddings().weight.shape[0]
        self.bos: int | None = tokenizer.bos_token_id
        """The token that begins a text; None when this tokenizer has none."""
        self.start = () if self.bos is None else (self.bos,)
        """What a text that stands alone is conditioned on."""
        self.opening = self.start if tokenizer("a").input_ids[0] == self.bos else ()
        """What the tokenizer itself puts before a text: its begin-of-text token, or nothing."""
        named = model.generation_config.eos_token_id if model.generation_config else None
        several = named if isinstance(named, list) else [named]
        self.ends = frozenset(token for token in [*several, tokenizer.eos_token_id] if token is not None)
        """Tokens that end a text."""
        # The text model's configuration; architectures differ in what it holds.
        settings = model.config.get_text_config().to_dict()
        self.limit: int | None = settings.get("max_position_embeddings") or settings.get("n_positions")
        """The longest text, in tokens, that the model can take; None when it has no such limit."""
        self.window: int | None = settings.get("sliding_window")
        """How far back a sliding layer sees; None when all layers see everything."""
        self.layers = frozenset(settings.get("layer_types") or ())
        """The kinds of attention layer, where the architecture tells them apart."""

    def encode(self, text: str) -> tuple[int, ...]:
        """The text's tokens, opened as the tokenizer does, never closed with an end-of-text."""
        return (*self.opening, *self.bare(text))

    def bare(self, text: str) -> tuple[int, ...]:
        """The text's tokens and no others."""
        return tuple(self.tokenizer.encode(text, add_special_tokens=False))

    def decode(self, tokens: Sequence[int], after: Sequence[int] = ()) -> str:
        """The text of tokens that continue others; some tokenizers drop the space that a text begins with."""
        before: str = self.tokenizer.decode(list(after), skip_special_tokens=True)
        whole: str = self.tokenizer.decode([*after, *tokens], skip_special_tokens=True)
        if whole.startswith(before):
            return whole[len(before) :]
        alone: str = self.tokenizer.decode(list(tokens), skip_special_tokens=True)
        return alone

    def admit(self, tokens: int, new: int = 0) -> None:
        """Refuse what the model's context can't hold."""
        if self.limit is not None and tokens + new > self.limit:
            more = f" and {new:,} to write" if new else ""
            raise Refused(f"{tokens:,} tokens{more} are more than this model's context of {self.limit:,} holds")

    @contextmanager
    def head_at(self, positions: torch.Tensor) -> Iterator[None]:
        """Inside, the model computes logits at these flat positions only: its output is (1, positions, vocabulary).

        The head of a small model with a large vocabulary costs more than its layers. Cutting its input, rather than
        repeating what follows it, keeps whatever an architecture does to its logits (soft caps, scales).
        """

        def cut(_: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
            return (inputs[0].flatten(0, 1)[positions][None], *inputs[1:])

        hook = self.model.get_output_embeddings().register_forward_pre_hook(cut)
        try:
            yield
        finally:
            hook.remove()


BROKEN = (OSError, ValueError, LookupError, AttributeError, TypeError, RuntimeError, EOFError, SafetensorError)
"""What transformers raises where a checkpoint's files are not what they should be."""


def load(folder: Path, precision: Precision = "auto", adapter: Path | None = None) -> Checkpoint:
    """Load a checkpoint's model and tokenizer onto the best device there is; code it ships is never run.

    An ADAPTER is worked in.
    """
    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
        # SDPA has no soft cap on attention scores: transformers refuses to run Gemma 2 with it.
        capped = "attn_logit_softcapping" in config and config.attn_logit_softcapping

        def read() -> Any:
            plain = AutoModelForCausalLM.from_pretrained(
                folder,
                dtype=numbers(precision),
                attn_implementation="eager" if capped else None,
                device_map="auto" if torch.cuda.is_available() else None,
                trust_remote_code=False,
            )
            return adapted(plain, adapter) if adapter else plain

        with quiet():
            model = read()
            if packs(model):
                pack(model)
                model = model if runs(model) else read()
            tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    except UnpicklingError as error:
        raise BadData(f"{str(folder)!r} keeps its weights in a pickle, which holds more than weights or is torn; "
                      "save them as safetensors") from error  # fmt: skip
    except BROKEN as error:
        raise BadData(f"can't load {str(folder)!r} as a causal language model: {reason(error)}") from error
    if torch.backends.mps.is_available() and not torch.cuda.is_available():
        model = model.to("mps")
    return Checkpoint(model.eval(), tokenizer)


def packs(model: Any) -> bool:
    """Whether its weights can be laid out for the processor that they are on."""
    on_cpu = model.device.type == "cpu" and not torch.backends.mps.is_available()
    able = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return on_cpu and able and model.dtype in (torch.bfloat16, torch.float32)


def adapted(model: Any, adapter: Path) -> Any:
    """A model with a LoRA adapter worked into its weights."""
    try:
        from peft import PeftModel
    except ModuleNotFoundError:
        raise MissingExtra("train", "a model with an adapter") from None
    try:
        return PeftModel.from_pretrained(model, adapter).merge_and_unload()
    except BROKEN as error:
        raise BadData(f"can't work the adapter {str(adapter)!r} into its base: {reason(error)}") from error


def reason(error: Exception) -> str:
    """The first line of what a library says of an error."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def numbers(precision: Precision) -> torch.dtype:
    """bfloat16 where the processor computes in it, and torch is not told to do without (ATEN_CPU_CAPABILITY)."""
    if precision != "auto":
        return torch.bfloat16 if precision == "bfloat16" else torch.float32
    if torch.cuda.is_available():
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    wide = torch.backends.cpu.get_cpu_capability().startswith("AVX512")
    fast = wide and (torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
    return torch.bfloat16 if fast or torch.backends.mps.is_available() else torch.float32


@contextmanager
def quiet() -> Iterator[None]:
    """Without transformers' own progress bars and advice; errors still come."""
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
