"""Cards for the hub: `card` of a run or of a data set."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from profiler.cli.console import Out, note
from profiler.errors import BadData
from profiler.files import require_writable, write_whole


def card(
    what: Annotated[str, typer.Argument(help="A run, or a folder that `inherit select` made.")],
    base: Annotated[list[str] | None, typer.Option(help="Also what changed from this run; may be repeated.")] = None,
    save: Annotated[
        Path | None, typer.Option(help="Write to this file; a model card that is there keeps all but our section.")
    ] = None,
    out: Out = Path("runs"),
) -> None:
    """Write the section of a model card that tells a run, or a data set's description in Croissant.

    A run becomes Markdown whose metadata the Hugging Face hub reads (model-index), a selection JSON-LD.
    """
    if save:
        require_writable(save)
    text = data_card(Path(what)) if (Path(what) / "selection.json").is_file() else run_card(what, base or (), out, save)
    if save:
        write_whole(save, text.encode())
        note(str(save))
    else:
        sys.stdout.write(text)


def data_card(folder: Path) -> str:
    """A selection in Croissant."""
    import json

    from selection import croissant, read_selection

    return json.dumps(croissant(read_selection(folder), folder), indent=1, ensure_ascii=False) + "\n"


def run_card(run: str, bases: list[str] | tuple[()], out: Path, save: Path | None) -> str:
    """A run in a model card of its own, or in the one that SAVE holds."""
    from profiler.reporting import model_card
    from profiler.runs import compare, sample_store

    found = sample_store.load(run, out)
    comparisons = [compare.compare(sample_store.load(base, out), found) for base in bases]
    made = model_card.model_card(found.profile, comparisons)
    return model_card.updated(written(save), made) if save and save.exists() else made


def written(card: Path) -> str:
    """A card that is there, which somebody else may have written."""
    try:
        return card.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else error.strerror
        raise BadData(f"can't read {str(card)!r}, whose own words are kept: {why}") from None
