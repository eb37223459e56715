"""A LoRA adapter as PEFT saves one: what can be known of it without its base."""

import hashlib
import json
from pathlib import Path

from profiler.errors import BadData

UNHEEDED = ("base_model_name_or_path", "revision", "peft_version")
"""Settings that say where an adapter comes from, and change nothing of what it does."""


def settings(folder: Path) -> dict[str, object]:
    """An adapter's configuration."""
    path = folder / "adapter_config.json"
    try:
        found: dict[str, object] = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise BadData(f"{str(folder)!r} is no LoRA adapter: its adapter_config.json can't be read ({error})") from None
    return found


def base(named: str | Path) -> str | None:
    """The model that an adapter in a folder was trained for; None where there is no adapter."""
    try:
        folder = Path(named).expanduser()
        if not (folder / "adapter_config.json").is_file():
            return None
    except (OSError, RuntimeError, ValueError):  # a text that can't be a path
        return None
    found = settings(folder).get("base_model_name_or_path")
    if not isinstance(found, str):
        raise BadData(f"{str(folder)!r} is an adapter that names no model `base_model_name_or_path`")
    return found


def rank(folder: Path) -> int:
    """The rank of an adapter."""
    found = settings(folder).get("r")
    if not isinstance(found, int):
        raise BadData(f"{str(folder)!r} holds no LoRA adapter: its adapter_config.json names no rank `r`")
    return found


def modules(folder: Path) -> set[str]:
    """The layers that an adapter changes, by the last parts of their names; none where they are told as a pattern."""
    found = settings(folder).get("target_modules")
    return {str(name).rpartition(".")[2] for name in found} if isinstance(found, list) else set()


def digest(folder: Path) -> str:
    """SHA-256 over an adapter's weights and what decides how they are worked in, wherever it was trained."""
    # PEFT keeps names of modules as a set: their order is another in each process.
    heeded = {
        name: sorted(value) if isinstance(value, list) else value
        for name, value in settings(folder).items()
        if name not in UNHEEDED
    }
    whole = hashlib.sha256(json.dumps(heeded, sort_keys=True).encode())
    for path in sorted(folder.glob("adapter_model*.safetensors")):
        with path.open("rb") as file:
            whole.update(hashlib.file_digest(file, "sha256").digest())
    return whole.hexdigest()
