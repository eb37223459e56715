"""Measurements against peers; `python -m bench` runs them and keeps what they print."""

from pathlib import Path

DATA = Path(__file__).parents[2] / "shared" / "data"
"""The official files, where they are at hand."""
