"""The options that several commands share: one wording, one meaning."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

Suite = Literal["auto", "mini", "paper", "full"]
Format = Literal["table", "md", "csv", "latex", "json"]

Out = Annotated[Path, typer.Option("--out", "-o", help="Folder that holds the runs.")]
Engine = Annotated[
    Literal["auto", "vllm", "local"],
    typer.Option(help="What runs a model without --url; auto takes vLLM where it is installed and a GPU is there."),
]
Url = Annotated[str | None, typer.Option(help="An OpenAI-compatible server, up to and including /v1.")]
Key = Annotated[str, typer.Option(help="NAME of the environment variable that holds the key.")]
Chat = Annotated[bool, typer.Option("--chat", help="Ask through chat messages instead of plain completions.")]
Json = Annotated[bool, typer.Option("--json", help="Print the stored record instead of a table.")]
Model = Annotated[str, typer.Argument(help="demo, a path or hub id (runs here), or a name that --url serves.")]
Run = Annotated[str, typer.Argument(help="A run: its folder, its name or the end of it, or `latest`.")]
Items = Annotated[Suite, typer.Option(help="Whose items; auto takes the paper's where they can be had, else mini.")]
Reading = Annotated[
    Literal["auto", "loglikelihood", "top_logprobs", "letter"],
    typer.Option(help="How choices are read; auto takes the best that the endpoint allows."),
]
Scorers = Annotated[
    list[str] | None, typer.Option("--scorer", help="Who scores toxicity; may be repeated: `inherit ls scorers`.")
]
Subset = Annotated[
    str | None, typer.Option(help="Toxicity: challenging, toxic, nontoxic, or prompts of a toxicity such as 0.5:0.8.")
]
Data = Annotated[
    Path | None, typer.Option("--data", help="Folder of official data files, packed or not; else INHERIT_DATA.")
]
Save = Annotated[
    Path | None, typer.Option(help="Write to a file instead; its ending says how: .md .csv .tex .json .html .png .svg")
]
