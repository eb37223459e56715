"""`--log`: a profile's numbers in the tracker that a user has; a stand-in takes its calls here."""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.support.command import asked, inherit
from tests.support.wire import serving

TRACKERS = ("wandb", "mlflow", "tensorboard", "trackio")


class Recorded(ModuleType):
    """A module whose every function may be called; what the calls were given is kept."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__spec__ = ModuleSpec(name, None)
        self.calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []
        self.run = None

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *args, **named: self.calls.append((name, args, named)) or self

    def __enter__(self) -> Recorded:
        return self

    def __exit__(self, *_: object) -> None:
        self.calls.append(("end", (), {}))

    def numbers(self) -> dict[str, float]:
        """What was logged, under its name."""
        logged = [args for name, args, _ in self.calls if name in ("log", "log_metrics")]
        single = {args[0]: args[1] for name, args, _ in self.calls if name == "add_scalar"}
        return single or dict(*logged[0])


@pytest.mark.parametrize("tracker", TRACKERS)
async def test_the_numbers_of_a_profile_are_logged(
    tracker: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = Recorded("tensorboardX" if tracker == "tensorboard" else tracker)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    async with serving() as wire:
        done = await inherit(
            "profile", "wire", "--url", wire.url, "--prompts", asked(tmp_path), "--out", tmp_path, "--log", tracker
        )
    assert done.code == 0, done.err
    found = module.numbers()
    assert found["attributes/words_low"] <= found["attributes/words"] <= found["attributes/words_high"]
    assert None not in found.values()
    assert not any(one.startswith(f"{other}/") for one in found for other in found)  # MLflow makes folders of names
    assert module.calls[-1][0] in ("end", "finish")


async def test_a_tracker_that_is_not_installed_is_named_before_anything_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("profiler.reporting.trackers.find_spec", lambda _: None)
    async with serving() as wire:
        done = await inherit("profile", "wire", "--url", wire.url, "--out", tmp_path, "--log", "wandb")
        assert done.code == 1
        assert done.err == "inherit: `--log wandb` needs the package wandb: pip install wandb\n"
        assert not wire.bodies
