"""The official files, which no repository holds: `pytest --official=DIR` or INHERIT_OFFICIAL says where they lie."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

OFFICIAL = Path(os.environ.get("INHERIT_OFFICIAL") or "no-official-files")
"""Their folder; where none was named, one that is not there."""
WANTING = "needs the official files"


def needs(*parts: str) -> pytest.MarkDecorator:
    """Skips a test where the folder has no such file."""
    path = OFFICIAL.joinpath(*parts)
    return pytest.mark.skipif(not path.exists(), reason=f"{WANTING}: {'/'.join(parts) or 'their folder'}")
