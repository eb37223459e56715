"""What may be said of a probe: one record for the command, files, lm-eval's metadata, HELM's specs and a study."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from profiler.records import Flag, Record, Sampling

Suite = Literal["auto", "mini", "paper", "full"]


class ProbeOptions(Record):
    """What a user may set about a probe; None leaves it to the probe."""

    suite: Suite = "auto"
    """Whose items; auto takes the paper's where they can be had, else mini."""
    data: Path | None = None
    """Folder of official data files, packed or not; else INHERIT_DATA."""
    prompts: str | None = None
    """A .jsonl, .csv or .parquet file, or hub:OWNER/NAME."""
    column: str | None = None
    """The column of --prompts that holds the prompt."""
    lang: str = "en"
    """Language of the answers; readability is defined for en only."""
    subset: str | None = None
    """Toxicity: challenging, toxic, nontoxic, or prompts of a toxicity such as 0.5:0.8."""
    scorers: Annotated[tuple[str, ...], Flag(("--scorer",))] = ()
    """Who scores toxicity; may be repeated: `inherit ls scorers`."""
    limit: Annotated[int | None, Flag(("--limit", "-n"))] = Field(default=None, ge=1)
    """Items a probe, picked by seed."""
    samples: int | None = Field(default=None, ge=1)
    """Answers a prompt."""
    temperature: float | None = Field(default=None, ge=0)
    """0 takes the likeliest token."""
    top_p: float | None = Field(default=None, ge=0, le=1)
    """Nucleus that tokens are drawn from."""
    max_tokens: int | None = Field(default=None, ge=1)
    """New tokens an answer, at most."""
    stop: tuple[str, ...] | None = None
    """Stop before this string; may be repeated."""
    seed: int | None = None
    """Sample i is drawn with seed + i."""
    frame: str | None = None
    """Text with {prompt} in it, for a completions endpoint."""
    system: str = ""
    """System message, for a chat endpoint."""
    order: int = Field(default=0, ge=0)
    """Seed of the order in which BBQ's options are listed by letter."""

    def sampling(self, usual: Sampling) -> Sampling:
        """How text is drawn: as USUAL, but for what is set."""
        said = self.model_dump(include=set(Sampling.model_fields), exclude_none=True)
        return Sampling.model_validate({**usual.model_dump(), **said})
