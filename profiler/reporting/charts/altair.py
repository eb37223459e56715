"""Altair, imported when the first chart is drawn: that takes longer than any table.

A module whose signatures name its types keeps them unread: `from __future__ import annotations`.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from altair import *  # noqa: F403


def __getattr__(name: str) -> object:
    return getattr(import_module("altair"), name)
