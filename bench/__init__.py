"""Measurements against peers; `python -m bench` runs them and keeps what they print."""

import os
from pathlib import Path

DATA = Path(os.environ.get("INHERIT_OFFICIAL") or "no-official-files")
"""The official files; `make bench` knows where they lie."""
