"""The options that several commands share: one wording, one meaning."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

Format = Literal["table", "md", "csv", "latex", "json"]

Out = Annotated[Path, typer.Option("--out", "-o", help="Folder that holds the runs.")]
Url = Annotated[str | None, typer.Option(help="An OpenAI-compatible server, up to and including /v1.")]
Key = Annotated[str, typer.Option(help="NAME of the environment variable that holds the key.")]
Chat = Annotated[bool, typer.Option("--chat", help="Ask through chat messages instead of plain completions.")]
Json = Annotated[bool, typer.Option("--json", help="Print the stored record instead of a table.")]
Model = Annotated[str, typer.Argument(help="demo, a path or hub id (runs here), or a name that --url serves.")]
Run = Annotated[str, typer.Argument(help="A run: its folder, its name or the end of it, or `latest`.")]
Data = Annotated[
    Path | None, typer.Option("--data", help="Folder of official data files, packed or not; else INHERIT_DATA.")
]
Save = Annotated[
    Path | None, typer.Option(help="Write to a file instead; its ending says how: .md .csv .tex .json .html .png .svg")
]
